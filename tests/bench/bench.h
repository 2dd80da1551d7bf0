/* What the programs of the benchmarks share: reports of tests/bench/service.c, and the clock.
 */

#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* What a service writes when it comes to life. */
struct report {
  uint64_t born; /* ns, CLOCK_MONOTONIC */
  uint64_t pid;
};

static inline uint64_t now_ns(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void sleep_ns(uint64_t ns) {
  struct timespec time = {.tv_sec = (time_t)(ns / 1000000000u),
                          .tv_nsec = (long)(ns % 1000000000u)};

  nanosleep(&time, 0);
}

static inline _Noreturn void die(char const *what) {
  perror(what);
  exit(111);
}

/* A new order, so that no candidate always comes after the same other one. */
static inline void shuffle(unsigned *order, unsigned n) {
  for (unsigned i = n; i > 1; i--) {
    unsigned j = (unsigned)rand() % i, kept = order[i - 1];
    order[i - 1] = order[j];
    order[j] = kept;
  }
}

#endif
