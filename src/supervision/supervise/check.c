/* `check`: is the service ready? For one that cannot say so itself it is asked again and again
 * until it says yes, by a program of its directory. What it finds is about the run for which it
 * was started: with that it ends, and before the last one has been reaped there is no next. */

#include <skalibs/nonposix.h>

#include <lares/report.h>

#include "supervise.h"

#define FIRST_MS 100 /* after the start, and after the first no */
#define MOST_MS 1000
#define TIME_MS 10000 /* that one may take */
#define REAP_MS 10    /* until the one of a run that is over is looked for again */

int check_is_used(struct supervisor const *s) {
  return s->definition.has & HAS_CHECK && s->definition.notification_fd < 0 &&
         !s->definition.notify_sd && s->definition.type != TYPE_ONESHOT;
}

static void end(struct supervisor *s) {
  if (s->check.on) helper_stop(s, HELPER_CHECK);
  s->check = (struct check){.next = DEADLINE_NEVER};
}

void check_begin(struct supervisor *s) {
  s->check = (struct check){.next = DEADLINE_NEVER};
}

void check_follow(struct supervisor *s, machine_deeds deeds) {
  struct machine const *m = &s->state.machine;
  int asks = m->state == STATE_STARTING && m->role == ROLE_RUN && check_is_used(s) &&
             !forking_is_unsettled(s);

  if (!asks || deeds & (DO_DEATH | DO_SPAWN_RUN)) end(s);
  if (!asks || s->check.on) return;
  s->check.on = 1;
  s->check.ms = FIRST_MS;
  s->check.next = deadline_add_ms(clock_now(), FIRST_MS);
}

static void ask_later(struct supervisor *s) {
  s->check.next = deadline_add_ms(clock_now(), s->check.ms);
  s->check.ms = s->check.ms * 2 < MOST_MS ? s->check.ms * 2 : MOST_MS;
}

static void answered(struct supervisor *s, int32_t wstat, int late) {
  if (late && !s->check.said_late)
    report_warning("check has not ended within 10 seconds and was killed; trying again");
  if (late) s->check.said_late = 1;
  if (wstat == 0)
    happen(s, EVENT_READY);
  else
    ask_later(s);
}

void check_look(struct supervisor *s, struct deadline now) {
  char const *const argv[] = {"./check", s->name, 0};

  if (!deadline_passed(s->check.next, now)) return;
  s->check.next = DEADLINE_NEVER;
  if (helper_runs(s, HELPER_CHECK))
    s->check.next = deadline_add_ms(now, REAP_MS);
  else if (!helper_start(s, HELPER_CHECK, argv, TIME_MS, answered))
    ask_later(s);
}
