/* A logger's supervisor whose log/ was taken out of the service's directory, or removed, while
 * it runs. Who has started it knows its pid; another scanner, or a newer image, would not look
 * for what has no directory: logger and supervisor would stay when everything else has stopped.
 * It is known by what it was told to supervise, and by being our child or in a directory whose
 * parent is the service's (that is so of a removed one too). One that is in
 * another place when its scanner has died is not found. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/types.h>

#include <lares/path.h>
#include <lares/status.h>

/* As its arguments say: the first is its name, the last what it supervises. */
static int was_told(struct entry const *e, uint32_t pid) {
  char path[PATH_PROC + sizeof "/cmdline"], text[PATH_SIZE], name[PATH_SIZE];
  size_t want = strlen(slot_name(e, LOGGER, name)) + 1, len;
  int fd;

  path_of_process(path, (int32_t)pid, "/cmdline");
  fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -is_shortage(errno);
  errno = 0;
  len = allread(fd, text, sizeof text);
  close(fd);
  if (!len && is_shortage(errno)) return -1;
  return len > want && len < sizeof text && !text[len - 1] &&
         !strcmp(text, "lares-supervise") && !text[len - want - 1] &&
         !memcmp(text + len - want, name, want);
}

static int is_there(struct entry const *e, uint32_t pid) {
  char path[PATH_PROC + sizeof "/cwd/.."];
  struct stat st;
  int32_t wstat;

  if (child_peek((pid_t)pid, &wstat) >= 0) return 1;
  path_of_process(path, (int32_t)pid, "/cwd/..");
  if (stat(path, &st) < 0) return -is_shortage(errno);
  return st.st_dev == e->dev && st.st_ino == e->ino;
}

/* 1 when that is it, and is the slot's from now on. -1: that cannot be told. */
static int try_process(struct scan *s, struct entry *e, uint32_t pid) {
  struct identity who;
  enum which which;
  int pidfd, is;

  if (pid_find(s, (int32_t)pid, &which)) return 0;
  is = was_told(e, pid);
  if (is == 1) is = is_there(e, pid);
  if (is != 1) return is;
  if (!identity_of(&s->abilities, (pid_t)pid, &who)) return -is_shortage(errno);
  if (identity_prove(&s->abilities, &who, &pidfd) == IDENTITY_GONE) return 0;
  if (was_told(e, pid) != 1) { /* another one by now */
    if (pidfd >= 0) close(pidfd);
    return 0;
  }
  e->slot[LOGGER].flags |= SLOT_ASTRAY | SLOT_PROBED;
  found_take(s, e, LOGGER, (int32_t)pid, pidfd);
  return 1;
}

int outside_find(struct scan *s, struct entry *e) {
  struct state_record state;
  char path[PATH_SIZE];
  int found = 0, failed = 0;
  struct dirent *d;
  uint32_t pid;
  DIR *dir;

  if (!slot_path(s, e, SERVICE, "", path) || !state_record_load(path, &state))
    return -is_shortage(errno);
  if (state.boot != s->abilities.boot || !(state.marks & MARK_HAS_LOG)) return 0;
  dir = opendir("/proc");
  if (!dir) return -is_shortage(errno);
  while (found != 1 && (errno = 0, d = readdir(dir))) {
    if (!uint320_scan(d->d_name, &pid)) continue;
    found = try_process(s, e, pid);
    if (found < 0) failed = 1;
  }
  if (is_shortage(errno)) failed = 1;
  closedir(dir);
  return found == 1 ? 1 : -failed;
}
