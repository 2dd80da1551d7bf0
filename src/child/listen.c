/* What a program that has children does about signals when it begins. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <signal.h>
#include <unistd.h>

#include <skalibs/nsig.h>
#include <skalibs/selfpipe.h>

/* Signals that come while we begin are noted, and sent anew once they are listened for. Those
 * that came while we were becoming this program in an upgrade wait, blocked; skalibs' self-pipe
 * lets them through before it listens, and TERM would end us. Of SIGCHLD nothing need be kept:
 * the children are looked at before the first wait. */
static volatile sig_atomic_t noted[SKALIBS_NSIG]
    __attribute__((section(".bss.zz"))); /* hardly ever written to: behind all that is */

static void note_signal(int sig) {
  noted[sig] = 1;
}

/* By now they are blocked. A handler that stayed would swallow what comes for a child between
 * its birth and its exec; not so that of a signal which normally means nothing (WINCH): it
 * means nothing to the child either, and to make it so again would drop the one that waits. */
static void send_noted_again(int const *kept, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    if (kept[i] != SIGWINCH) signal(kept[i], SIG_DFL);
    if (noted[kept[i]]) kill(getpid(), kept[i]);
  }
}

/* But for faults of our own. */
static void fill_with_all(sigset_t *caught) {
  static int const others[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
                               SIGILL,  SIGABRT, SIGTRAP, SIGSYS};

  sigfillset(caught);
  for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
    sigdelset(caught, others[i]);
}

int signals_listen(int const *kept, unsigned count, unsigned how) {
  sigset_t caught;
  int fd;

  for (int sig = 1; sig < SKALIBS_NSIG && !(how & SIGNALS_DEFAULT); sig++)
    if (sig != SIGKILL && sig != SIGSTOP) signal(sig, SIG_DFL);
  for (unsigned i = 0; i < count; i++)
    signal(kept[i], note_signal);
  fd = selfpipe_init();
  if (fd < 0) return -1;
  sigemptyset(&caught);
  sigaddset(&caught, SIGCHLD);
  for (unsigned i = 0; i < count; i++)
    sigaddset(&caught, kept[i]);
  if (how & SIGNALS_ALL) fill_with_all(&caught);
  if (!selfpipe_trapset(&caught)) return -1;
  send_noted_again(kept, count);
  return fd;
}

int signals_for_pid1(int sig) {
#ifdef SIGPWR
  if (sig == SIGPWR) return SIGTERM;
#endif
  return sig == SIGQUIT ? SIGTERM : sig;
}
