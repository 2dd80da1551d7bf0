/* What the input buffer knows of each directory: its place, what it is about to write, what it
 * has dropped. Why that survives a kill: buffer.h.
 */

#include <skalibs/nonposix.h>
#include "buffer.h"

#include <errno.h>

#include <lares/killpoint.h>

/* No file's size, with any length: who does not know of drops finds no such chunk. */
#define NO_BASE (1ull << 62)

static void settle_drop(struct logbuf *buf, struct logrecord *record) {
  struct logbuf_head *head = buf->head;

  if (record->length < LOG_ACTIONS_MAX) head->drops[record->length] = head->next_told;
  head->dropped = head->next_dropped;
  KILL_POINT(DROPPED);
  logrecord_settle(record);
}

void logbuf_drop(struct logbuf *buf, struct logrecord *record, struct logrecord const *teller,
                 struct logplace const *next, struct logdrops const *more) {
  struct logbuf_head *head = buf->head;
  struct logdrops const *told = logbuf_drops(buf, teller);

  record->next = *next;
  head->next_told = (struct logdrops){told->lines + more->lines, told->bytes + more->bytes};
  head->next_dropped =
      (struct logdrops){head->dropped.lines + more->lines, head->dropped.bytes + more->bytes};
  record->base = NO_BASE;
  record->length = (uint64_t)(told - head->drops);
  logrecord_set(record, LOG_INTENT_DROP);
  KILL_POINT(DROP);
  settle_drop(buf, record);
}

/* There is one at most. */
void logbuf_settle_drops(struct logbuf *buf) {
  for (unsigned i = 0; i < LOG_ACTIONS_MAX; i++) {
    struct logrecord *record = &buf->head->records[i].record;
    if (record->ino && record->intent == LOG_INTENT_DROP) settle_drop(buf, record);
  }
}

/* A directory that is new to the buffer gets what not every other one has had. */
void logbuf_find_start(struct logbuf *buf) {
  int any = 0;

  for (unsigned i = 0; i < LOG_ACTIONS_MAX; i++) {
    struct logrecord const *record = &buf->head->records[i].record;
    if (!record->ino || (any && record->place.offset > buf->start.offset)) continue;
    /* Not all count lines; the highest number is right. */
    if (any && record->place.offset == buf->start.offset &&
        record->place.line <= buf->start.line)
      continue;
    buf->start = record->place;
    any = 1;
  }
  if (!any)
    buf->start =
        (struct logplace){.offset = logbuf_half(buf)->offset, .line = logbuf_half(buf)->line};
  buf->start.inside = log_in_line(buf->start.inside) ? LOG_LINE_SKIPPED : LOG_LINE_START;
}

struct logrecord *logbuf_record(struct logbuf *buf, uint64_t dev, uint64_t ino, int *found) {
  unsigned unused = LOG_ACTIONS_MAX;
  struct logrecord *record;

  for (unsigned i = 0; i < LOG_ACTIONS_MAX; i++) {
    record = &buf->head->records[i].record;
    if (record->ino == ino && record->dev == dev) {
      buf->claimed |= 1u << i;
      *found = 1;
      return record;
    }
    if (buf->claimed & 1u << i) continue;
    if (unused == LOG_ACTIONS_MAX || (buf->head->records[unused].record.ino && !record->ino))
      unused = i;
  }
  *found = 0;
  if (unused == LOG_ACTIONS_MAX) return errno = E2BIG, (struct logrecord *)0;
  buf->claimed |= 1u << unused;
  record = &buf->head->records[unused].record;
  record->ino = 0; /* until the rest is there nobody is to believe it */
  logbuf_fence();
  *record = (struct logrecord){.dev = dev, .place = buf->start};
  *logbuf_drops(buf, record) = (struct logdrops){.lines = 0};
  logbuf_fence();
  record->ino = ino;
  return record;
}

struct logdrops *logbuf_drops(struct logbuf const *buf, struct logrecord const *record) {
  size_t at = (size_t)((char const *)record - (char const *)buf->head->records);

  return buf->head->drops + at / sizeof buf->head->records[0];
}

static void add_untold(struct logdrops *untold, struct logbuf const *buf,
                       struct logrecord const *record) {
  struct logdrops const *drops = logbuf_drops(buf, record);

  if (!record->ino) return;
  untold->lines += drops->lines;
  untold->bytes += drops->bytes;
}

struct logdrops logbuf_forget(struct logbuf *buf) {
  struct logdrops untold = {.lines = 0};

  for (unsigned i = 0; i < LOG_ACTIONS_MAX; i++) {
    struct logrecord *record = &buf->head->records[i].record;
    if (buf->claimed & 1u << i) continue;
    add_untold(&untold, buf, record);
    record->ino = 0;
  }
  return untold;
}

struct logdrops logbuf_drop_record(struct logbuf *buf, struct logrecord *record) {
  size_t at = (size_t)((char const *)record - (char const *)buf->head->records);
  struct logdrops untold = {.lines = 0};

  add_untold(&untold, buf, record);
  logbuf_fence();
  record->ino = 0;
  buf->claimed &= ~(1u << at / sizeof buf->head->records[0]);
  return untold;
}

/* At no time does it vanish: others would take it for one that had everything. */
void logrecord_move(struct logrecord *record, uint64_t dev, uint64_t ino) {
  logrecord_set(record, LOG_INTENT_NONE);
  record->dev = dev;
  logbuf_fence();
  record->ino = ino;
  logbuf_fence();
}

void logrecord_set(struct logrecord *record, uint64_t intent) {
  logbuf_fence();
  record->intent = intent;
  logbuf_fence();
}

void logrecord_settle(struct logrecord *record) {
  logbuf_fence();
  record->place = record->next;
  logrecord_set(record, 0);
}
