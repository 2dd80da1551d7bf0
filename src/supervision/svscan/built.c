/* A service that is built: SCAN/NAME is a directory of links to the files of a definition, so
 * that supervise/, `down` and whatever else belongs to this name alone is apart from it. log/
 * is a directory of links likewise. Which definition that is, is said by a link `.definition`,
 * by which others' directories are told from ours; it is made last, under another name until
 * all is there, as we may be killed in the middle.
 *
 * `down` is linked when the directory is made, never again: a command takes it away, or puts
 * its own there, to be remembered. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/path.h>

#include "built.h"

int built_read_link(char const *path, char *text, size_t size) {
  ssize_t len = readlink(path, text, size - 1);

  if (len < 0) return 0;
  if ((size_t)len == size - 1) return (errno = ENAMETOOLONG, 0);
  text[len] = 0;
  return 1;
}

static int read_mark(char const *name, char const *mark, char *path, size_t size) {
  char link[PATH_SIZE];

  return path_join(link, sizeof link, name, mark) && built_read_link(link, path, size);
}

int built_from(char const *name, char *path, unsigned size) {
  if (read_mark(name, BUILT, path, size)) return 1;
  return !is_shortage(errno) && read_mark(name, BUILDING, path, size);
}

int built_is_directory(char const *path) {
  struct stat st;

  errno = 0;
  return !stat(path, &st) && S_ISDIR(st.st_mode);
}

int built_each_name(char const *dir, int (*each)(void *context, char const *name),
                    void *context) {
  DIR *open = opendir(dir);
  struct dirent *d = 0;
  int error = 0;

  if (!open) return 0;
  while (!error && (errno = 0, d = readdir(open)))
    if (d->d_name[0] != '.' && !each(context, d->d_name)) error = errno ? errno : ECANCELED;
  if (!d && errno) error = errno;
  closedir(open);
  return error ? (errno = error, 0) : 1;
}

static int nothing(void *context, char const *name) {
  (void)context;
  (void)name;
  return 0;
}

int built_may(char const *name, int must_exist) {
  char path[PATH_SIZE];
  struct stat st;

  if (lstat(name, &st) < 0) return errno == ENOENT && !must_exist;
  if (!S_ISDIR(st.st_mode) || !path_join(path, sizeof path, name, BUILDING)) return 0;
  return !lstat(path, &st) || built_each_name(name, nothing, 0);
}

int built_remove_stale(void *context, char const *name) {
  struct level const *l = context;
  char path[PATH_SIZE], text[PATH_SIZE], was[PATH_SIZE], is[PATH_SIZE];
  struct stat st;

  if (l->keeps_down && !strcmp(name, "down")) return 1;
  if (!path_join(path, sizeof path, l->dir, name) ||
      !built_read_link(path, text, sizeof text) ||
      !path_join(was, sizeof was, l->before ? l->before : l->from, name) || strcmp(was, text))
    return 1;
  if (!path_join(is, sizeof is, l->from, name)) return 0;
  if (!strcmp(is, text) && (!lstat(is, &st) || errno != ENOENT)) return 1;
  return !unlink(path);
}

static int is_linked(struct level const *l, char const *name) {
  if (!strcmp(name, "supervise") || !strcmp(name, "event")) return 0;
  return strcmp(name, "down") || l->fresh;
}

static int add_link(void *context, char const *name) {
  struct level const *l = context;
  char path[PATH_SIZE], target[PATH_SIZE];

  if (!is_linked(l, name)) return 1;
  if (!path_join(path, sizeof path, l->dir, name) ||
      !path_join(target, sizeof target, l->from, name))
    return 0;
  if (!l->is_log && !strcmp(name, "log")) {
    if (built_is_directory(target)) return 1; /* the next level */
    if (is_shortage(errno)) return 0;
  }
  return !symlink(target, path) || errno == EEXIST;
}

static int link_level(struct level *l) {
  return built_each_name(l->dir, built_remove_stale, l) &&
         built_each_name(l->from, add_link, l);
}

static int make_directory(char const *path) {
  return !mkdir(path, 0755) && !chmod(path, 0755); /* whatever the umask */
}

/* One that was there before has its logs again. */
static int make_log(char const *name, char const *dir) {
  char kept[PATH_SIZE];

  if (built_is_directory(dir)) return 1;
  if (path_join(kept, sizeof kept, name, KEPT_LOG) && !rename(kept, dir)) return 1;
  return make_directory(dir) || errno == EEXIST;
}

/* It has a mark of its own, made last. */
static int link_log(char const *name, char const *from, char const *before) {
  char dir[PATH_SIZE], log[PATH_SIZE], log_before[PATH_SIZE], mark[PATH_SIZE];
  struct level l = {.dir = dir, .from = log, .before = before ? log_before : 0, .is_log = 1};
  struct stat st;

  if (!path_join(log, sizeof log, from, "log") || !path_join(dir, sizeof dir, name, "log") ||
      !path_join(mark, sizeof mark, dir, BUILT) ||
      (before && !path_join(log_before, sizeof log_before, before, "log")))
    return 0;
  l.fresh = lstat(mark, &st) < 0;
  if (l.fresh && is_shortage(errno)) return 0;
  if (!built_is_directory(log))
    return !is_shortage(errno) && (l.fresh || built_drop_log(name, &l));
  if (!make_log(name, dir)) return 0;
  if (!built_is_directory(dir)) return 1; /* somebody's own */
  return link_level(&l) && (!l.fresh || !symlink(log, mark));
}

void built_clear_place(void) {
  (void)unlink(PLACE "/" BUILDING);
  (void)rmdir(PLACE);
}

/* Marked before it has its name: killed in between, we leave nothing that nobody knows. */
static int make(char const *name, char const *from) {
  if (built_is_directory(name)) return 1;
  built_clear_place();
  if (make_directory(PLACE) && !symlink(from, PLACE "/" BUILDING) && !rename(PLACE, name))
    return 1;
  return make_directory(name) || errno == EEXIST;
}

/* There is no moment in which it has no mark. */
static int mark_begun(char const *name, char const *from, char const *begun) {
  char text[PATH_SIZE], new[PATH_SIZE];

  if (built_read_link(begun, text, sizeof text) && !strcmp(text, from)) return 1;
  if (!path_join(new, sizeof new, name, BUILDING ".new")) return 0;
  (void)unlink(new);
  return !symlink(from, new) && !rename(new, begun);
}

int built_sync(char const *name, char const *from) {
  char mark[PATH_SIZE], begun[PATH_SIZE], before[PATH_SIZE];
  struct level l = {.dir = name, .from = from};
  struct stat st;
  int same;

  if (!path_join(mark, sizeof mark, name, BUILT) ||
      !path_join(begun, sizeof begun, name, BUILDING))
    return 0;
  if (!make(name, from)) return 0;
  if (built_read_link(mark, before, sizeof before))
    l.before = before;
  else if (is_shortage(errno)) /* is no reason to link `down' again */
    return 0;
  else
    l.fresh = 1;
  same = l.before && !strcmp(before, from) && lstat(begun, &st) < 0;
  if (!same && !mark_begun(name, from, begun)) return 0;
  if (!link_level(&l) || !link_log(name, from, l.before)) return 0;
  return same || !rename(begun, mark);
}
