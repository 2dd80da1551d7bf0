/* Why a service is where it is: what status shows beside the state. */

#include <skalibs/nonposix.h>

#include <sys/wait.h>

#include "supervise.h"

static void set(struct supervisor *s, enum status_reason reason, uint32_t detail) {
  s->reason = (uint8_t)reason;
  s->detail = detail;
}

/* An event that is not named here leaves the reason of the one before: what follows a death
 * follows from that death. */
void reason_of_event(struct supervisor *s, enum machine_event event) {
  struct machine const *m = &s->state.machine;

  if (event == EVENT_UNBORN) return; /* who could not make the process has said why */
  if (s->command)
    set(s, REASON_COMMAND, (unsigned char)s->command->letter);
  else if (event == EVENT_BOOT)
    set(s, s->definition.has & HAS_DOWN ? REASON_DOWN_FILE : REASON_NONE, 0);
  else if (event == EVENT_EXIT)
    set(s, REASON_COMMAND, 'x');
  else if (event == EVENT_NEEDS_LOST)
    set(s, REASON_NEEDS, needs_stand(s));
  else if (event == EVENT_NEEDS_MET)
    set(s, REASON_NONE, 0);
  else if (event == EVENT_DEADLINE && m->state == STATE_STARTING)
    set(s,
        m->role == ROLE_CONDITION ? REASON_CONDITION_TIMEOUT
        : m->role == ROLE_START   ? REASON_START_TIMEOUT
        : forking_is_unsettled(s) ? REASON_FORK_TIMEOUT
                                  : REASON_READY_TIMEOUT,
        0);
}

/* It is what it waits for, whatever has led there. */
void reason_of_wait(struct supervisor *s) {
  if (s->state.machine.state != STATE_WAITING) return;
  set(s, REASON_NEEDS, needs_stand(s));
  (void)needs_show_wait(s);
}

static void of_death(struct supervisor *s, int32_t wstat) {
  if (s->exec_error)
    set(s, REASON_NO_EXEC, (uint32_t)s->exec_error);
  else if (wstat == WSTAT_UNKNOWN)
    set(s, REASON_UNKNOWN_DEATH, 0);
  else if (WIFSIGNALED(wstat))
    set(s, REASON_KILLED, (uint32_t)WTERMSIG(wstat));
  else
    set(s, REASON_EXITED, (uint32_t)WEXITSTATUS(wstat));
}

/* As a shell says it. */
static uint32_t code_of(int32_t wstat) {
  if (wstat == WSTAT_UNKNOWN) return 0;
  return WIFSIGNALED(wstat) ? 128u + (uint32_t)WTERMSIG(wstat) : (uint32_t)WEXITSTATUS(wstat);
}

void reason_of_failure(struct supervisor *s, struct machine const *before) {
  if (s->many && s->state.machine.state == STATE_FAILED && before->state != STATE_FAILED &&
      s->reason != REASON_GAVE_UP)
    set(s, REASON_TOO_MANY_DEATHS, s->many);
  s->many = 0;
}

void reason_of_end(struct supervisor *s, enum machine_role role, int32_t wstat) {
  int known = wstat != WSTAT_UNKNOWN;

  /* Stopped on purpose, or because it took too long: that is the reason, not how it obeyed.
   * (Who ends by its own word obeys nobody.) */
  if (s->state.machine.stop == STOP_FULL) return;
  if (s->state.machine.stop == STOP_LAPSE && s->reason != REASON_ENDING) return;
  if (role == ROLE_RUN)
    of_death(s, wstat);
  else if (role == ROLE_FINISH && known && WIFEXITED(wstat) &&
           WEXITSTATUS(wstat) == FINISH_GIVE_UP)
    set(s, REASON_GAVE_UP, 0);
  else if (role == ROLE_START && wstat != 0 && s->state.machine.state == STATE_STARTING)
    set(s, REASON_START_FAILED, code_of(wstat));
  else if (role == ROLE_CONDITION && wstat != 0 && s->state.machine.state == STATE_STARTING)
    set(s,
        known && WIFEXITED(wstat) && !s->exec_error ? REASON_CONDITION
                                                    : REASON_CONDITION_FAILED,
        code_of(wstat));
}
