/* The floor: the least that keeps a program running. `parent restart` executes ./run again
 * whenever it has died: signalfd, poll, waitpid, vfork, execve and nothing else.
 * `parent restart-session` also gives it a session of its own, as lares does: where the kernel
 * has scheduling groups by session (sched_autogroup_enabled), a new session is a new group,
 * which has to wait for its turn on a busy machine. `parent start STANDIN DIR...` starts, for
 * each directory, a stand-in of a supervisor and the directory's ./run, and ends them all at
 * TERM. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static sigset_t before, caught;
static int own_session;

static pid_t start(char const *file, char const *dir) {
  char *argv[] = {(char *)file, 0};
  pid_t pid = vfork();

  if (pid) return pid;
  if (own_session) setsid();
  if (dir && chdir(dir) < 0) _exit(111);
  sigprocmask(SIG_SETMASK, &before, 0);
  execve(file, argv, environ);
  _exit(127);
}

static int next_signal(int fd) {
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  struct signalfd_siginfo info;

  while (poll(&ready, 1, -1) < 0)
    if (errno != EINTR) _exit(111);
  if (read(fd, &info, sizeof info) != sizeof info) _exit(111);
  return (int)info.ssi_signo;
}

static int keep_running(int fd) {
  pid_t pid = start("./run", 0);

  for (;;) {
    int status;
    if (next_signal(fd) == SIGTERM) {
      kill(pid, SIGTERM);
      return 0;
    }
    while (waitpid(pid, &status, WNOHANG) == pid)
      pid = start("./run", 0);
  }
}

static int start_many(int fd, char const *standin, char **dirs, int n) {
  pid_t *pids = calloc((size_t)n * 2, sizeof *pids);
  int status;

  if (!pids) return 111;
  for (int i = 0; i < n; i++) {
    pids[2 * i] = start(standin, 0);
    pids[2 * i + 1] = start("./run", dirs[i]);
  }
  while (next_signal(fd) != SIGTERM)
    ;
  for (int i = 0; i < 2 * n; i++)
    if (pids[i] > 0) kill(pids[i], SIGTERM);
  while (wait(&status) > 0)
    ;
  return 0;
}

int main(int argc, char **argv) {
  int fd;

  sigemptyset(&caught);
  sigaddset(&caught, SIGCHLD);
  sigaddset(&caught, SIGTERM);
  signal(SIGCHLD, SIG_DFL);
  sigprocmask(SIG_BLOCK, &caught, &before);
  fd = signalfd(-1, &caught, SFD_CLOEXEC);
  if (fd < 0) return 111;
  own_session = argc == 2 && !strcmp(argv[1], "restart-session");
  if (own_session || (argc == 2 && !strcmp(argv[1], "restart"))) return keep_running(fd);
  if (argc > 3 && !strcmp(argv[1], "start")) {
    sigdelset(&caught, SIGCHLD);
    if (signalfd(fd, &caught, SFD_CLOEXEC) < 0) return 111;
    return start_many(fd, argv[2], argv + 3, argc - 3);
  }
  return 100;
}
