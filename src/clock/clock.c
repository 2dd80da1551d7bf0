/* Deadlines: the monotonic clock and waiting on it. */

#include <skalibs/nonposix.h>
#include <lares/clock.h>

#include <errno.h>

#define NS_PER_S 1000000000ll
#define NS_PER_MS 1000000ll
#define NO_POLL_MS 10

struct deadline clock_now(void) {
  struct timespec ts = {0};

  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (struct deadline){.ns = (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec};
}

struct deadline deadline_add_ms(struct deadline t, uint64_t ms) {
  if (ms > (uint64_t)((INT64_MAX - t.ns) / NS_PER_MS)) return DEADLINE_NEVER;
  t.ns += (int64_t)ms * NS_PER_MS;
  return t;
}

struct deadline deadline_earlier(struct deadline a, struct deadline b) {
  return a.ns < b.ns ? a : b;
}

int deadline_passed(struct deadline t, struct deadline now) {
  return t.ns <= now.ns;
}

void clock_pause(unsigned ms) {
  clock_pause_until(deadline_add_ms(clock_now(), ms));
}

void clock_pause_until(struct deadline until) {
  for (;;) {
    int64_t left = until.ns - clock_now().ns;
    struct timespec wait = {.tv_sec = (time_t)(left / NS_PER_S),
                            .tv_nsec = (long)(left % NS_PER_S)};
    if (left <= 0) return;
    nanosleep(&wait, 0);
  }
}

int clock_poll(struct pollfd *fds, nfds_t count, struct deadline until) {
  for (;;) {
    struct timespec wait, *timeout = 0;
    int ready;

    if (until.ns != INT64_MAX) {
      int64_t left = until.ns - clock_now().ns;
      if (left < 0) left = 0;
      wait.tv_sec = (time_t)(left / NS_PER_S);
      wait.tv_nsec = (long)(left % NS_PER_S);
      timeout = &wait;
    }
    ready = ppoll(fds, count, timeout, 0);
    if (ready > 0) return ready;
    if (!ready && timeout && deadline_passed(until, clock_now())) return 0;
    if (ready < 0 && errno != EINTR) {
      int saved = errno;
      clock_pause_until(deadline_earlier(until, deadline_add_ms(clock_now(), NO_POLL_MS)));
      return (errno = saved, -1);
    }
  }
}
