/* What the supervisor before us had done and not written down when it was killed: between a
 * start and its record in the journal lie the birth of a process and a turn of the scheduler.
 * `child` tells of the start, the machine's state what can have led to it. */

#include <skalibs/nonposix.h>

#include <lares/control.h>

#include "supervise.h"

/* From when on a good run is counted: from the start, then from readiness, which only the state
 * knows as long as it lives. The record of its end has what counted (in older versions none).
 */
void untold_began(struct supervisor *s, struct identity_record const *record) {
  int is_over = record->state == IDENTITY_EXITED;

  if (record->role != ROLE_RUN || !record->began.ns) return;
  if (is_over || !(s->state.machine.flags & FLAG_READY)) s->state.began = record->began;
}

/* The instance before this one has ended, and the machine has not heard of it. */
static int is_last_end_untold(struct supervisor const *s, struct identity_record const *record,
                              struct identity_record *last) {
  /* Pid 0: no main process was chosen, which may be of this start. */
  int is_another = s->state.pid || stamp_compare(&s->state.changed, &record->started);

  return identity_record_last_end(s->record, last) && last->state == IDENTITY_EXITED &&
         is_another && (last->who.pid == s->state.pid || !s->state.pid) &&
         last->role == s->state.machine.role && !identity_equal(&last->who, &record->who);
}

/* What has led from where the machine rests to a start, when it was no death: its time had
 * come, or a command. (Which one is not known any more; it was to be up.) 0: nothing can have.
 */
static int tell_cause(struct supervisor *s, struct identity_record const *record) {
  struct machine const *m = &s->state.machine;
  enum machine_event event = EVENT_WANT_UP;
  int stops = m->state == STATE_STOPPING || m->state == STATE_FINISHING;

  if (m->role != ROLE_NONE || m->flags & FLAG_LEAVING) return 0;
  if (record->role == ROLE_FINISH && !stops) return 0;
  switch (m->state) {
  case STATE_BACKOFF:
  case STATE_FAILED:
    if (deadline_passed(s->state.deadline, record->began)) event = EVENT_DEADLINE;
    break;
  case STATE_FINISHING:
    event = EVENT_DEADLINE;
    break;
  case STATE_WAITING:
    event = EVENT_NEEDS_MET;
    break;
  case STATE_STOPPING:
    event = EVENT_EMPTY;
    break;
  case STATE_DONE:
    event = EVENT_RESTART;
    break;
  default:
    break;
  }
  if (event == EVENT_WANT_UP) s->command = control_find('u');
  if (event == EVENT_RESTART) s->command = control_find('r');
  happen(s, event);
  s->command = 0;
  return 1;
}

/* What led to this instance was done and not written down: the machine is told now, and the
 * start that it then asks for is the one that has taken place. */
void untold_tell(struct supervisor *s, struct identity_record const *record, int have_state) {
  struct identity_record last;

  s->successor = record;
  if (!have_state)
    happen(s, EVENT_BOOT);
  else if (is_last_end_untold(s, record, &last)) {
    untold_began(s, &last);
    s->child = (struct child){.who = last.who, .pidfd = -1};
    process_ended(s, last.wstat);
  }
  /* Two steps when the time of its next start seems not to have come after an end. */
  for (unsigned i = 0; i < 2 && have_state && tell_cause(s, record); i++)
    ;
  s->successor = 0;
  s->child = CHILD_NONE;
}
