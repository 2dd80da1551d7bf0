/* Reading lists of processes out of /proc and of cgroups, in small pieces: they have no bound,
 * and nothing is allocated here. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/child.h>
#include <lares/path.h>

#include "stat.h"
#include "walk.h"

#define NAME_MOST 64

struct proc_path {
  char text[PATH_PROC + 1 + NAME_MOST];
};

static int put_path(struct proc_path *path, pid_t pid, char const *name) {
  if (strlen(name) >= NAME_MOST) return (errno = ENAMETOOLONG, 0);
  path_of_process(path->text, pid, "/");
  strcat(path->text, name);
  return 1;
}

int walk_open(pid_t pid, char const *name) {
  struct proc_path path;

  return put_path(&path, pid, name) ? open(path.text, O_RDONLY | O_CLOEXEC) : -1;
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

/* --- threads ---------------------------------------------------------------------------------
 */

/* By the number of links, for which nothing is opened. 0: it does not tell. */
static unsigned long count_threads(pid_t pid) {
  struct proc_path path;
  struct stat st;

  if (!put_path(&path, pid, "task") || stat(path.text, &st) < 0 || st.st_nlink < 3) return 0;
  return (unsigned long)st.st_nlink - 2;
}

struct threads {
  void (*each)(void *context, int tasks, pid_t tid);
  void *context;
  pid_t pid;
  int tasks;
};

static void look_at_thread(void *context, char const *name) {
  struct threads *threads = context;
  pid_t tid;

  if (pid0_scan(name, &tid) && tid != threads->pid)
    threads->each(threads->context, threads->tasks, tid);
}

int walk_threads(pid_t pid, void (*each)(void *context, int tasks, pid_t tid), void *context) {
  struct threads threads = {.each = each, .context = context, .pid = pid};
  unsigned long before = count_threads(pid);
  int ok, saved;

  if (before == 1) return 1;
  threads.tasks = walk_open(pid, "task");
  if (threads.tasks < 0) return 0;
  ok = path_each_name(threads.tasks, look_at_thread, &threads);
  saved = errno;
  close(threads.tasks);
  if (ok && count_threads(pid) != before) return (errno = EAGAIN, 0);
  errno = saved;
  return ok;
}

int walk_open_thread(int tasks, pid_t tid, char const *name) {
  char path[PID_FMT + 1 + NAME_MOST];
  size_t len = pid_fmt(path, tid);

  if (strlen(name) >= NAME_MOST) return (errno = ENAMETOOLONG, -1);
  path[len++] = '/';
  strcpy(path + len, name);
  return openat(tasks, path, O_RDONLY | O_CLOEXEC);
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
  int error; /* of the last list that could not be read, 0 */
};

static void look_at(void *context, char const *name) {
  struct everybody *all = context;
  struct process_stat ps;
  pid_t pid;

  if (pid0_scan(name, &pid) && process_stat_read(pid, &ps) && ps.parent == all->parent)
    all->each(all->context, all->parent, pid);
}

/* 1, or 0 with errno. */
static int each_in_proc(void (*look)(void *context, char const *name), void *context) {
  int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ok, saved;

  if (fd < 0) return 0;
  ok = path_each_name(fd, look, context);
  saved = errno;
  close(fd);
  errno = saved;
  return ok;
}

static int walk_everybody(struct everybody *all) {
  return tree_is_visible() && each_in_proc(look_at, all);
}

struct group {
  pid_t group;
  int lives;
};

static void look_at_group(void *context, char const *name) {
  struct group *group = context;
  struct process_stat ps;
  pid_t pid;

  if (pid0_scan(name, &pid) && process_stat_read(pid, &ps) && ps.group == group->group &&
      !process_stat_is_dead(&ps))
    group->lives = 1;
}

int process_group_lives(pid_t group) {
  struct group is = {.group = group};

  if (kill(-group, 0) < 0 && errno == ESRCH) return 0;
  return !each_in_proc(look_at_group, &is) || is.lives;
}

/* --- children --------------------------------------------------------------------------------
 */

/* The list of the first thread. */
static int open_list(pid_t parent) {
  char name[sizeof "task//children" + PID_FMT];
  size_t len = 5;

  memcpy(name, "task/", 5);
  len += pid_fmt(name + len, parent);
  memcpy(name + len, "/children", 10);
  return walk_open(parent, name);
}

static int read_list(int fd, struct everybody *all) {
  int ok = walk_numbers(fd, all->each, all->context, all->parent), saved = errno;

  close(fd);
  errno = saved;
  return ok;
}

static void read_list_of(void *context, int tasks, pid_t tid) {
  struct everybody *all = context;
  int fd = walk_open_thread(tasks, tid, "children");

  if ((fd < 0 || !read_list(fd, all)) && errno != ENOENT && errno != ESRCH) all->error = errno;
}

/* No list of its own either: it is not that the process has gone. */
static int walk_unlisted(struct everybody *all) {
  int own = all->parent == getpid() ? -1 : open_list(getpid());

  if (own < 0) return errno == ENOENT ? walk_everybody(all) : 0;
  close(own);
  return (errno = ENOENT, 0);
}

/* Each thread has a list of those that it has forked, and leaves it to the first when it ends,
 * whose list is read last therefore. */
int walk_children(pid_t parent, void (*each)(void *context, pid_t parent, pid_t pid),
                  void *context) {
  struct everybody all = {.each = each, .context = context, .parent = parent};
  int fd = open_list(parent), error = 0;

  if (fd < 0) return errno == ENOENT ? walk_unlisted(&all) : 0;
  if (!walk_threads(parent, read_list_of, &all)) error = errno;
  if (!read_list(fd, &all)) error = errno;
  if (all.error) error = all.error;
  return error ? (errno = error, 0) : 1;
}
