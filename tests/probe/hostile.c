/* A service that does not want to end. For tests only.
 *
 * LINK: -pthread
 *
 * hostile REPORT WORD...   REPORT gets a line "ready PID" when all of them are there; the main
 * process then sleeps. All but the main one ignore TERM and are named after their word:
 *   child N    children in our group and session
 *   stray N    double forked, each in a session of its own
 *   deep N     a child of a child of ... , each in a session of its own
 *   forker N   double forked, in a session of its own; forks and ends, and so does the child,
 *              as fast as it can
 *   hopper N   the same, each of them in a session of its own
 *   wiped N    as stray, with an empty environment
 *   bare N     as child, with an empty environment
 *   meek N     as stray, but TERM ends it
 *   threaded N as stray; a thread of it, not the first, has forked one as wiped, named "below"
 *   headless N as stray; its first thread has ended, another lives
 *   proof      the main process ignores TERM, too
 *   leave      the main process ends as soon as it has reported
 */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A test that fails shall not use all pids up for ever. */
#define GENERATIONS 30000

/* Its last writer closes it when everybody is what it is to be. */
static int there[2];

static void need(int good, char const *what) {
  if (good) return;
  perror(what);
  _exit(111);
}

static _Noreturn void settle(char const *word) {
  prctl(PR_SET_NAME, word);
  close(there[1]);
  for (;;)
    pause();
}

/* exec is what takes an environment away; and the name, so `there` is closed behind it. */
static _Noreturn void settle_wiped(char const *word) {
  char number[16], *argv[] = {"hostile", "-", (char *)(size_t)word, number, 0}, *envp[] = {0};

  snprintf(number, sizeof number, "%d", there[1]);
  need(!fcntl(there[1], F_SETFD, 0), "fcntl");
  execve("/proc/self/exe", argv, envp);
  need(0, "exec");
  _exit(111);
}

static _Noreturn void fork_for_ever(char const *word) {
  int hops = !strcmp(word, "hopper");

  prctl(PR_SET_NAME, word);
  close(there[1]);
  for (long generations = GENERATIONS; generations; generations--) {
    if (fork()) _exit(0);
    if (hops) setsid();
  }
  _exit(0);
}

/* `there` is shared by the threads: the other one closes it when both are as they are to be. */
static void *fork_below(void *unused) {
  pid_t pid = fork();

  need(pid >= 0, "fork");
  if (!pid) {
    setsid();
    settle_wiped("below");
  }
  close(there[1]);
  for (;;)
    pause();
  return unused;
}

static void *outlive_first(void *unused) {
  char text[512] = "";

  while (!strstr(text, ") Z ")) {
    int fd = open("/proc/self/stat", O_RDONLY);
    ssize_t got = read(fd, text, sizeof text - 1);
    need(got > 0, "stat");
    text[got] = 0;
    close(fd);
    sched_yield();
  }
  close(there[1]);
  for (;;)
    pause();
  return unused;
}

static _Noreturn void be_threads(char const *word) {
  int headless = !strcmp(word, "headless");
  pthread_t other;

  prctl(PR_SET_NAME, word);
  need(!pthread_create(&other, 0, headless ? outlive_first : fork_below, 0), "thread");
  if (headless) pthread_exit(0);
  for (;;)
    pause();
}

static void be(char const *word) {
  if (!strcmp(word, "threaded") || !strcmp(word, "headless")) be_threads(word);
  if (!strcmp(word, "forker") || !strcmp(word, "hopper")) fork_for_ever(word);
  if (!strcmp(word, "meek")) signal(SIGTERM, SIG_DFL);
  if (!strcmp(word, "wiped") || !strcmp(word, "bare")) settle_wiped(word);
  settle(word);
}

static void make_deep(long levels) {
  pid_t pid;

  if (!levels) return;
  need((pid = fork()) >= 0, "fork");
  if (pid) return;
  setsid();
  make_deep(levels - 1);
  settle("deep");
}

static void make(char const *word, int away) {
  pid_t pid = fork();

  need(pid >= 0, "fork");
  if (pid) {
    if (away) waitpid(pid, 0, 0);
    return;
  }
  if (away) {
    setsid();
    if (fork()) _exit(0);
  }
  be(word);
}

static void say(char const *report) {
  char line[32], byte;
  int fd = open(report, O_WRONLY | O_APPEND | O_CREAT, 0644);

  close(there[1]);
  need(!read(there[0], &byte, 1), "read");
  need(fd >= 0, report);
  need(write(fd, line, (size_t)snprintf(line, sizeof line, "ready %ld\n", (long)getpid())) > 0,
       report);
  close(fd);
}

int main(int argc, char **argv) {
  int proof = 0, leave = 0;

  if (argc == 4 && !strcmp(argv[1], "-")) {
    there[1] = atoi(argv[3]);
    settle(argv[2]);
  }
  need(argc > 2 && !pipe(there) && !fcntl(there[1], F_SETFD, FD_CLOEXEC), "usage");
  signal(SIGTERM, SIG_IGN);
  for (int i = 2; i < argc; i++) {
    char const *word = argv[i];
    long count;
    if (!strcmp(word, "proof")) proof = 1;
    if (!strcmp(word, "leave")) leave = 1;
    if (!strcmp(word, "proof") || !strcmp(word, "leave")) continue;
    need(i + 1 < argc, word);
    count = atol(argv[++i]);
    if (!strcmp(word, "deep"))
      make_deep(count);
    else
      while (count--)
        make(word, strcmp(word, "child") && strcmp(word, "bare"));
  }
  if (!proof) signal(SIGTERM, SIG_DFL);
  say(argv[1]);
  if (leave) return 0;
  for (;;)
    pause();
}
