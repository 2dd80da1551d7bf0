/* Who supervises here: answered by the locks alone, without asking the scanner. */

#include <skalibs/nonposix.h>
#include "svscanctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/child.h>
#include <lares/path.h>
#include <lares/status.h>

#define SIGN_TRIES 5
#define SIGN_MS 1

/* Of this boot and pid namespace: elsewhere the number says nothing of processes here. */
static int is_from_here(struct identity const *who) {
  static struct child_abilities here;

  return (here.boot || child_probe_abilities(&here)) && who->boot == here.boot;
}

/* Who has just taken it has not signed yet: it is still the one before, who is dead. */
static int32_t holder(int fd) {
  struct identity_record r;

  for (unsigned i = 0;; i++) {
    int32_t pid = identity_record_read(fd, &r) && r.state == IDENTITY_RUNNING ? r.who.pid : 0;
    if (pid && (!is_from_here(&r.who) || !process_has_ended(pid))) return pid;
    if (i == SIGN_TRIES) return 0;
    clock_pause(SIGN_MS);
  }
}

/* Taken shared for a moment where it is free, as the scanner does; who wants it tries again. */
int look_at_lock(char const *file, int32_t *pid) {
  struct stat st;
  int held = 0;
  int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

  *pid = 0;
  if (fd < 0) return (errno = errno == EACCES ? EACCES : 0, 0);
  if (!fstat(fd, &st) && S_ISREG(st.st_mode) && flock(fd, LOCK_SH | LOCK_NB) < 0 &&
      errno == EWOULDBLOCK) {
    held = 1;
    *pid = holder(fd);
  }
  close(fd);
  errno = 0;
  return held;
}

int look_at_supervisors(void (*each)(void *, char const *, int32_t), void *context,
                        unsigned *closed) {
  static char const *const slots[] = {"", "/log"};
  DIR *dir = opendir(".");
  struct dirent *d;

  *closed = 0;
  if (!dir) return 0;
  while (errno = 0, (d = readdir(dir)))
    for (unsigned i = 0; path_is_service_name(d->d_name) && i < 2; i++) {
      char name[PATH_NAME_MAX + 8], lock[PATH_NAME_MAX + 32];
      int32_t pid;
      strcpy(name, d->d_name);
      strcat(name, slots[i]);
      strcpy(lock, name);
      strcat(lock, "/supervise/lock");
      if (!look_at_lock(lock, &pid))
        *closed += errno == EACCES;
      else if (pid)
        each(context, name, pid);
    }
  {
    int saved = errno;
    closedir(dir);
    errno = saved;
  }
  return !errno;
}

int look_runs(int32_t pid, char const *path) {
  struct stat runs, there;
  char exe[PATH_PROC + sizeof "/exe"];

  path_of_process(exe, pid, "/exe");
  return !stat(exe, &runs) && !stat(path, &there) && runs.st_dev == there.st_dev &&
         runs.st_ino == there.st_ino;
}

int look_is_new(int32_t pid, char const *bindir, char const *program) {
  static char const gone[] = " (deleted)";
  char exe[PATH_PROC + sizeof "/exe"], path[PATH_SIZE];

  if (bindir) {
    if (!path_join(path, sizeof path, bindir, program)) return 0;
  } else {
    ssize_t len;
    path_of_process(exe, pid, "/exe");
    len = readlink(exe, path, sizeof path - 1);
    if (len <= 0) return 0;
    path[len] = 0;
    if ((size_t)len >= sizeof gone && !strcmp(path + len - (sizeof gone - 1), gone))
      path[(size_t)len - (sizeof gone - 1)] = 0;
  }
  return look_runs(pid, path);
}
