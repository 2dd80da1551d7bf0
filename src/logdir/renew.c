/* Other words for a directory that stays open. What may fail comes first and changes nothing
 * that matters to the old words; what changes the words cannot fail. The new bound may be
 * smaller than what is there, so room is made before the next byte is written.
 */

#include <skalibs/nonposix.h>
#include "dir.h"

#include <stdlib.h>
#include <unistd.h>

#include <lares/killpoint.h>

int logdir_take_back(struct logdir *dir) {
  struct logrecord *record = dir->record;

  if (dir->written && (dir->fd < 0 || ftruncate(dir->fd, (off_t)record->base) < 0))
    return logdir_fail(dir, LOGDIR_WRITE);
  if (dir->written) KILL_POINT(RETREAT);
  if (record->intent) logrecord_set(record, LOG_INTENT_NONE);
  dir->written = 0;
  return 1;
}

int logdir_reserve(struct logdir *dir, struct logaction const *wanted) {
  struct archives *archives = &dir->archives;
  uint32_t capacity = wanted->count + 3;
  struct archive *ring;

  if (capacity <= archives->capacity) return 1;
  ring = malloc(capacity * sizeof *ring);
  if (!ring) return logdir_fail(dir, LOGDIR_LIST);
  for (uint32_t i = 0; i < archives->count; i++)
    ring[i] = *archives_at(archives, i);
  free(archives->ring);
  archives->ring = ring;
  archives->capacity = capacity;
  archives->first = 0;
  return 1;
}

/* Since when current has had bytes: since the newest file was finished. Of the first file
 * nobody knows, it gets its full time. */
static void begin_period(struct logdir *dir) {
  struct stamp const *last = &dir->archives.last;
  uint64_t since = 0;

  dir->rotate_due = DEADLINE_NEVER;
  if (!dir->size) return;
  if (dir->archives.count) since = (last->tai - STAMP_EPOCH) * 1000000000u + last->nano;
  logdir_begin(dir, since);
}

/* A file that a program has failed with often enough is tried again: it may be another one. */
void logdir_renew(struct logdir *dir, struct logaction const *wanted) {
  if (wanted->sync && !dir->action->sync) dir->dirty = 1;
  dir->action = wanted;
  dir->path = wanted->path;
  dir->limit = logdir_limit(wanted);
  dir->count = wanted->count;
  begin_period(dir);
  dir->sync_due = DEADLINE_NEVER;
  if (dir->dirty && wanted->sync == LOG_SYNC_AFTER)
    dir->sync_due = deadline_add_ms(clock_now(), wanted->sync_ms);
  for (uint32_t i = 0; i < dir->archives.count; i++) {
    struct archive *archive = archives_at(&dir->archives, i);
    archive->tries = archive->overflows = 0;
  }
  dir->age_due = DEADLINE_NEVER;
  dir->expire = wanted->age_s != 0;
  dir->worklist = 1;
  dir->renewed = 1;
}

/* A current that is too large becomes an archive, as at the start. */
int logdir_fit(struct logdir *dir) {
  if (!logdir_measure_state(dir)) return logdir_fail(dir, LOGDIR_PRUNE);
  if (dir->fd >= 0 && dir->size > dir->limit) {
    if (!logdir_rotate(dir, 0)) return 0;
  } else if (!logdir_make_room(dir, 0))
    return 0;
  dir->renewed = 0;
  return 1;
}
