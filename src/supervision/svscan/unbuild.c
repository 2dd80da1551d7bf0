/* Taking away what was built (built.c), when its definition has gone. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/path.h>

#include "built.h"

void built_prune(char const *name) {
  char from[PATH_SIZE], dir[PATH_SIZE], log[PATH_SIZE];
  struct level l = {.dir = name, .from = from, .keeps_down = 1};
  struct level inner = {.dir = dir, .from = log, .keeps_down = 1};

  if (!built_from(name, from, sizeof from) || !path_join(log, sizeof log, from, "log") ||
      !path_join(dir, sizeof dir, name, "log"))
    return;
  (void)built_each_name(name, built_remove_stale, &l);
  (void)built_each_name(dir, built_remove_stale, &inner);
}

/* Files and links; of directories those that are ours to remove are empty by now. */
static int remove_name(void *context, char const *name) {
  char const *dir = context;
  char path[PATH_SIZE];

  if (!path_join(path, sizeof path, dir, name)) return 0;
  return !unlink(path) || errno == EISDIR || errno == EPERM || errno == ENOENT;
}

static int remove_tree_of(char const *dir, char const *name) {
  char path[PATH_SIZE];

  if (!path_join(path, sizeof path, dir, name)) return 0;
  if (!built_each_name(path, remove_name, path)) return errno == ENOENT || errno == ENOTDIR;
  return !rmdir(path) || errno == ENOENT || errno == ENOTEMPTY;
}

/* Links that lead into the definition, and a `down` that a command has made. */
static int remove_link(void *context, char const *name) {
  struct level const *l = context;
  char path[PATH_SIZE], text[PATH_SIZE], was[PATH_SIZE];
  struct stat st;

  if (!path_join(path, sizeof path, l->dir, name) || !path_join(was, sizeof was, l->from, name))
    return 0;
  if (!strcmp(name, "down") && !lstat(path, &st) && !st.st_size) return !unlink(path);
  if (!built_read_link(path, text, sizeof text) || strcmp(text, was)) return 1;
  return !unlink(path);
}

/* But for lines that no logger has had. */
static int remove_supervise(char const *dir) {
  static char const *const inner[] = {"event", "dependents", "needs"};
  char path[PATH_SIZE], rest[PATH_SIZE];
  struct stat st;

  if (!path_join(path, sizeof path, dir, "supervise") ||
      !path_join(rest, sizeof rest, path, "rest"))
    return 0;
  if (!lstat(rest, &st) && st.st_size) return 1;
  if (built_is_held(dir)) return (errno = EBUSY, 0);
  for (unsigned i = 0; i < sizeof inner / sizeof *inner; i++)
    if (!remove_tree_of(path, inner[i])) return 0;
  return remove_tree_of(dir, "supervise");
}

int built_is_held(char const *dir) {
  char path[PATH_SIZE];
  int fd, held;

  if (!path_join(path, sizeof path, dir, "supervise/lock")) return 1;
  fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return is_shortage(errno);
  held = flock(fd, LOCK_SH | LOCK_NB) < 0;
  close(fd);
  return held;
}

/* While either supervisor runs the logger goes on. Then what it has written is kept under a
 * name that is no service's. */
int built_drop_log(char const *name, struct level *log) {
  char mark[PATH_SIZE], kept[PATH_SIZE];

  if (!path_join(mark, sizeof mark, log->dir, BUILT) ||
      !path_join(kept, sizeof kept, name, KEPT_LOG))
    return 0;
  if (!built_is_directory(log->dir) || built_is_held(log->dir) || built_is_held(name)) return 1;
  if (!built_each_name(log->dir, built_remove_stale, log) || !remove_supervise(log->dir))
    return 0;
  if (unlink(mark) < 0) return 0;
  return !rmdir(log->dir) || !rename(log->dir, kept) || errno == EEXIST || errno == ENOTEMPTY;
}

/* Was it built from a definition of its own name, not from a template? */
static int is_own(char const *name, char const *from) {
  size_t len;
  char const *base = path_base(from, &len);

  return len == strlen(name) && !memcmp(base, name, len);
}

/* Nothing in it but the mark: -1 when that cannot be told now, with errno. */
static int is_bare(char const *name) {
  struct dirent *d;
  int bare = 1, error;
  DIR *dir = opendir(name);

  if (!dir) return -1;
  while (bare && (errno = 0, d = readdir(dir)))
    bare = !strcmp(d->d_name, BUILDING) || !strcmp(d->d_name, ".") || !strcmp(d->d_name, "..");
  error = bare ? errno : 0;
  closedir(dir);
  return error ? (errno = error, -1) : bare;
}

/* What is not ours (logs, files of the service) stays, and with it the directory. From here on
 * it is one that is still to be built, so that it will have its `down` again. */
int built_remove(char const *name) {
  char from[PATH_SIZE], dir[PATH_SIZE], log[PATH_SIZE], mark[PATH_SIZE], begun[PATH_SIZE];
  struct level l = {.dir = name, .from = from}, inner = {.dir = dir, .from = log, .is_log = 1};
  int bare;

  if (!built_from(name, from, sizeof from) || !path_join(log, sizeof log, from, "log") ||
      !path_join(dir, sizeof dir, name, "log") || !path_join(mark, sizeof mark, name, BUILT) ||
      !path_join(begun, sizeof begun, name, BUILDING))
    return 0;
  if (rename(mark, begun) < 0 && errno != ENOENT) return 0;
  if (built_is_directory(dir) &&
      !(built_each_name(dir, remove_link, &inner) && remove_supervise(dir)))
    return 0;
  if (path_join(log, sizeof log, dir, BUILT)) (void)unlink(log);
  (void)rmdir(dir);
  if (!built_each_name(name, remove_link, &l) || !remove_supervise(name)) return 0;
  if (path_join(log, sizeof log, name, BUILDING ".new")) (void)unlink(log);
  /* Of an instance the directory itself was the wish for it. */
  if (!is_own(name, from)) return !unlink(begun);
  bare = is_bare(name);
  if (bare <= 0) return !bare;
  /* Killed in between, we leave nothing that nobody knows. */
  built_clear_place();
  if (!rename(name, PLACE)) {
    built_clear_place();
    return 1;
  }
  return !unlink(begun) && !rmdir(name);
}
