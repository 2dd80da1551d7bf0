/* Processes with several threads: whom any of them has forked is below it, and one lives as
 * long as any thread does, though /proc calls it a zombie when the first has ended. (Only the
 * first thread's children were found, and a stop ended without the others; the other was taken
 * for dead.)
 *
 * LINK: -pthread */

#include <lares/child.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
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

int main(void) {
  need(!prctl(PR_SET_CHILD_SUBREAPER, 1));
  test_children();
  return tap_done();
}
