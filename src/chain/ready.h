/* What the chain tools share that stand between a program and the descriptor on which a service
 * says that it is ready (s6's notification-fd): which descriptor that is, saying it, and a
 * process in the background that sees to it while we become the program.
 *
 * (Not for all chain tools: who includes this has included lares/child.h and lares/clock.h.)
 *
 * That process is a child of the program, which may not expect one: forked once more it is its
 * supervisor's. It ends with the program. */

#ifndef CHAIN_READY_H
#define CHAIN_READY_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>

#define READY_FILE "notification-fd"

/* 3 to 32767. */
static inline int ready_scan(char const *text, char const *what) {
  unsigned fd;

  if (!uint0_scan(text, &fd) || fd < 3 || fd > INT16_MAX)
    strerr_dief(EXIT_USAGE, what, ": `", text, "' is no descriptor from 3 to 32767");
  return (int)fd;
}

/* -3, or what ./notification-fd says. It has to be open, and is not for the program. */
static inline int ready_descriptor(char const *given) {
  char text[16];
  ssize_t len;
  int fd;

  if (given)
    fd = ready_scan(given, "option -3");
  else {
    len = openreadnclose_nb(READY_FILE, text, sizeof text - 1);
    if (len < 0) strerr_diefusys(EXIT_SYSTEM, "read ", READY_FILE, " (or say -3)");
    while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
      len--;
    text[len] = 0;
    fd = ready_scan(text, READY_FILE);
  }
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
    strerr_dief(EXIT_USAGE, "descriptor ", given ? given : text, " is not open");
  return fd;
}

static inline void ready_say(int fd) {
  (void)!write(fd, "\n", 1);
}

struct program {
  pid_t pid;
  int pidfd;    /* -1: its end is looked for */
  pid_t helper; /* a child of ours that ends with the program as we do, leads a session; 0 */
};

static inline void ready_kill(pid_t helper) {
  (void)kill(-helper, SIGKILL);
  (void)kill(helper, SIGKILL);
}

/* 1 in the process that goes on in the background, 0 in the one that becomes the program. */
static inline int ready_fork(struct program *program, int twice) {
  pid_t pid;

  *program = (struct program){.pid = getpid(), .pidfd = process_watch(getpid())};
  pid = fork();
  if (pid < 0) strerr_diefusys(EXIT_SYSTEM, "fork");
  if (pid) {
    if (twice) (void)waitpid(pid, 0, 0);
    if (program->pidfd >= 0) close(program->pidfd);
    return 0;
  }
  if (twice && (pid = fork())) _exit(pid < 0 ? EXIT_SYSTEM : EXIT_DONE);
  return 1;
}

#define READY_LOOK_MS 500

/* Wait for one of two descriptors (-1 none) until then: which has something, 0 or 1; -1 when
 * the time is over. Ends with the program. */
static inline int ready_wait(struct program const *program, int first, int second,
                             struct deadline until) {
  struct pollfd fds[3] = {{.fd = program->pidfd, .events = POLLIN},
                          {.fd = first, .events = POLLIN},
                          {.fd = second, .events = POLLIN}};

  for (;;) {
    struct deadline look = deadline_add_ms(clock_now(), READY_LOOK_MS);
    int n = clock_poll(fds, 3, program->pidfd < 0 ? deadline_earlier(until, look) : until);
    if (n < 0 && errno != EINTR) _exit(EXIT_SYSTEM);
    if (fds[0].revents || (program->pidfd < 0 && kill(program->pid, 0) < 0 && errno == ESRCH)) {
      if (program->helper > 0) ready_kill(program->helper);
      _exit(EXIT_DONE);
    }
    if (n > 0 && fds[1].revents) return 0;
    if (n > 0 && fds[2].revents) return 1;
    if (deadline_passed(until, clock_now())) return -1;
  }
}

#endif
