/* lares-setlock: lock a file, then become another program, which holds the lock.
 *
 * flock(), as in daemontools: the lock belongs to the open file and goes where its descriptor
 * goes, so this is the one descriptor that must not be close-on-exec. It ends when the program
 * and all that inherited the descriptor have ended or closed it. */

#include <skalibs/nonposix.h>
#include "chain.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/exec.h>
#include <skalibs/types.h>

#define OPTIONS(FLAG, VALUE)                                                                   \
  FLAG("n", "give up at once when another process has the lock")                               \
  FLAG("N", "wait for it (default)")                                                           \
  VALUE("t", "milliseconds", "wait for it so long at most, then exit 99")                      \
  FLAG("x", "exit 0 without a message when there is no lock to be had")                        \
  FLAG("X", "say why and exit 111 (default)")
CHAIN_TEXTS(OPTIONS, "lares-setlock", "file program [argument...]");

#define FOR_EVER UINT64_MAX

/* Not onto a standard descriptor that happens to be closed: the program would write there. */
static int open_lock(char const *file) {
  int fd = open(file, O_WRONLY | O_NONBLOCK | O_APPEND | O_CREAT, 0600), high;

  if (fd < 0 || fd > 2) return fd;
  high = fcntl(fd, F_DUPFD, 3);
  close(fd);
  return high;
}

static int lock_plainly(int fd, int how) {
  int result;

  do
    result = flock(fd, LOCK_EX | how);
  while (result < 0 && errno == EINTR);
  return !result;
}

static void only_interrupt(int sig) {
  (void)sig;
}

static int64_t now_ms(void) {
  struct timespec now = {0};

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The alarm comes again and again, so that one between the look at the clock and flock() does
 * no harm. The program gets its signals as they were. */
static int lock_within(int fd, uint64_t ms) {
  struct sigaction interrupt = {.sa_handler = only_interrupt}, old_action;
  struct itimerval none = {0}, timer = {.it_interval = {.tv_usec = 10000}};
  int64_t end = now_ms() + (int64_t)ms;
  sigset_t alarms, old_mask;
  int result, error;

  timer.it_value.tv_sec = (time_t)(ms / 1000);
  timer.it_value.tv_usec = (suseconds_t)(ms % 1000 * 1000);
  sigemptyset(&alarms);
  sigaddset(&alarms, SIGALRM);
  sigaction(SIGALRM, &interrupt, &old_action);
  sigprocmask(SIG_UNBLOCK, &alarms, &old_mask);
  setitimer(ITIMER_REAL, &timer, 0);
  do
    result = flock(fd, LOCK_EX);
  while (result < 0 && errno == EINTR && now_ms() < end);
  error = errno == EINTR ? ETIMEDOUT : errno;
  setitimer(ITIMER_REAL, &none, 0);
  sigprocmask(SIG_SETMASK, &old_mask, 0);
  sigaction(SIGALRM, &old_action, 0);
  return result ? (errno = error, 0) : 1;
}

static int take_lock(int fd, uint64_t ms) {
  if (ms == FOR_EVER) return lock_plainly(fd, 0);
  return ms ? lock_within(fd, ms) : lock_plainly(fd, LOCK_NB);
}

static void say_and_exit(char const *file, char const *time_given) {
  if (errno == ETIMEDOUT)
    strerr_diefu(EXIT_TIMEOUT, "lock ", file, " within ", time_given,
                 " ms: another process has the lock");
  if (errno == EWOULDBLOCK)
    strerr_diefu(EXIT_SYSTEM, "lock ", file, ": another process has the lock");
  strerr_diefusys(EXIT_SYSTEM, "lock ", file);
}

int main(int argc, char const *const *argv) {
  subgetopt at = SUBGETOPT_ZERO;
  uint64_t ms = FOR_EVER;
  char const *time_given = "0";
  int quiet = 0, letter, fd;

  PROG = "lares-setlock";
  while ((letter = chain_option(argc, argv, letters, usage, &at)) != -1) {
    if (letter == 'x' || letter == 'X') quiet = letter == 'x';
    if (letter == 'n') ms = 0;
    if (letter == 'N') ms = FOR_EVER;
    if (letter != 't') continue;
    if (!uint640_scan(time_given = at.arg, &ms) || ms > INT32_MAX)
      strerr_dief(EXIT_USAGE, "option -t: `", at.arg,
                  "' is no number of milliseconds from 0 to 2147483647");
  }
  argv = chain_operands(argc, argv, 2, usage, &at);
  fd = open_lock(argv[0]);
  if (fd < 0 && !quiet) strerr_diefusys(EXIT_SYSTEM, "open ", argv[0]);
  if (fd < 0) return EXIT_DONE;
  if (!take_lock(fd, ms)) {
    if (quiet) return EXIT_DONE;
    say_and_exit(argv[0], time_given);
  }
  xexec(argv + 1);
}
