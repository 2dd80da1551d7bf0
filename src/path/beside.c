/* Where our own program is. */

#include <skalibs/nonposix.h>
#include <lares/path.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <lares/shortage.h>

static int put_beside(char *buf, size_t size, char const *path, char const *name) {
  char dir[PATH_MAX], *slash;
  size_t len = strlen(path);

  if (len >= sizeof dir) return (errno = ENAMETOOLONG, 0);
  memcpy(dir, path, len + 1);
  slash = strrchr(dir, '/');
  if (!slash) return (errno = ENOENT, 0);
  *slash = 0;
  return path_join(buf, size, dir, name);
}

/* By the path that we were started by, as a link in it may lead to another version by the time
 * the file is used. A relative one means nothing any more. Of a file that was replaced the
 * kernel tells the name it had, with a word behind it. */
int path_beside(char *buf, size_t size, char const *name) {
  char const *started = (char const *)getauxval(AT_EXECFN);
  char path[PATH_MAX];
  ssize_t len;

  if (started && started[0] == '/' && put_beside(buf, size, started, name) &&
      (!access(buf, F_OK) || is_shortage(errno)))
    return 1;
  buf[0] = 0;
  len = readlink("/proc/self/exe", path, sizeof path - 1);
  if (len <= 0) return 0;
  path[len] = 0;
  return put_beside(buf, size, path, name);
}
