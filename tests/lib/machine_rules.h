/* What must hold of every step of the machine, one function a rule, written from the design and
 * not from the table. Each answers 1 or 0. */

#ifndef MACHINE_RULES_H
#define MACHINE_RULES_H

#include "machine_walk.h"

#define IMPLIES(a, b) (!(a) || (b))

static int bits(uint64_t word) {
  int count = 0;

  for (; word; word &= word - 1)
    count++;
  return count;
}

static int is_in(unsigned state, unsigned a, unsigned b) {
  return state == a || state == b;
}

/* A stop is under way, or its finish. */
static int is_ending(struct machine const *m) {
  return is_in(m->state, STATE_STOPPING, STATE_FINISHING);
}

static int is_running(struct machine const *m) {
  return is_in(m->state, STATE_STARTING, STATE_UP);
}

static int is_resting(struct machine const *m) {
  return !is_ending(m) && !is_running(m);
}

static int has_flag(struct machine const *m, unsigned flag) {
  return !!(m->flags & flag);
}

/* A possible event is never a contradiction. */
static int rule_possible(struct step const *s) {
  return !(s->deeds & DO_BUG);
}

/* Never two processes; the record knows which one lives. */
static int rule_one_process(struct step const *s) {
  uint8_t role = s->alive;

  if (bits(s->deeds & SPAWNS) > 1 || ((s->deeds & SPAWNS) && role != ROLE_NONE)) return 0;
  if (s->deeds & DO_SPAWN_START) role = ROLE_START;
  if (s->deeds & DO_SPAWN_RUN) role = ROLE_RUN;
  if (s->deeds & DO_SPAWN_FINISH) role = ROLE_FINISH;
  if (s->deeds & DO_SPAWN_CONDITION) role = ROLE_CONDITION;
  return s->after.m.role == role;
}

static int rule_plausible(struct step const *s) {
  return machine_plausible(&s->after.m);
}

/* Each death of `run` is published once, and nothing else is a death. */
static int rule_one_death(struct step const *s) {
  return !(s->deeds & DO_DEATH) == (s->event != EVENT_RUN_DIED);
}

/* Whoever reads status learns of each change. */
static int rule_published(struct step const *s) {
  struct machine const *a = &s->before.m, *b = &s->after.m;
  unsigned shown = FLAG_PAUSED | FLAG_LEAVING | FLAG_READY;
  int changed = a->state != b->state || a->want != b->want || a->role != b->role ||
                (a->flags & shown) != (b->flags & shown) || (s->deeds & SPAWNS) ||
                s->event == EVENT_RUN_DIED || s->event == EVENT_FORKED;

  return !(s->deeds & DO_PUBLISH) == !changed;
}

/* What has been started has timeout-start: `condition`, `start`, and a `run` that is not its
 * daemon yet. */
static int starts_long(struct step const *s) {
  return is_in(s->after.m.role, ROLE_START, ROLE_CONDITION) || (s->facts & FACT_FORKING);
}

/* A oneshot has done what it is for. */
static int has_done(struct step const *s) {
  uint32_t all = FACT_ONESHOT | FACT_ENDED | FACT_SUCCESS;

  return (s->facts & all) == all;
}

/* In done there is something to be undone: `finish` is run. */
static int undoes(struct step const *s, unsigned stop) {
  return s->after.m.state == STATE_FINISHING && s->after.m.stop == stop &&
         (s->deeds & SPAWNS) == DO_SPAWN_FINISH;
}
static int is_undoable(struct step const *s) {
  return s->before.m.state == STATE_DONE && (s->facts & FACT_ONESHOT) &&
         (s->facts & FACT_FINISH);
}

/* The deadline set is the one of the state entered or of the process started. */
static int rule_armed_right(struct step const *s) {
  struct machine const *b = &s->after.m;
  machine_deeds arms = s->deeds & ARMS;
  int entered = s->before.m.state != b->state || (s->deeds & SPAWNS);

  switch (b->state) {
  case STATE_STARTING:
    if (s->event == EVENT_FORKING) return arms == DO_ARM_START;
    if (s->event == EVENT_FORKED) return arms == DO_ARM_READY;
    return arms == (!entered ? 0 : starts_long(s) ? DO_ARM_START : DO_ARM_READY);
  case STATE_STOPPING:
    if (entered) return arms == (has_flag(b, FLAG_KILLED) ? 0 : DO_ARM_KILL);
    /* the same deadline from first to last, but once anew when everything is to go after all */
    return arms == (s->before.m.stop != b->stop && b->stop == STOP_FULL ? DO_ARM_KILL : 0);
  case STATE_FINISHING:
    if (s->event == EVENT_UNBORN) return arms == DO_ARM_RETRY;
    return arms == (s->deeds & DO_SPAWN_FINISH ? DO_ARM_FINISH : 0);
  case STATE_BACKOFF:
    return arms == (!entered ? 0 : s->event == EVENT_UNBORN ? DO_ARM_RETRY : DO_ARM_BACKOFF);
  case STATE_FAILED:
    return arms == (entered ? DO_ARM_FAILED : 0);
  default:
    return !arms;
  }
}

/* Whatever has to end is dead soon: a deadline is set, or KILL is on its way to it. */
static int rule_not_stuck(struct step const *s) {
  struct spot const *b = &s->after;

  switch (b->m.state) {
  case STATE_STOPPING:
    return b->armed || (b->m.role == ROLE_NONE ? b->rest_killed : b->process_killed);
  case STATE_FINISHING:
    return b->armed || (b->m.role != ROLE_NONE && b->process_killed);
  case STATE_BACKOFF:
    return b->armed || s->event == EVENT_DEADLINE; /* one that came too early */
  default:
    return 1;
  }
}

/* A wanted service is nowhere at rest but where something will start it or a reason is shown.
 */
static int rule_wanted(struct step const *s) {
  struct machine const *a = &s->before.m, *b = &s->after.m;

  if (b->want == WANT_DOWN || b->state != STATE_DOWN || has_flag(b, FLAG_LEAVING)) return 1;
  return (a->state == STATE_DOWN && a->want != WANT_DOWN) || s->event == EVENT_CONDITION_NO;
}

/* Who leaves without stopping, or is replaced, touches nothing. */
static int rule_leave(struct step const *s) {
  machine_deeds deeds = s->event == EVENT_LEAVE     ? DO_QUIT
                        : s->event == EVENT_UPGRADE ? DO_RENEW
                                                    : 0;

  if (!deeds) return !(s->deeds & (DO_QUIT | DO_RENEW));
  return s->deeds == deeds && spot_key(&s->before) == spot_key(&s->after);
}

/* The supervisor leaves when told to, at rest, with nothing of the service left, and then. */
static int rule_gone(struct step const *s) {
  struct machine const *a = &s->before.m, *b = &s->after.m;
  int was = a->state == STATE_DOWN && has_flag(a, FLAG_LEAVING);
  int is = b->state == STATE_DOWN && has_flag(b, FLAG_LEAVING);

  if (was && is) /* said again to whoever commands anything now */
    return !(s->deeds & DO_GONE) == (s->event == EVENT_UNWANT || s->event > EVENT_EXIT);
  if (!(s->deeds & DO_GONE)) return !is;
  return is && b->role == ROLE_NONE && (s->event == EVENT_EMPTY || !(s->facts & FACT_REST));
}

/* `x` wins over everything that comes after it. */
static int rule_exit_wins(struct step const *s) {
  struct machine const *a = &s->before.m, *b = &s->after.m;

  if (!has_flag(a, FLAG_LEAVING) && s->event != EVENT_EXIT) return !has_flag(b, FLAG_LEAVING);
  return has_flag(b, FLAG_LEAVING) && !(s->deeds & SPAWNS & ~DO_SPAWN_FINISH) &&
         (is_ending(b) ? b->stop == STOP_FULL : b->state == STATE_DOWN);
}

/* Told to be down, nothing is started but `finish`; only a command changes that. What was to be
 * done once and is done stays so. */
static int rule_down_is_down(struct step const *s) {
  struct machine const *a = &s->before.m, *b = &s->after.m;
  unsigned e = s->event;

  if ((s->deeds & SPAWNS & ~DO_SPAWN_FINISH) && b->want == WANT_DOWN) return 0;
  if (b->state == STATE_DONE && (a->want == WANT_ONCE || e == EVENT_ONCE))
    return b->want == WANT_UP;
  switch (e) {
  case EVENT_WANT_UP:
    return b->want == WANT_UP;
  case EVENT_ONCE:
    return b->want == WANT_ONCE;
  case EVENT_WANT_DOWN:
  case EVENT_EXIT:
  case EVENT_UNWANT:
    return b->want == WANT_DOWN;
  case EVENT_BOOT:
    return IMPLIES(b->want != a->want, b->want == WANT_UP && (s->facts & FACT_WANTED));
  default: /* a once that is over */
    return b->want == a->want ||
           (a->want == WANT_ONCE && b->want == WANT_DOWN && b->state == STATE_DOWN);
  }
}

/* `d` and `x` stop, with everything there is. */
static int rule_stops(struct step const *s) {
  struct machine const *a = &s->before.m, *b = &s->after.m;

  if (s->event != EVENT_WANT_DOWN && s->event != EVENT_EXIT) return 1;
  if (is_running(a))
    return b->state == STATE_STOPPING && b->stop == STOP_FULL && (s->deeds & DO_SEND_DOWN);
  if (is_ending(a))
    return b->state == a->state && b->stop == STOP_FULL &&
           IMPLIES(a->state == STATE_STOPPING, s->deeds & DO_SEND_DOWN);
  if (is_undoable(s)) return undoes(s, STOP_FULL);
  if (s->facts & FACT_REST)
    return b->state == STATE_STOPPING && b->stop == STOP_FULL && (s->deeds & DO_REST_DOWN);
  return b->state == STATE_DOWN;
}

#endif
