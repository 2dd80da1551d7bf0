/* adopt ROUNDS ALIVE-MS DIR...: kills the supervisor of each service directory in turn, ROUNDS
 * times, and prints `INDEX NANOSECONDS` from the kill until supervise/state says that the
 * service is adopted. Then the service is killed, too, so that the new supervisor has a child
 * of its own for the next round. Both are left alone for ALIVE-MS before. `INDEX -` when that
 * took too long.
 *
 * Told by inotify: a reader that spins would take the processor from what is measured. */

#include <skalibs/nonposix.h>

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define PATIENCE_MS 5000
#define ADOPTED 1 /* of the marks, in src/include/lares/status.h */

struct candidate {
  int state, lock, changes;
  uint64_t calm; /* since when nothing was killed */
};

struct state {
  int adopted;
  pid_t pid;
};

static uint32_t number(unsigned char const *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Offsets as in lares-status(5). */
static struct state read_state(struct candidate const *c) {
  unsigned char record[256];

  if (pread(c->state, record, sizeof record, 0) != sizeof record) return (struct state){-1, 0};
  return (struct state){record[17] & ADOPTED, (pid_t)number(record + 20)};
}

static pid_t supervisor_of(struct candidate const *c) {
  unsigned char record[64];

  if (pread(c->lock, record, sizeof record, 0) != sizeof record) return 0;
  return (pid_t)number(record + 8);
}

/* Until it is so, by another process than `not`; the moment, or 0. */
static uint64_t await(struct candidate const *c, int adopted, pid_t not ) {
  uint64_t end = now_ns() + PATIENCE_MS * 1000000ull;
  char events[4096];

  while (now_ns() < end) {
    struct pollfd ready = {.fd = c->changes, .events = POLLIN};
    struct state state = read_state(c);
    if (state.adopted == adopted && state.pid && state.pid != not ) return now_ns();
    if (poll(&ready, 1, 100) == 1 && read(c->changes, events, sizeof events) < 0) die("read");
  }
  return 0;
}

static void measure(struct candidate *c, unsigned index, uint64_t alive) {
  struct state state = read_state(c);
  uint64_t began = now_ns(), ended;
  pid_t supervisor;

  if (!c->calm) return;
  if (c->calm + alive > began) sleep_ns(c->calm + alive - began);
  supervisor = supervisor_of(c);
  began = now_ns();
  if (supervisor <= 0 || kill(supervisor, SIGKILL) < 0) die("kill");
  ended = await(c, 1, 0);
  if (ended)
    printf("%u %llu\n", index, (unsigned long long)(ended - began));
  else
    printf("%u -\n", index);
  fflush(stdout);
  c->calm = 0;
  if (ended && state.pid > 0 && !kill(state.pid, SIGKILL) && await(c, 0, state.pid))
    c->calm = now_ns();
}

static int open_below(char const *dir, char const *name) {
  char path[4096];
  int fd;

  snprintf(path, sizeof path, "%s/supervise/%s", dir, name);
  fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) die(path);
  return fd;
}

static void begin(struct candidate *c, char const *dir) {
  char path[4096];

  snprintf(path, sizeof path, "%s/supervise/state", dir);
  c->state = open_below(dir, "state");
  c->lock = open_below(dir, "lock");
  c->changes = inotify_init1(IN_CLOEXEC);
  if (c->changes < 0 || inotify_add_watch(c->changes, path, IN_MODIFY) < 0) die(path);
  c->calm = now_ns();
}

int main(int argc, char **argv) {
  unsigned n = argc > 3 ? (unsigned)argc - 3 : 0, rounds;
  struct candidate *all = calloc(n + 1, sizeof *all);
  unsigned *order = calloc(n + 1, sizeof *order);

  if (!n || !all || !order) return 100;
  rounds = (unsigned)atoi(argv[1]);
  for (unsigned i = 0; i < n; i++) {
    order[i] = i;
    begin(&all[i], argv[i + 3]);
  }
  while (rounds--) {
    shuffle(order, n);
    for (unsigned i = 0; i < n; i++)
      measure(&all[order[i]], order[i], (uint64_t)atoi(argv[2]) * 1000000u);
  }
  return 0;
}
