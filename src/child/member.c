/* Who belongs to a start of a service, and may speak for it. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <errno.h>
#include <unistd.h>

#include "stat.h"
#include "walk.h"

/* What comes between it and the main process lives: it could not be there otherwise. */
static int is_below(struct process_stat const *child, pid_t main) {
  struct process_stat ps = *child;

  for (unsigned i = 0; i < ANCESTORS_MAX; i++) {
    if (ps.parent == main) return 1;
    if (ps.parent <= 1 || ps.parent == getpid() || !process_stat_read(ps.parent, &ps)) break;
  }
  return 0;
}

int process_is_of(pid_t pid, struct membership const *m) {
  struct process_stat ps;
  enum stray_mark mark;

  if (pid <= 0 || pid == getpid()) return 0;
  if (pid == m->main) return 1;
  if (!process_stat_read(pid, &ps)) return 0;
  if (m->main && (is_below(&ps, m->main) || ps.session == getsid(m->main))) return 1;
  mark = stray_mark_of(pid, &m->id);
  if (mark == STRAY_MATCHES) return 1;
  return mark != STRAY_OTHERS && m->cgroup && cgroup_has(m->cgroup, pid);
}

static int lives(pid_t pid) {
  struct process_stat ps;

  return process_stat_read(pid, &ps) && !process_stat_is_dead(&ps);
}

/* Opened first: then the number is still its own when the rest was looked at. */
int process_take(struct child_abilities const *abilities, pid_t pid, struct membership const *m,
                 struct child *child) {
  int fd = abilities->pidfd ? sys_pidfd_open(pid) : -1;
  int32_t wstat;

  *child = CHILD_NONE;
  if ((fd < 0 && abilities->pidfd && errno == ESRCH) || !process_is_of(pid, m) || !lives(pid) ||
      !identity_of(abilities, pid, &child->who)) {
    if (fd >= 0) close(fd);
    *child = CHILD_NONE;
    return 0;
  }
  if (child_peek(pid, &wstat) >= 0) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  child->pidfd = fd;
  return 1;
}
