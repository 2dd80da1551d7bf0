/* What a stop could not hand to the logger, `rest`: written when the logger had its time and
 * has ended, put back into the pipe before anything else next time.
 *
 * No kill loses or doubles a byte as long as somebody holds the pipe:
 *
 * - Saving is splice(), from the pipe to the end of the file: a byte leaves the pipe when it is
 *   in the file, within one system call, in which no kill can fall. It is done only when nobody
 *   has the pipe open for writing: otherwise what is in it is safe with them.
 * - Feeding ends with the file's removal. Until then no logger is started and no service, so
 *   that what is in the pipe is the beginning of the file: whoever takes over goes on behind
 * it. If the pipe has gone with its last holder, it begins again.
 * - The supervisors of the service and of the logger may both feed, whichever comes first: a
 *   lock on the file says whose turn it is.
 */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/report.h>

#include "supervise.h"

#define LOCK_TRIES 50 /* of a millisecond: the other one copies memory */

/* One system call where there is one. Without it a kill may fall between reading and writing.
 */
static ssize_t move_to_file(int pipe, int file, off_t end) {
  char bytes[PIPE_BUF];
  ssize_t got;

#ifdef SPLICE_F_NONBLOCK
  loff_t at = end;
  got = splice(pipe, 0, file, &at, INT_MAX, SPLICE_F_NONBLOCK);
  if (got >= 0 || errno != EINVAL) return got;
#endif
  if ((errno = posix_fallocate(file, end, sizeof bytes))) return -1;
  got = read(pipe, bytes, sizeof bytes);
  if (got > 0) got = pwrite(file, bytes, (size_t)got, end);
  return ftruncate(file, end + (got > 0 ? got : 0)) < 0 ? -1 : got;
}

static int lock_rest(int fd) {
  for (unsigned i = 0; i < LOCK_TRIES; i++) {
    if (!flock(fd, LOCK_EX | LOCK_NB)) return 1;
    if (errno != EWOULDBLOCK) return 0;
    clock_pause(1);
  }
  return 0;
}

static int save_all(struct supervisor *s, int fd, size_t *saved) {
  struct stat st;

  if (!lock_rest(fd) || fstat(fd, &st) < 0) return 0;
  if (!S_ISREG(st.st_mode)) return (errno = EPROTO, 0);
  while (pipe_waiting(s)) {
    ssize_t moved = move_to_file(s->pipe.read, fd, st.st_size + (off_t)*saved);
    if (moved <= 0) return 0;
    *saved += (size_t)moved;
  }
  return 1;
}

/* Once, until it works. 1 when it never will: the service's directory was removed. */
static int is_hopeless(struct supervisor *s) {
  int gone = errno == ENOENT;

  if (!s->said_no_rest || gone)
    report_error_errno("unable to keep what the logger has left in its pipe in ", FILE_REST,
                       gone ? ", it is lost" : ", staying until it works");
  s->said_no_rest = 1;
  return gone;
}

int leftover_save(struct supervisor *s) {
  char number[REPORT_NUMBER];
  size_t saved = 0;
  int fd, good;

  if (!pipe_waiting(s) || pipe_has_writers(s)) return 1;
  fd = open(FILE_REST, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (fd < 0) return is_hopeless(s);
  good = save_all(s, fd, &saved) || is_hopeless(s);
  close(fd);
  if (good)
    report_warning("the logger has left ", report_number(number, (int64_t)saved),
                   " bytes in its pipe, they are kept in " FILE_REST " for the next one");
  return good;
}

/* It is larger than a pipe may be here. What fits has been fed; the whole stays under another
 * name, for people. */
static int set_aside(char const *file, off_t fed) {
  char name[sizeof FILE_LOG_REST + UINT_FMT + 1], number[REPORT_NUMBER];
  size_t len = strlen(file);

  memcpy(name, file, len);
  name[len++] = '.';
  for (unsigned n = 1; n; n++) {
    name[len + uint_fmt(name + len, n)] = 0;
    if (!link(file, name)) break;
    if (errno != EEXIST) return 0;
  }
  report_error("a pipe does not hold all that was left for the logger: from byte ",
               report_number(number, fed), " on it stays in ", name);
  return 1;
}

static void grow_pipe(int pipe, off_t size) {
#ifdef F_SETPIPE_SZ
  if (fcntl(pipe, F_GETPIPE_SZ) < size) (void)fcntl(pipe, F_SETPIPE_SZ, (int)size);
#else
  (void)pipe;
  (void)size;
#endif
}

/* 1 when the file may be removed. */
static int feed_all(int fd, char const *file, int pipe) {
  char bytes[PIPE_BUF];
  struct stat st;
  off_t fed;
  int waiting;

  if (fstat(fd, &st) < 0) return 0;
  if (!st.st_nlink) return 1; /* the other one has just done it */
  if (!S_ISREG(st.st_mode) || ioctl(pipe, FIONREAD, &waiting) < 0) return 0;
  grow_pipe(pipe, st.st_size);
  for (fed = waiting <= st.st_size ? waiting : 0; fed < st.st_size;) {
    ssize_t got = pread(fd, bytes, sizeof bytes, fed), put;
    if (got <= 0) return 0;
    put = write(pipe, bytes, (size_t)got);
    if (put < 0 && errno == EAGAIN && set_aside(file, fed)) break;
    if (put < 0) return 0;
    fed += put;
  }
  return !unlink(file);
}

int leftover_feed(struct supervisor *s) {
  char const *file = s->is_log ? FILE_REST : FILE_LOG_REST;
  int fd, good, error;

  fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return 1;
  good = fd >= 0 && lock_rest(fd) && feed_all(fd, file, s->pipe.write);
  error = errno;
  if (fd >= 0) close(fd);
  errno = error;
  return good;
}
