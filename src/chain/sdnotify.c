/* lares-sdnotify: between the two ways to say that a service is ready.
 *
 * For a program that speaks sd_notify(3), under a supervisor that wants a newline on a
 * descriptor: it gets a NOTIFY_SOCKET, and its READY=1 becomes the newline. With -r for one
 * that writes a newline, under a supervisor that has given a NOTIFY_SOCKET. Becomes the
 * program; a process in the background does that, and ends when it is done or the program has
 * ended. */

#include <skalibs/nonposix.h>
#include "chain.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/exec.h>
#include <skalibs/random.h>

#include <lares/child.h>
#include <lares/clock.h>
#include <lares/notify.h>

#include "ready.h"

#define OPTIONS(FLAG, VALUE)                                                                   \
  VALUE("3", "fd", "the descriptor (default: what ./notification-fd says; with -r 3)")         \
  FLAG("r", "the reverse: a newline on the program's descriptor becomes READY=1")              \
  FLAG("k", "listen as long as the program lives; with -r: leave it NOTIFY_SOCKET")            \
  VALUE("T", "milliseconds", "give up after so long (default 0: never)")                       \
  FLAG("d", "fork twice: the program gets no child it does not know")
CHAIN_TEXTS(OPTIONS, "lares-sdnotify", "program [argument...]");

#define RANDOM 12
#define NO_ANSWER_MS 100

struct order {
  struct program program;
  struct deadline end;
  int keep, twice;
};

/* Is it the program, or of it? */
static int may_speak(struct order const *order, pid_t pid) {
  struct membership m = {.main = order->program.pid};

  return process_is_of(pid, &m);
}

/* Each datagram is dropped, with what came with it. 1 when it says that it is ready. */
static int hear(struct order const *order, int socket) {
  char bytes[NOTIFY_MOST];
  struct notify_message m;
  struct notify_from from;
  ssize_t len = notify_peek(socket, bytes, &from);
  int ready = len >= 0 && !from.too_long && may_speak(order, from.pid) &&
              notify_parse(&m, bytes, (size_t)len) && m.words & NOTIFY_READY;

  if ((len < 0 || !notify_take(socket)) && errno != EAGAIN && errno != EWOULDBLOCK)
    clock_pause(NO_ANSWER_MS); /* it is there still: do not spin */
  return ready;
}

static void listen_for_it(struct order *order, int socket, int fd) {
  int said = 0;

  while (ready_wait(&order->program, socket, -1, order->end) == 0) {
    if (!hear(order, socket) || said) continue;
    ready_say(fd);
    if (!order->keep) _exit(EXIT_DONE);
    close(fd);
    said = 1;
    order->end = DEADLINE_NEVER;
  }
  strerr_warnw("given up: the program has not said READY=1");
  _exit(EXIT_TIMEOUT);
}

static void give_socket(struct order *order, char const *given, char const *const *argv) {
  char variable[sizeof "NOTIFY_SOCKET=@lares/" + RANDOM] = "NOTIFY_SOCKET=@lares/";
  size_t len = strlen(variable);
  int fd = ready_descriptor(given), socket;

  random_name(variable + len, RANDOM);
  variable[len + RANDOM] = 0;
  socket = notify_listen(variable + sizeof "NOTIFY_SOCKET=" - 1);
  if (socket < 0) strerr_diefusys(EXIT_SYSTEM, "make a socket");
  if (ready_fork(&order->program, order->twice)) listen_for_it(order, socket, fd);
  xmexec_n(argv, variable, strlen(variable) + 1, 1);
}

/* The first newline counts, as with notification-fd. */
static int has_newline(int fd) {
  char bytes[256];
  ssize_t got = read(fd, bytes, sizeof bytes);

  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
  if (got <= 0) _exit(EXIT_DONE); /* it has closed it and will not say anything */
  return memchr(bytes, '\n', (size_t)got) != 0;
}

static void pass_on(struct order *order, char const *socket, int fd) {
  while (ready_wait(&order->program, fd, -1, order->end) == 0) {
    if (!has_newline(fd)) continue;
    if (!notify_send(socket, "READY=1", 7, -1, order->program.pid))
      strerr_diefusys(EXIT_SYSTEM, "send to ", socket);
    _exit(EXIT_DONE);
  }
  strerr_warnw("given up: the program has not written a newline");
  _exit(EXIT_TIMEOUT);
}

/* What its supervisor has given to us is not for the program. */
static char const without[] = "NOTIFY_SOCKET\0WATCHDOG_USEC\0WATCHDOG_PID";

static void give_descriptor(struct order *order, char const *given, char const *const *argv) {
  int to = given ? ready_scan(given, "option -3") : 3, fds[2];
  char const *socket = getenv("NOTIFY_SOCKET");

  if (!socket || !*socket) strerr_dief(EXIT_USAGE, "-r needs NOTIFY_SOCKET to be set");
  if (pipecoe(fds) < 0) strerr_diefusys(EXIT_SYSTEM, "make a pipe");
  /* Out of the way of what the program is to get. */
  if (fds[0] == to && (fds[0] = fcntl(to, F_DUPFD_CLOEXEC, to + 1)) < 0)
    strerr_diefusys(EXIT_SYSTEM, "move a descriptor");
  if (ready_fork(&order->program, order->twice)) {
    close(fds[1]);
    pass_on(order, socket, fds[0]);
  }
  close(fds[0]);
  if (fds[1] == to ? uncoe(to) < 0 : fd_move(to, fds[1]) < 0)
    strerr_diefusys(EXIT_SYSTEM, "give the program its descriptor");
  if (order->keep) xexec(argv);
  xmexec_n(argv, without, sizeof without, 3);
}

int main(int argc, char const *const *argv) {
  struct order order = {.end = DEADLINE_NEVER};
  subgetopt at = SUBGETOPT_ZERO;
  int letter, reverse = 0;
  char const *given = 0;
  uint32_t ms;

  PROG = "lares-sdnotify";
  while ((letter = chain_option(argc, argv, letters, usage, &at)) != -1) {
    if (letter == '3') given = at.arg;
    if (letter == 'r') reverse = 1;
    if (letter == 'k') order.keep = 1;
    if (letter == 'd') order.twice = 1;
    if (letter != 'T') continue;
    if (!uint320_scan(at.arg, &ms) || ms > INT32_MAX)
      strerr_dief(EXIT_USAGE, "option -T: `", at.arg, "' is no number from 0 to 2147483647");
    order.end = ms ? deadline_add_ms(clock_now(), ms) : DEADLINE_NEVER;
  }
  argv = chain_operands(argc, argv, 1, usage, &at);
  if (reverse)
    give_descriptor(&order, given, argv);
  else
    give_socket(&order, given, argv);
}
