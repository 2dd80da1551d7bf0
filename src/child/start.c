/* Starting a process: vfork, sign in, exec. posix_spawn cannot do this, as no code of ours runs
 * in its child; fork copies page tables, which costs more the larger we are.
 *
 * In the child we share the parent's memory and the parent sleeps: what is written to the plan
 * is seen by it, and nothing may be changed that it still needs. All signals are blocked until
 * the very end; no handler of the parent can run in between.
 */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/killpoint.h>

#include "into.h"

/* R2. Out of room for the record: it becomes the service all the same, and the parent, which
 * sees unrecorded, writes it. Refusing to start would be worse. */
static void sign_in(struct child_plan *plan) {
  struct identity_record r = {.state = plan->forking ? IDENTITY_FORKING : IDENTITY_RUNNING,
                              .role = plan->role};

  plan->began = clock_now();
  clock_stamp(&plan->started);
  if (!identity_of_self(plan->abilities, &plan->who))
    plan->who = (struct identity){.pid = getpid(), .boot = plan->abilities->boot};
  r.who = plan->who;
  r.wstat = WSTAT_UNKNOWN;
  r.started = plan->started;
  r.began = plan->began;
  plan->unrecorded = plan->record < 0 || identity_record_write(plan->record, &r) ? 0 : errno;
  if (plan->pid_text) plan->pid_text[pid_fmt(plan->pid_text, plan->who.pid)] = 0;
  if (!plan->id) return;
  service_id_number(plan->id, plan->who.boot);
  service_id_number(plan->id + 17, service_instance(&plan->who));
}

/* It was killed before it could say who it is: it is our child all the same, and its death will
 * be told like any other's. */
static void sign_for(struct child_plan *plan, pid_t pid) {
  plan->began = clock_now();
  clock_stamp(&plan->started);
  if (!identity_of(plan->abilities, pid, &plan->who))
    plan->who = (struct identity){.pid = pid, .boot = plan->abilities->boot};
}

/* The one place that gives descriptors to a program. dup2 onto itself would keep close-on-exec.
 */
static int give_descriptors(struct child_plan *plan) {
  for (unsigned i = 0; i < plan->fd_count; i++) {
    struct child_open const *give = &plan->fds[i];
    int from = give->from;

    if (from < 0) {
      from = open(give->path, give->flags | O_CLOEXEC);
      if (from < 0) {
        plan->at = give->path;
        return 0;
      }
    }
    if (from == give->to ? fcntl(from, F_SETFD, 0) < 0 : dup2(from, give->to) < 0) {
      plan->at = "dup2";
      return 0;
    }
    if (give->from < 0 && from != give->to) close(from);
  }
  return 1;
}

/* Kept over the exec of any program that is not set-uid. Who was orphaned before it had asked
 * for that ends itself. */
static void die_with_parent(struct child_plan const *plan) {
#ifdef PR_SET_PDEATHSIG
  if (!prctl(PR_SET_PDEATHSIG, SIGKILL) && getppid() != plan->parent) _exit(EXIT_SYSTEM);
#else
  (void)plan;
#endif
}

static void become(struct child_plan *plan) {
  sigset_t none;

  KILL_POINT(SIGN_IN);
  sign_in(plan);
  KILL_POINT(SIGNED_IN);
  if (plan->unjoined && cgroup_join(plan->cgroup))
    plan->unjoined = 0;
  else if (plan->unjoined)
    plan->unjoined = errno;
  setsid();
  if (!give_descriptors(plan)) {
    plan->failed = errno;
    return;
  }
  if (plan->drop) close(plan->drop);
  if (plan->dies_with_us) die_with_parent(plan);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, 0);
  KILL_POINT(EXEC);
  execve(plan->file, (char *const *)plan->argv, (char *const *)plan->envp);
  plan->failed = errno;
  plan->at = "exec";
}

static void live(void *context) {
  struct child_plan *plan = context;

  become(plan);
  _exit(plan->failed == ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC);
}

/* Born into its cgroup, or, where that cannot be had, moved there by itself (unjoined). */
static pid_t give_birth(struct child_plan *plan) {
  pid_t pid = -1;

  plan->unspaced = 0;
  if (plan->newpidns) {
    pid = into_new(plan->cgroup, 1, live, plan);
    if (pid > 0) return pid;
    plan->unspaced = errno;
  }
  if (plan->cgroup > 0) pid = into_new(plan->cgroup, 0, live, plan);
  if (pid > 0) return pid;
  plan->unjoined = plan->cgroup > 0 ? errno : 0;
  pid = vfork();
  if (!pid) live(plan);
  return pid;
}

pid_t child_start(struct child_plan *plan) {
  sigset_t all, before;
  pid_t pid;

  plan->parent = getpid();
  plan->failed = 0;
  plan->unrecorded = plan->record < 0 ? 0 : EINTR; /* until it has signed in */
  plan->unjoined = 0;
  plan->who.pid = 0;
  plan->at = 0;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  KILL_POINT(FORK);
  pid = give_birth(plan);
  {
    int saved = errno;
    KILL_POINT(FORKED);
    if (pid > 0 && plan->who.pid != pid) sign_for(plan, pid);
    /* vfork wakes us when the child has given our memory back, before it has got through
     * execve. On its processor we would go first, having slept: what the caller writes down
     * now (a rename on ext4) would come before the service's first instruction. */
    if (pid > 0) sched_yield();
    sigprocmask(SIG_SETMASK, &before, 0);
    errno = saved;
  }
  return pid;
}
