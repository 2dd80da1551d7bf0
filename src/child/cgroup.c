/* cgroup v2: one below a delegated directory for each service. Whatever a service forks is in
 * it, whoever its parent is by now; KILL reaches all at once (Linux 5.14), and the kernel tells
 * when the last one is gone. Every file but cgroup.procs and cgroup.events may be missing.
 *
 * A service may make cgroups of its own below ours. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "stat.h"
#include "walk.h"

#define CGROUP2_MAGIC 0x63677270
#define NAME_ROOM 150 /* of the service's name in that of the cgroup */
#define LEVELS 8      /* of cgroups below ours */
#define REMOVE_TRIES 3

int cgroup_is(char const *path) {
  struct statfs fs;

  if (statfs(path, &fs) < 0) return 0;
  return (uint32_t)fs.f_type == CGROUP2_MAGIC ? 1 : (errno = ENOTSUP, 0);
}

/* "lares-", because files of the kernel lie beside it; the service's name, for people; and its
 * number, because two services may have one name, and names are cut and rewritten here. */
static void put_name(struct cgroup *c, char const *service, uint64_t number) {
  size_t len = 6;

  memcpy(c->name, "lares-", len);
  for (; *service && len < 6 + NAME_ROOM; service++) {
    char ch = *service;
    int plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                (ch >= '0' && ch <= '9') || strchr("._@:+-", ch);
    c->name[len++] = ch == '/' ? ':' : plain ? ch : '_';
  }
  c->name[len++] = '-';
  service_id_number(c->name + len, number);
  c->name[len + 16] = 0;
}

int cgroup_open(struct cgroup *c, char const *parent, char const *service, uint64_t number) {
  int above = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC), saved;

  c->dir = c->events = -1;
  put_name(c, service, number);
  if (above < 0) return 0;
  if (mkdirat(above, c->name, 0755) == 0 || errno == EEXIST)
    c->dir = openat(above, c->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (c->dir >= 0) c->events = openat(c->dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
  saved = errno;
  close(above);
  errno = saved;
  if (c->events >= 0) {
    (void)cgroup_is_populated(c); /* it tells of changes since it was read */
    return 1;
  }
  cgroup_close(c);
  errno = saved;
  return 0;
}

void cgroup_close(struct cgroup *c) {
  if (c->events >= 0) close(c->events);
  if (c->dir >= 0) close(c->dir);
  c->dir = c->events = -1;
}

int cgroup_is_populated(struct cgroup const *c) {
  char text[128];
  ssize_t got = pread(c->events, text, sizeof text - 1, 0);

  if (got < 0) return -1;
  text[got] = 0;
  return strstr(text, "populated 0") == 0;
}

static int write_to(int dir, char const *file, char const *text) {
  int fd = openat(dir, file, O_WRONLY | O_CLOEXEC), ok, saved;

  if (fd < 0) return 0;
  ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  saved = errno;
  close(fd);
  errno = saved;
  return ok;
}

int cgroup_join(int dir) {
  return write_to(dir, "cgroup.procs", "0");
}

int cgroup_kill(struct cgroup const *c) {
  return write_to(c->dir, "cgroup.kill", "1");
}

/* Where pid is in the hierarchy: the path in text, or 0. */
static char *place_of(pid_t pid, char text[1024]) {
  char *line;
  ssize_t got;
  int fd = walk_open(pid, "cgroup");

  if (fd < 0) return 0;
  got = read(fd, text, 1023);
  close(fd);
  if (got < 0) return 0;
  text[got] = 0;
  line = strncmp(text, "0::", 3) ? strstr(text, "\n0::") : text;
  if (!line) return 0;
  line += line == text ? 3 : 4;
  line[strcspn(line, "\n")] = 0;
  return line;
}

int cgroup_has(struct cgroup const *c, pid_t pid) {
  char text[1024], *at = c->dir >= 0 ? place_of(pid, text) : 0;
  size_t len = strlen(c->name);

  for (at = at ? strstr(at, c->name) : 0; at; at = strstr(at + 1, c->name))
    if (at[-1] == '/' && (!at[len] || at[len] == '/')) return 1;
  return 0;
}

int cgroup_has_claimed(pid_t pid) {
  char text[1024], *at = place_of(pid, text);

  return at && strstr(at, "/lares-") != 0;
}

/* --- what is in it --------------------------------------------------------------------------
 */

/* Calls each for every cgroup in this directory. opendir would allocate. */
static void each_below(int dir, void (*each)(void *context, int dir, char const *name),
                       void *context) {
  union {
    char bytes[1024];
    uint64_t aligned;
  } buf;
  long got;

  while ((got = syscall(SYS_getdents64, dir, buf.bytes, sizeof buf.bytes)) > 0)
    for (long at = 0; at < got;) {
      /* 8 inode, 8 offset, 2 length, 1 type, then the name */
      uint16_t length;
      memcpy(&length, buf.bytes + at + 16, sizeof length);
      if (buf.bytes[at + 18] == DT_DIR && buf.bytes[at + 19] != '.')
        each(context, dir, buf.bytes + at + 19);
      at += length;
    }
}

struct visit {
  struct cgroup const *cgroup;
  struct tree_search *search;
  unsigned level;
};

static void signal_member(struct visit *visit, pid_t pid, int sig) {
  int fd = sys_pidfd_open(pid);

  if (fd < 0 && errno == ESRCH) return;
  if (cgroup_has(visit->cgroup, pid)) {
    if (fd >= 0)
      sys_pidfd_send_signal(fd, sig, 0);
    else
      kill(pid, sig);
    if (fd >= 0 && walk_is_for_running(sig)) sys_pidfd_send_signal(fd, SIGCONT, 0);
    if (fd < 0 && walk_is_for_running(sig)) kill(pid, SIGCONT);
  }
  if (fd >= 0) close(fd);
}

static void visit_member(void *context, pid_t unused, pid_t pid) {
  struct visit *visit = context;
  struct tree_search *search = visit->search;

  (void)unused;
  if (pid == search->except[0] || pid == search->except[1]) return;
  if (search->group && getpgid(pid) != search->group) return;
  search->found++;
  if (!search->first) search->first = pid;
  if (search->sig) signal_member(visit, pid, search->sig);
}

static void visit_members(struct visit *visit, int dir);

static void visit_below(void *context, int dir, char const *name) {
  struct visit *visit = context;
  int below;

  if (visit->level == LEVELS) return;
  below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (below < 0) return;
  visit->level++;
  visit_members(visit, below);
  visit->level--;
  close(below);
}

static void visit_members(struct visit *visit, int dir) {
  int procs = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);

  if (procs >= 0) {
    walk_numbers(procs, visit_member, visit, 0);
    close(procs);
  } else if (errno != ENODEV && errno != ENOENT)
    visit->search->unknown = 1;
  each_below(dir, visit_below, visit);
}

void cgroup_search(struct cgroup const *c, struct tree_search *search) {
  struct visit visit = {.cgroup = c, .search = search};
  int dir;

  search->found = 0;
  search->first = 0;
  search->unknown = 0;
  if (c->dir < 0) return;
  /* An own position in the directory, each time. */
  dir = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) search->unknown = errno != ENODEV && errno != ENOENT;
  if (dir < 0) return;
  visit_members(&visit, dir);
  close(dir);
}

/* --- its end --------------------------------------------------------------------------------
 */

static void remove_below(void *context, int dir, char const *name) {
  unsigned *level = context;
  int below;

  if (*level == LEVELS) return;
  below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (below >= 0) {
    ++*level;
    each_below(below, remove_below, level);
    --*level;
    close(below);
  }
  (void)unlinkat(dir, name, AT_REMOVEDIR);
}

int cgroup_remove(struct cgroup *c, char const *parent) {
  int above = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC), gone = 0, saved;

  cgroup_close(c);
  if (above < 0) return 0;
  for (unsigned i = 0; i < REMOVE_TRIES && !gone; i++) {
    unsigned level = 0;
    if (i) clock_pause(1);
    remove_below(&level, above, c->name);
    gone = faccessat(above, c->name, F_OK, 0) < 0 && errno == ENOENT;
  }
  saved = errno;
  close(above);
  errno = saved;
  return gone;
}
