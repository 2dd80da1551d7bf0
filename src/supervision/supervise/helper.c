/* Programs of the service directory that are run to their end beside the service: `check`,
 * `control/C`. One of each use at a time, bounded by a time-out, after which its process group
 * gets KILL; how it ended is told to whoever asked for it. Nothing waits for them.
 *
 * They are no part of the service: in no cgroup of it, with a LARES_ID of their own instance,
 * and never ended by a stop. What they leave in the background is the service's, as if it had
 * left it. They die with their supervisor (by the kernel's doing), so that its successor finds
 * none and begins what it needs to know anew; a supervisor that becomes another program ends
 * them itself before. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <signal.h>

#include <lares/report.h>

#include "supervise.h"

int helper_start(struct supervisor *s, enum helper_use use, char const *const *argv,
                 uint32_t ms, helper_ended *ended) {
  struct helper *helper = &s->helpers[use];
  struct child_plan plan = {.abilities = &s->abilities,
                            .file = argv[0],
                            .argv = argv,
                            .envp = s->environment,
                            .record = -1,
                            .dies_with_us = 1,
                            .id = s->id_variable + 9};
  pid_t pid;

  if (helper->pid) return (errno = EBUSY, 0);
  give_log(s, &plan);
  pid = child_start(&plan);
  if (pid < 0) return 0;
  helper->pid = pid;
  helper->late = 0;
  helper->until = deadline_add_ms(clock_now(), ms);
  helper->ended = ended;
  if (plan.failed && plan.failed != helper->said) {
    errno = plan.failed;
    report_error_errno("unable to execute ", argv[0]);
  }
  helper->said = plan.failed;
  return 1;
}

/* The leader is not reaped, so the number is its group's. */
static void kill_helper(struct helper *helper) {
  struct child process = {.who = {.pid = helper->pid}, .pidfd = -1};

  helper->until = DEADLINE_NEVER;
  if (!child_signal_group(&process, SIGKILL)) (void)child_signal(&process, SIGKILL);
}

void helper_stop(struct supervisor *s, enum helper_use use) {
  s->helpers[use].ended = 0;
  if (s->helpers[use].pid) kill_helper(&s->helpers[use]);
}

void helper_end_all(struct supervisor *s) {
  for (unsigned i = 0; i < HELPER_USES; i++)
    if (s->helpers[i].pid) kill_helper(&s->helpers[i]);
}

int helper_runs(struct supervisor const *s, enum helper_use use) {
  return s->helpers[use].pid != 0;
}

int helper_reap(struct supervisor *s, pid_t pid, int32_t wstat) {
  for (unsigned i = 0; i < HELPER_USES; i++) {
    struct helper *helper = &s->helpers[i];
    helper_ended *ended = helper->ended;
    int late = helper->late;

    if (helper->pid != pid) continue;
    child_reap(pid);
    *helper = (struct helper){.until = DEADLINE_NEVER, .said = helper->said};
    if (ended) ended(s, wstat, late);
    return 1;
  }
  return 0;
}

void helper_look(struct supervisor *s) {
  for (unsigned i = 0; i < HELPER_USES; i++) {
    struct helper *helper = &s->helpers[i];
    if (!helper->pid || !deadline_passed(helper->until, clock_now())) continue;
    helper->late = 1;
    kill_helper(helper);
  }
}

struct deadline helper_deadline(struct supervisor const *s) {
  struct deadline next = DEADLINE_NEVER;

  for (unsigned i = 0; i < HELPER_USES; i++)
    if (s->helpers[i].pid) next = deadline_earlier(next, s->helpers[i].until);
  return next;
}
