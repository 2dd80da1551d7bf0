/* Where our own program is. */

#include <skalibs/nonposix.h>
#include <lares/path.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* Of a file that was replaced the kernel tells the name it had, with a word behind it. */
int path_beside(char *buf, size_t size, char const *name) {
  char dir[PATH_MAX], *slash;
  ssize_t len = readlink("/proc/self/exe", dir, sizeof dir - 1);

  buf[0] = 0;
  if (len <= 0) return 0;
  dir[len] = 0;
  slash = strrchr(dir, '/');
  if (!slash) return (errno = ENOENT, 0);
  *slash = 0;
  return path_join(buf, size, dir, name);
}
