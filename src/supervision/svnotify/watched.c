/* The services, and reading on in their journals. How far each has been told stands in its
 * supervise/told, so that whoever follows us goes on from there. */

#include <skalibs/nonposix.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/path.h>
#include <lares/shortage.h>

#include "svnotify.h"

#define PATH_ROOM 4096

static void watched_free(struct watched *w) {
  if (w->is_open) follow_close(&w->follow);
  if (w->fd >= 0) close(w->fd);
  free(w->name);
  free(w->mark);
  free(w->path);
  free(w);
}

static struct watched *find(struct notifier const *n, char const *name, char const *mark) {
  for (unsigned i = 0; i < n->count; i++)
    if (!strcmp(n->all[i]->name, name) && !strcmp(n->all[i]->mark, mark)) return n->all[i];
  return 0;
}

static int make_room(struct notifier *n) {
  unsigned room = n->room ? 2 * n->room : 64;
  struct watched **more;

  if (n->count < n->room) return 1;
  more = realloc(n->all, room * sizeof *more);
  if (!more) return 0;
  n->all = more;
  n->room = room;
  return 1;
}

static struct watched *add(struct notifier *n, char const *name, char const *mark,
                           char const *path) {
  struct watched *w = make_room(n) ? calloc(1, sizeof *w) : 0;

  if (!w) return 0;
  w->fd = -1;
  w->look = DEADLINE_NEVER;
  w->name = strdup(name);
  w->mark = strdup(mark);
  w->path = strdup(path);
  if (!w->name || !w->mark || !w->path) return (watched_free(w), (struct watched *)0);
  return n->all[n->count++] = w;
}

/* The directory may be moved while its last changes are still to be told. */
static char const *directory_of(struct watched *w) {
  struct stat st;

  if (w->fd < 0) w->fd = open(w->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (w->fd < 0) return w->path;
  snprintf(w->dir, sizeof w->dir, "/proc/self/fd/%d", w->fd);
  return stat(w->dir, &st) ? w->path : w->dir;
}

static void save(struct notifier *n, struct watched *w, uint64_t sequence) {
  struct told told = {.inode = w->follow.inode, .sequence = sequence};

  if (told_save(w->follow.dir, &told))
    n->said_not_told = 0;
  else if (errno != ENOENT) {
    if (!n->said_not_told)
      report_warning_errno("unable to remember how far `", w->name, "' has been told");
    n->said_not_told = 1;
  }
}

/* Of a service that was there before the hook only what comes is told. */
static int take_after(void *context, struct follow_news const *news) {
  struct notifier *n = ((void **)context)[0];
  uint64_t *skipped = ((void **)context)[1];

  if (news->what != FOLLOW_RECORD) return 1;
  if (stamp_compare(&news->record->at, &n->since) >= 0) return 0;
  *skipped = news->record->sequence;
  return 1;
}

/* Where to begin: 1, or 0 when there is no journal yet. */
static int find_place(struct notifier *n, struct watched *w) {
  struct history_place start = {.seen = 0};
  uint64_t lowest, highest, skipped = 0;
  void *context[] = {n, &skipped};
  struct told told;

  if (!follow_span(&w->follow, &lowest, &highest)) return 0;
  start.seen = lowest ? lowest - 1 : 0;
  w->follow.place = start;
  if (!follow_read(&w->follow, UINT64_MAX, &take_after, context)) return 0;
  w->follow.place = start;
  if (told_load(w->follow.dir, &told) && told.inode == w->follow.inode)
    w->follow.place.seen = told.sequence;
  else { /* at once: should the hook be replaced, it is another's beginning that counts */
    if (skipped) w->follow.place.seen = skipped;
    save(n, w, w->follow.place.seen);
  }
  return 1;
}

void watched_try_open(struct notifier *n, struct watched *w) {
  struct deadline now = clock_now();
  struct state_record state;

  w->look = DEADLINE_NEVER;
  if (w->is_open) {
    w->more = 1;
    return;
  }
  if (!follow_open(&w->follow, directory_of(w)) || w->follow.events.read < 0 ||
      !follow_state(&w->follow, &state) || !find_place(n, w)) {
    follow_close(&w->follow);
    if (!deadline_passed(w->give_up, now)) w->look = deadline_add_ms(now, OPEN_MS);
    return;
  }
  w->is_open = 1;
  w->more = 1;
  w->latest = UINT64_MAX;
}

static void list_later(struct notifier *n, char const *unable, char const *name,
                       char const *quote) {
  if (!n->said_no_list)
    report_warning_errno("unable to ", unable, name, quote, "; trying again");
  n->said_no_list = 1;
  n->list = deadline_add_ms(clock_now(), RETRY_MS);
}

static void list_one(struct notifier *n, char const *name, char const *mark, char const *path) {
  struct watched *w = find(n, name, mark);

  if (!w && !(w = add(n, name, mark, path))) {
    list_later(n, "follow `", name, "'");
    return;
  }
  w->is_listed = 1;
  w->give_up = deadline_add_ms(clock_now(), OPEN_MOST_MS);
  if (w->is_open) follow_renew(&w->follow);
  if (w->is_open && w->follow.events.read < 0) { /* supervise/ is being made anew */
    follow_close(&w->follow);
    w->is_open = 0;
  }
  w->more = 1;
  w->latest = UINT64_MAX;
  watched_try_open(n, w);
}

static void list_record(struct notifier *n, char const *name) {
  char record[PATH_ROOM], mark[PATH_ROOM], log[PATH_ROOM], log_name[PATH_NAME_MAX + 8];
  struct stat st;
  char *path;
  ssize_t len;

  if (!path_join(record, sizeof record, RUNS, name)) return;
  len = readlink(record, mark, sizeof mark - 1);
  if (len < 0 && is_shortage(errno)) list_later(n, "look at ", record, "");
  if (len <= 0) return;
  mark[len] = 0;
  path = strchr(mark, '/');
  if (!path) return;
  list_one(n, name, mark, path);
  if (!path_join(log, sizeof log, path, "log")) return;
  if (stat(log, &st) < 0) {
    if (is_shortage(errno)) list_later(n, "look at ", log, "");
    return;
  }
  if (!S_ISDIR(st.st_mode)) return;
  if (path_join(log_name, sizeof log_name, name, "log")) list_one(n, log_name, mark, log);
}

void watched_list(struct notifier *n) {
  DIR *dir = opendir(RUNS);
  struct dirent *d;

  n->list = DEADLINE_NEVER;
  if (!dir) {
    list_later(n, "list ", RUNS, "");
    return;
  }
  for (unsigned i = 0; i < n->count; i++)
    n->all[i]->is_listed = 0;
  while ((errno = 0, d = readdir(dir)))
    if (d->d_name[0] != '.') list_record(n, d->d_name);
  if (errno) list_later(n, "list ", RUNS, "");
  closedir(dir);
  if (n->list.ns == DEADLINE_NEVER.ns) n->said_no_list = 0;
  for (unsigned i = 0; i < n->count; i++)
    if (!n->all[i]->is_listed) n->all[i]->more = 1; /* its last words */
}

static int take(void *context, struct follow_news const *news) {
  struct watched *w = context;

  if (news->what == FOLLOW_ANEW) return 1;
  w->waiting[w->count].is_lost = news->what == FOLLOW_LOST;
  w->waiting[w->count].first = news->first;
  w->waiting[w->count].last = news->last;
  if (news->record) w->waiting[w->count].record = *news->record;
  w->count++;
  return news->what == FOLLOW_LOST;
}

int watched_read(struct notifier *n, struct watched *w) {
  (void)n;
  if (w->count) return 1;
  if (!w->more || !w->is_open) return 0;
  if (follow_read(&w->follow, w->latest, &take, w)) {
    if (!w->count) w->more = 0;
    return w->count != 0;
  }
  w->more = 0;
  if (errno != ENOENT && (w->is_listed || !deadline_passed(w->give_up, clock_now())))
    w->look = deadline_add_ms(clock_now(), FOLLOW_RETRY_MS);
  return w->count != 0;
}

void watched_told(struct notifier *n, struct watched *w) {
  save(n, w, w->waiting[0].is_lost ? w->waiting[0].last : w->waiting[0].record.sequence);
  w->waiting[0] = w->waiting[1];
  w->count--;
}

void watched_remove_gone(struct notifier *n) {
  unsigned kept = 0;

  for (unsigned i = 0; i < n->count; i++) {
    struct watched *w = n->all[i];
    if (w->is_listed || w->pid || w->count || (w->more && w->is_open) ||
        (w->is_open && w->look.ns != DEADLINE_NEVER.ns))
      n->all[kept++] = w;
    else
      watched_free(w);
  }
  n->count = kept;
}

/* Whoever puts a hook there again does not want to be told of what happened in between. */
void watched_forget_all(struct notifier *n) {
  for (unsigned i = 0; i < n->count; i++)
    (void)told_forget(n->all[i]->is_open ? n->all[i]->follow.dir : n->all[i]->path);
}
