/* Waiting for all or any of several services. One poll for all: each has its wake-up FIFO and,
 * for the end of its supervisor, `ok`. */

#include <skalibs/nonposix.h>
#include <lares/follow.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include <skalibs/djbunix.h>
#include <skalibs/selfpipe.h>
#include <skalibs/sig.h>

#include <lares/exitcode.h>

static int catch_signals(struct await_all *w) {
  sigset_t set;

  w->signals = selfpipe_init();
  if (w->signals < 0) return 0;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGCHLD);
  return sig_restore(SIGCHLD) && selfpipe_trapset(&set);
}

int await_begin(struct await_all *w, char const *const *dirs, unsigned count,
                struct goal const *goal) {
  w->count = 0;
  w->each = calloc(count, sizeof *w->each);
  w->fds = calloc(2 * (size_t)count + 1, sizeof *w->fds);
  if (!w->each || !w->fds || !catch_signals(w)) return 0;
  for (; w->count < count; w->count++)
    await_open(&w->each[w->count], dirs[w->count], goal);
  return 1;
}

void await_finish(struct await_all *w) {
  for (unsigned i = 0; i < w->count; i++)
    await_close(&w->each[i]);
  free(w->each);
  free(w->fds);
  selfpipe_finish();
}

static void fill(struct await_all *w, struct deadline *until) {
  for (unsigned i = 0; i < w->count; i++) {
    struct await *a = &w->each[i];
    follow_watch(&a->follow, w->fds + 2 * i);
    if (a->outcome != AWAIT_UNDECIDED)
      w->fds[2 * i].fd = w->fds[2 * i + 1].fd = -1;
    else
      *until = deadline_earlier(*until, a->look);
  }
  w->fds[2 * w->count] = (struct pollfd){.fd = w->signals, .events = POLLIN};
}

static void look_around(struct await_all *w) {
  struct deadline now = clock_now();

  for (unsigned i = 0; i < w->count; i++) {
    struct await *a = &w->each[i];
    if (a->outcome != AWAIT_UNDECIDED) continue;
    await_happened(a, w->fds + 2 * i, now);
  }
}

/* A child's end is none of ours. */
static int is_stopped(struct await_all *w) {
  for (;;) {
    int sig = selfpipe_read(), wstat;
    if (sig < 0) clock_pause(FOLLOW_LOOK_MS); /* or it would wake us at once again */
    if (sig <= 0) return 0;
    if (sig == SIGCHLD)
      while (wait_nohang(&wstat) > 0)
        ;
    else
      return (w->signal = sig, 1);
  }
}

int await_is_hopeless(struct await_all const *w) {
  unsigned lost = 0;

  for (unsigned i = 0; i < w->count; i++)
    lost += w->each[i].outcome > AWAIT_REACHED;
  return w->any ? lost == w->count : lost > 0;
}

static int is_reached(struct await_all const *w) {
  unsigned reached = 0;

  for (unsigned i = 0; i < w->count; i++)
    reached += w->each[i].outcome == AWAIT_REACHED;
  return w->any ? reached > 0 : reached == w->count;
}

enum await_end await_all(struct await_all *w) {
  for (;;) {
    struct deadline until = w->until;
    if (is_reached(w)) return AWAIT_ALL_REACHED;
    if (await_is_hopeless(w)) return AWAIT_HOPELESS;
    fill(w, &until);
    if (clock_poll(w->fds, 2 * w->count + 1, until) < 0) return AWAIT_NO_POLL;
    if (w->fds[2 * w->count].revents && is_stopped(w)) return AWAIT_STOPPED;
    look_around(w);
    if (deadline_passed(w->until, clock_now())) return AWAIT_TIME;
  }
}

static int code_of(struct await const *a) {
  static int const codes[] = {[AWAIT_UNDECIDED] = EXIT_TIMEOUT,
                              [AWAIT_REACHED] = EXIT_DONE,
                              [AWAIT_MISSED] = EXIT_NO,
                              [AWAIT_UNSUPERVISED] = EXIT_UNSUPERVISED,
                              [AWAIT_FAILED] = EXIT_SYSTEM};

  return codes[a->outcome];
}

/* Where one that cannot come ends the waiting, the others are not decided. */
int await_is_telling(struct await const *a, enum await_end end) {
  if (end == AWAIT_TIME) return a->outcome != AWAIT_REACHED;
  return end == AWAIT_HOPELESS && a->outcome > AWAIT_REACHED;
}

int await_code(struct await_all const *w, enum await_end end) {
  int code = EXIT_DONE;

  if (end == AWAIT_NO_POLL || end == AWAIT_STOPPED) return EXIT_SYSTEM;
  for (unsigned i = 0; i < w->count; i++)
    if (await_is_telling(&w->each[i], end) && code_of(&w->each[i]) > code)
      code = code_of(&w->each[i]);
  return code;
}
