/* The bound: current, archives, a processor's state and whatever programs write in the
 * directory have together at most count times the script's size, at every instant. So before
 * anything grows there is room for the most it can become: a new current for `limit` bytes, a
 * program's output for `reserved` bytes. Room is made by removing the oldest archives.
 */

#include <skalibs/nonposix.h>
#include "dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Beside a file that is worked on there has to be room for current and what comes of it. With
 * two or three files of full size there would be none. */
uint64_t logdir_limit(struct logaction const *action) {
  uint64_t most = action->size;

  if (!action->processor && !action->compress) return most;
  if (action->count < 4) most = most / 4 * action->count;
  return most;
}

uint64_t logdir_budget(struct logdir const *dir) {
  return dir->count * dir->action->size - dir->limit;
}

uint64_t logdir_state_most(struct logdir const *dir) {
  return dir->action->size / 8;
}

/* A program is not worth its file: without its output there is room. */
static int gives_way(struct logdir *dir) {
  if (!dir->job.active || !dir->reserved) return 0;
  return archives_find(&dir->archives, &dir->job.stamp) == archives_at(&dir->archives, 0);
}

int logdir_remove_oldest(struct logdir *dir) {
  struct archive const *oldest = archives_at(&dir->archives, 0);
  int pending = logjob_pending(dir, oldest) && oldest->tries < LOGJOB_TRIES;

  if (!archives_remove_oldest(&dir->archives, dir->dirfd)) return 0;
  if (pending) dir->unprocessed++;
  return 1;
}

int logdir_make_room(struct logdir *dir, uint64_t added) {
  struct archives *archives = &dir->archives;
  uint64_t budget = logdir_budget(dir), most = dir->action->total;

  /* Under two names, of which we know one. */
  if (dir->job.named && !logjob_commit(dir, dir->job.made))
    return logdir_fail(dir, LOGDIR_PRUNE);
  while (archives->count) {
    uint64_t used = archives->total + added;
    int over = used + dir->reserved + dir->state_size > budget;
    if (archives->count <= dir->count - 1 && !over && (!most || used <= most)) break;
    if (over && gives_way(dir)) {
      if (!logjob_cancel(dir)) return 0;
    } else if (!logdir_remove_oldest(dir))
      return logdir_fail(dir, LOGDIR_PRUNE);
  }
  return 1;
}

/* What a multilog kept may be too large for us, and then everything else would have to go. */
int logdir_measure_state(struct logdir *dir) {
  struct stat st;

  dir->state_size = 0;
  if (fstatat(dir->dirfd, "state", &st, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT;
  if (!S_ISREG(st.st_mode)) return 1;
  dir->state_size = (uint64_t)st.st_size;
  if (dir->state_size <= logdir_state_most(dir)) return 1;
  if (unlinkat(dir->dirfd, "state", 0) < 0) return 0;
  dir->state_size = 0;
  dir->state_dropped = 1;
  return 1;
}
