/* Learning of changes: one inotify instance. Watched are
 *   - the scan directory, for names that appear and vanish;
 *   - the directories that hold the targets of links, for the targets being moved or deleted
 *     (the target itself would not report it: its supervisor's working directory keeps it);
 *   - an entry's own directory as long as its `run` or its log/ are still to come.
 * A directory has one watch however many need it, so a number is given up only when no entry
 * has it any more. Where there is no inotify, or it does not see what others do (network file
 * systems), everything is looked at every POLL_MS. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/inotify.h>
#endif

#include <lares/path.h>

static void poll_instead(struct scan *s, char const *why) {
  if (!s->polls) report_warning("looking at the scan directory every 5 seconds: ", why);
  s->polls = 1;
  scan_later(s, POLL_MS);
}

#ifdef __linux__

#define APPEARS (IN_CREATE | IN_MOVED_TO)
#define EVENTS                                                                                 \
  (APPEARS | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE_SELF |         \
   IN_MOVE_SELF)

static int add(struct scan *s, char const *path, uint32_t events) {
  int watch;

  if (s->inotify < 0) return -1;
  watch = inotify_add_watch(s->inotify, path, events | IN_ONLYDIR | IN_EXCL_UNLINK);
  if (watch < 0 && errno == EEXIST) /* somebody needs more of it */
    watch = inotify_add_watch(s->inotify, path, EVENTS | IN_ONLYDIR | IN_EXCL_UNLINK);
  if (watch >= 0 || errno == ENOENT || errno == ENOTDIR) return watch;
  if (trouble(s, TROUBLE_WATCH)) report_warning_errno("unable to watch ", path);
  poll_instead(s, "not everything can be watched");
  return -1;
}

int watch_add(struct scan *s, char const *path) {
  return add(s, path, EVENTS);
}

int watch_add_appearing(struct scan *s, char const *path) {
#ifdef IN_MASK_CREATE
  return add(s, path, APPEARS | IN_MASK_CREATE);
#else
  return add(s, path, EVENTS);
#endif
}

/* 2 stands for more, too. */
static unsigned users_of(struct scan const *s, int watch) {
  unsigned users = (s->watch == watch) + (s->definitions.watch == watch);

  for (uint32_t i = 0; i < s->top && users < 2; i++) {
    struct entry const *e = s->table[i];
    if (!e) continue;
    users += (e->watch_dir == watch) + (e->watch_log == watch) + (e->watch_parent == watch) +
             (e->watch_definition == watch) + (e->watch_definition_log == watch);
  }
  return users;
}

void watch_reduce(struct scan *s, char const *path, int watch) {
  if (users_of(s, watch) == 1)
    (void)inotify_add_watch(s->inotify, path, APPEARS | IN_ONLYDIR | IN_EXCL_UNLINK);
}

void watch_drop(struct scan *s, int *watch) {
  int old = *watch;

  *watch = -1;
  if (old >= 0 && !users_of(s, old)) (void)inotify_rm_watch(s->inotify, old);
}

/* Where a link leads: its text, or when that is a link again the end of the chain. */
static int target_of(char const *name, char path[PATH_SIZE]) {
  char further[1];
  ssize_t len = readlink(name, path, PATH_SIZE - 1);
  char *end;

  if (len <= 0) return 0;
  path[len] = 0;
  if (readlink(path, further, 1) < 0) return 1;
  end = realpath(name, 0);
  if (!end) return errno != ENOMEM;
  if (strlen(end) < PATH_SIZE) memcpy(path, end, strlen(end) + 1);
  free(end);
  return 1;
}

void watch_target(struct scan *s, struct entry *e) {
  char path[PATH_SIZE];
  char const *base;
  size_t len;

  watch_drop(s, &e->watch_parent);
  if (s->inotify < 0 || !(e->flags & ENTRY_LINK) || !target_of(e->name, path)) return;
  base = path_base(path, &len);
  e->target_hash = hash_bytes(base, len);
  if (base == path)
    memcpy(path, ".", 2);
  else
    path[base - path] = 0;
  e->watch_parent = watch_add(s, path);
}

void watch_end(struct scan *s) {
  if (s->inotify >= 0) close(s->inotify);
  s->inotify = s->watch = s->definitions.watch = -1;
  for (uint32_t i = 0; i < s->top; i++) {
    struct entry *e = s->table[i];
    if (e) e->watch_dir = e->watch_log = e->watch_parent = -1;
    if (e) e->watch_definition = e->watch_definition_log = -1;
  }
}

void watch_start(struct scan *s) {
  watch_end(s);
  s->polls = 0;
  s->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (s->inotify < 0) {
    report_warning_errno("unable to use inotify");
    poll_instead(s, "no inotify");
    return;
  }
  s->watch = watch_add(s, ".");
  if (s->watch < 0) poll_instead(s, "it cannot be watched");
  watch_check_remote(s, ".");
}

void watch_check_remote(struct scan *s, char const *path) {
  if (path_is_remote(path))
    poll_instead(s, "changes made elsewhere on this file system are not reported");
}

/* Everything anew, for what is known already. */
void watch_all(struct scan *s) {
  watch_start(s);
  definitions_watch(s);
  for (uint32_t i = 0; i < s->top; i++) {
    struct entry *e = s->table[i];
    if (!e) continue;
    watch_target(s, e);
    if (e->phase == PHASE_ACTIVE) definition_watch(s, e);
    if (e->phase == PHASE_ACTIVE) settle_watch(s, e);
  }
}

#else

void watch_all(struct scan *s) {
  (void)s;
}
void watch_start(struct scan *s) {
  poll_instead(s, "no inotify on this system");
}
void watch_end(struct scan *s) {
  (void)s;
}
void watch_check_remote(struct scan *s, char const *path) {
  (void)s;
  (void)path;
}
int watch_add(struct scan *s, char const *path) {
  (void)s;
  (void)path;
  return -1;
}
int watch_add_appearing(struct scan *s, char const *path) {
  return watch_add(s, path);
}
void watch_reduce(struct scan *s, char const *path, int watch) {
  (void)s;
  (void)path;
  (void)watch;
}
void watch_target(struct scan *s, struct entry *e) {
  (void)s;
  (void)e;
}
void watch_drop(struct scan *s, int *watch) {
  (void)s;
  *watch = -1;
}

#endif
