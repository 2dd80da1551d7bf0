/* lares-notifycheck: readiness for a program that cannot say it, by one that can find it out.
 *
 * Becomes the program, as all chain tools do. A process in the background runs a check until
 * that exits 0, and then writes the newline by which a service says that it is ready
 * (notification-fd). Under lares-supervise a file `check` needs no program for that; this is
 * for run scripts that are to work with s6, too, whose s6-notifyoncheck it follows. */

#include <skalibs/nonposix.h>
#include "chain.h"

#include <signal.h>
#include <string.h>

#include <skalibs/exec.h>
#include <skalibs/selfpipe.h>
#include <skalibs/sig.h>

#include <lares/child.h>
#include <lares/clock.h>

#include "ready.h"

#define OPTIONS(FLAG, VALUE)                                                                   \
  VALUE("3", "fd", "the descriptor to say it on (default: what ./notification-fd says)")       \
  VALUE("s", "milliseconds", "wait so long before the first check (default 10)")               \
  VALUE("w", "milliseconds", "and between two (default 1000)")                                 \
  VALUE("n", "tries", "give up after so many (default 7, 0: never)")                           \
  VALUE("t", "milliseconds", "kill a check that takes longer (default 0: never)")              \
  VALUE("T", "milliseconds", "give up after so long (default 0: never)")                       \
  VALUE("c", "command", "the check, for execlineb (default: ./data/check, or else ./check)")   \
  FLAG("d", "fork twice: the program gets no child it does not know")
CHAIN_TEXTS(OPTIONS, "lares-notifycheck", "program [argument...]");

struct order {
  char const *command; /* 0: a file */
  char const *file;
  uint32_t sleep, wait, tries, each, all;
  int twice, fd, signals;
};

static void scan(uint32_t *number, char letter, char const *text) {
  char const option[] = {'-', letter, 0};

  if (!uint320_scan(text, number) || *number > INT32_MAX)
    strerr_dief(EXIT_USAGE, "option ", option, ": `", text,
                "' is no number from 0 to 2147483647");
}

static struct deadline after(uint32_t ms) {
  return ms ? deadline_add_ms(clock_now(), ms) : DEADLINE_NEVER;
}

static void become_check(struct order const *order) {
  char const *const file[] = {order->file, 0};
  char const *const command[] = {"execlineb", "-Pc", order->command, 0};

  selfpipe_finish();
  sig_blocknone();
  (void)setsid();
  xexec(order->command ? command : file);
}

/* Has it ended? 1 with *wstat. */
static int has_ended(pid_t pid, int *wstat) {
  while (selfpipe_read() > 0)
    ;
  return waitpid(pid, wstat, WNOHANG) == pid;
}

/* 1: ready. It and what it has started are killed when the time is over. */
static int check(struct order const *order, struct program *program, struct deadline end) {
  struct deadline until = deadline_earlier(after(order->each), end);
  int wstat = -1;
  pid_t pid = fork();

  if (pid < 0) return 0;
  if (!pid) become_check(order);
  program->helper = pid;
  while (!has_ended(pid, &wstat))
    if (ready_wait(program, order->signals, -1, until) < 0) {
      ready_kill(pid);
      (void)waitpid(pid, &wstat, 0);
      wstat = -1; /* it was too late */
      break;
    }
  program->helper = 0;
  return wstat == 0;
}

static void look(struct order *order, struct program *program) {
  struct deadline end = after(order->all);

  order->signals = selfpipe_init();
  if (order->signals < 0 || !selfpipe_trap(SIGCHLD))
    strerr_diefusys(EXIT_SYSTEM, "trap signals");
  (void)ready_wait(program, -1, -1,
                   deadline_earlier(deadline_add_ms(clock_now(), order->sleep), end));
  for (uint32_t i = 0; !order->tries || i < order->tries; i++) {
    if (deadline_passed(end, clock_now())) break;
    if (check(order, program, end)) {
      ready_say(order->fd);
      _exit(EXIT_DONE);
    }
    (void)ready_wait(program, -1, -1,
                     deadline_earlier(deadline_add_ms(clock_now(), order->wait), end));
  }
  strerr_warnw("given up: no check has succeeded");
  _exit(EXIT_TIMEOUT);
}

int main(int argc, char const *const *argv) {
  struct order order = {.sleep = 10, .wait = 1000, .tries = 7};
  subgetopt at = SUBGETOPT_ZERO;
  char const *given = 0;
  struct program program;
  int letter;

  PROG = "lares-notifycheck";
  while ((letter = chain_option(argc, argv, letters, usage, &at)) != -1)
    switch (letter) {
    case '3':
      given = at.arg;
      break;
    case 'c':
      order.command = at.arg;
      break;
    case 'd':
      order.twice = 1;
      break;
    default:
      scan(letter == 's'   ? &order.sleep
           : letter == 'w' ? &order.wait
           : letter == 'n' ? &order.tries
           : letter == 't' ? &order.each
                           : &order.all,
           (char)letter, at.arg);
    }
  argv = chain_operands(argc, argv, 1, usage, &at);
  order.fd = ready_descriptor(given);
  order.file = access("data/check", F_OK) < 0 ? "./check" : "./data/check";
  if (ready_fork(&program, order.twice)) look(&order, &program);
  xexec(argv);
}
