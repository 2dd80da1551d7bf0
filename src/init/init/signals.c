/* Signals are for the scanner. One that has just been started does not handle them yet and
 * would die of them, so they wait until its control FIFO is open. */

#include <skalibs/nonposix.h>
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/nsig.h>
#include <skalibs/selfpipe.h>
#include <skalibs/sig.h>

#include <lares/report.h>

#define DEAF_MS 100

/* Those the scanner acts on or has scripts for; others mean nothing and are dropped. */
static int const forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH,
#ifdef SIGPWR
                                SIGPWR
#endif
};
#define FORWARDED (sizeof forwarded / sizeof *forwarded)

/* All dispositions default, so that the scanner starts clean. */
int signals_begin(void) {
  return signals_listen(forwarded, FORWARDED, SIGNALS_ALL);
}

/* Its control FIFO is opened after its signals are caught. Where it has none, time must do. */
static int listens(struct init *s) {
  int fd;

  if (s->listens) return 1;
  fd = open(CONTROL, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0) close(fd);
  s->listens = fd >= 0 || deadline_passed(deadline_add_ms(s->began, ASK_MOST_MS), clock_now());
  return s->listens;
}

void signals_deliver(struct init *s) {
  struct child scanner = {.who = {.pid = s->scanner}, .pidfd = -1};

  s->ask = DEADLINE_NEVER;
  if (!s->scanner || !s->waiting) return;
  if (!listens(s)) {
    s->ask = deadline_add_ms(clock_now(), ASK_MS);
    return;
  }
  for (unsigned i = 0; i < FORWARDED; i++)
    if (s->waiting & 1u << i) (void)child_signal(&scanner, forwarded[i]);
  if (s->stopping) (void)child_signal(&scanner, SIGCONT); /* a stopped one never would stop */
  s->waiting = 0;
}

static int has_script(int sig) {
  char path[32] = ".lares/SIG";

  strncat(path, sig_name(sig), sizeof path - 1 - strlen(path));
  return !access(path, X_OK);
}

static void forward(struct init *s, int sig) {
  if (s->first && !has_script(sig)) sig = signals_for_pid1(sig);
  for (unsigned i = 0; i < FORWARDED; i++)
    if (forwarded[i] == sig) s->waiting |= 1u << i;
  if ((sig == SIGTERM || sig == SIGINT) && !has_script(sig)) {
    s->stopping = 1;
    if (!s->scanner) s->due = clock_now(); /* none can be told: one is needed now */
  }
}

/* The scanner died on the way. (Where it could note that a stop has begun the next one goes on
 * with it; this is for where it could not.) */
void signals_stop_again(struct init *s) {
  if (s->stopping) forward(s, SIGTERM);
}

/* What poll() calls readable can be read unless something is very wrong; asking again at once
 * would burn the processor. */
static void cannot_read(struct init *s) {
  if (!s->deaf) report_warning_errno("unable to read signals; trying again");
  s->deaf = 1;
  clock_pause(DEAF_MS);
}

void signals_read(struct init *s) {
  int sig;

  while ((sig = selfpipe_read()) > 0)
    if (sig != SIGCHLD) forward(s, sig);
  if (sig < 0) cannot_read(s);
  signals_deliver(s);
}
