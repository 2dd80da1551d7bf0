/* Clients of a supervisor: opening its FIFOs says whether it is there. */

#include <lares/control.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/path.h>

/* 4096: PATH_MAX where it exists; a path that is longer cannot be opened as a whole anyway. */
#define PATH_ROOM 4096

/* What is no FIFO is never written to: a regular file of that name would take the letters. */
static int open_fifo(char const *dir, char const *name) {
  char path[PATH_ROOM];
  struct stat st;
  int fd, error;

  if (!path_join(path, sizeof path, dir, name)) return -1;
  do
    fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return -1;
  error = fstat(fd, &st) < 0 ? errno : S_ISFIFO(st.st_mode) ? 0 : EINVAL;
  if (!error) return fd;
  close(fd);
  errno = error;
  return -1;
}

static enum control_outcome failure(int error) {
  errno = error;
  return error == ENXIO || error == ENOENT || error == EPIPE ? CONTROL_UNSUPERVISED
                                                             : CONTROL_FAILED;
}

enum control_outcome control_open(char const *dir, int *fd) {
  *fd = open_fifo(dir, "supervise/control");
  return *fd >= 0 ? CONTROL_SENT : failure(errno);
}

enum control_outcome control_write(int fd, char const *bytes, size_t len) {
  ssize_t written;

  do
    written = write(fd, bytes, len);
  while (written < 0 && errno == EINTR);
  if (written == (ssize_t)len) return CONTROL_SENT;
  return failure(written < 0 ? errno : EAGAIN);
}

int control_pending(int fd) {
  int waiting = 0;

  return ioctl(fd, FIONREAD, &waiting) ? -1 : waiting;
}

enum control_outcome control_send(char const *dir, char const *bytes, size_t len) {
  int fd, error;
  enum control_outcome outcome = control_open(dir, &fd);

  if (outcome != CONTROL_SENT) return outcome;
  outcome = control_write(fd, bytes, len);
  error = errno;
  close(fd);
  errno = error;
  return outcome;
}

int control_watch(char const *dir) {
  return open_fifo(dir, "supervise/ok");
}

int control_is_supervised(char const *dir) {
  int fd = control_watch(dir);

  if (fd >= 0) {
    close(fd);
    return 1;
  }
  return errno == ENXIO || errno == ENOENT ? 0 : -1;
}
