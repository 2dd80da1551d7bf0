/* Paths and names in fixed buffers. */

#include <lares/path.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

int path_join(char *buf, size_t size, char const *dir, char const *name) {
  size_t dirlen = strlen(dir), namelen = strlen(name);

  if (dirlen >= size || namelen >= size - dirlen || size - dirlen - namelen < 2)
    return (errno = ENAMETOOLONG, 0);
  memcpy(buf, dir, dirlen);
  buf[dirlen] = '/';
  memcpy(buf + dirlen + 1, name, namelen + 1);
  return 1;
}

int path_absolute(char *buf, size_t size, char const *path) {
  char cwd[4096];

  if (path[0] != '/') return getcwd(cwd, sizeof cwd) && path_join(buf, size, cwd, path);
  if (strlen(path) >= size) return (errno = ENAMETOOLONG, 0);
  memcpy(buf, path, strlen(path) + 1);
  return 1;
}

void path_of_process(char *path, int32_t pid, char const *file) {
  strcpy(path, "/proc/");
  strcpy(path + 6 + int32_fmt(path + 6, pid), file);
}

void path_of_stop(char buf[PATH_STOP], uint64_t dev, uint64_t ino, int is_log) {
  size_t len = sizeof ".lares/run/." - 1;

  memcpy(buf, ".lares/run/.", len);
  len += uint64_fmt(buf + len, dev);
  buf[len++] = ':';
  len += uint64_fmt(buf + len, ino);
  strcpy(buf + len, is_log ? ":l" : ":s");
}

int path_is_service_name(char const *name) {
  size_t len = strlen(name);

  if (!len || len > PATH_NAME_MAX || name[0] == '.') return 0;
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)name[i];
    if (c == '/' || c < 0x20 || c == 0x7f) return 0;
  }
  return 1;
}

char const *path_base(char const *path, size_t *len) {
  size_t end = strlen(path), start;

  while (end > 1 && path[end - 1] == '/')
    end--;
  start = end;
  while (start && path[start - 1] != '/')
    start--;
  if (start == end && end) start--; /* the root itself */
  *len = end - start;
  return path + start;
}
