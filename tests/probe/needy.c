/* needy FILE READY LIFE STOP CODE: a service that keeps a record of its own lives. A line
 * `WORD PID NANOSECONDS` (CLOCK_REALTIME) is appended to FILE when it starts, is ready (READY
 * milliseconds later; said on descriptor 3), is told to end by TERM, and ends: STOP
 * milliseconds after TERM, exiting 0, or by itself after about LIFE milliseconds (0: never),
 * exiting CODE. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int file;

static int64_t now_ns(clockid_t clock) {
  struct timespec now;

  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void note(char const *word) {
  char line[96];
  int len = snprintf(line, sizeof line, "%s %d %lld\n", word, (int)getpid(),
                     (long long)now_ns(CLOCK_REALTIME));

  if (write(file, line, (size_t)len) != len) _exit(111);
}

/* 1 when told to end before the moment has come; 0 is never. */
static int wait_until(int64_t moment) {
  sigset_t term;

  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  for (;;) {
    int64_t left = moment - now_ns(CLOCK_MONOTONIC);
    struct timespec time = {.tv_sec = (time_t)(left / 1000000000),
                            .tv_nsec = (long)(left % 1000000000)};
    if (moment && left <= 0) return 0;
    if (sigtimedwait(&term, 0, moment ? &time : 0) == SIGTERM) return 1;
    if (errno == EAGAIN) return 0;
  }
}

static void end(int code) {
  note("end");
  _exit(code);
}

int main(int argc, char **argv) {
  int64_t began = now_ns(CLOCK_MONOTONIC), ready, life;
  sigset_t term;

  if (argc != 6) return 100;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, 0);
  file = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return 111;
  note("start");
  ready = began + atoll(argv[2]) * 1000000;
  life = atoll(argv[3]) * 1000000;
  if (life) life = began + life * (75 + began / 1000 % 50) / 100;
  if (!wait_until(life && life < ready ? life : ready)) {
    if (life && life < ready) end(atoi(argv[5]));
    note("ready");
    if (write(3, "\n", 1) != 1) return 111;
    close(3);
    if (!wait_until(life)) end(atoi(argv[5]));
  }
  note("told");
  {
    struct timespec time = {.tv_sec = atol(argv[4]) / 1000,
                            .tv_nsec = atol(argv[4]) % 1000 * 1000000};
    while (nanosleep(&time, &time) < 0 && errno == EINTR)
      ;
  }
  end(0);
}
