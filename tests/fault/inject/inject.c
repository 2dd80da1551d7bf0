/* Linked into long-running programs for the fault ring: makes the Nth call of one function
 * fail, for a number of times or for a while, counts all of them, and moves the wall clock.
 * Calls inside the static libskarnet are replaced too, as the linker's --wrap works on every
 * undefined reference. tests/fault/wrapped.t holds the list to what the programs really call.
 *
 * LARES_FAULT=CALL:N:ERRNO:times:K   from the Nth call on K calls fail (ERRNO as a number)
 * LARES_FAULT=CALL:N:ERRNO:ms:MS     all calls do for so many milliseconds from the Nth on
 * LARES_FAULT_FILE=FILE              shared memory in the form of struct board below
 *
 * The board outlives the program: one that becomes another in an upgrade, or its successor
 * after a kill, goes on counting, and a fault that was lifted stays lifted.
 */

#include <skalibs/nonposix.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The Makefile makes the linker's options from the lines between these words, and
 * tests/lib/Lares/Fault.pm the names.
 * WRAP-BEGIN */
#define CALLS(X)                                                                               \
  X(open)                                                                                      \
  X(__open_2)                                                                                  \
  X(openat)                                                                                    \
  X(close)                                                                                     \
  X(read)                                                                                      \
  X(write)                                                                                     \
  X(writev)                                                                                    \
  X(pread)                                                                                     \
  X(pwrite)                                                                                    \
  X(send)                                                                                      \
  X(sendto)                                                                                    \
  X(socket)                                                                                    \
  X(fstat)                                                                                     \
  X(stat)                                                                                      \
  X(lstat)                                                                                     \
  X(fstatat)                                                                                   \
  X(statfs)                                                                                    \
  X(fstatfs)                                                                                   \
  X(access)                                                                                    \
  X(faccessat)                                                                                 \
  X(readlink)                                                                                  \
  X(getxattr)                                                                                  \
  X(realpath)                                                                                  \
  X(getcwd)                                                                                    \
  X(fchdir)                                                                                    \
  X(chdir)                                                                                     \
  X(mkdir)                                                                                     \
  X(mkdirat)                                                                                   \
  X(mkfifo)                                                                                    \
  X(symlink)                                                                                   \
  X(link)                                                                                      \
  X(splice)                                                                                    \
  X(recv)                                                                                      \
  X(recvmsg)                                                                                   \
  X(sendmsg)                                                                                   \
  X(bind)                                                                                      \
  X(connect)                                                                                   \
  X(setsockopt)                                                                                \
  X(getsockname)                                                                               \
  X(pipe2)                                                                                     \
  X(mkfifoat)                                                                                  \
  X(symlinkat)                                                                                 \
  X(readlinkat)                                                                                \
  X(fchmodat)                                                                                  \
  X(rename)                                                                                    \
  X(renameat)                                                                                  \
  X(unlink)                                                                                    \
  X(unlinkat)                                                                                  \
  X(rmdir)                                                                                     \
  X(chmod)                                                                                     \
  X(fchmod)                                                                                    \
  X(ftruncate)                                                                                 \
  X(flock)                                                                                     \
  X(fcntl)                                                                                     \
  X(ioctl)                                                                                     \
  X(dup2)                                                                                      \
  X(posix_fallocate)                                                                           \
  X(waitid)                                                                                    \
  X(waitpid)                                                                                   \
  X(execve)                                                                                    \
  X(execv)                                                                                     \
  X(poll)                                                                                      \
  X(ppoll)                                                                                     \
  X(nanosleep)                                                                                 \
  X(signalfd)                                                                                  \
  X(malloc)                                                                                    \
  X(calloc)                                                                                    \
  X(realloc)                                                                                   \
  X(strdup)                                                                                    \
  X(mmap)                                                                                      \
  X(opendir)                                                                                   \
  X(fdopendir)                                                                                 \
  X(readdir)                                                                                   \
  X(child_start)                                                                               \
  X(fork)                                                                                      \
  X(posix_spawnp)                                                                              \
  X(inotify_init1)                                                                             \
  X(inotify_add_watch)                                                                         \
  X(inotify_rm_watch)                                                                          \
  X(epoll_create1)                                                                             \
  X(epoll_ctl)                                                                                 \
  X(epoll_wait)                                                                                \
  X(fsync)                                                                                     \
  X(fdatasync)                                                                                 \
  X(memfd_create)                                                                              \
  X(lseek)
/* WRAP-END
 * What goes through syscall(2), likewise:
 * DIRECT-BEGIN */
#define DIRECT_CALLS(X)                                                                        \
  X(close_range)                                                                               \
  X(ioprio_set)                                                                                \
  X(pidfd_open)                                                                                \
  X(pidfd_send_signal)                                                                         \
  X(getdents64)                                                                                \
  X(renameat2)
/* DIRECT-END */

#define CALL_NUMBER(name) CALL_##name,
enum call { CALLS(CALL_NUMBER) DIRECT_CALLS(CALL_NUMBER) CALL_COUNT };
#define CALL_NAME(name) #name,
static char const *const call_names[] = {CALLS(CALL_NAME) DIRECT_CALLS(CALL_NAME)};

#define TRACE_MAX 65536

/* All 64 bits wide. */
struct board {
  int64_t step;    /* nanoseconds by which the wall clock is wrong */
  int64_t began;   /* of the fault: CLOCK_MONOTONIC in nanoseconds, 0 */
  uint64_t lifted; /* by the test, or because its time was over */
  uint64_t failed; /* so many calls were made to fail */
  uint64_t traced;
  uint64_t counts[CALL_COUNT];
  uint64_t trace[TRACE_MAX]; /* call << 48 | offset of the caller in the program */
};

static struct {
  int ready;
  int call;
  uint64_t at;
  int error;
  int64_t times, ns;
  struct board *board;
} plan = {.call = -1};
static struct board own;

extern int __real_open(char const *, int, ...);
extern void *__real_mmap(void *, size_t, int, int, int, off_t);
extern int __real_close(int);
extern int __real_clock_gettime(clockid_t, struct timespec *);

static struct board *map_board(char const *file) {
  void *at;
  int fd = __real_open(file, O_RDWR | O_CLOEXEC);

  if (fd < 0) return 0;
  at = __real_mmap(0, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  __real_close(fd);
  return at == MAP_FAILED ? 0 : at;
}

static void read_plan(void) {
  char const *fault = getenv("LARES_FAULT"), *file = getenv("LARES_FAULT_FILE");
  char name[32], how[8];
  unsigned long long at;
  long long most;
  int error;

  plan.ready = 1;
  plan.board = file ? map_board(file) : 0;
  if (!plan.board) plan.board = &own;
  if (!fault) return;
  if (sscanf(fault, "%31[^:]:%llu:%d:%7[^:]:%lld", name, &at, &error, how, &most) != 5) abort();
  for (unsigned i = 0; i < CALL_COUNT; i++)
    if (!strcmp(name, call_names[i])) plan.call = (int)i;
  if (plan.call < 0) abort();
  plan.at = at;
  plan.error = error;
  plan.times = strcmp(how, "times") ? 0 : most;
  plan.ns = strcmp(how, "ms") ? 0 : most * 1000000;
}

static int64_t monotonic(void) {
  struct timespec now = {0};

  __real_clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int is_over(struct board *board) {
  if (plan.times) return board->failed >= (uint64_t)plan.times;
  if (!board->began) board->began = monotonic();
  return monotonic() - board->began >= plan.ns;
}

static int fails(enum call call, void const *caller) {
  extern char const __executable_start[];
  struct board *board;
  uint64_t n, place;

  if (!plan.ready) read_plan();
  board = plan.board;
  n = __atomic_add_fetch(&board->counts[call], 1, __ATOMIC_RELAXED);
  place = __atomic_fetch_add(&board->traced, 1, __ATOMIC_RELAXED);
  if (place < TRACE_MAX)
    board->trace[place] =
        (uint64_t)call << 48 | (uint64_t)((char const *)caller - __executable_start);
  if ((int)call != plan.call || n < plan.at || board->lifted) return 0;
  if (is_over(board)) {
    board->lifted = 1;
    return 0;
  }
  board->failed++;
  errno = plan.error;
  return 1;
}
#define FAILS(name) fails(CALL_##name, __builtin_return_address(0))

/* The one place where these programs learn the time. */
extern int __wrap_clock_gettime(clockid_t, struct timespec *);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now) {
  int result = __real_clock_gettime(clock, now);
  int64_t ns;

  if (!plan.ready) read_plan();
  if (result || clock != CLOCK_REALTIME || !plan.board->step) return result;
  ns = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + plan.board->step;
  now->tv_sec = (time_t)(ns / 1000000000);
  now->tv_nsec = (long)(ns % 1000000000);
  return 0;
}

#define WRAP(type, name, failure, parameters, arguments)                                       \
  extern type __real_##name parameters;                                                        \
  extern type __wrap_##name parameters;                                                        \
  type __wrap_##name parameters {                                                              \
    return FAILS(name) ? (failure) : __real_##name arguments;                                  \
  }

/* What makes no file needs no space. */
#define WRAP_OPEN(name, parameters, arguments)                                                 \
  extern int __real_##name parameters;                                                         \
  extern int __wrap_##name parameters;                                                         \
  int __wrap_##name parameters {                                                               \
    mode_t mode = 0;                                                                           \
    if (flags & O_CREAT) {                                                                     \
      va_list rest;                                                                            \
      va_start(rest, flags);                                                                   \
      mode = va_arg(rest, mode_t);                                                             \
      va_end(rest);                                                                            \
    }                                                                                          \
    if (FAILS(name) && (errno != ENOSPC || flags & O_CREAT)) return -1;                        \
    return __real_##name arguments;                                                            \
  }

WRAP_OPEN(open, (char const *file, int flags, ...), (file, flags, mode))
WRAP_OPEN(openat, (int dir, char const *file, int flags, ...), (dir, file, flags, mode))
WRAP(int, __open_2, -1, (char const *file, int flags), (file, flags))
WRAP(ssize_t, read, -1, (int fd, void *buf, size_t n), (fd, buf, n))
WRAP(ssize_t, write, -1, (int fd, void const *buf, size_t n), (fd, buf, n))
WRAP(ssize_t, writev, -1, (int fd, struct iovec const *v, int n), (fd, v, n))
WRAP(ssize_t, pread, -1, (int fd, void *buf, size_t n, off_t at), (fd, buf, n, at))
WRAP(ssize_t, pwrite, -1, (int fd, void const *buf, size_t n, off_t at), (fd, buf, n, at))
WRAP(ssize_t, send, -1, (int fd, void const *buf, size_t n, int how), (fd, buf, n, how))
WRAP(ssize_t, sendto, -1,
     (int fd, void const *buf, size_t n, int how, struct sockaddr const *to, socklen_t len),
     (fd, buf, n, how, to, len))
WRAP(ssize_t, recv, -1, (int fd, void *buf, size_t n, int how), (fd, buf, n, how))
WRAP(ssize_t, recvmsg, -1, (int fd, struct msghdr *message, int how), (fd, message, how))
WRAP(ssize_t, sendmsg, -1, (int fd, struct msghdr const *message, int how), (fd, message, how))
WRAP(int, bind, -1, (int fd, struct sockaddr const *at, socklen_t len), (fd, at, len))
WRAP(int, connect, -1, (int fd, struct sockaddr const *to, socklen_t len), (fd, to, len))
WRAP(int, setsockopt, -1, (int fd, int level, int name, void const *value, socklen_t len),
     (fd, level, name, value, len))
WRAP(int, getsockname, -1, (int fd, struct sockaddr *at, socklen_t *len), (fd, at, len))
WRAP(int, pipe2, -1, (int fds[2], int flags), (fds, flags))
WRAP(int, socket, -1, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, fstat, -1, (int fd, struct stat *st), (fd, st))
WRAP(int, stat, -1, (char const *file, struct stat *st), (file, st))
WRAP(int, lstat, -1, (char const *file, struct stat *st), (file, st))
WRAP(int, fstatat, -1, (int dir, char const *file, struct stat *st, int how),
     (dir, file, st, how))
WRAP(int, statfs, -1, (char const *file, struct statfs *fs), (file, fs))
WRAP(int, fstatfs, -1, (int fd, struct statfs *fs), (fd, fs))
WRAP(int, access, -1, (char const *file, int how), (file, how))
WRAP(int, faccessat, -1, (int dir, char const *file, int how, int flags),
     (dir, file, how, flags))
WRAP(ssize_t, readlink, -1, (char const *file, char *buf, size_t n), (file, buf, n))
WRAP(char *, realpath, 0, (char const *file, char *buf), (file, buf))
WRAP(char *, getcwd, 0, (char *buf, size_t n), (buf, n))
WRAP(int, chdir, -1, (char const *file), (file))
WRAP(int, fchdir, -1, (int fd), (fd))
WRAP(int, mkdir, -1, (char const *file, mode_t mode), (file, mode))
WRAP(int, mkfifo, -1, (char const *file, mode_t mode), (file, mode))
WRAP(int, mkfifoat, -1, (int dir, char const *file, mode_t mode), (dir, file, mode))
WRAP(int, symlinkat, -1, (char const *text, int dir, char const *file), (text, dir, file))
WRAP(ssize_t, readlinkat, -1, (int dir, char const *file, char *buf, size_t n),
     (dir, file, buf, n))
WRAP(int, fchmodat, -1, (int dir, char const *file, mode_t mode, int how),
     (dir, file, mode, how))
WRAP(int, mkdirat, -1, (int dir, char const *file, mode_t mode), (dir, file, mode))
WRAP(ssize_t, getxattr, -1, (char const *file, char const *name, void *value, size_t n),
     (file, name, value, n))
WRAP(int, symlink, -1, (char const *text, char const *file), (text, file))
WRAP(int, link, -1, (char const *from, char const *to), (from, to))
WRAP(ssize_t, splice, -1,
     (int from, off64_t *from_at, int to, off64_t *to_at, size_t n, unsigned how),
     (from, from_at, to, to_at, n, how))
WRAP(int, rename, -1, (char const *from, char const *to), (from, to))
WRAP(int, renameat, -1, (int dir, char const *from, int other, char const *to),
     (dir, from, other, to))
WRAP(int, unlink, -1, (char const *file), (file))
WRAP(int, unlinkat, -1, (int dir, char const *file, int how), (dir, file, how))
WRAP(int, rmdir, -1, (char const *file), (file))
WRAP(int, chmod, -1, (char const *file, mode_t mode), (file, mode))
WRAP(int, fchmod, -1, (int fd, mode_t mode), (fd, mode))
WRAP(int, ftruncate, -1, (int fd, off_t len), (fd, len))
WRAP(int, flock, -1, (int fd, int how), (fd, how))
WRAP(int, dup2, -1, (int from, int to), (from, to))
WRAP(int, posix_fallocate, plan.error, (int fd, off_t at, off_t len), (fd, at, len))
WRAP(int, waitid, -1, (idtype_t type, id_t id, siginfo_t *info, int how), (type, id, info, how))
WRAP(pid_t, waitpid, -1, (pid_t pid, int *status, int how), (pid, status, how))
WRAP(int, execve, -1, (char const *file, char *const *argv, char *const *envp),
     (file, argv, envp))
WRAP(int, execv, -1, (char const *file, char *const *argv), (file, argv))
WRAP(int, poll, -1, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms))
WRAP(int, ppoll, -1,
     (struct pollfd * fds, nfds_t n, struct timespec const *t, sigset_t const *mask),
     (fds, n, t, mask))
WRAP(int, nanosleep, -1, (struct timespec const *t, struct timespec *left), (t, left))
WRAP(int, signalfd, -1, (int fd, sigset_t const *mask, int flags), (fd, mask, flags))
WRAP(void *, malloc, 0, (size_t n), (n))
WRAP(void *, calloc, 0, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, 0, (void *at, size_t n), (at, n))
WRAP(char *, strdup, 0, (char const *s), (s))
WRAP(void *, mmap, MAP_FAILED, (void *at, size_t n, int prot, int how, int fd, off_t off),
     (at, n, prot, how, fd, off))
WRAP(DIR *, opendir, 0, (char const *file), (file))
WRAP(DIR *, fdopendir, 0, (int fd), (fd))
WRAP(struct dirent *, readdir, 0, (DIR * dir), (dir))
WRAP(pid_t, fork, -1, (void), ())
WRAP(int, memfd_create, -1, (char const *name, unsigned flags), (name, flags))
WRAP(int, posix_spawnp, plan.error,
     (pid_t * pid, char const *file, posix_spawn_file_actions_t const *actions,
      posix_spawnattr_t const *how, char *const *argv, char *const *envp),
     (pid, file, actions, how, argv, envp))
WRAP(pid_t, child_start, -1, (void *child_plan), (child_plan))
WRAP(int, inotify_init1, -1, (int flags), (flags))
WRAP(int, inotify_add_watch, -1, (int fd, char const *file, uint32_t mask), (fd, file, mask))
WRAP(int, inotify_rm_watch, -1, (int fd, int watch), (fd, watch))
WRAP(int, epoll_create1, -1, (int flags), (flags))
WRAP(int, epoll_ctl, -1, (int fd, int how, int of, struct epoll_event *event),
     (fd, how, of, event))
WRAP(int, epoll_wait, -1, (int fd, struct epoll_event *events, int n, int ms),
     (fd, events, n, ms))
WRAP(int, fsync, -1, (int fd), (fd))
WRAP(int, fdatasync, -1, (int fd), (fd))
WRAP(off_t, lseek, -1, (int fd, off_t at, int whence), (fd, at, whence))

/* A failing close has closed all the same. */
extern int __wrap_close(int fd);
int __wrap_close(int fd) {
  int failed = FAILS(close), saved = errno, done = __real_close(fd);

  if (!failed) return done;
  errno = saved;
  return -1;
}

#define WRAP_REQUEST(name, type)                                                               \
  extern int __real_##name(int fd, type what, ...);                                            \
  extern int __wrap_##name(int fd, type what, ...);                                            \
  int __wrap_##name(int fd, type what, ...) {                                                  \
    va_list rest;                                                                              \
    long argument;                                                                             \
    va_start(rest, what);                                                                      \
    argument = va_arg(rest, long);                                                             \
    va_end(rest);                                                                              \
    return FAILS(name) ? -1 : __real_##name(fd, what, argument);                               \
  }
WRAP_REQUEST(ioctl, unsigned long)

/* The flags of a descriptor that is open can be read and set, always. */
extern int __real_fcntl(int fd, int what, ...);
extern int __wrap_fcntl(int fd, int what, ...);
int __wrap_fcntl(int fd, int what, ...) {
  va_list rest;
  long argument;

  va_start(rest, what);
  argument = va_arg(rest, long);
  va_end(rest);
  if (what != F_GETFD && what != F_SETFD && what != F_GETFL && what != F_SETFL && FAILS(fcntl))
    return -1;
  return __real_fcntl(fd, what, argument);
}

static int direct_call(long number) {
#define CALL_OF(name)                                                                          \
  case SYS_##name:                                                                             \
    return CALL_##name;
  switch (number) {
    DIRECT_CALLS(CALL_OF)
  default:
    return -1;
  }
}

extern long __real_syscall(long number, ...);
extern long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...) {
  int call = direct_call(number);
  long a[6];
  va_list rest;

  va_start(rest, number);
  for (unsigned i = 0; i < 6; i++)
    a[i] = va_arg(rest, long);
  va_end(rest);
  if (call < 0) abort(); /* not in DIRECT_CALLS */
  if (fails((enum call)call, __builtin_return_address(0))) return -1;
  return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
