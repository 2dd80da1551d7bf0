/* One process: signals and its end. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stat.h"

/* Our own child keeps its number until we reap it; another's may have lost it since we looked.
 */
static int is_still(struct identity const *who) {
  struct process_stat ps;
  int32_t wstat;

  if (child_peek(who->pid, &wstat) >= 0 || !who->start) return 1;
  return process_stat_read(who->pid, &ps) && ps.start == who->start;
}

int child_signal(struct child const *c, int sig) {
  if (c->who.pid <= 0) return (errno = ESRCH, 0);
  if (c->pidfd >= 0) return sys_pidfd_send_signal(c->pidfd, sig, 0) == 0;
  if (!is_still(&c->who)) return (errno = ESRCH, 0);
  return kill(c->who.pid, sig) == 0;
}

int child_signal_group(struct child const *c, int sig) {
  if (c->who.pid <= 0) return (errno = ESRCH, 0);
  if (c->pidfd >= 0 && !sys_pidfd_send_signal(c->pidfd, sig, PIDFD_TO_GROUP)) return 1;
  if (c->pidfd >= 0 && errno != EINVAL) return 0;
  if (c->pidfd < 0 && !is_still(&c->who)) return (errno = ESRCH, 0);
  /* The leader is unreaped, so the number is still its group's. */
  return kill(-c->who.pid, sig) == 0;
}

/* Of one that another leads the number is its group's as long as a member is there, which is
 * seen last. A group is of one session, so that in another than ours nobody of ours is hit. */
int child_signal_group_of(struct child const *c, int sig) {
  pid_t group = c->who.pid > 0 ? getpgid(c->who.pid) : 0;

  if (group < 0) return 0;
  if (group <= 1 || getsid(c->who.pid) == getsid(0)) return (errno = EPERM, 0);
  if (!child_signal(c, 0)) return 0;
  return kill(-group, sig) == 0;
}

static int32_t wait_status(siginfo_t const *info) {
  if (info->si_code == CLD_EXITED) return (info->si_status & 0xff) << 8;
  return (info->si_status & 0x7f) | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

static int peek(idtype_t type, pid_t of, pid_t *pid, int32_t *wstat) {
  siginfo_t info = {.si_pid = 0};

  while (waitid(type, (id_t)of, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
    if (errno != EINTR) return -1;
  if (!info.si_pid) return 0;
  *pid = info.si_pid;
  *wstat = wait_status(&info);
  return 1;
}

int child_peek(pid_t pid, int32_t *wstat) {
  return peek(P_PID, pid, &pid, wstat);
}

int child_peek_any(pid_t *pid, int32_t *wstat) {
  return peek(P_ALL, 0, pid, wstat);
}

void child_reap(pid_t pid) {
  int status;

  while (waitpid(pid, &status, WNOHANG) < 0 && errno == EINTR)
    ;
}

void child_forget(struct child *c) {
  if (c->pidfd >= 0) close(c->pidfd);
  *c = CHILD_NONE;
}
