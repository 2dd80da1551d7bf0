/* What the service says by sd_notify(3), and what is made of it.
 *
 * A datagram is acted on where it lies, and taken when that is on record: should we be killed
 * in between, our successor reads it again, and each word may be heard twice. Whatever comes is
 * bounded: so many datagrams a turn, each looked at once, none waited for. Descriptors that
 * come with one are never ours; taking it closes them, which is what a BARRIER waits for. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <lares/report.h>

#include "supervise.h"

#define DATAGRAMS 16 /* of one turn of the loop */

void sd_lapse(struct supervisor *s, unsigned reason, int sig) {
  unsigned state = s->state.machine.state;

  if (state != STATE_UP && state != STATE_STARTING) return;
  s->reason = (uint8_t)reason;
  s->detail = 0;
  s->event_signal = sig;
  happen(s, EVENT_LAPSE);
  s->event_signal = 0;
}

/* --- who speaks ------------------------------------------------------------------------------
 */

static struct membership membership(struct supervisor const *s) {
  struct identity const *who = s->forking == FORKING_NOT ? &s->child.who : &s->launcher;

  return (struct membership){
      .main = s->child.who.pid,
      .id = {.boot = who->boot, .instance = service_instance(who), .service = s->service},
      .cgroup = s->cgroup.dir >= 0 ? &s->cgroup : 0};
}

static int is_ours(struct supervisor const *s, pid_t pid) {
  struct membership m = membership(s);

  return s->state.machine.role == ROLE_RUN && process_is_of(pid, &m);
}

static void say_stranger(struct supervisor *s, pid_t pid) {
  char number[REPORT_NUMBER];

  if (!s->sd.said_stranger)
    report_warning("notification of pid ", report_number(number, pid),
                   ", which is not, or not any more, of this service: ignored");
  s->sd.said_stranger = 1;
}

/* --- what is said ----------------------------------------------------------------------------
 */

/* A process of this run, and not it alone: that one goes on as a descendant. */
static void take_main(struct supervisor *s, pid_t pid) {
  struct membership m = membership(s);
  char number[REPORT_NUMBER];
  struct child next;

  if (pid == s->child.who.pid) return;
  if (process_take(&s->abilities, pid, &m, &next)) {
    forking_settle(s, &next);
    return;
  }
  if (!s->sd.said_main)
    report_warning("MAINPID=", report_number(number, pid),
                   " is no living process of this service besides the present one: ignored");
  s->sd.said_main = 1;
}

/* The time for a start or a stop is not over before that. */
static void extend(struct supervisor *s, uint32_t ms) {
  struct deadline until = deadline_add_ms(clock_now(), ms);
  struct machine const *m = &s->state.machine;

  if (m->state != STATE_STARTING && m->state != STATE_STOPPING) return;
  if (s->state.deadline.ns == DEADLINE_NEVER.ns || until.ns <= s->state.deadline.ns) return;
  s->state.deadline = until;
  s->unshown = 1;
}

static void ask_for_watchdog(struct supervisor *s, uint32_t ms) {
  struct text_record text;
  uint32_t asked = ms ? ms : TEXT_WATCHDOG_NONE;

  texts_read(s, &text);
  if (text.watchdog != asked) {
    text.watchdog = asked;
    texts_write(s, &text);
  }
  watchdog_set(s, ms);
}

static void take_readiness(struct supervisor *s, uint32_t words) {
  struct machine const *m = &s->state.machine;
  int is_running = m->state == STATE_UP || m->state == STATE_STARTING;

  if (!is_running) return; /* who has said that it ends cannot take that back */
  if (words & NOTIFY_STOPPING) sd_lapse(s, REASON_ENDING, 0);
  if (words & NOTIFY_READY && forking_is_unsettled(s)) {
    s->state.marks |= MARK_SAID_READY; /* it is ready when it is there */
    s->unshown = 1;
    return;
  }
  if (words & NOTIFY_READY && !(m->flags & FLAG_READY)) happen(s, EVENT_READY);
  if (words & NOTIFY_RELOADING && m->flags & FLAG_READY) happen(s, EVENT_UNREADY);
}

static void say_malformed(struct supervisor *s, char const *key) {
  if (key && !s->sd.said_malformed)
    report_warning("notification: ", key, " has no value that is known: ignored");
  if (key) s->sd.said_malformed = 1;
}

static void refuse_store(struct supervisor *s) {
  if (!s->sd.said_store)
    report_warning("the service has sent descriptors to be kept (FDSTORE): lares keeps none, "
                   "they are closed");
  s->sd.said_store = 1;
}

static void obey(struct supervisor *s, struct notify_message const *m) {
  say_malformed(s, m->malformed);
  if (m->words & NOTIFY_STATUS) texts_say(s, m->status, m->status_len);
  if (m->words & NOTIFY_WATCHDOG_MS) ask_for_watchdog(s, m->watchdog_ms);
  if (m->words & NOTIFY_EXTEND) extend(s, m->extend_ms);
  take_readiness(s, m->words);
  if (m->words & NOTIFY_ALIVE) watchdog_alive(s);
  if (m->words & NOTIFY_TRIGGER) sd_lapse(s, REASON_WATCHDOG, SIGABRT);
  if (m->words & NOTIFY_FDSTORE) refuse_store(s);
  if (s->unshown) show(s, "", 0);
}

/* --- reading ---------------------------------------------------------------------------------
 */

static void hear(struct supervisor *s, char const *bytes, size_t len,
                 struct notify_from const *from) {
  struct notify_message m;

  if (!is_ours(s, from->pid)) {
    say_stranger(s, from->pid);
    return;
  }
  if (from->too_long || !notify_parse(&m, bytes, len)) {
    if (!s->sd.said_long)
      report_warning("a notification that is longer than 4096 bytes or holds a NUL: ignored");
    s->sd.said_long = 1;
    return;
  }
  if (m.words & NOTIFY_MAIN_PID) take_main(s, m.main_pid);
  obey(s, &m);
}

int sd_read(struct supervisor *s) {
  char bytes[NOTIFY_MOST];
  struct notify_from from;

  for (unsigned i = 0; i < DATAGRAMS && s->sd.fd >= 0 && !s->quit; i++) {
    ssize_t len = notify_peek(s->sd.fd, bytes, &from);
    if (len < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    hear(s, bytes, (size_t)len, &from);
    /* What stays where it is would be heard again at once, and for ever. */
    if (s->sd.fd >= 0 && !notify_take(s->sd.fd) && errno != EAGAIN && errno != EWOULDBLOCK)
      return -1;
  }
  return 1;
}
