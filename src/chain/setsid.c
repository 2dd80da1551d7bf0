/* lares-setsid: become the leader of a new session and process group, then another program.
 *
 * Successor of pgrphack. setsid() is refused to the leader of a process group, which a service
 * under supervision usually is. To go on in a child would change the pid that its supervisor
 * knows; instead the process first moves into another group of its session, which makes the
 * call possible. */

#include "chain.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/exec.h>

#define OPTIONS(FLAG, VALUE) ""
CHAIN_TEXTS(OPTIONS, "lares-setsid", "program [argument...]");

/* Into that of a child, which leads one for as long as that takes. */
static int join_child(void) {
  int hold[2], status, joined;
  pid_t child;
  char none;

  if (pipe(hold) < 0) return 0;
  child = fork();
  if (!child) {
    close(hold[1]);
    _exit(read(hold[0], &none, 1) != 0);
  }
  joined = child > 0 && !setpgid(child, child) && !setpgid(0, child);
  close(hold[0]);
  close(hold[1]);
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  return joined;
}

/* Into the parent's group, or into that of the session's leader. Either may be gone, belong to
 * another session, or be outside our pid namespace. */
static int leave_group(void) {
  pid_t parent = getpgid(getppid()), session = getsid(0);

  if (parent > 0 && parent != getpid() && !setpgid(0, parent)) return 1;
  if (session > 0 && !setpgid(0, session)) return 1;
  return join_child();
}

int main(int argc, char const *const *argv) {
  subgetopt at = SUBGETOPT_ZERO;

  PROG = "lares-setsid";
  while (chain_option(argc, argv, letters, usage, &at) != -1)
    ;
  argv = chain_operands(argc, argv, 1, usage, &at);
  if (getsid(0) != getpid() && setsid() < 0) {
    int moved = leave_group();
    /* Refused now only if children or others are still in the group this process led. As in
     * pgrphack that is no reason not to run the program, but it is said. */
    if (setsid() < 0) {
      strerr_warnwusys("start a new session");
      if (moved) setpgid(0, 0);
    }
  }
  xexec(argv);
}
