/* The watchdog: a service that has undertaken to say WATCHDOG=1 again and again, and does not,
 * hangs. It gets ABRT, which leaves a core, and is then ended and started like one that was not
 * ready in time.
 *
 * The time is counted while it is up, from its last sign of life; after a change of supervisor
 * anew, what was said in between being read first. A service that was told to pause says
 * nothing. */

#include <skalibs/nonposix.h>

#include <poll.h>
#include <signal.h>

#include "supervise.h"

static void wind_up(struct supervisor *s) {
  s->sd.watchdog =
      s->sd.watchdog_ms ? deadline_add_ms(clock_now(), s->sd.watchdog_ms) : DEADLINE_NEVER;
}

void watchdog_alive(struct supervisor *s) {
  if (s->sd.watchdog.ns != DEADLINE_NEVER.ns) wind_up(s);
}

void watchdog_follow(struct supervisor *s) {
  struct machine const *m = &s->state.machine;

  if (m->state != STATE_UP || m->role != ROLE_RUN || !s->sd.watchdog_ms)
    s->sd.watchdog = DEADLINE_NEVER;
  else if (s->sd.watchdog.ns == DEADLINE_NEVER.ns)
    wind_up(s);
}

void watchdog_set(struct supervisor *s, uint32_t ms) {
  s->sd.watchdog_ms = ms;
  s->sd.watchdog = DEADLINE_NEVER;
  watchdog_follow(s);
}

/* What it has said and we have not heard yet comes first. */
void watchdog_look(struct supervisor *s, struct deadline now) {
  struct pollfd unheard = {.fd = s->sd.fd, .events = POLLIN};

  if (!deadline_passed(s->sd.watchdog, now) || poll(&unheard, 1, 0) > 0) return;
  if (s->state.machine.flags & FLAG_PAUSED)
    wind_up(s);
  else
    sd_lapse(s, REASON_WATCHDOG, SIGABRT);
}
