/* restart ROUNDS ALIVE-MS FIFO...: kills the service that reports to each FIFO in turn, ROUNDS
 * times, and prints `INDEX NANOSECONDS` from the kill to the first instruction of its
 * successor. A service is left alone until it has lived ALIVE-MS: every suite restarts at once
 * only what was not just started. One at a time, in a new order each round, with a pause after
 * each, in which what a supervisor puts off until after the start is done. `INDEX -` when no
 * successor came in time. */

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define PATIENCE_MS 5000
#define PAUSE_NS 20000000

struct candidate {
  int fd;
  struct report last;
};

static int next_report(struct candidate *c) {
  struct pollfd ready = {.fd = c->fd, .events = POLLIN};
  int n;

  while ((n = poll(&ready, 1, PATIENCE_MS)) < 0)
    if (errno != EINTR) die("poll");
  return n && read(c->fd, &c->last, sizeof c->last) == sizeof c->last;
}

static void measure(struct candidate *c, unsigned index, uint64_t alive) {
  uint64_t good = c->last.born + alive, began = now_ns();

  if (!c->last.pid) return;
  if (good > began) sleep_ns(good - began);
  began = now_ns();
  if (kill((pid_t)c->last.pid, SIGKILL) < 0) die("kill");
  if (next_report(c))
    printf("%u %lld\n", index, (long long)(c->last.born - began));
  else {
    printf("%u -\n", index);
    c->last.pid = 0;
  }
  fflush(stdout);
  sleep_ns(PAUSE_NS);
}

int main(int argc, char **argv) {
  unsigned n = argc > 3 ? (unsigned)argc - 3 : 0, rounds;
  struct candidate *all = calloc(n + 1, sizeof *all);
  unsigned *order = calloc(n + 1, sizeof *order);

  if (!n || !all || !order) return 100;
  rounds = (unsigned)atoi(argv[1]);
  for (unsigned i = 0; i < n; i++) {
    order[i] = i;
    all[i].fd = open(argv[i + 3], O_RDWR | O_CLOEXEC);
    if (all[i].fd < 0) die(argv[i + 3]);
  }
  /* The caller starts the suites when it reads this: the FIFOs have a reader now. */
  puts("ready");
  fflush(stdout);
  for (unsigned i = 0; i < n; i++)
    if (!next_report(&all[i])) printf("%u -\n", i);
  while (rounds--) {
    shuffle(order, n);
    for (unsigned i = 0; i < n; i++)
      measure(&all[order[i]], order[i], (uint64_t)atoi(argv[2]) * 1000000u);
  }
  return 0;
}
