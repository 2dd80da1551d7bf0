/* The process between the log writer and a program that works on a finished file. It gives the
 * program low priority and a limit to what it writes, waits for it for so long and no longer,
 * kills whatever the program has left behind, so that nothing writes to a file that counts, and
 * flushes what was made: the file that it replaces is going to be removed. It dies with the log
 * writer, and the program with it.
 *
 * A processor writes its new state to memory. Of that as much is copied to newstate as there is
 * room for: the limit of what a program writes is one for all its files.
 */

#include <skalibs/nonposix.h>
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#include <lares/child.h>
#include <lares/clock.h>

#define NICER 10
#define IO_LOWEST (2 << 13 | 7) /* best effort, last of eight */
#define IO_PROCESS 1
#define SWEEP_MS 2 /* between two looks at who is left */
#define SWEEPS 2500

/* Descriptors of the process between; 0 to 2 and 4 are the program's, too. */
enum { FD_DIR = 3, FD_STATE = 4, FD_NEWSTATE = 5, FD_MEMORY = 6, FD_HIGH = 64 };

extern char **environ;

_Noreturn static void leave(struct work_report *report, enum work_outcome outcome, int error) {
  report->error = error;
  report->outcome = outcome;
  _exit(outcome == WORK_DONE ? 0 : 1);
}

/* --- the program's process --- */

_Noreturn static void become(struct work_order const *order) {
  struct rlimit limit;
  sigset_t none;

  if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_max > order->room)
    limit.rlim_max = order->room;
  limit.rlim_cur = limit.rlim_max;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigemptyset(&none);
  unsetenv("LARES_LOGBUF");
  if ((order->newstate < 0 || dup2(FD_MEMORY, FD_NEWSTATE) >= 0) &&
      !setrlimit(RLIMIT_FSIZE, &limit) && !sigprocmask(SIG_SETMASK, &none, 0))
    execve(order->argv[0], (char *const *)(void const *)order->argv, environ);
  leave(order->report, WORK_UNSTARTED, errno);
}

/* --- the process between --- */

static void close_above(int last) {
  long most = sysconf(_SC_OPEN_MAX);

#ifdef SYS_close_range
  if (!syscall(SYS_close_range, last + 1, ~0u, 0)) return;
#endif
  for (int fd = last + 1; fd < (most > 0 && most < 65536 ? most : 65536); fd++)
    close(fd);
}

/* Nothing else of the log writer's is kept: neither its pipe nor the locks of its directories.
 */
static int place_descriptors(struct work_order const *order) {
  int const from[] = {order->in, order->out, 2, order->dir, order->state, order->newstate};
  int const count = sizeof from / sizeof *from;
  int high[sizeof from / sizeof *from];

  for (int i = 0; i < count; i++)
    if (from[i] >= 0 && (high[i] = fcntl(from[i], F_DUPFD, FD_HIGH)) < 0) return 0;
  for (int i = 0; i < count; i++) {
    if (from[i] < 0)
      close(i);
    else if (dup2(high[i], i) < 0)
      return 0;
  }
  close_above(FD_NEWSTATE);
  if (fcntl(FD_DIR, F_SETFD, FD_CLOEXEC) < 0 || fchdir(FD_DIR) < 0) return 0;
  if (order->newstate < 0) return 1;
  /* Nothing but newstate and what comes now is above FD_STATE. */
  return memfd_create("newstate", MFD_CLOEXEC) == FD_MEMORY;
}

static void lower_priority(void) {
  (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICER);
#ifdef SYS_ioprio_set
  (void)syscall(SYS_ioprio_set, IO_PROCESS, 0, IO_LOWEST);
#endif
}

static void woken(int sig) {
  (void)sig;
}

/* All signals are blocked here; a death has to be noticed though its signal does nothing. */
static void default_signals(void) {
  static int const numbers[] = {SIGTERM, SIGINT, SIGALRM, SIGHUP, SIGPIPE, SIGXFSZ};
  struct sigaction action = {.sa_handler = SIG_DFL};

  for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
    sigaction(numbers[i], &action, 0);
  action.sa_handler = &woken;
  sigaction(SIGCHLD, &action, 0);
}

/* The program's end, TERM, or the deadline. 0: it has not ended. */
static int wait_for(pid_t pid, struct deadline until, int *wstat, int *told) {
  sigset_t set;

  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGTERM);
  for (;;) {
    int64_t left = until.ns - clock_now().ns;
    struct timespec most = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    pid_t ended;
    while ((ended = wait_nohang(wstat)) > 0)
      if (ended == pid) return 1;
    if (left <= 0) return 0;
    if (sigtimedwait(&set, 0, &most) == SIGTERM) return (*told = 1, 0);
  }
}

/* We are the subreaper: whom the program has left is a child of ours sooner or later. 0: there
 * is somebody who does not die, or whom we do not find. */
static int kill_all(void) {
  for (int sweeps = 0; sweeps < SWEEPS; sweeps++) {
    struct tree_search search = {.sig = SIGKILL};
    int wstat;
    pid_t ended;
    tree_search(&search);
    while ((ended = wait_nohang(&wstat)) > 0)
      ;
    if (ended < 0 && errno == ECHILD) return 1;
    clock_pause(SWEEP_MS);
  }
  return 0;
}

static int keep_state(struct work_order const *order, struct work_report *report) {
  static char piece[4096];
  struct stat st;
  off_t at = 0;

  if (fstat(FD_MEMORY, &st) < 0) return 0;
  if ((uint64_t)st.st_size > order->state_room) leave(report, WORK_STATE, 0);
  while (at < st.st_size) {
    ssize_t got = pread(FD_MEMORY, piece, sizeof piece, at);
    if (got <= 0) return 0;
    if (allwrite(FD_NEWSTATE, piece, (size_t)got) < (size_t)got) return 0;
    at += got;
  }
  return fsync(FD_NEWSTATE) == 0;
}

_Noreturn static void stand_between(struct work_order const *order, pid_t writer) {
  struct work_report *report = order->report;
  struct deadline until = deadline_add_ms(clock_now(), order->most_ms);
  int ended, told = 0, wstat = 0;
  pid_t pid;

  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != writer) _exit(0);
  (void)setsid();
  default_signals();
  if (!place_descriptors(order) || !tree_adopt_orphans()) leave(report, WORK_UNSTARTED, errno);
  lower_priority();
  pid = fork();
  if (pid < 0) leave(report, WORK_UNSTARTED, errno);
  if (!pid) become(order);
  ended = wait_for(pid, until, &wstat, &told);
  if (!kill_all()) leave(report, WORK_HAUNTED, 0);
  report->wstat = wstat;
  if (report->outcome == WORK_UNSTARTED) _exit(1);
  if (!ended) leave(report, told ? WORK_NONE : WORK_LATE, 0);
  if (wstat) leave(report, WORK_ENDED, 0);
  if ((order->newstate >= 0 && !keep_state(order, report)) || fsync(1) < 0)
    leave(report, WORK_UNFLUSHED, errno);
  leave(report, WORK_DONE, 0);
}

/* --- the log writer's --- */

/* It is our child: its number is nobody else's until we have waited for it. */
void work_end(pid_t pid) {
  kill(pid, SIGTERM);
  kill(pid, SIGCONT); /* who is stopped notices nothing else */
}

/* By us it is only looked at. */
static int is_stopped(pid_t pid) {
  siginfo_t info = {.si_pid = 0};

  return waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid;
}

/* Its own children may be who stops it again and again; they are below it, wherever else they
 * have gone. Once it is dead nobody finds them any more. */
void work_mend(pid_t pid, int rounds) {
  if (!is_stopped(pid)) return;
  if (rounds) tree_signal_below(pid, SIGKILL);
  if (rounds < WORK_ROUNDS) {
    kill(pid, SIGCONT);
    return;
  }
  kill(-pid, SIGKILL);
  kill(pid, SIGKILL);
}

pid_t work_start(struct work_order const *order) {
  pid_t writer = getpid(), pid;
  sigset_t all, before;

  *order->report = (struct work_report){.outcome = WORK_NONE};
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  pid = fork();
  if (!pid) stand_between(order, writer);
  sigprocmask(SIG_SETMASK, &before, 0);
  return pid;
}
