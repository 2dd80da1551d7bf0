/* More rules: who is sent what, and what the record's flags, kind of stop and count of early
 * deaths tell. */

#ifndef MACHINE_EFFECTS_H
#define MACHINE_EFFECTS_H

#include "machine_rules.h"

/* The state is the same and no process was started. */
static int nothing_new(struct step const *s) {
  return s->after.m.state == s->before.m.state && !(s->deeds & SPAWNS);
}

/* The main process is told to end. */
static int is_told(struct machine const *a, unsigned event) {
  switch (event) {
  case EVENT_WANT_DOWN:
  case EVENT_EXIT:
    return is_running(a) || a->state == STATE_STOPPING;
  case EVENT_RESTART:
  case EVENT_NEEDS_LOST:
  case EVENT_MISFORKED:
    return is_running(a);
  default:
    return event == EVENT_DEADLINE && a->state == STATE_STARTING;
  }
}

/* Who is sent what, and when not. In stopping the process may be dead; then it gets nothing. */
static int rule_signals(struct step const *s) {
  struct machine const *a = &s->before.m, *b = &s->after.m;
  unsigned e = s->event;
  machine_deeds d = s->deeds, rest = d & (DO_REST_DOWN | DO_REST_KILL);
  int main_may_live = is_running(a) || a->state == STATE_STOPPING;
  int lapses = e == EVENT_LAPSE && is_running(a);

  if (!(d & DO_SEND) == ((e == EVENT_SIGNAL && main_may_live) || lapses)) return 0;
  if (is_told(a, e) != !!(d & DO_SEND_DOWN)) return 0;
  if (!(d & DO_SEND_STOP) == (e == EVENT_PAUSE && is_running(a))) return 0;
  if (!(d & DO_SEND_CONT) == ((e == EVENT_CONTINUE && main_may_live) || lapses)) return 0;
  if (e != EVENT_DEADLINE && !(d & DO_SEND_KILL) == (e == EVENT_KILL && !is_resting(a)))
    return 0;
  if (rest && (b->state != STATE_STOPPING || b->stop != STOP_FULL)) return 0;
  if ((rest & DO_REST_DOWN) && (s->alive != ROLE_NONE || (rest & DO_REST_KILL))) return 0;
  return IMPLIES(rest & DO_REST_KILL, e == EVENT_DEADLINE || has_flag(a, FLAG_KILLED)) &&
         IMPLIES(e >= EVENT_SIGNAL && e <= EVENT_UPGRADE, nothing_new(s));
}

/* The kind of a stop is what the commands since its beginning have made it; a full one stays.
 */
static int rule_stop_kind(struct step const *s) {
  struct machine const *a = &s->before.m, *b = &s->after.m;
  int kind = a->stop;

  if (!is_ending(b)) return b->stop == STOP_NONE;
  if (a->state == STATE_DONE && b->state == STATE_FINISHING)
    return b->stop == (is_in(s->event, EVENT_RESTART, EVENT_ONCE) ? STOP_AGAIN : STOP_FULL);
  if (!is_ending(a)) return IMPLIES(b->state == STATE_FINISHING, b->stop == STOP_NONE);
  switch (s->event) {
  case EVENT_NEEDS_LOST:
    if (a->state != STATE_STOPPING) break;
    /* FALLTHROUGH */
  case EVENT_WANT_DOWN:
  case EVENT_EXIT:
    kind = STOP_FULL;
    break;
  case EVENT_WANT_UP:
  case EVENT_ONCE:
  case EVENT_RESTART:
    if (kind != STOP_FULL) kind = STOP_AGAIN;
    break;
  default:
    break;
  }
  return b->stop == kind;
}

/* The flags tell of the process and the stop there are, not of former ones. */
static int rule_flags(struct step const *s) {
  struct machine const *a = &s->before.m, *b = &s->after.m;
  unsigned paused = has_flag(a, FLAG_PAUSED), ready = has_flag(a, FLAG_READY);
  unsigned owed = has_flag(a, FLAG_OWED), killed = has_flag(a, FLAG_KILLED);

  if (s->deeds & DO_SEND_STOP) paused = 1;
  if (s->deeds & (DO_SEND_CONT | DO_SEND_DOWN)) paused = 0;
  if (is_in(s->alive, ROLE_NONE, ROLE_FINISH)) paused = 0;
  if (s->event == EVENT_READY) ready = 1;
  if (s->event == EVENT_UNREADY || s->alive != ROLE_RUN || b->state != STATE_UP) ready = 0;
  if (s->event == EVENT_RUN_DIED && (s->facts & FACT_FINISH)) owed = 1;
  if (s->deeds & DO_SPAWN_FINISH) owed = 1;
  if (s->event == EVENT_FINISH_DONE || !is_ending(b)) owed = 0;
  if (s->deeds & DO_REST_KILL) killed = 1;
  if (!is_ending(b)) killed = 0;
  return has_flag(b, FLAG_PAUSED) == (int)paused && has_flag(b, FLAG_READY) == (int)ready &&
         has_flag(b, FLAG_OWED) == (int)owed && has_flag(b, FLAG_KILLED) == (int)killed &&
         IMPLIES(b->role == ROLE_FINISH, owed);
}

/* Who starts it by command, or brings it back from failed, forgets the early deaths. */
static int rule_reset(struct step const *s) {
  struct machine const *a = &s->before.m;
  int reset = 0;

  if (s->event == EVENT_WANT_UP || s->event == EVENT_ONCE) reset = !is_running(a);
  if (s->event == EVENT_WANT_UP && a->state == STATE_DONE && (s->facts & FACT_ONESHOT))
    reset = 0; /* it is up */
  if (s->event == EVENT_RESTART) reset = !is_in(a->state, STATE_DOWN, STATE_WAITING);
  if (s->event == EVENT_DEADLINE) reset = a->state == STATE_FAILED;
  return !(s->deeds & DO_RESET) == !reset;
}

#endif
