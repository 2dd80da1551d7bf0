/* Reading lists of processes out of /proc and of cgroups, in small pieces: they have no bound,
 * and nothing is allocated here. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/child.h>
#include <lares/path.h>

#include "stat.h"
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

static int open_list(pid_t parent) {
  char name[sizeof "task//children" + PID_FMT];
  size_t len = 5;

  memcpy(name, "task/", 5);
  len += pid_fmt(name + len, parent);
  memcpy(name + len, "/children", 10);
  return walk_open(parent, name);
}

/* --- where the kernel makes no such lists ----------------------------------------------------
 */

int tree_is_visible(void) {
  char text[PID_FMT + 1];
  pid_t self;
  ssize_t len = readlink("/proc/self", text, sizeof text - 1);

  if (len < 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM)
      errno = ENOSYS;
    return 0;
  }
  text[len] = 0;
  return pid0_scan(text, &self) && self == getpid() ? 1 : (errno = ENOSYS, 0);
}

struct everybody {
  void (*each)(void *context, pid_t parent, pid_t pid);
  void *context;
  pid_t parent;
};

static void look_at(void *context, char const *name) {
  struct everybody *all = context;
  struct process_stat ps;
  pid_t pid;

  if (pid0_scan(name, &pid) && process_stat_read(pid, &ps) && ps.parent == all->parent)
    all->each(all->context, all->parent, pid);
}

static int walk_everybody(pid_t parent, void (*each)(void *context, pid_t parent, pid_t pid),
                          void *context) {
  struct everybody all = {.each = each, .context = context, .parent = parent};
  int fd, ok, saved;

  if (!tree_is_visible()) return 0;
  fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return 0;
  ok = path_each_name(fd, look_at, &all);
  saved = errno;
  close(fd);
  errno = saved;
  return ok;
}

/* No list of its own either: it is not that the process has gone. */
int walk_children(pid_t parent, void (*each)(void *context, pid_t parent, pid_t pid),
                  void *context) {
  int fd = open_list(parent), ok, saved;

  if (fd < 0 && errno == ENOENT) {
    int own = parent == getpid() ? -1 : open_list(getpid());
    if (own < 0 && errno == ENOENT) return walk_everybody(parent, each, context);
    if (own < 0) return 0;
    close(own);
    return (errno = ENOENT, 0);
  }
  if (fd < 0) return 0;
  ok = walk_numbers(fd, each, context, parent);
  saved = errno;
  close(fd);
  errno = saved;
  return ok;
}
