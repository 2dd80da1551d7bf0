/* Reading lists of processes out of /proc and of cgroups, in small pieces: they have no bound,
 * and nothing is allocated here. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "walk.h"

#define NAME_MOST 64

int walk_open(pid_t pid, char const *name) {
  char path[sizeof "/proc//" + PID_FMT + NAME_MOST];
  size_t len = 6;

  if (strlen(name) >= NAME_MOST) return (errno = ENAMETOOLONG, -1);
  memcpy(path, "/proc/", 6);
  len += pid_fmt(path + len, pid);
  path[len++] = '/';
  strcpy(path + len, name);
  return open(path, O_RDONLY | O_CLOEXEC);
}

int walk_numbers(int fd, void (*each)(void *context, pid_t parent, pid_t pid), void *context,
                 pid_t parent) {
  char text[512];
  pid_t pid = 0;
  ssize_t got;

  while ((got = read(fd, text, sizeof text)) > 0 || (got < 0 && errno == EINTR))
    for (ssize_t i = 0; i < got; i++) {
      if (text[i] >= '0' && text[i] <= '9') {
        pid = pid * 10 + (text[i] - '0');
        continue;
      }
      if (pid) each(context, parent, pid);
      pid = 0;
    }
  if (pid) each(context, parent, pid);
  return got == 0;
}

int walk_children(pid_t parent, void (*each)(void *context, pid_t parent, pid_t pid),
                  void *context) {
  char name[sizeof "task//children" + PID_FMT];
  size_t len = 5;
  int fd, ok, saved;

  memcpy(name, "task/", 5);
  len += pid_fmt(name + len, parent);
  memcpy(name + len, "/children", 10);
  fd = walk_open(parent, name);
  if (fd < 0) return 0;
  ok = walk_numbers(fd, each, context, parent);
  saved = errno;
  close(fd);
  errno = saved;
  return ok;
}
