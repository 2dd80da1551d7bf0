/* The journal's reader. The writer goes on while we read: a slot may turn from an old number to
 * a new one under us, so the order is taken from the numbers, never from the places.
 *
 * The record after the one in slot k is in slot k + 1, or in slot 0. Where neither is so (what
 * was there was overwritten, is damaged, or is owed by a disk that did not take it) all slots
 * are looked at for the lowest number above. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_SLOTS 64

struct reader {
  int fd;
  uint32_t slots;
  uint32_t loaded; /* first slot in page, slots when none is */
  uint32_t count;  /* records in page */
  char page[PAGE_SLOTS * HISTORY_RECORD_SIZE];
};

/* 1 a record, 0 an empty or damaged slot, -1 errno */
static int read_slot(struct reader *in, uint32_t slot, struct history_record *r) {
  if (in->loaded > slot || slot - in->loaded >= in->count) {
    ssize_t got = pread(in->fd, in->page, sizeof in->page, (off_t)slot * HISTORY_RECORD_SIZE);
    if (got < 0) return -1;
    in->loaded = slot;
    in->count = (uint32_t)got / HISTORY_RECORD_SIZE;
    if (!in->count) return 0;
  }
  return history_record_unpack(in->page + (slot - in->loaded) * HISTORY_RECORD_SIZE, r);
}

/* The record with the lowest number above after, as it is now: 1, 0 when there is none, -1
 * errno. *highest: the highest number there is, 0 none. */
static int find_above(struct reader *in, uint64_t after, uint32_t *slot,
                      struct history_record *found, uint64_t *highest) {
  struct history_record r;

  *highest = 0;
  found->sequence = 0;
  in->count = 0;
  for (uint32_t i = 0; i < in->slots; i++) {
    int have = read_slot(in, i, &r);
    if (have < 0) return -1;
    if (!have) continue;
    if (r.sequence > *highest) *highest = r.sequence;
    if (r.sequence <= after || (found->sequence && r.sequence > found->sequence)) continue;
    *found = r;
    *slot = i;
  }
  return found->sequence != 0;
}

/* The record that follows the place where it is to be expected: 1 *r, in *slot; 0 it is not
 * there, *beyond says whether something newer is; -1 errno. */
static int find_next(struct reader *in, struct history_place const *place, uint32_t *slot,
                     struct history_record *r, int *beyond) {
  uint32_t const behind = place->slot + 1 < in->slots ? place->slot + 1 : 0;

  *beyond = 0;
  for (*slot = behind;; *slot = 0) {
    int have = read_slot(in, *slot, r);
    if (have < 0) return -1;
    if (have && r->sequence == place->seen + 1) return 1;
    if (have && r->sequence > place->seen) *beyond = 1;
    if (!*slot) return 0;
  }
}

/* Does the record read last still stand where it was read? */
static int is_here(struct reader *in, struct history_place const *place) {
  struct history_record r;

  return place->slot < in->slots && read_slot(in, place->slot, &r) == 1 &&
         r.sequence == place->seen;
}

/* A directory may have been made anew between two readings, and its numbers may have reached
 * ours: then the number read last is that of another record. 1, 0 or -1. */
static int is_another(struct reader *in, struct history_place const *place) {
  struct history_record r;
  uint64_t highest;
  uint32_t slot;
  int have;

  if (!place->known) return 0;
  have = place->slot < in->slots ? read_slot(in, place->slot, &r) : 0;
  if (!have || (have > 0 && r.sequence != place->seen))
    have = find_above(in, place->seen - 1, &slot, &r, &highest);
  if (have < 0) return -1;
  return have && r.sequence == place->seen && stamp_compare(&r.at, &place->at);
}

/* The record after the place, 1, 0 or -1. With `more` there is reason to believe in one. */
static int find_record(struct reader *in, struct history_place const *place, int more,
                       uint32_t *slot, struct history_record *r, uint64_t *highest) {
  int beyond, have;

  *highest = 0;
  if (place->known && is_here(in, place)) {
    have = find_next(in, place, slot, r, &beyond);
    if (have || (!beyond && !more)) return have;
  }
  return find_above(in, place->seen, slot, r, highest);
}

enum history_outcome history_read_on(int fd, struct history_place *place, uint64_t latest,
                                     int (*each)(void *context, struct history_record const *),
                                     void *context) {
  struct reader in = {.fd = fd};
  struct stat st;
  struct history_record r;
  uint64_t highest;
  int go_on = 1, another;

  if (fstat(fd, &st) < 0) return HISTORY_FAILED;
  st.st_size /= HISTORY_RECORD_SIZE;
  in.slots = st.st_size < HISTORY_MOST ? (uint32_t)st.st_size : HISTORY_MOST;
  if ((another = is_another(&in, place)) < 0) return HISTORY_FAILED;
  if (another) return (*place = (struct history_place){.seen = 0}, HISTORY_ANEW);
  while (go_on) {
    uint32_t slot;
    int have = find_record(&in, place, latest > place->seen, &slot, &r, &highest);
    if (have < 0) return HISTORY_FAILED;
    if (!have && highest && highest < place->seen) {
      *place = (struct history_place){.seen = 0};
      return HISTORY_ANEW;
    }
    if (!have) break;
    go_on = each(context, &r);
    *place = (struct history_place){.seen = r.sequence, .at = r.at, .slot = slot, .known = 1};
  }
  return HISTORY_READ;
}

struct counting {
  int (*each)(void *context, struct history_record const *);
  void *context;
  uint64_t expected, lost;
};

static int count_lost(void *context, struct history_record const *r) {
  struct counting *in = context;

  in->lost += r->sequence - in->expected;
  in->expected = r->sequence + 1;
  return in->each(in->context, r);
}

int history_read(int fd, uint64_t after, uint64_t *lost,
                 int (*each)(void *context, struct history_record const *), void *context) {
  struct history_place place = {.seen = after};
  struct counting in = {each, context, after + 1, 0};
  enum history_outcome outcome = history_read_on(fd, &place, UINT64_MAX, &count_lost, &in);

  *lost = in.lost;
  return outcome != HISTORY_FAILED;
}
