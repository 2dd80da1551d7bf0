/* More rules: what each event has to lead to, as the design says it, in plain code. Together
 * they say of every step where it ends; the table says it in another way. */

#ifndef MACHINE_CONDUCT_H
#define MACHINE_CONDUCT_H

#include "machine_rules.h"

/* Where a service which is to be started now comes to; what is behind it already? */
enum begun { BEGUN_NOTHING, BEGUN_CONDITION, BEGUN_START };
static int begins(struct step const *s, enum begun begun) {
  struct machine const *b = &s->after.m;
  machine_deeds spawn = s->deeds & SPAWNS;

  if (begun < BEGUN_CONDITION && (s->facts & FACT_UNMET))
    return b->state == STATE_WAITING && !spawn;
  if (begun < BEGUN_CONDITION && (s->facts & FACT_CONDITION))
    return b->state == STATE_STARTING && spawn == DO_SPAWN_CONDITION;
  if (begun < BEGUN_START && (s->facts & FACT_START))
    return b->state == STATE_STARTING && spawn == DO_SPAWN_START;
  if (s->facts & FACT_NOTHING) return b->state == STATE_DONE && !spawn;
  return b->state == (s->facts & (FACT_SLOW | FACT_FORKING) ? STATE_STARTING : STATE_UP) &&
         spawn == DO_SPAWN_RUN;
}

static int rests_in(struct step const *s, unsigned state) {
  return s->after.m.state == state && !(s->deeds & SPAWNS);
}

/* A stop where no main process lives: what it left is told to end. */
static int ends_rest(struct step const *s) {
  unsigned killed = has_flag(&s->before.m, FLAG_KILLED);

  return rests_in(s, STATE_STOPPING) && s->after.m.stop == STOP_FULL &&
         (s->deeds & (DO_REST_DOWN | DO_REST_KILL)) == (killed ? DO_REST_KILL : DO_REST_DOWN);
}

/* A life is over, `finish` too. */
static int settles(struct step const *s) {
  struct machine const *a = &s->before.m;
  int ending = is_ending(a);

  if (has_flag(a, FLAG_LEAVING)) return rests_in(s, STATE_DOWN) && (s->deeds & DO_GONE);
  if (a->want == WANT_DOWN) return rests_in(s, STATE_DOWN);
  if (s->facts & FACT_GIVEUP) return rests_in(s, STATE_FAILED);
  if (ending && (a->stop == STOP_FULL || a->stop == STOP_AGAIN))
    return begins(s, BEGUN_NOTHING);
  if (has_done(s)) return rests_in(s, STATE_DONE);
  if (a->want == WANT_ONCE) return rests_in(s, STATE_DOWN) && s->after.m.want == WANT_DOWN;
  if (s->facts & FACT_ENDED)
    return rests_in(s, s->facts & FACT_SUCCESS ? STATE_DONE : STATE_FAILED);
  return s->facts & FACT_LATER ? rests_in(s, STATE_BACKOFF) : begins(s, BEGUN_NOTHING);
}

/* The main process, or the last of what it left, is gone: is there a rest to end, a finish to
 * run? A finish that could not be run because its file is gone is not waited for. */
static int ends(struct step const *s) {
  struct machine const *a = &s->before.m;
  int full = is_ending(a) && a->stop == STOP_FULL;
  int owed = s->event == EVENT_RUN_DIED ? !!(s->facts & FACT_FINISH)
                                        : has_flag(a, FLAG_OWED) && (s->facts & FACT_FINISH);

  if (has_flag(a, FLAG_OWED) && (s->facts & FACT_FINISH)) owed = 1;
  /* What a oneshot did stays, unless it is being stopped. */
  if (has_done(s) && s->event != EVENT_EMPTY && a->want != WANT_DOWN && !full &&
      !(is_ending(a) && a->stop == STOP_AGAIN))
    owed = 0;
  if (s->event != EVENT_EMPTY && full && (s->facts & FACT_REST)) return ends_rest(s);
  if (owed && s->event != EVENT_FINISH_DONE)
    return s->after.m.state == STATE_FINISHING && (s->deeds & SPAWNS) == DO_SPAWN_FINISH;
  return settles(s);
}

/* The process could not be made. */
static int is_unborn(struct step const *s) {
  struct machine const *a = &s->before.m;

  if (a->state == STATE_FINISHING) return rests_in(s, STATE_FINISHING);
  if (a->want != WANT_DOWN) return rests_in(s, STATE_BACKOFF);
  return s->facts & FACT_REST ? ends_rest(s) : rests_in(s, STATE_DOWN);
}

/* Processes that end. */
static int rule_ends(struct step const *s) {
  struct machine const *a = &s->before.m;

  switch (s->event) {
  case EVENT_START_OK:
    if (a->state == STATE_STOPPING) return ends(s);
    if (a->want != WANT_DOWN) return begins(s, BEGUN_START);
    return s->facts & FACT_REST ? ends_rest(s) : rests_in(s, STATE_DOWN);
  case EVENT_CONDITION_OK:
    if (a->state == STATE_STOPPING) return ends(s);
    if (a->want != WANT_DOWN) return begins(s, BEGUN_CONDITION);
    return s->facts & FACT_REST ? ends_rest(s) : rests_in(s, STATE_DOWN);
  case EVENT_CONDITION_NO:
    return a->state == STATE_STOPPING ? ends(s) : rests_in(s, STATE_DOWN);
  case EVENT_START_BAD:
    return a->state == STATE_STARTING ? settles(s) : ends(s);
  case EVENT_RUN_DIED:
  case EVENT_FINISH_DONE:
    return ends(s);
  case EVENT_EMPTY:
    if (a->state == STATE_STOPPING && a->role == ROLE_NONE) return ends(s);
    return rests_in(s, a->state);
  case EVENT_UNBORN:
    return is_unborn(s);
  default:
    return 1;
  }
}

/* A command to run is obeyed: at once at rest, after the stop in a stop, never lost. */
static int rule_obeyed(struct step const *s) {
  struct machine const *a = &s->before.m, *b = &s->after.m;

  if (s->event == EVENT_UNWANT)
    return !(s->deeds & ~(DO_WANT_DOWN | DO_PUBLISH)) &&
           b->state == (is_resting(a) ? (unsigned)STATE_DOWN : a->state);
  if (has_flag(a, FLAG_LEAVING)) return 1;
  switch (s->event) {
  case EVENT_RESTART:
    if (is_running(a))
      return b->state == STATE_STOPPING && b->stop == STOP_AGAIN && (s->deeds & DO_SEND_DOWN);
    if (is_in(a->state, STATE_DOWN, STATE_WAITING)) return !s->deeds;
    /* FALLTHROUGH */
  case EVENT_WANT_UP:
  case EVENT_ONCE:
    if (a->state == STATE_DONE && s->event == EVENT_WANT_UP && (s->facts & FACT_ONESHOT))
      return rests_in(s, STATE_DONE);
    if (is_undoable(s)) return undoes(s, STOP_AGAIN);
    if (is_running(a)) return rests_in(s, a->state);
    if (is_ending(a)) return rests_in(s, a->state);
    return begins(s, BEGUN_NOTHING);
  case EVENT_BOOT:
    if (a->state != STATE_DOWN) return rests_in(s, a->state);
    return s->facts & FACT_WANTED ? begins(s, BEGUN_NOTHING) : rests_in(s, STATE_DOWN);
  default:
    return 1;
  }
}

/* A run that goes into the background is up when one process is left, ready too where that is
 * declared; not yet there it has its time; what a failed one has left is stopped, and then it
 * is an early death like others. */
static int rule_background(struct step const *s) {
  struct machine const *a = &s->before.m, *b = &s->after.m;
  unsigned settled = s->facts & FACT_SLOW ? STATE_STARTING : STATE_UP;

  switch (s->event) {
  case EVENT_FORKED:
    return rests_in(s, a->state == STATE_STARTING ? settled : a->state);
  case EVENT_FORKING:
    return rests_in(s, is_running(a) ? (unsigned)STATE_STARTING : a->state);
  case EVENT_MISFORKED:
    if (!is_running(a)) return rests_in(s, a->state);
    return rests_in(s, STATE_STOPPING) && b->stop == STOP_LAPSE && (s->deeds & DO_SEND_DOWN);
  default:
    return 1;
  }
}

/* Deadlines, needs and readiness. */
static int rule_moments(struct step const *s) {
  struct machine const *a = &s->before.m, *b = &s->after.m;
  machine_deeds kills = s->deeds & (DO_SEND_KILL | DO_REST_KILL);

  switch (s->event) {
  case EVENT_DEADLINE:
    if (a->state == STATE_STARTING)
      return !kills && rests_in(s, STATE_STOPPING) && b->stop == STOP_LAPSE &&
             (s->deeds & DO_SEND_DOWN);
    if (a->state == STATE_STOPPING)
      return rests_in(s, STATE_STOPPING) &&
             kills == (a->stop == STOP_FULL ? DO_REST_KILL : DO_SEND_KILL);
    if (a->state == STATE_FINISHING)
      return b->state == STATE_FINISHING &&
             kills == (a->role == ROLE_NONE ? 0 : DO_SEND_KILL) &&
             (s->deeds & SPAWNS) == (a->role == ROLE_NONE ? DO_SPAWN_FINISH : 0);
    if (kills) return 0;
    if (is_in(a->state, STATE_BACKOFF, STATE_FAILED) || a->state == STATE_WAITING)
      return begins(s, BEGUN_NOTHING);
    return rests_in(s, a->state);
  case EVENT_NEEDS_MET:
    return a->state == STATE_WAITING ? begins(s, BEGUN_NOTHING) : rests_in(s, a->state);
  case EVENT_NEEDS_LOST:
    if (is_running(a))
      return rests_in(s, STATE_STOPPING) && b->stop == STOP_FULL && (s->deeds & DO_SEND_DOWN);
    if (is_undoable(s)) return undoes(s, STOP_FULL);
    if (a->state == STATE_DONE && (s->facts & FACT_ONESHOT)) return begins(s, BEGUN_NOTHING);
    return rests_in(s, a->state) && IMPLIES(a->state == STATE_STOPPING, b->stop == STOP_FULL);
  case EVENT_READY:
    return rests_in(s, a->state == STATE_STARTING ? (unsigned)STATE_UP : a->state);
  case EVENT_UNREADY:
    return rests_in(s, a->state);
  case EVENT_LAPSE:
    if (!is_running(a)) return rests_in(s, a->state);
    return !kills && rests_in(s, STATE_STOPPING) && b->stop == STOP_LAPSE;
  default:
    return 1;
  }
}

#endif
