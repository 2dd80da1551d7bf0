/* Learning of changes: one inotify instance. Watched are each log directory (lines, names), and
 * the directories on the way to it as far as they were not named: they may be made, removed,
 * moved. Where there is no inotify, or it does not see what others do, everything is looked at
 * once a second. */

#include <skalibs/nonposix.h>
#include "logtail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/inotify.h>
#endif

#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/path.h>

#define PATH_SIZE 4096
#define POLL_MS 1000
#define PAUSE_MS 200

struct entry {
  int number;       /* of the watch */
  struct source *s; /* borrowed; null: a directory on the way */
};
struct watch {
  int fd;
  int polls;
  struct entry *entries; /* owned */
  unsigned count, room;
};

static void poll_instead(struct watch *w, char const *why) {
  if (!w->polls) strerr_warnw("looking for changes once a second: ", why);
  w->polls = 1;
}

static void everything(struct tail *t) {
  t->look = 1;
  for (unsigned i = 0; i < t->source_count; i++)
    t->sources[i]->dirty = 1;
}

#ifdef __linux__

#define NAMES                                                                                  \
  (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)

static void keep(struct watch *w, int number, struct source *s) {
  for (unsigned i = 0; i < w->count; i++)
    if (w->entries[i].number == number && w->entries[i].s == s) return;
  if (w->count == w->room) {
    w->room = w->room ? 2 * w->room : 64;
    w->entries = realloc(w->entries, w->room * sizeof *w->entries);
    if (!w->entries) strerr_diefusys(EXIT_SYSTEM, "watch so many directories");
  }
  w->entries[w->count++] = (struct entry){number, s};
}

static int add(struct watch *w, char const *dir, uint32_t events, struct source *s) {
  int number;

  if (w->fd < 0) return 0;
  if (path_is_remote(dir)) poll_instead(w, "a network file system does not tell of them");
  number = inotify_add_watch(w->fd, dir, events | IN_ONLYDIR | IN_MASK_ADD);
  if (number >= 0) return (keep(w, number, s), 1);
  if (errno != ENOENT && errno != ENOTDIR) poll_instead(w, strerror(errno));
  return 0;
}

int watch_begin(struct tail *t) {
  t->watch = calloc(1, sizeof *t->watch);
  if (!t->watch) return 0;
  t->watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (t->watch->fd < 0) poll_instead(t->watch, strerror(errno));
  return 1;
}

void watch_files(struct tail *t, struct source *s) {
  if (t->watch) add(t->watch, s->path, NAMES | IN_MODIFY, s);
}

void watch_path(struct tail *t, char const *dir) {
  if (t->watch) add(t->watch, dir, NAMES, 0);
}

/* Of the last part: nothing is above "web" but ".". */
static int above(char dir[PATH_SIZE]) {
  size_t len;
  char const *base = path_base(dir, &len);

  if (!len || !strcmp(dir, ".") || *base == '/') return 0;
  if (base == dir) return (strcpy(dir, "."), 1);
  dir[base - dir] = 0;
  len = (size_t)(base - dir);
  while (len > 1 && dir[len - 1] == '/')
    dir[--len] = 0;
  return 1;
}

void watch_above(struct tail *t, char const *path) {
  char dir[PATH_SIZE];

  if (!t->watch || strlen(path) >= sizeof dir) return;
  strcpy(dir, path);
  while (above(dir))
    if (add(t->watch, dir, NAMES, 0)) return;
}

static void forget(struct watch *w, int number) {
  for (unsigned i = 0; i < w->count;)
    if (w->entries[i].number == number)
      w->entries[i] = w->entries[--w->count];
    else
      i++;
}

/* Files that come and go in a directory of logs are that source's matter alone: to look through
 * a thousand services at each rotation would cost more than all else. */
static void heard(struct tail *t, struct inotify_event const *event) {
  struct watch *w = t->watch;
  int of_logs = 0, is_on_the_way = 0;

  if (event->mask & IN_Q_OVERFLOW) everything(t);
  for (unsigned i = 0; i < w->count; i++) {
    if (w->entries[i].number != event->wd) continue;
    if (w->entries[i].s)
      w->entries[i].s->dirty = of_logs = 1;
    else
      is_on_the_way = 1;
  }
  if (is_on_the_way && !(event->mask & IN_MODIFY) && (!of_logs || event->mask & IN_ISDIR))
    t->look = 1;
  if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) t->look = 1;
  if (event->mask & IN_IGNORED) forget(w, event->wd);
}

static void hear(struct tail *t) {
  union {
    struct inotify_event event;
    char bytes[16384];
  } buf;
  ssize_t got;

  while ((got = read(t->watch->fd, buf.bytes, sizeof buf.bytes)) > 0)
    for (ssize_t at = 0; at < got;) {
      struct inotify_event const *event = (struct inotify_event const *)(buf.bytes + at);
      heard(t, event);
      at += (ssize_t)(sizeof *event + event->len);
    }
  if (got < 0 && errno != EAGAIN) { /* or it would wake us at once again */
    clock_pause(PAUSE_MS);
    everything(t);
  }
}

#else

int watch_begin(struct tail *t) {
  t->watch = calloc(1, sizeof *t->watch);
  if (!t->watch) return 0;
  t->watch->fd = -1;
  poll_instead(t->watch, "there is no inotify");
  return 1;
}

void watch_files(struct tail *t, struct source *s) {
  (void)t;
  (void)s;
}

void watch_path(struct tail *t, char const *dir) {
  (void)t;
  (void)dir;
}

void watch_above(struct tail *t, char const *path) {
  (void)t;
  (void)path;
}

static void hear(struct tail *t) {
  (void)t;
}

#endif

/* What could not be read just now. */
static int is_to_retry(struct tail const *t) {
  for (unsigned i = 0; i < t->source_count; i++)
    if (t->sources[i]->retry) return 1;
  return t->look_again;
}

/* Nobody reads a pipe any more when that says POLLERR. */
int watch_wait(struct tail *t) {
  struct pollfd fds[] = {{.fd = t->watch->fd, .events = POLLIN}, {.fd = 1}};
  struct deadline until = DEADLINE_NEVER;
  int ready;

  if (t->watch->polls || is_to_retry(t)) until = deadline_add_ms(clock_now(), POLL_MS);
  ready = clock_poll(fds, 2, until);
  if (ready < 0) strerr_diefusys(EXIT_SYSTEM, "wait for events");
  if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL)) return 0;
  if (fds[0].revents) hear(t);
  if (!ready) everything(t);
  return 1;
}
