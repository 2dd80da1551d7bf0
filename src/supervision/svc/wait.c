/* Sending and waiting, for several services at once. One poll for all: each has its wake-up
 * FIFO and, for the end of its supervisor, the control FIFO; a signal ends the waiting cleanly.
 * What is done in a moment is not worth a wake-up FIFO: it is looked for at once.
 */

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sig.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>

#include "svc.h"

/* An end takes a supervisor and a service that obeys less than this, and it is little against
 * falling asleep, being woken and taking away the FIFO that woke; the processor is theirs
 * meanwhile. A start wants a second processor for the service: there we sleep at once. */
#define MOMENT_NS 300000
#define SHOWN_MS 200

struct waiting {
  struct target *targets;
  unsigned count;
  struct pollfd *fds; /* two for each target, and the signals */
};

static void fill(struct waiting *w, struct deadline *until) {
  struct pollfd *fd = w->fds;

  for (unsigned i = 0; i < w->count; i++) {
    struct target *t = &w->targets[i];
    *fd++ = (struct pollfd){.fd = t->done ? -1 : t->events.read, .events = POLLIN};
    /* No event asked for: what comes is POLLERR, nobody reads any more. */
    *fd++ = (struct pollfd){.fd = t->done || t->gone ? -1 : t->control};
    if (!t->done) *until = deadline_earlier(*until, t->look);
  }
}

static unsigned look_around(struct waiting *w, struct svc_order const *order) {
  struct deadline now = clock_now();
  unsigned left = 0;

  for (unsigned i = 0; i < w->count; i++) {
    struct target *t = &w->targets[i];
    struct pollfd const *fd = w->fds + 2 * i;
    if (t->done) continue;
    if (fd[1].revents && !t->gone) {
      t->gone = 1;
      t->grace = deadline_add_ms(now, GRACE_MS);
    }
    if (fd[0].revents || fd[1].revents || deadline_passed(t->look, now)) target_look(t, order);
    if (!t->done && deadline_passed(order->until, now)) target_timeout(t, order);
    left += !t->done;
  }
  return left;
}

static void close_all(struct waiting *w) {
  for (unsigned i = 0; i < w->count; i++)
    target_close(&w->targets[i]);
}

static void die_of_signal(struct waiting *w, int sig) {
  close_all(w);
  selfpipe_finish();
  sig_restore(sig);
  raise(sig);
  _exit(EXIT_SYSTEM);
}

static int wait_loop(struct waiting *w, struct svc_order const *order) {
  unsigned left = 0;
  int code = 0;

  for (unsigned i = 0; i < w->count; i++)
    left += !w->targets[i].done;
  while (left) {
    struct deadline until = order->until;
    fill(w, &until);
    if (clock_poll(w->fds, 2 * w->count + 1, until) < 0) strerr_diefusys(EXIT_SYSTEM, "poll");
    if (w->fds[2 * w->count].revents) {
      int sig = selfpipe_read();
      if (sig > 0) die_of_signal(w, sig);
    }
    left = look_around(w, order);
  }
  for (unsigned i = 0; i < w->count; i++)
    if (w->targets[i].code > code) code = w->targets[i].code;
  return code;
}

static int catch_signals(void) {
  int fd = selfpipe_init();
  sigset_t trapped;

  sigemptyset(&trapped);
  sigaddset(&trapped, SIGINT);
  sigaddset(&trapped, SIGTERM);
  sigaddset(&trapped, SIGHUP);
  if (fd < 0 || !selfpipe_trapset(&trapped)) strerr_diefusys(EXIT_SYSTEM, "catch signals");
  return fd;
}

static void look_for_a_moment(struct waiting *w, struct svc_order const *order) {
  struct deadline until = {.ns = clock_now().ns + MOMENT_NS};
  unsigned left;

  if (order_is_for_up(order)) return;
  do {
    left = 0;
    for (unsigned i = 0; i < w->count; i++) {
      struct target *t = &w->targets[i];
      if (t->done || t->foreign) continue;
      target_look(t, order);
      left += !t->done;
    }
    if (left) sched_yield();
  } while (left && !deadline_passed(until, clock_now()));
}

/* What has been found is told to other suites' clients right after it, unless the supervisor
 * was interrupted there, or its disk is full. */
static void see_it_shown(struct waiting *w) {
  struct deadline moment = {.ns = clock_now().ns + MOMENT_NS};
  struct deadline until = deadline_add_ms(clock_now(), SHOWN_MS), now;

  for (unsigned i = 0; i < w->count; i++)
    while (!target_is_shown(&w->targets[i]) && !deadline_passed(until, now = clock_now())) {
      if (deadline_passed(moment, now))
        clock_pause(1);
      else
        sched_yield();
    }
}

int wait_for_all(char const *const *dirs, unsigned count, struct svc_order const *order) {
  struct target one;
  struct pollfd few[3];
  struct waiting w = {&one, count, few};
  int code;

  if (count > 1) {
    w.targets = calloc(count, sizeof *w.targets);
    w.fds = calloc(2 * (size_t)count + 1, sizeof *w.fds);
    if (!w.targets || !w.fds) strerr_diefusys(EXIT_SYSTEM, "wait for so many");
  }
  /* What may fail for want of something comes before the letters. */
  w.fds[2 * count] = (struct pollfd){.fd = catch_signals(), .events = POLLIN};
  for (unsigned i = 0; i < count; i++)
    target_open(&w.targets[i], dirs[i]);
  for (unsigned i = 0; i < count; i++)
    if (!w.targets[i].done) target_send(&w.targets[i], order);
  look_for_a_moment(&w, order);
  for (unsigned i = 0; i < count; i++)
    if (!w.targets[i].done) target_follow(&w.targets[i], order);
  code = wait_loop(&w, order);
  see_it_shown(&w);
  close_all(&w);
  if (count > 1) {
    free(w.targets);
    free(w.fds);
  }
  return code;
}
