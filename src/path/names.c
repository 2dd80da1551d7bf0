/* The names in a directory. */

#include <skalibs/nonposix.h>
#include <lares/path.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_getdents64

/* What the system call writes. */
struct entry {
  uint64_t inode;
  int64_t offset;
  uint16_t size;
  uint8_t type;
  char name[];
};

int path_each_name(int dir, void (*each)(void *context, char const *name), void *context) {
  _Alignas(struct entry) char
      buf[1024]; /* the longest entry has 280; it is stack which a supervisor keeps */

  for (;;) {
    long got = syscall(SYS_getdents64, dir, buf, sizeof buf);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    for (long at = 0; at < got;) {
      struct entry const *entry = (struct entry const *)(buf + at);
      each(context, entry->name);
      at += entry->size;
    }
  }
}

#else

int path_each_name(int dir, void (*each)(void *context, char const *name), void *context) {
  int copy = fcntl(dir, F_DUPFD_CLOEXEC, 0), error;
  DIR *list = copy < 0 ? 0 : fdopendir(copy);
  struct dirent *entry;

  if (!list) {
    error = errno;
    if (copy >= 0) close(copy);
    return (errno = error, 0);
  }
  while (errno = 0, (entry = readdir(list)))
    each(context, entry->d_name);
  error = errno;
  closedir(list);
  errno = error;
  return !error;
}

#endif
