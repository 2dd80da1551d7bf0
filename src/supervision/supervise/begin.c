/* Beginning in place of a supervisor that has upgraded, and failing to begin. Started afresh we
 * end with a message: nothing runs yet, and lares-svscan tries again by its delays. After an
 * upgrade in place there is a service that counts on us, and as pid 1's only child perhaps
 * nobody who would start another one: we wait a moment, with the lock kept, and become the same
 * program again. Signals that come meanwhile wait, blocked.
 */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/posixplz.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/killpoint.h>
#include <lares/option.h>
#include <lares/shortage.h>

#include "supervise.h"

/* 0 also when it cannot be asked, with another errno than EPROTO then. */
static int is_same_file(int fd, char const *file) {
  struct stat ours, there;

  if (fd > 2 && !fstat(fd, &ours)) {
    if (stat(file, &there) < 0) return 0;
    if (ours.st_dev == there.st_dev && ours.st_ino == there.st_ino) return 1;
  } else if (fd > 2 && errno != EBADF)
    return 0;
  errno = EPROTO;
  return 0;
}

/* The log pipe is kept too: the service or the logger may be dead, and nobody else hold it. And
 * `ok`: who asks whether the service is supervised, or waits for it, asks at any moment. These
 * reading ends go unnamed and are known by what they are, so that a program of before, which
 * would not understand, can be returned to. */
#define KEPT_BELOW 64
static int is_kept(int fd, char const *file) {
  return fd < KEPT_BELOW && is_same_file(fd, file);
}

static char const *pipe_of(struct supervisor const *s) {
  return s->is_log ? FILE_PIPE : FILE_LOG_PIPE;
}

static int take_kept(struct supervisor *s, char const *file) {
  for (int fd = 3; fd < KEPT_BELOW; fd++) {
    if (fcntl(fd, F_GETFD) || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY) continue;
    if (is_kept(fd, file)) return fd;
    if (is_shortage(errno)) cannot_begin(s, "take over ", file, " of ", s->name);
  }
  return -1;
}

/* Cleared for the exec alone. The lock must never be let go: who waits for it would take over
 * what we still hold. */
static int keep_descriptors(struct supervisor const *s, int keep) {
  int fds[5] = {s->lock, s->control.read, s->control.write};
  unsigned count = 3;
  int good = 1;

  if (s->ok > 0 && (!keep || is_kept(s->ok, FILE_OK))) fds[count++] = s->ok;
  if (s->pipe.read >= 0 && (!keep || (s->wired && is_kept(s->pipe.read, pipe_of(s)))))
    fds[count++] = s->pipe.read;
  for (unsigned i = 0; i < count; i++)
    if (fcntl(fds[i], F_SETFD, keep ? 0 : FD_CLOEXEC) < 0) good = 0;
  /* Unnamed, too, and known by its name in supervise/. */
  if (s->sd.fd > 0 && fcntl(s->sd.fd, F_SETFD, keep ? 0 : FD_CLOEXEC) < 0) good = 0;
  return good;
}

/* -r: descriptors kept over the exec, as LOCK,READ,WRITE. */
void begin_take_descriptors(struct supervisor *s, char const *given) {
  unsigned fds[3];

  KILL_POINT(RENEWED);
  for (unsigned i = 0; i < 3; i++) {
    size_t len = uint_scan(given, &fds[i]);
    if (!len || given[len] != (i < 2 ? ',' : 0))
      strerr_dief(EXIT_USAGE, "-r is for lares-supervise itself; it takes three descriptors");
    given += len + 1;
  }
  s->lock = (int)fds[0];
  s->control = (struct channel){.read = (int)fds[1], .write = (int)fds[2]};
  if (!is_same_file(s->lock, FILE_LOCK) || !is_same_file(s->control.read, FILE_CONTROL) ||
      !is_same_file(s->control.write, FILE_CONTROL) || flock(s->lock, LOCK_EX | LOCK_NB) < 0) {
    if (errno == EPROTO || errno == EWOULDBLOCK)
      strerr_dief(EXIT_USAGE, "-r: these are not the descriptors of the lock and control FIFO");
    cannot_begin(s, "take over the lock and control FIFO of ", s->name);
  }
  s->ok = take_kept(s, FILE_OK);
  if (s->wired && s->pipe.read < 0) s->pipe.read = take_kept(s, pipe_of(s));
  keep_descriptors(s, 0);
  KILL_POINT(TAKEN_OVER);
}

void begin_as(struct supervisor *s, char const *program, int quiet) {
  char fds[3 * UINT_FMT];
  char const *argv[10] = {PROGRAM, "-r", fds, 0};
  size_t len = 0, n = 3;

  len += uint_fmt(fds + len, (unsigned)s->lock);
  fds[len++] = ',';
  len += uint_fmt(fds + len, (unsigned)s->control.read);
  fds[len++] = ',';
  len += uint_fmt(fds + len, (unsigned)s->control.write);
  fds[len] = 0;
  if (s->wired) argv[n++] = "-s";
  if (quiet) argv[n++] = "-q";
  if (!s->wired && s->needs.scan) {
    argv[n++] = "-n";
    argv[n++] = s->needs.scan;
  }
  option_operand(argv + n, s->name);
  if (keep_descriptors(s, 1)) execve(program, (char *const *)argv, environ);
  keep_descriptors(s, 0);
}

void begin_again(struct supervisor *s) {
  for (;;) {
    clock_pause(RETRY_MS);
    begin_as(s, (char const *)getauxval(AT_EXECFN), 1);
  }
}
