/* Why what is at a path is not what it should be, in words that every program says alike. */

#include <skalibs/nonposix.h>
#include <lares/path.h>

#include <errno.h>
#include <sys/stat.h>

char const *path_link_wrong(char const *path) {
  struct stat st;
  int error;

  if (!stat(path, &st)) return 0;
  error = errno;
  if ((error != ENOENT && error != ELOOP) || lstat(path, &st) < 0 || !S_ISLNK(st.st_mode))
    return (errno = error, (char const *)0);
  return error == ELOOP ? "a link that leads in a circle" : "a link that leads nowhere";
}
