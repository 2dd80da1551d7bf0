/* An older kernel: LARES_TEST_WITHOUT names what it does not have, separated by commas.
 *
 *   pidfd        no pidfd_open, no pidfd_send_signal (before Linux 5.3); and so none of the
 * rest pidfs        every pidfd has the same inode, of another file system; groups cannot be
 *                signalled through one (before 6.9); and so no exit-info
 *   exit-info    no PIDFD_GET_INFO (before 6.15)
 *   children     no /proc/PID/task/PID/children (before 3.5, or without CONFIG_PROC_CHILDREN)
 *   subreaper    no PR_SET_CHILD_SUBREAPER (before 3.4, and other systems)
 *   inotify
 *
 * The calls fail as they fail there, below all of our code: what is tested is what is built. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define PIDFS_MAGIC 0x50494446
#define ANONYMOUS_MAGIC 0x09041934 /* ANON_INODE_FS_MAGIC */
#define ANONYMOUS_INODE 12
#define TO_GROUP 4u
#define PIDFD_IOCTLS 0xFF

static int without(char const *what) {
  char const *list = getenv("LARES_TEST_WITHOUT");
  size_t len = strlen(what);

  for (char const *at = list; at && *at; at += strcspn(at, ","), at += *at == ',')
    if (!strncmp(at, what, len) && (!at[len] || at[len] == ',')) return 1;
  return 0;
}

static int without_pidfs(void) {
  return without("pidfs") || without("pidfd");
}

extern int __real_sys_pidfd_open(pid_t pid);
extern int __wrap_sys_pidfd_open(pid_t pid);
int __wrap_sys_pidfd_open(pid_t pid) {
  return without("pidfd") ? (errno = ENOSYS, -1) : __real_sys_pidfd_open(pid);
}

extern int __real_sys_pidfd_send_signal(int pidfd, int sig, unsigned flags);
extern int __wrap_sys_pidfd_send_signal(int pidfd, int sig, unsigned flags);
int __wrap_sys_pidfd_send_signal(int pidfd, int sig, unsigned flags) {
  if (without("pidfd")) return (errno = ENOSYS, -1);
  if (flags & TO_GROUP && without_pidfs()) return (errno = EINVAL, -1);
  return __real_sys_pidfd_send_signal(pidfd, sig, flags);
}

extern int __real_fstatfs(int fd, struct statfs *);
extern int __wrap_fstatfs(int fd, struct statfs *);
int __wrap_fstatfs(int fd, struct statfs *fs) {
  int done = __real_fstatfs(fd, fs);

  if (!done && (uint32_t)fs->f_type == PIDFS_MAGIC && without_pidfs())
    fs->f_type = ANONYMOUS_MAGIC;
  return done;
}

extern int __real_fstat(int fd, struct stat *);
extern int __wrap_fstat(int fd, struct stat *);
int __wrap_fstat(int fd, struct stat *st) {
  int done = __real_fstat(fd, st);
  struct statfs fs;

  if (!done && without_pidfs() && !__real_fstatfs(fd, &fs) &&
      (uint32_t)fs.f_type == PIDFS_MAGIC)
    st->st_ino = ANONYMOUS_INODE;
  return done;
}

extern int __real_ioctl(int fd, unsigned long request, ...);
extern int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  void *argument;

  va_start(rest, request);
  argument = va_arg(rest, void *);
  va_end(rest);
  if ((request >> 8 & 0xFF) == PIDFD_IOCTLS && (without("exit-info") || without_pidfs()))
    return (errno = ENOTTY, -1);
  return __real_ioctl(fd, request, argument);
}

extern int __real_prctl(int what, ...);
extern int __wrap_prctl(int what, ...);
int __wrap_prctl(int what, ...) {
  va_list rest;
  unsigned long arguments[4];

  va_start(rest, what);
  for (unsigned i = 0; i < 4; i++)
    arguments[i] = va_arg(rest, unsigned long);
  va_end(rest);
  if (what == PR_SET_CHILD_SUBREAPER && without("subreaper")) return (errno = EINVAL, -1);
  return __real_prctl(what, arguments[0], arguments[1], arguments[2], arguments[3]);
}

extern int __real_inotify_init1(int flags);
extern int __wrap_inotify_init1(int flags);
int __wrap_inotify_init1(int flags) {
  return without("inotify") ? (errno = ENOSYS, -1) : __real_inotify_init1(flags);
}

extern int __real_open(char const *file, int flags, ...);
extern int __wrap_open(char const *file, int flags, ...);
int __wrap_open(char const *file, int flags, ...) {
  size_t len = strlen(file);
  mode_t mode = 0;

  if (flags & O_CREAT) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  if (len > 9 && !strncmp(file, "/proc/", 6) && !strcmp(file + len - 9, "/children") &&
      without("children"))
    return (errno = ENOENT, -1);
  return __real_open(file, flags, mode);
}
