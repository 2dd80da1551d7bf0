/* How often did a service die of late? The journal tells, from its newest record back: it
 * outlives the supervisor and costs nothing until it is asked. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>
#include <unistd.h>

#define READ_SLOTS 16

struct walk {
  struct history_writer const *journal;
  uint32_t slot;  /* of the record looked at last */
  uint32_t first; /* slot of the first one in page */
  char page[READ_SLOTS * HISTORY_RECORD_SIZE];
};

/* What the disk has not taken yet. */
static char const *find_owed(struct history_writer const *journal, uint32_t slot) {
  for (uint32_t i = journal->owed_count; i; i--)
    if (journal->owed[i - 1].slot == slot) return journal->owed[i - 1].packed;
  return 0;
}

/* The one before, which has this number; 0 when it is not there. */
static int step_back(struct walk *walk, uint64_t sequence, struct history_record *r) {
  char const *owed;

  walk->slot = walk->slot ? walk->slot - 1 : history_ring(walk->journal) - 1;
  owed = find_owed(walk->journal, walk->slot);
  if (owed) return history_record_unpack(owed, r) && r->sequence == sequence;
  if (walk->slot < walk->first || walk->slot >= walk->first + READ_SLOTS) {
    uint32_t count = walk->slot + 1 < READ_SLOTS ? walk->slot + 1 : READ_SLOTS;
    walk->first = walk->slot + 1 - count;
    if (pread(walk->journal->fd, walk->page, count * HISTORY_RECORD_SIZE,
              (off_t)walk->first * HISTORY_RECORD_SIZE) !=
        (ssize_t)(count * HISTORY_RECORD_SIZE))
      return 0;
  }
  return history_record_unpack(walk->page + (walk->slot - walk->first) * HISTORY_RECORD_SIZE,
                               r) &&
         r->sequence == sequence;
}

/* What was before it is forgiven: a boot, a command to start, a failure that has been tried
 * again. */
static int is_beginning(struct history_record const *r) {
  return r->event == EVENT_BOOT || r->event == EVENT_WANT_UP || r->event == EVENT_ONCE ||
         r->event == EVENT_RESTART || r->machine.state == STATE_FAILED;
}

/* The death that follows is a stop's doing. */
static int is_told_to_end(struct history_record const *r) {
  return r->machine.stop == STOP_FULL || r->machine.stop == STOP_AGAIN;
}

unsigned history_deaths(struct history_writer const *journal, struct deadline since,
                        unsigned enough, int successes) {
  struct walk walk = {
      .journal = journal, .slot = journal->next, .first = UINT32_MAX - READ_SLOTS};
  struct history_record r;
  unsigned count = 0, was_death = 0;

  errno = 0;
  for (uint64_t at = journal->sequence; at && count < enough + 1; at--) {
    if (!step_back(&walk, at, &r)) break;
    if (was_death && is_told_to_end(&r)) count--;
    was_death = 0;
    if (r.moment.ns < since.ns || is_beginning(&r)) break;
    if (r.event != EVENT_START_BAD && (r.event != EVENT_RUN_DIED || (!successes && !r.wstat)))
      continue;
    was_death = 1;
    count++;
  }
  return count < enough ? count : enough;
}
