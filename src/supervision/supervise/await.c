/* Waiting for what this service needs, and going when that goes.
 *
 * Asked are those who wake us. A wait that lasts is looked into (NEEDS_LASTING_MS): whether it
 * is for ourselves, and whether what is missing has come; a tree that starts at once never gets
 * there. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#endif

#include <lares/report.h>

#include "supervise.h"

#define WAKES 16
#define DEAF_MS 100         /* what cannot be read goes on waking us: not at once again */
#define ARRIVALS NEEDS_MOST /* in epoll's data: not a need */
#define FIFODIR_SCAN ".lares/event"

static int is_running(struct machine const *m) {
  return (m->role != ROLE_NONE && m->role != ROLE_FINISH) || m->state == STATE_DONE;
}

static void forget_arrivals(struct supervisor *s) {
  struct needs *n = &s->needs;
  int home;

  if (n->arrivals < 0) return;
  needs_deafen(s, n->arrivals);
  n->arrivals = -1;
  home = open(n->scan, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (home < 0) return;
  event_unsubscribe_at(home, FIFODIR_SCAN, n->arrivals_name);
  close(home);
}

/* The scanner wakes there when it takes something up. */
static void await_arrivals(struct supervisor *s) {
#ifdef __linux__
  struct needs *n = &s->needs;
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = ARRIVALS};
  int home;

  if (n->arrivals >= 0 || !n->scan) return;
  home = open(n->scan, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (home >= 0) {
    n->arrivals = event_subscribe_at(home, FIFODIR_SCAN, n->arrivals_name);
    close(home);
  }
  if (n->arrivals >= 0 && n->epoll < 0) n->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (n->arrivals >= 0 && n->epoll >= 0 &&
      !epoll_ctl(n->epoll, EPOLL_CTL_ADD, n->arrivals, &event))
    return;
  forget_arrivals(s); /* it would be taken for one that wakes us */
#endif
  s->needs.look_at = deadline_add_ms(clock_now(), RETRY_MS);
}

static void take_wakes(struct supervisor *s) {
#ifdef __linux__
  struct needs *n = &s->needs;
  struct epoll_event got[WAKES];
  int count;

  do {
    count = epoll_wait(n->epoll, got, WAKES, 0);
    if (count < 0 && errno != EINTR) clock_pause(DEAF_MS);
    for (int i = 0; i < count; i++) {
      uint32_t at = got[i].data.u32;
      int fd = at == ARRIVALS ? n->arrivals : n->list[at].events;
      if (fd >= 0 && event_drain_descriptor(fd) < 0) clock_pause(DEAF_MS);
      if (at != ARRIVALS)
        n->list[at].woken = 1;
      else
        n->walk_at = clock_now();
    }
  } while (count == WAKES);
#else
  (void)s;
#endif
}

void needs_drop(struct supervisor *s) {
  struct needs *n = &s->needs;

  for (unsigned i = 0; i < n->top; i++)
    if (n->list[i].kind) need_drop(s, &n->list[i]);
  forget_arrivals(s);
  if (n->epoll >= 0) close(n->epoll);
  n->epoll = -1;
  n->top = 0;
  n->said = 0;
  n->look_at = n->walk_at = DEADLINE_NEVER;
}

/* --- following them --------------------------------------------------------------------------
 */

/* Going, or not able to come back before somebody does who went on purpose. */
void needs_mark(struct supervisor *s) {
  struct machine const *m = &s->state.machine;
  int command = s->state.reason == REASON_COMMAND && strchr("dDxe", (int)s->state.detail);
  int is = 0;

  if (m->state == STATE_STOPPING || m->state == STATE_FINISHING) is = m->stop == STOP_FULL;
  if (m->state == STATE_WAITING || m->state == STATE_BACKOFF) is = s->needs.lost;
  if (m->state == STATE_DONE) is = !!(s->state.marks & MARK_HELD);
  if (m->state == STATE_DOWN)
    is = m->want == WANT_DOWN && (command || s->state.marks & MARK_DELIBERATE);
  s->state.marks &= (uint16_t)~MARK_DELIBERATE;
  if (is) s->state.marks |= MARK_DELIBERATE;
}

/* Whoever waits for us to go need not: we do not run. */
static void let_go(struct supervisor *s) {
  struct needs *n = &s->needs;

  for (unsigned i = 0; i < n->top; i++)
    if (n->list[i].kind && n->list[i].lost) need_withdraw(s, &n->list[i]);
}

/* Those who woke us, and those of whom nothing is known. */
static void look_at_needs(struct supervisor *s, int at_rest) {
  struct needs *n = &s->needs;

  for (unsigned i = 0; i < n->top; i++) {
    struct need *one = &n->list[i];
    if (!one->kind) continue;
    if (one->dir < 0 && (at_rest || one->woken)) need_find(s, one);
    if (one->dir >= 0 && one->woken) {
      one->woken = 0;
      need_look(s, one, at_rest);
    }
    needs_judge_cycle(s, one);
  }
  needs_sum_up(s);
}

/* A wait that lasts: nothing is waited for in silence. */
static void look_into(struct supervisor *s) {
  struct needs *n = &s->needs;
  char text[NEEDS_TEXT];
  int unmet = 0;

  n->walk_at = DEADLINE_NEVER;
  await_arrivals(s);
  for (unsigned i = 0; i < n->top; i++) {
    struct need *one = &n->list[i];
    if (!one->kind) continue;
    need_find(s, one);
    need_look(s, one, 1);
  }
  needs_find_cycles(s);
  needs_sum_up(s);
  unmet = needs_stand(s) != NEED_MET;
  needs_describe(s, text);
  if (unmet && n->said != needs_sum_of(text)) report_warning("waiting: ", text);
  n->said = needs_sum_of(text);
}

static void go_on(struct supervisor *s) {
  struct needs *n = &s->needs;

  n->walk_at = DEADLINE_NEVER;
  forget_arrivals(s);
  n->fresh = 1;
  happen(s, EVENT_NEEDS_MET);
  n->fresh = 0;
}

static void wait_on(struct supervisor *s) {
  struct needs *n = &s->needs;
  struct deadline now = clock_now();
  uint16_t mark = s->state.marks & MARK_DELIBERATE;

  if (deadline_passed(n->walk_at, now)) look_into(s);
  let_go(s);
  if (n->unread) return; /* others may be needed now */
  if (needs_stand(s) == NEED_MET) {
    go_on(s);
    return;
  }
  if (n->walk_at.ns == DEADLINE_NEVER.ns && n->arrivals < 0)
    n->walk_at = deadline_add_ms(now, NEEDS_LASTING_MS);
  needs_mark(s);
  if (!needs_show_wait(s) && mark == (s->state.marks & MARK_DELIBERATE)) return;
  s->reason = s->state.reason = REASON_NEEDS;
  s->detail = s->state.detail = needs_stand(s);
  s->unshown = 1;
  show(s, ".", 1);
}

static void rest_on(struct supervisor *s) {
  uint16_t mark = s->state.marks & MARK_DELIBERATE;

  let_go(s);
  needs_mark(s);
  if (mark == (s->state.marks & MARK_DELIBERATE)) return;
  s->unshown = 1;
  show(s, ".", 1);
}

static int is_due(struct supervisor const *s) {
  struct needs const *n = &s->needs;
  struct deadline now;

  if (n->woken || n->state != s->state.machine.state) return 1;
  if (n->look_at.ns == DEADLINE_NEVER.ns && n->walk_at.ns == DEADLINE_NEVER.ns) return 0;
  now = clock_now();
  return deadline_passed(n->look_at, now) || deadline_passed(n->walk_at, now);
}

/* What could not be read: from the beginning. */
static void read_again(struct supervisor *s) {
  struct needs *n = &s->needs;

  n->look_at = DEADLINE_NEVER;
  if (n->unknown) needs_recall(s);
  if (!n->unread) return;
  n->unread = 0;
  if (s->state.machine.state == STATE_WAITING && needs_are_met(s)) go_on(s);
}

void needs_step(struct supervisor *s) {
  struct needs *n = &s->needs;
  struct machine const *m = &s->state.machine;

  if ((n->unread || n->unknown) && !s->quit && deadline_passed(n->look_at, clock_now()))
    read_again(s);
  if (!n->top || s->quit || !is_due(s)) return;
  if (m->state == STATE_DOWN || m->state == STATE_FAILED ||
      (m->state == STATE_DONE && !(s->state.marks & MARK_ONESHOT))) {
    needs_drop(s);
    return;
  }
  if (n->woken) take_wakes(s);
  n->woken = 0;
  if (m->state != STATE_WAITING) {
    n->walk_at = DEADLINE_NEVER;
    n->said = 0;
    forget_arrivals(s);
  }
  if (deadline_passed(n->look_at, clock_now())) {
    n->look_at = DEADLINE_NEVER;
    for (unsigned i = 0; i < n->top; i++)
      n->list[i].woken = 1;
  }
  n->state = m->state;
  look_at_needs(s, !is_running(m));
  if (n->look_at.ns == DEADLINE_NEVER.ns) n->said_unable = 0;
  if (m->state == STATE_WAITING)
    wait_on(s);
  else if (m->state == STATE_BACKOFF)
    rest_on(s);
  else if (n->lost && m->state != STATE_FINISHING && m->stop != STOP_FULL)
    happen(s, EVENT_NEEDS_LOST);
}

struct deadline needs_deadline(struct supervisor const *s) {
  struct needs const *n = &s->needs;

  if (!n->top) return n->unread || n->unknown ? n->look_at : DEADLINE_NEVER;
  if (n->state != s->state.machine.state) return clock_now();
  return deadline_earlier(n->look_at, n->walk_at);
}
