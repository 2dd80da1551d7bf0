/* fleet FIFO N SIGNAL START... [ -- STOP... ]: how long the start and the stop of N services
 * take. Executes START (a scanner) and prints `up NANOSECONDS` until the last of N services has
 * said on FIFO that it lives; lets it be for a while; sends it SIGNAL, executes STOP if there
 * is one, and prints `gone NANOSECONDS` until no descendant is left: it is a subreaper, so all
 * that anybody leaves behind comes here. `-` in place of what did not happen in time. */

#include <skalibs/nonposix.h>

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define SETTLE_NS 1500000000u

static sigset_t before;

static pid_t start(char **words) {
  pid_t pid = vfork();

  if (!pid) {
    sigprocmask(SIG_SETMASK, &before, 0);
    dup2(2, 1); /* what it says is not our result */
    execve(words[0], words, environ);
    _exit(127);
  }
  return pid;
}

/* When the last of n came to life; 0 when one did not. */
static uint64_t await(int fifo, unsigned n) {
  struct report reports[256];
  uint64_t last = 0;

  while (n) {
    struct pollfd ready = {.fd = fifo, .events = POLLIN};
    int found = poll(&ready, 1, PATIENCE_MS);
    ssize_t got;
    if (found < 0 && errno == EINTR) continue;
    if (found < 1) return 0;
    got = read(fifo, reports, sizeof reports);
    for (size_t i = 0; n && i < (size_t)got / sizeof *reports; i++, n--)
      if (reports[i].born > last) last = reports[i].born;
  }
  return last;
}

static int await_end(void) {
  uint64_t end = now_ns() + PATIENCE_MS * 1000000ull;
  struct timespec slice = {.tv_sec = 1};
  sigset_t child;

  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == ECHILD) return 1;
    if (pid > 0) continue;
    if (now_ns() > end) return 0;
    sigtimedwait(&child, 0, &slice);
  }
}

static void say(char const *what, uint64_t began, uint64_t end) {
  if (end)
    printf("%s %llu\n", what, (unsigned long long)(end - began));
  else
    printf("%s -\n", what);
  fflush(stdout);
}

int main(int argc, char **argv) {
  char **stop = argv + 4;
  sigset_t child;
  uint64_t began;
  pid_t scanner;
  int fifo;

  if (argc < 5) return 100;
  while (*stop && strcmp(*stop, "--"))
    stop++;
  if (*stop) *stop++ = 0;
  fifo = open(argv[1], O_RDWR | O_CLOEXEC);
  if (fifo < 0) die(argv[1]);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  signal(SIGCHLD, SIG_DFL);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, &before);
  began = now_ns();
  scanner = start(argv + 4);
  if (scanner < 0) die("vfork");
  say("up", began, await(fifo, (unsigned)atoi(argv[2])));
  sleep_ns(SETTLE_NS);
  began = now_ns();
  kill(scanner, atoi(argv[3]));
  if (*stop) start(stop);
  say("gone", began, await_end() ? now_ns() : 0);
  return 0;
}
