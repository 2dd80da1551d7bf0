/* Why what is at a path is not what it should be, in words that every program says alike. */

#include <skalibs/nonposix.h>
#include <lares/path.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char const *path_link_wrong(char const *path) {
  struct stat st;
  int error;

  if (!stat(path, &st)) return 0;
  error = errno;
  if ((error != ENOENT && error != ELOOP) || lstat(path, &st) < 0 || !S_ISLNK(st.st_mode))
    return (errno = error, (char const *)0);
  return error == ELOOP ? "a link that leads in a circle" : "a link that leads nowhere";
}

char const *path_run_wrong(char const *path) {
  struct stat st;

  if (stat(path, &st) < 0) {
    int circle = errno == ELOOP;
    if (errno == EACCES) return "it cannot be searched";
    if (!path_link_wrong(path)) return "it has no `run'";
    errno = 0;
    return circle ? "`run' is a link that leads in a circle"
                  : "`run' is a link that leads nowhere";
  }
  if (S_ISREG(st.st_mode) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
    return "`run' is not executable";
  errno = 0;
  if (S_ISDIR(st.st_mode)) return "`run' is a directory";
  return S_ISREG(st.st_mode) ? 0 : "`run' is no regular file";
}

/* Not where it cannot be asked. */
static int is_missing(char const *path) {
  struct stat st;

  if (!stat(path, &st)) return !S_ISDIR(st.st_mode);
  return errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
}

int path_template_missing(char quoted[PATH_QUOTED], char const *name, char const *path,
                          char const *defs) {
  char base[PATH_NAME_MAX + 1], there[4096];
  char const *at = strchr(name, '@');
  size_t len = at && at > name && at[1] ? (size_t)(at - name) + 1 : 0;
  struct stat st;

  quoted[0] = 0;
  if (!len || !lstat(path, &st) || errno != ENOENT) return 0;
  memcpy(base, name, len);
  base[len] = 0;
  if (!is_missing(base)) return 0;
  if (defs && path_join(there, sizeof there, defs, base) && !is_missing(there)) return 0;
  quoted[0] = '`';
  memcpy(quoted + 1, base, len);
  memcpy(quoted + 1 + len, "'", 2);
  return 1;
}
