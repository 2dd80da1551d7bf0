/* What a directory does at a time of its own: current ends at an age (R), and is on the disk at
 * the latest so long after it was written (y).
 */

#include <skalibs/nonposix.h>
#include "dir.h"

#include <unistd.h>

#define NS_PER_MS 1000000u

void logdir_begin(struct logdir *dir, uint64_t since) {
  uint64_t now = since ? lognow() : 0, age, period = dir->action->period_s * 1000ull;

  if (!period) return;
  age = now > since ? (now - since) / NS_PER_MS : 0;
  dir->rotate_due = deadline_add_ms(clock_now(), age < period ? period - age : 0);
}

void logdir_touch(struct logdir *dir) {
  if (dir->action->sync == LOG_SYNC_READ) dir->sync = 1;
  if (dir->action->sync == LOG_SYNC_AFTER && !dir->dirty)
    dir->sync_due = deadline_add_ms(clock_now(), dir->action->sync_ms);
  dir->dirty = 1;
}

int logdir_sync(struct logdir *dir) {
  dir->sync = 0;
  if (!dir->dirty || dir->fd < 0) return 1;
  if (fdatasync(dir->fd) < 0) {
    dir->sync = 1;
    return logdir_fail(dir, LOGDIR_SYNC);
  }
  dir->dirty = 0;
  dir->sync_due = DEADLINE_NEVER;
  return 1;
}

struct deadline logdir_due(struct logdir const *dir) {
  return deadline_earlier(deadline_earlier(dir->sync_due, dir->rotate_due), dir->age_due);
}

void logdir_tick(struct logdir *dir, struct deadline now) {
  if (deadline_passed(dir->sync_due, now)) {
    dir->sync = 1;
    dir->sync_due = DEADLINE_NEVER;
  }
  if (deadline_passed(dir->age_due, now)) {
    dir->expire = 1;
    dir->age_due = DEADLINE_NEVER;
  }
  if (deadline_passed(dir->rotate_due, now)) {
    dir->rotate = dir->size > 0;
    dir->rotate_due = DEADLINE_NEVER;
  }
}
