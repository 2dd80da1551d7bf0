/* Files that hold one line. */

#include <lares/path.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int path_own_line(char *buf, size_t size, char const *file) {
  struct stat st;
  ssize_t len = -1;
  int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

  if (fd < 0) return 0;
  if (fstat(fd, &st) < 0)
    ;
  else if (!S_ISREG(st.st_mode) || st.st_mode & (S_IWGRP | S_IWOTH) ||
           (st.st_uid && st.st_uid != geteuid()))
    errno = EPERM;
  else
    len = read(fd, buf, size - 1);
  {
    int saved = errno;
    close(fd);
    errno = saved;
  }
  if (len < 0) return 0;
  if ((size_t)len == size - 1 && !memchr(buf, '\n', (size_t)len))
    return (errno = ENAMETOOLONG, 0);
  buf[len] = 0;
  buf[strcspn(buf, "\n")] = 0;
  return 1;
}
