/* Removing files for their age (A). A clock that was set forward for a moment must not cost
 * what cannot be had back, so a file is removed only if it is that old for everybody who can
 * tell:
 *
 * - by its name (the time at which it was finished) and by the time at which it was last
 * written to, the later of them, against the wall clock of now and against the one that is
 * believed;
 * - by a clock that nobody sets, since we finished it ourselves.
 *
 * A time is believed when the wall clock has kept it for LOG_TRUST_S, or the age that is asked
 * for if that is less, beside the clock that nobody sets. A step begins that anew, and until
 * then the time of before is believed, as if there had been no step; at the start, none is.
 */

#include <skalibs/nonposix.h>
#include "dir.h"

#include <errno.h>
#include <time.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull
#define STEP_NS (10 * (int64_t)NS_PER_S) /* less is how clocks are kept right */
#define LOOK_MOST_NS (3600 * NS_PER_S)   /* a step may have come meanwhile */
#define LOOK_STEP_NS (60 * NS_PER_S)     /* or gone */
#define AGAIN_MS 60000

uint64_t logsteady(void) {
  struct timespec now = {0};

  clock_gettime(CLOCK_BOOTTIME, &now);
  return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void logage_look(struct logage *age, uint64_t wall, uint64_t steady, uint64_t trust) {
  int64_t seen = (int64_t)(wall - steady), step = seen - age->seen;

  if (!age->looked || step > STEP_NS || step < -STEP_NS) age->since = steady;
  age->looked = 1;
  age->seen = seen;
  if (steady - age->since < trust) return;
  age->believes = 1;
  age->believed = seen;
}

static uint64_t finished(struct archive const *archive) {
  uint64_t name = 0, written = archive->mtime_s * NS_PER_S;

  if (archive->stamp.tai > STAMP_EPOCH)
    name = (archive->stamp.tai - STAMP_EPOCH) * NS_PER_S + archive->stamp.nano;
  if (archive->stamp.tai > STAMP_EPOCH + INT64_MAX / NS_PER_S) name = INT64_MAX;
  return name > written ? name : written;
}

static uint64_t later(uint64_t left, uint64_t end, uint64_t now) {
  return end > now && end - now > left ? end - now : left;
}

uint64_t logage_left(struct logage const *age, struct archive const *archive, uint64_t wall,
                     uint64_t steady, uint64_t most) {
  uint64_t end = finished(archive) + most, left;
  int64_t believed = (int64_t)steady + age->believed;

  left = later(0, end, wall);
  left = later(left, end, believed > 0 ? (uint64_t)believed : 0);
  if (archive->seen_s) left = later(left, archive->seen_s * NS_PER_S + most, steady);
  return left;
}

static void look_again(struct logdir *dir, uint64_t in) {
  int64_t step = dir->age.seen - dir->age.believed;
  int stepped = !dir->age.believes || step > STEP_NS || step < -STEP_NS;

  if (in > LOOK_MOST_NS) in = LOOK_MOST_NS;
  if (stepped && in > LOOK_STEP_NS) in = LOOK_STEP_NS;
  dir->age_due = deadline_add_ms(clock_now(), in / NS_PER_MS + 1);
}

int logdir_expire(struct logdir *dir, uint64_t wall, uint64_t steady) {
  uint64_t most = dir->action->age_s * NS_PER_S, trust = LOG_TRUST_S * NS_PER_S;

  dir->expire = 0;
  dir->age_due = DEADLINE_NEVER;
  if (!most) return 1;
  if (trust > most) trust = most;
  logage_look(&dir->age, wall, steady, trust);
  /* Under two names, of which we know one. */
  if (dir->job.named && !logjob_commit(dir, dir->job.made)) {
    dir->age_due = deadline_add_ms(clock_now(), AGAIN_MS);
    return 0;
  }
  while (dir->archives.count) {
    uint64_t left;
    if (!dir->age.believes) {
      look_again(dir, trust - (steady - dir->age.since));
      return 1;
    }
    left = logage_left(&dir->age, archives_at(&dir->archives, 0), wall, steady, most);
    if (left) {
      look_again(dir, left);
      return 1;
    }
    if (!logdir_remove_oldest(dir)) {
      dir->age_due = deadline_add_ms(clock_now(), AGAIN_MS);
      return 0;
    }
  }
  return 1;
}
