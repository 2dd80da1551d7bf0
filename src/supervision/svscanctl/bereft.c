/* Supervisors whose supervise/ was taken away (git clean, rsync --delete). They run on, and so
 * does what they supervise, but nobody can command or ask them, and the scanner, whose children
 * they are, need not do anything. They are told by their working directory, which is the
 * service's, and the removed files that they hold. */

#include <skalibs/nonposix.h>
#include "svscanctl.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/path.h>

#define PROC_PATH (PATH_PROC + sizeof "/cmdline")

static int ends_in(char const *text, char const *end) {
  size_t len = strlen(text), less = strlen(end);

  return len >= less && !strcmp(text + len - less, end);
}

/* Does it hold the two that only a supervisor has, removed? */
static int has_removed_files(char const *fds) {
  DIR *dir = opendir(fds);
  int lock = 0, ok = 0;
  struct dirent *d;

  if (!dir) return 0;
  while ((d = readdir(dir))) {
    char target[PATH_SIZE];
    ssize_t len = readlinkat(dirfd(dir), d->d_name, target, sizeof target - 1);
    if (len < 0) continue;
    target[len] = 0;
    lock |= ends_in(target, "/lock (deleted)");
    ok |= ends_in(target, "/ok (deleted)");
  }
  closedir(dir);
  return lock && ok;
}

/* What there is no memory or right to see is not known of: then it is waited for. */
void bereft_read(struct bereft *all) {
  DIR *dir = opendir("/proc");
  struct dirent *d;

  all->count = 0;
  while (dir && (d = readdir(dir))) {
    char path[PROC_PATH];
    int32_t *more;
    uint32_t pid;
    if (!uint320_scan(d->d_name, &pid) || !pid || pid > INT32_MAX) continue;
    path_of_process(path, (int32_t)pid, "/fd");
    if (!has_removed_files(path)) continue;
    more = realloc(all->list, (all->count + 1) * sizeof *more);
    if (!more) break;
    all->list = more;
    more[all->count++] = (int32_t)pid;
  }
  if (dir) closedir(dir);
}

int32_t bereft_find(struct bereft const *all, char const *name) {
  struct stat there, cwd;

  if (!all->count || stat(name, &there) < 0) return 0;
  for (size_t i = 0; i < all->count; i++) {
    char path[PROC_PATH];
    path_of_process(path, all->list[i], "/cwd");
    if (!stat(path, &cwd) && cwd.st_dev == there.st_dev && cwd.st_ino == there.st_ino)
      return all->list[i];
  }
  return 0;
}
