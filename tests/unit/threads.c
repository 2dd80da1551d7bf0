/* Processes with several threads: whom any of them has forked is below it, and one lives as
 * long as any thread does, though /proc calls it a zombie when the first has ended. (Only the
 * first thread's children were found, and a stop ended without the others; the other was taken
 * for dead.)
 *
 * LINK: -pthread */

#include <lares/child.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

/* It says who it is, and holds the end open until KILL comes. */
struct fork {
  int to;
  pid_t below;
};

static void *fork_one(void *context) {
  struct fork *one = context;

  one->below = fork();
  if (!one->below) {
    for (;;)
      pause();
  }
  need(write(one->to, &one->below, sizeof one->below) == sizeof one->below);
  for (;;)
    pause();
  return 0;
}

/* A process whose second thread has a child: *below. */
static pid_t threaded(pid_t *below) {
  struct fork one = {.below = 0};
  pthread_t thread;
  int ends[2];
  pid_t pid;

  need(!pipe(ends));
  one.to = ends[1];
  need((pid = fork()) >= 0);
  if (!pid) {
    need(!pthread_create(&thread, 0, fork_one, &one));
    for (;;)
      pause();
  }
  need(read(ends[0], below, sizeof *below) == sizeof *below);
  close(ends[0]);
  close(ends[1]);
  return pid;
}

static void test_children(void) {
  struct tree_search search = {.sig = 0};
  pid_t below, pid = threaded(&below);
  int wstat;

  tree_search(&search);
  is_int(search.found, 2, "what another thread than the first has forked is found");
  tree_signal_below(pid, SIGTERM);
  kill(pid, SIGKILL);
  need(waitpid(pid, &wstat, 0) == pid);
  need(waitpid(below, &wstat, 0) == below); /* we are the subreaper */
  is_int(wstat, SIGTERM, "and gets the signal");
}

/* Its first thread has ended when the end of the pipe is closed. */
static void *outlive_first(void *unused) {
  char text[512] = "";

  while (!strstr(text, ") Z ")) {
    FILE *stat = fopen("/proc/self/stat", "re");
    need(stat && fgets(text, sizeof text, stat));
    fclose(stat);
    sched_yield();
  }
  close(1);
  for (;;)
    pause();
  return unused;
}

static void be_headless(void) {
  pthread_t other;

  need(!pthread_create(&other, 0, outlive_first, 0));
  pthread_exit(0);
}

#define OURS "LARES_ID=000000000000b007-0000000000000001-00000000000005e7"

static pid_t headless(void) {
  char *argv[] = {"threads", "headless", 0}, *envp[] = {OURS, 0}, byte;
  int ends[2];
  pid_t pid;

  need(!pipe(ends));
  need((pid = fork()) >= 0);
  if (!pid) {
    dup2(ends[1], 1);
    close(ends[1]);
    execve("/proc/self/exe", argv, envp);
    _exit(127);
  }
  close(ends[1]);
  need(!read(ends[0], &byte, 1));
  close(ends[0]);
  return pid;
}

/* As a child of the process whose child the stray is. */
static unsigned count_strays(struct service_id const *id) {
  struct stray_search search = {.id = *id};
  int wstat;
  pid_t pid = fork();

  need(pid >= 0);
  if (!pid) {
    strays_search(&search);
    _exit(search.restless ? 100 : (int)search.found);
  }
  need(waitpid(pid, &wstat, 0) == pid);
  return (unsigned)WEXITSTATUS(wstat);
}

static void test_headless(void) {
  struct service_id id = {.boot = 0xb007, .instance = 0, .service = 0x5e7};
  struct launch launch = {.who = {.pid = 1, .boot = 0xb007, .inode = 1}, .service = 0x5e7};
  struct membership members = {.id = id};
  struct child_abilities none;
  struct launch_rest rest;
  struct identity who;
  struct child child;
  pid_t pid = headless();
  int wstat, pidfd;

  child_probe_abilities(&none);
  none.pidfd = none.pidfs = 0;
  launch.abilities = &none;
  is_int(stray_mark_of(pid, &id), STRAY_MATCHES, "the environment is another thread's");
  is_int(count_strays(&id), 1, "it is a stray");
  rest = launch_rest(&launch);
  is_int(rest.count, 1, "it is what a launcher has left");
  is_int(rest.ended, 0, "and has not ended");
  ok(launch_has(&launch, pid, LAUNCH_ID, &child), "it may be the one that a pid file names");
  ok(process_take(&none, pid, &members, &child), "or a MAINPID");
  need(identity_of(&none, pid, &who));
  is_int(identity_prove(&none, &who, &pidfd), IDENTITY_LIVES, "it lives without pidfds, too");
  is_int(identity_wstat(&who, -1, 0), WSTAT_UNKNOWN, "how it has ended nobody can know");
  kill(pid, SIGTERM);
  need(waitid(P_PID, (id_t)pid, &(siginfo_t){.si_pid = 0}, WEXITED | WNOWAIT) == 0);
  is_int(count_strays(&id), 0, "ended, it is no stray");
  is_int(launch_rest(&launch).ended, 1, "and has ended");
  is_int(identity_prove(&none, &who, &pidfd), IDENTITY_GONE, "it is gone");
  is_int(identity_wstat(&who, -1, 0), SIGTERM, "by a signal");
  need(waitpid(pid, &wstat, 0) == pid);
}

int main(int argc, char **argv) {
  (void)argv;
  if (argc > 1) be_headless();
  need(!prctl(PR_SET_CHILD_SUBREAPER, 1));
  test_children();
  test_headless();
  return tap_done();
}
