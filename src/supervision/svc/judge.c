/* Is what was waited for there, or can it not come any more? Decided from a record of the state
 * machine and what is known to have happened since the letters were written; no system call. */

#include "svc.h"

static int is_resting(struct machine const *m) {
  return m->state == STATE_DOWN || m->state == STATE_FAILED || m->state == STATE_DONE;
}

static int is_alive(struct machine const *m) {
  return m->role == ROLE_RUN && (m->state == STATE_UP || m->state == STATE_STARTING);
}

/* A process that `down` has to end. */
static int is_busy(struct machine const *m) {
  return m->role == ROLE_RUN || m->role == ROLE_START || m->role == ROLE_CONDITION;
}

static int is_to_start(struct svc_order const *order) {
  return order->want == WANT_UP || order->want == WANT_ONCE;
}

/* Ready: also what has ended well without ever promising to say so (a oneshot). */
static int is_ready(struct progress const *p) {
  return p->machine.state == STATE_UP || (p->machine.state == STATE_DONE && !p->notifies);
}

/* Up like what runs: u does nothing to it, and without `run` it is never started. */
static int is_done(struct svc_order const *order, struct progress const *p) {
  return p->oneshot && p->machine.state == STATE_DONE &&
         (p->starts || p->fresh || (order->want == WANT_UP && !order->restarts));
}

/* It has come to rest, or cannot even be executed: up is not what comes next. */
static int is_given_up(struct progress const *p) {
  struct machine const *m = &p->machine;
  int unrunnable = status_reason_is_unrunnable(p->reason);

  return p->fresh &&
         (is_resting(m) || (unrunnable && (m->state == STATE_BACKOFF || p->deaths)));
}

static int is_down(struct svc_order const *order, struct progress const *p) {
  struct machine const *m = &p->machine;

  if (is_to_start(order)) return p->deaths || (p->fresh && is_resting(m));
  if (order->want == WANT_DOWN) return m->want == WANT_DOWN && !is_busy(m);
  return p->deaths || !is_busy(m);
}

static enum verdict verdict_on_up(struct svc_order const *order, struct progress const *p) {
  struct machine const *m = &p->machine;
  int unrunnable = status_reason_is_unrunnable(p->reason);
  int reached = 0;

  if (is_done(order, p)) return REACHED;
  if (p->starts && unrunnable) return is_given_up(p) ? MISSED : UNDECIDED;
  switch (order->wait) {
  case WAIT_UP:
    reached = is_alive(m) || p->starts;
    break;
  case WAIT_READY:
    reached = m->state == STATE_UP || (is_ready(p) && (p->starts || !is_to_start(order)));
    break;
  case WAIT_RESTART:
    reached = p->starts > 0;
    break;
  default:
    reached = p->starts && is_ready(p);
    break;
  }
  if (reached) return REACHED;
  return is_given_up(p) ? MISSED : UNDECIDED;
}

enum verdict judge(struct svc_order const *order, struct progress *p) {
  struct machine const *m = &p->machine;

  /* What was once is over by itself: the machine wants it down then. */
  if (order->want < 0 || m->want == order->want ||
      (order->want == WANT_ONCE && p->fresh && m->want == WANT_DOWN))
    p->settled = 1;
  if (!p->settled) return UNDECIDED;
  switch (order->wait) {
  case WAIT_DOWN:
    return is_down(order, p) ? REACHED : UNDECIDED;
  case WAIT_REALLY_DOWN:
    return is_resting(m) && (p->fresh || !is_to_start(order)) ? REACHED : UNDECIDED;
  default:
    return verdict_on_up(order, p);
  }
}

int is_hopeless(struct svc_order const *order, struct progress const *before) {
  if (!order->len || !order_is_for_up(order) || is_to_start(order)) return 0;
  if (!is_resting(&before->machine)) return 0;
  return before->machine.state == STATE_DOWN || !order->restarts;
}

void progress_add(struct progress *p, struct history_record const *r) {
  int died = r->event == EVENT_RUN_DIED;

  p->deaths += (unsigned)died;
  p->starts += r->machine.role == ROLE_RUN && (died || p->machine.role != ROLE_RUN);
  p->machine = r->machine;
  p->reason = r->reason;
  p->fresh = 1;
}
