/* What is true at the moment of an event, for the machine's guards. Only what the event can
 * make a guard ask for is found out: a restart after a death waits for this. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise.h"

/* Good: it ran, or was ready where readiness is declared, for restart-reset. */
static int was_early(struct supervisor const *s) {
  struct state_record const *r = &s->state;
  struct deadline good = deadline_add_ms(r->began, s->definition.restart_reset);

  if (s->definition.type == TYPE_ONESHOT || forking_is_unsettled(s)) return 1;
  if (r->marks & MARK_NOTIFIES && !r->ready.tai) return 1; /* it never was */
  return !deadline_passed(good, clock_now());
}

/* Told to end because it took too long, it has not done its work whatever it says. */
static int is_success(struct supervisor const *s) {
  return s->state.last_wstat == 0 && s->state.machine.stop != STOP_LAPSE;
}

static int was_last(struct supervisor const *s) {
  switch (s->definition.restart) {
  case RESTART_NEVER:
    return 1;
  case RESTART_ON_FAILURE:
    return is_success(s);
  default:
    return 0;
  }
}

struct deadline next_start(struct supervisor const *s) {
  return deadline_add_ms(s->state.died, svdir_delay_ms(&s->definition, s->state.machine.early));
}

/* By max-deaths. The one that is being told is not in the journal yet. Where that cannot be
 * read those count that were known of: a service that dies at once would be started as fast as
 * that is possible otherwise. */
static int are_too_many(struct supervisor *s, enum machine_event event) {
  struct svdir const *d = &s->definition;
  int successes = d->type != TYPE_ONESHOT;
  unsigned now = event == EVENT_START_BAD ||
                 (event == EVENT_RUN_DIED && (successes || s->state.last_wstat));
  struct deadline since = {s->state.died.ns - (int64_t)d->max_deaths_within * 1000000};

  if (!d->max_deaths || s->state.machine.stop == STOP_FULL ||
      s->state.machine.stop == STOP_AGAIN)
    return 0;
  if (now < d->max_deaths) {
    unsigned before = history_deaths(&s->history, since, d->max_deaths - now, successes);
    now += errno && s->known_deaths > before ? s->known_deaths : before;
  }
  s->many = now >= d->max_deaths ? now : 0;
  s->known_deaths = s->many ? 0 : now;
  return s->many != 0;
}

/* After a death: was it early, is it the last, and when is the next start due? */
static uint32_t facts_of_death(struct supervisor *s, enum machine_event event) {
  uint32_t facts = 0;
  struct state_record *r = &s->state;
  uint16_t early = r->machine.early;

  if (event == EVENT_RUN_DIED || event == EVENT_START_BAD) {
    /* A `start` that fails is an early death whatever it took: it would be run for ever without
     * a pause otherwise. */
    int is_early = event == EVENT_START_BAD || was_early(s);
    if (is_early) facts |= FACT_EARLY;
    early = machine_early_after(&r->machine, is_early);
    r->died = clock_now();
  }
  if (event == EVENT_START_BAD) {
    if (s->definition.restart == RESTART_NEVER) facts |= FACT_ENDED;
  } else {
    if (was_last(s)) facts |= FACT_ENDED;
    if (is_success(s)) facts |= FACT_SUCCESS;
  }
  if (event == EVENT_FINISH_DONE && WIFEXITED(s->wstat) &&
      WEXITSTATUS(s->wstat) == FINISH_GIVE_UP)
    facts |= FACT_GIVEUP;
  if (are_too_many(s, event)) facts |= FACT_GIVEUP;
  if (!deadline_passed(deadline_add_ms(r->died, svdir_delay_ms(&s->definition, early)),
                       clock_now()))
    facts |= FACT_LATER;
  return facts;
}

/* Can a life begin with this event? Then what the directory says now is what counts. */
static int can_begin(struct machine const *m, enum machine_event event) {
  switch (event) {
  case EVENT_BOOT:
  case EVENT_RUN_DIED:
  case EVENT_START_BAD:
  case EVENT_FINISH_DONE:
  case EVENT_CONDITION_OK:
    return 1;
  case EVENT_WANT_UP:
  case EVENT_ONCE:
  case EVENT_RESTART:
  case EVENT_NEEDS_MET:
  case EVENT_EMPTY:
    return m->role == ROLE_NONE;
  case EVENT_NEEDS_LOST:
  case EVENT_WANT_DOWN:
  case EVENT_EXIT: /* is there a `finish` now that undoes it? */
    return m->state == STATE_DONE;
  case EVENT_DEADLINE:
    return m->role == ROLE_NONE && m->state != STATE_STOPPING;
  default:
    return 0;
  }
}

/* Everything is to end, and there was no `finish` and is none now: the directory need not be
 * read. */
static int is_the_end(struct supervisor const *s, enum machine_event event) {
  struct machine const *m = &s->state.machine;

  return event == EVENT_RUN_DIED && m->want == WANT_DOWN && m->stop == STOP_FULL &&
         !(s->definition.has & HAS_FINISH) && access("finish", F_OK) < 0 &&
         access("stop", F_OK) < 0;
}

int declares_readiness(struct supervisor const *s) {
  return s->definition.notification_fd >= 0 || s->definition.notify_sd || check_is_used(s);
}

/* What is in the background may have said before, on its descriptor, that it is ready. */
static int is_slow(struct supervisor const *s, enum machine_event event) {
  if (event == EVENT_FORKED)
    return s->notify >= 0 || s->definition.notify_sd || check_is_used(s);
  return declares_readiness(s) || s->definition.type == TYPE_ONESHOT;
}

/* Nobody asks what a service needs that is not wanted, nor of one that was started. */
static int is_unmet(struct supervisor *s, enum machine_event event) {
  struct machine const *m = &s->state.machine;
  int wanted = m->want != WANT_DOWN || event == EVENT_WANT_UP || event == EVENT_ONCE ||
               (event == EVENT_BOOT && !(s->definition.has & HAS_DOWN));

  return wanted && !s->successor && !(m->flags & FLAG_LEAVING) && !needs_are_met(s);
}

/* Of a process that lives who else does is asked when it is dead: a stop that has just been
 * told to it shall not wait for the answer. */
static int is_rest_asked(struct machine const *m, enum machine_event event) {
  if (event == EVENT_WANT_DOWN || event == EVENT_EXIT) return m->role == ROLE_NONE;
  if (event == EVENT_START_OK && m->want == WANT_DOWN) return 1;
  return m->stop == STOP_FULL || event == EVENT_UNBORN;
}

uint32_t facts_now(struct supervisor *s, enum machine_event event) {
  struct machine const *m = &s->state.machine;
  uint32_t facts = 0;

  if (event == EVENT_WANT_UP || event == EVENT_ONCE || event == EVENT_RESTART)
    s->known_deaths = 0;                      /* forgiven */
  if (event != EVENT_EMPTY) s->rest.none = 0; /* which follows from that */
  if (can_begin(m, event) && !is_the_end(s, event)) {
    (void)read_definition(s);
    if (is_unmet(s, event)) facts |= FACT_UNMET;
  }
  if (event == EVENT_RUN_DIED || event == EVENT_START_BAD || event == EVENT_FINISH_DONE ||
      event == EVENT_EMPTY)
    facts |= facts_of_death(s, event);
  if (event == EVENT_BOOT && !(s->definition.has & HAS_DOWN)) facts |= FACT_WANTED;
  if (s->definition.has & HAS_START) facts |= FACT_START;
  if (s->definition.has & HAS_CONDITION) facts |= FACT_CONDITION;
  if (s->definition.type == TYPE_ONESHOT) {
    facts |= FACT_ONESHOT;
    if (!(s->definition.has & HAS_RUN)) facts |= FACT_NOTHING;
  }
  if (s->definition.type == TYPE_FORKING) facts |= FACT_FORKING;
  if (is_slow(s, event)) facts |= FACT_SLOW;
  /* Never became `run`: there is nothing to finish. */
  if (s->definition.has & HAS_FINISH && !(event == EVENT_RUN_DIED && s->exec_error))
    facts |= FACT_FINISH;
  if (event == EVENT_EMPTY) return facts; /* which says that there is none */
  if (is_rest_asked(m, event)) {
    reap_recorded(s);
    if (rest_lives(s)) facts |= FACT_REST;
  }
  return facts;
}
