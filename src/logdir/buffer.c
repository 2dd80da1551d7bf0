/* The input buffer's memory: making it, and finding what an earlier process left in it. The
 * layout and why it survives a kill at any instruction: buffer.h.
 */

#include <skalibs/nonposix.h>
#include "buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <lares/killpoint.h>

#define ANONYMOUS_CAPACITY (256 * 1024 - LOGBUF_SPARE)

/* No file's size, with any length: who does not know of drops finds no such chunk. */
#define NO_BASE (1ull << 62)

static char const magic[8] = LOGBUF_MAGIC;

int logbuf_anonymous(struct logbuf *buf) {
  size_t size = LOGBUF_HEAD + 2 * (ANONYMOUS_CAPACITY + LOGBUF_SPARE);
  void *map = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  if (map == MAP_FAILED) return 0;
  *buf = (struct logbuf){.head = map, .map_size = size, .capacity = ANONYMOUS_CAPACITY};
  logbuf_reset(buf);
  return 1;
}

/* All but what the supervisor says of the pipe. */
void logbuf_reset(struct logbuf *buf) {
  struct logpipe_words pipe = buf->head->pipe;

  memset(buf->head, 0, buf->shared ? buf->map_size : LOGBUF_HEAD);
  buf->head->pipe = pipe;
  buf->head->capacity = buf->capacity;
  logbuf_fence();
  memcpy(buf->head->magic, magic, sizeof magic);
  buf->start = (struct logplace){.offset = 0};
  buf->claimed = 0;
}

/* Bytes that a read() delivered and nobody counted: up to the last that is not zero, or all
 * that were asked for, since as much was there. */
static void recover_length(struct logbuf *buf) {
  struct logbuf_head *head = buf->head;
  size_t len = logbuf_length(buf), end = buf->capacity;
  char *data = logbuf_data(buf, logbuf_active(buf));

  while (end > len && !data[end - 1])
    end--;
  if (end > len) {
    uint64_t now = lognow(), next = now > head->next_ns ? now : head->next_ns;
    if (len + head->expected > end && len + head->expected <= buf->capacity)
      end = len + (size_t)head->expected;
    if (!len) logbuf_half(buf)->first_ns = next++;
    if (logbuf_half(buf)->rest_ns < next) logbuf_half(buf)->rest_ns = next;
    logbuf_set(buf, logbuf_active(buf), end);
  }
  head->expected = 0;
  memset(logbuf_data(buf, !logbuf_active(buf)), 0, buf->capacity);
}

static int place_fits(struct logbuf const *buf, struct logplace const *place) {
  uint64_t offset = logbuf_half(buf)->offset;

  return place->offset >= offset && place->offset - offset <= logbuf_length(buf) &&
         place->line >= logbuf_half(buf)->line && place->inside <= LOG_RECORD_SKIPPED;
}

/* The version is the magic's last letter. */
static int is_newer(struct logbuf const *buf) {
  char const *found = buf->head->magic;

  return !memcmp(found, magic, sizeof magic - 1) &&
         found[sizeof magic - 1] > magic[sizeof magic - 1];
}

static int valid(struct logbuf const *buf) {
  uint64_t capacity = buf->head->capacity;

  if (memcmp(buf->head->magic, magic, sizeof magic) || capacity > buf->capacity ||
      capacity < LOGBUF_CAPACITY(LOGBUF_LEAST) || capacity % LOGBUF_SPARE ||
      logbuf_length(buf) > capacity)
    return 0;
  for (unsigned i = 0; i < LOG_ACTIONS_MAX; i++) {
    struct logrecord const *record = &buf->head->records[i].record;
    if (!record->ino) continue;
    if (!place_fits(buf, &record->place)) return 0;
    if (record->intent && !place_fits(buf, &record->next)) return 0;
  }
  return 1;
}

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
static void settle_drops(struct logbuf *buf) {
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

int logbuf_map(struct logbuf *buf, int fd) {
  static char const zero[sizeof magic];
  struct stat st;
  size_t size;
  void *map;

  if (fstat(fd, &st) < 0) return 0;
  if (!S_ISREG(st.st_mode) || st.st_size < LOGBUF_LEAST || st.st_size > (1 << 30))
    return errno = EINVAL, 0;
  size = (size_t)st.st_size;
  /* Also what it may become: pointers into it are everywhere. */
  map = mmap(0, size < LOGBUF_GROWN ? LOGBUF_GROWN : size, PROT_READ | PROT_WRITE, MAP_SHARED,
             fd, 0);
  if (map == MAP_FAILED) return 0;
  *buf = (struct logbuf){.head = map, .map_size = size, .fd = fd, .shared = 1};
  buf->capacity = LOGBUF_CAPACITY(size);
  if (!memcmp(buf->head->magic, zero, sizeof zero)) {
    logbuf_reset(buf);
    return 1;
  }
  if (is_newer(buf)) return errno = EPROTONOSUPPORT, 0;
  if (!valid(buf)) return errno = EPROTO, 0;
  buf->capacity = (size_t)buf->head->capacity;
  recover_length(buf);
  settle_drops(buf);
  logbuf_find_start(buf);
  return 1;
}

int logbuf_grow(struct logbuf *buf) {
  size_t used = LOGBUF_HEAD + 2 * (buf->capacity + LOGBUF_SPARE);

  if (!buf->shared || used < LOGBUF_DEFAULT || buf->capacity >= LOGBUF_CAPACITY(LOGBUF_GROWN))
    return 1;
  if (logbuf_active(buf)) return 0;
  if (posix_fallocate(buf->fd, (off_t)used, (off_t)(LOGBUF_GROWN - used))) return 1;
  KILL_POINT(ENLARGED);
  buf->map_size = LOGBUF_GROWN;
  buf->capacity = LOGBUF_CAPACITY(LOGBUF_GROWN);
  logbuf_fence();
  buf->head->capacity = buf->capacity;
  logbuf_fence();
  KILL_POINT(GROWN);
  return 1;
}

int logbuf_hold(struct logbuf *buf) {
  if (!buf->shared) return 0;
  buf->head->pipe.holds = 1;
  atomic_thread_fence(memory_order_seq_cst);
  if (buf->head->pipe.keep == 1) return 1;
  buf->head->pipe.holds = 0;
  return 0;
}

void logbuf_release(struct logbuf *buf) {
  buf->head->pipe.holds = 0;
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

void logbuf_forget(struct logbuf *buf) {
  for (unsigned i = 0; i < LOG_ACTIONS_MAX; i++)
    if (!(buf->claimed & 1u << i)) buf->head->records[i].record.ino = 0;
}

void logbuf_drop_record(struct logbuf *buf, struct logrecord *record) {
  size_t at = (size_t)((char const *)record - (char const *)buf->head->records);

  logbuf_fence();
  record->ino = 0;
  buf->claimed &= ~(1u << at / sizeof buf->head->records[0]);
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
