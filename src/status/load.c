/* Reading a small file of a service directory. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "load.h"

ssize_t load_file(char const *dir, char const *name, char *buf, size_t size) {
  int dirfd = AT_FDCWD, fd;
  ssize_t got = -1;
  struct stat st;

  if (dir[0] != '.' || dir[1]) {
    dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0) return -1;
  }
  fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (fd >= 0) {
    if (fstat(fd, &st) < 0)
      ;
    else if (!S_ISREG(st.st_mode))
      errno = EPROTO;
    else
      do
        got = read(fd, buf, size);
      while (got < 0 && errno == EINTR);
  }
  {
    int saved = errno;
    if (fd >= 0) close(fd);
    if (dirfd >= 0) close(dirfd);
    errno = saved;
  }
  return got;
}
