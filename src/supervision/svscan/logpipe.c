/* The pipe to a logger while an entry is being stopped. Then its holders go one after the
 * other; so that the last of them may be killed too, we hold a reading end from before the
 * first is asked until the logger's supervisor has left. (A reading end keeps what is in the
 * pipe, and keeps nobody from seeing its end.) One that was killed is started again for what it
 * has not done. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <lares/status.h>

void logpipe_hold(struct scan *s, struct entry *e) {
  char path[PATH_SIZE];

  if (e->log_pipe < 0 && slot_path(s, e, LOGGER, "supervise/pipe", path))
    e->log_pipe = channel_open_read(path);
}

void logpipe_let_go(struct entry *e) {
  if (e->log_pipe >= 0) close(e->log_pipe);
  e->log_pipe = -1;
}

static int has_bytes(struct entry const *e) {
  int waiting;

  return e->log_pipe >= 0 && !ioctl(e->log_pipe, FIONREAD, &waiting) && waiting > 0;
}

int logpipe_is_owed(struct scan *s, struct entry *e, int died) {
  struct state_record state;
  char path[PATH_SIZE];

  if (e->phase != PHASE_GOING || e->flags & ENTRY_DRAINED ||
      e->slot[LOGGER].deaths > MOST_DEATHS)
    return 0;
  if (!slot_path(s, e, LOGGER, "", path) || !state_record_load(path, &state) ||
      state.boot != s->abilities.boot)
    return 0;
  return has_bytes(e) || (died && !(state.marks & (MARK_LEFT | MARK_BLANK)));
}
