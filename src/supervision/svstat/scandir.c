/* The services of a scan directory, in the order of their names. */

#include <skalibs/nonposix.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <lares/path.h>

#include "svstat.h"

#define PATH_SIZE 4096

static int is_file(char const *dir, char const *name, mode_t kind) {
  char path[PATH_SIZE];
  struct stat st;

  return path_join(path, sizeof path, dir, name) && !stat(path, &st) &&
         (st.st_mode & S_IFMT) == kind;
}

/* Services may be called `run' or `supervise', but they are directories. */
int is_scan_directory(char const *dir) {
  struct stat st;

  return !stat(dir, &st) && S_ISDIR(st.st_mode) && !is_file(dir, "run", S_IFREG) &&
         !is_file(dir, "start", S_IFREG) && !is_file(dir, "type", S_IFREG) &&
         !is_file(dir, "supervise/ok", S_IFIFO);
}

/* A name that ends in @ is that of a template. What cannot be looked at, a link to a disk that
 * is not mounted for one, counts: left out it would be missed by nobody. */
static int is_service(char const *dir, char const *name) {
  char path[PATH_SIZE];
  struct stat st;

  if (!path_is_service_name(name) || name[strlen(name) - 1] == '@' ||
      !path_join(path, sizeof path, dir, name))
    return 0;
  if (!stat(path, &st)) return S_ISDIR(st.st_mode);
  return path_link_wrong(path) || errno != ENOENT;
}

static int compare(void const *a, void const *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
  char **list;
  size_t count, size;
};

static int add(struct names *names, char const *name) {
  if (names->count == names->size) {
    size_t size = names->size ? 2 * names->size : 64;
    char **more = realloc(names->list, size * sizeof *more);
    if (!more) return 0;
    names->list = more;
    names->size = size;
  }
  names->list[names->count] = strdup(name);
  return names->list[names->count] ? (names->count++, 1) : 0;
}

static int list(struct names *names, char const *dir) {
  DIR *open = opendir(dir);
  struct dirent *d;
  int error = 0;

  if (!open) return 0;
  while (!error && (errno = 0, d = readdir(open)))
    if (is_service(dir, d->d_name) && !add(names, d->d_name)) error = ENOMEM;
  if (!error) error = errno;
  closedir(open);
  return error ? (errno = error, 0) : 1;
}

int each_service(char const *dir, void (*each)(void *context, char const *dir), void *context) {
  struct names names = {.count = 0};
  char path[PATH_SIZE], log[PATH_SIZE];

  if (!list(&names, dir)) return 0;
  if (names.count) qsort(names.list, names.count, sizeof *names.list, compare);
  for (size_t i = 0; i < names.count; i++) {
    if (!path_join(path, sizeof path, dir, names.list[i])) return 0;
    each(context, path);
    if (is_file(path, "log", S_IFDIR) && path_join(log, sizeof log, path, "log"))
      each(context, log);
  }
  return 1;
}
