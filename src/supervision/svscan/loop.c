/* Waiting for something to happen, and telling those concerned. Between two events nothing
 * wakes us: the time-out is the earliest deadline there is, and mostly there is none. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sig.h>

static int const signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH,
#ifdef SIGPWR
                              SIGPWR
#endif
};

/* The self-pipe's descriptor, or -1 with errno. */
int loop_start(void) {
  int fd = signals_listen(signals, sizeof signals / sizeof *signals, 0);

  return fd < 0 || !sig_altignore(SIGPIPE) ? -1 : fd;
}

void loop_leave(struct scan *s) {
  report_info("leaving; services and supervisors stay as they are");
  s->leave = 1;
}

static void act_on(struct scan *s, int sig) {
  if (sig == SIGCHLD) {
    orphan_reap_all(s);
    return;
  }
  if (script_run(s, sig)) return;
  switch (getpid() == 1 ? signals_for_pid1(sig) : sig) {
  case SIGTERM:
  case SIGINT:
    stop_begin(s);
    break;
  case SIGQUIT:
    loop_leave(s);
    break;
  case SIGHUP:
    report_info("looking at everything anew");
    scan_rescan(s);
    break;
  default:
    break; /* only for scripts */
  }
}

/* What poll() calls readable can be read unless something is very wrong; asking again at once
 * would burn the processor. */
void loop_cannot_read(struct scan *s, char const *what) {
  if (errno == EAGAIN || errno == EINTR) return;
  if (trouble(s, TROUBLE_READ)) report_error_errno("unable to read ", what);
  clock_pause(NO_POLL_MS);
}

static void read_signals(struct scan *s) {
  int sig;

  while ((sig = selfpipe_read()) > 0)
    act_on(s, sig);
  if (sig < 0) loop_cannot_read(s, "signals");
}

static int is_waiting(struct slot const *slot) {
  switch (slot->state) {
  case SLOT_SETTLING:
  case SLOT_DUE:
    return 1;
  case SLOT_FOUND:
    return slot->pidfd < 0;
  case SLOT_RUNNING:
    return slot->flags & SLOT_ASKING;
  default:
    return 0;
  }
}

/* 1 when the slot is still to be started. */
static int look_at_slot(struct scan *s, struct entry *e, enum which which, struct deadline now,
                        unsigned *starts) {
  struct slot *slot = &e->slot[which];
  uint32_t number = e->number;

  if (!deadline_passed(slot->moment, now)) {
    need_look(s, slot->moment);
    return slot->state == SLOT_DUE;
  }
  if (slot->state != SLOT_DUE) {
    slot_due(s, e, which);
    return 0;
  }
  if (s->hold.ns || ++*starts > START_BATCH) {
    need_look(s, s->hold.ns ? s->hold : now);
    return 1;
  }
  slot_due(s, e, which);
  return s->table[number] == e && slot->state == SLOT_DUE;
}

/* Carry out what is due, and find out when to look again. Many starts are done in batches, so
 * that a signal does not have to wait for all of them. */
static void look_at_deadlines(struct scan *s) {
  struct deadline now = clock_now();
  unsigned starts = 0, left = 0;

  s->next = DEADLINE_NEVER;
  if (s->hold.ns && deadline_passed(s->hold, now)) s->hold = (struct deadline){0};
  if (deadline_passed(s->rescan_at, now)) {
    if (s->put_off)
      stop_begin(s); /* which looks first */
    else
      scan_all(s);
  } else
    need_look(s, s->rescan_at);
  stop_deadlines(s, now);
  upgrade_deadline(s, now);
  hook_deadline(s, now);
  resume_tell(s, now);
  notify_alive(s, now);
  for (uint32_t i = 0; i < s->top; i++)
    for (unsigned w = 0; i < s->top && w < 2; w++)
      if (s->table[i] && is_waiting(&s->table[i]->slot[w]))
        left += (unsigned)look_at_slot(s, s->table[i], (enum which)w, now, &starts);
  if (!left) notify_ready(s);
  if (left || s->essentials_seen || s->stopping) return;
  s->essentials_seen = 1;
  essential_look(s); /* it may have ended while no scanner ran */
}

/* poll() itself refuses only when our descriptor limit was lowered below three, or for want of
 * memory. */
static void cannot_wait(struct scan *s) {
  if (trouble(s, TROUBLE_POLL)) report_error_errno("unable to wait for events");
  clock_pause(NO_POLL_MS);
}

/* The probe of an upgrade that a stop has overtaken is a child like others: nothing is to be
 * left. It is bounded by PROBE_MS. */
static int is_over(struct scan *s) {
  return s->leave || (s->stopping && !s->living && !s->upgrade.probe && !hook_ends(s));
}

void loop_run(struct scan *s) {
  while (!is_over(s)) {
    struct pollfd fds[5];
    nfds_t count = 1;
    int ready;
    if (deadline_passed(s->next, clock_now())) {
      look_at_deadlines(s);
      if (is_over(s)) return;
    }
    fds[0] = (struct pollfd){.fd = s->signals, .events = POLLIN};
    if (s->inotify >= 0) fds[count++] = (struct pollfd){.fd = s->inotify, .events = POLLIN};
    if (s->epoll >= 0) fds[count++] = (struct pollfd){.fd = s->epoll, .events = POLLIN};
    if (s->control.read >= 0)
      fds[count++] = (struct pollfd){.fd = s->control.read, .events = POLLIN};
    if (s->arrived) home_tell_arrival(s);
    if (s->store >= 0) fds[count++] = (struct pollfd){.fd = s->store, .events = POLLIN};
    ready = clock_poll(fds, count, s->next);
    if (ready < 0)
      cannot_wait(s);
    else
      trouble_over(s, TROUBLE_POLL);
    /* Before the death of who has sent it is acted on. */
    if (s->store >= 0) store_read(s);
    read_signals(s);
    if (s->inotify >= 0) watch_read(s);
    if (s->epoll >= 0) found_read(s);
    if (s->control.read >= 0) control_read(s);
    if (s->upgrade.due) upgrade_become(s);
  }
}
