/* When a process that is to be there always is started again. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <signal.h>
#include <sys/wait.h>

#define KILLS_AT_ONCE 30

/* The default restart-delays of a service: 0 1000*30 2000 4000 8000 15000. */
static uint32_t delay_after(unsigned deaths) {
  if (deaths <= 1) return 0;
  if (deaths <= 31) return 1000;
  return deaths == 32 ? 2000 : deaths == 33 ? 4000 : deaths == 34 ? 8000 : 15000;
}

/* KILL is somebody else's doing, not a fault that comes back at every start: another one is
 * there at once, as long as that does not go on and on. */
uint32_t child_restart_delay(unsigned deaths, int32_t wstat) {
  int was_killed = wstat != WSTAT_UNKNOWN && WIFSIGNALED(wstat) && WTERMSIG(wstat) == SIGKILL;

  return was_killed && deaths <= KILLS_AT_ONCE ? 0 : delay_after(deaths);
}
