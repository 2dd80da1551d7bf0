/* Signals to a process that is not our child where there are no pidfds: its number alone is no
 * proof. (It was taken for one, and whoever had got the number meanwhile was signalled.) */

#include <lares/child.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "tap.h"

int main(void) {
  struct child_abilities none;
  struct child other = CHILD_NONE, own = CHILD_NONE;

  child_probe_abilities(&none);
  none.pidfd = none.pidfs = 0;
  need(identity_of(&none, getppid(), &other.who));
  ok(other.who.start && !other.who.inode, "known by its start time");
  ok(child_signal(&other, 0), "a stranger with the start time on record is signalled");
  other.who.start++;
  errno = 0;
  ok(!child_signal(&other, 0), "one that has only the number is not");
  is_int(errno, ESRCH, "... for the one that was meant is gone");
  errno = 0;
  ok(!child_signal_group(&other, 0), "nor is its group");
  is_int(errno, ESRCH, "... likewise");

  errno = 0;
  ok(!child_signal_group_of(&other, 0), "nor that which it need not lead");
  is_int(errno, getsid(getppid()) == getsid(0) ? EPERM : ESRCH, "... likewise");

  own.who.pid = fork();
  need(own.who.pid >= 0);
  if (!own.who.pid) {
    pause();
    _exit(0);
  }
  own.who.start = 1;
  errno = 0;
  ok(!child_signal_group_of(&own, SIGKILL) && errno == EPERM, "our own group is nobody's");
  ok(child_signal(&own, SIGKILL), "a child of ours keeps its number until we reap it");
  int32_t wstat = 0;
  while (child_peek(own.who.pid, &wstat) == 0)
    ;
  is_int(wstat, SIGKILL, "and is dead");
  child_reap(own.who.pid);
  return tap_done();
}
