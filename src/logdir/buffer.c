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
#include <unistd.h>

#include <lares/killpoint.h>

#define MUCH (1024 * 1024) /* of address space: a usual script needs less than half of it */
#define ANONYMOUS_CAPACITY (256 * 1024 - LOGBUF_SPARE)

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

/* Is there address space for this and what else we need? */
static int is_roomy(size_t size) {
  void *map = mmap(0, size + MUCH, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (map == MAP_FAILED) return 0;
  munmap(map, size + MUCH);
  return 1;
}

/* Also what it may become, since pointers into it are everywhere, where there is room for that.
 */
static int map_file(struct logbuf *buf, int fd, size_t size) {
  int grows = size >= LOGBUF_DEFAULT && size < LOGBUF_GROWN && is_roomy(LOGBUF_GROWN);
  size_t most = grows ? LOGBUF_GROWN : size;
  void *map = mmap(0, most, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

  if (map == MAP_FAILED) return 0;
  *buf =
      (struct logbuf){.head = map, .map_size = size, .map_most = most, .fd = fd, .shared = 1};
  buf->capacity = LOGBUF_CAPACITY(size);
  return 1;
}

/* The halves and what is before and behind them. */
static size_t used_size(struct logbuf const *buf) {
  return LOGBUF_HEAD + 2 * (buf->capacity + LOGBUF_SPARE);
}

/* A file that grew for nothing gives the space back, and is again one that all versions know.
 */
static void cut_back(struct logbuf *buf) {
  if (!ftruncate(buf->fd, (off_t)used_size(buf))) buf->map_size = used_size(buf);
}

int logbuf_map(struct logbuf *buf, int fd) {
  static char const zero[sizeof magic];
  struct stat st;

  if (fstat(fd, &st) < 0) return 0;
  if (!S_ISREG(st.st_mode) || st.st_size < LOGBUF_LEAST || st.st_size > (1 << 30))
    return errno = EINVAL, 0;
  if (!map_file(buf, fd, (size_t)st.st_size)) return 0;
  if (!memcmp(buf->head->magic, zero, sizeof zero)) {
    logbuf_reset(buf);
    return 1;
  }
  if (is_newer(buf)) return errno = EPROTONOSUPPORT, 0;
  if (!valid(buf)) return errno = EPROTO, 0;
  if (buf->head->capacity < buf->capacity) {
    buf->capacity = (size_t)buf->head->capacity;
    cut_back(buf);
  }
  recover_length(buf);
  logbuf_settle_drops(buf);
  logbuf_find_start(buf);
  return 1;
}

int logbuf_grow(struct logbuf *buf) {
  size_t used = used_size(buf);
  int error;

  if (!buf->shared || used < LOGBUF_DEFAULT || buf->map_most < LOGBUF_GROWN ||
      buf->capacity >= LOGBUF_CAPACITY(LOGBUF_GROWN))
    return 1;
  if (logbuf_active(buf)) return 0;
  error = posix_fallocate(buf->fd, (off_t)used, (off_t)(LOGBUF_GROWN - used));
  if (error) {
    cut_back(buf); /* of what there was not enough it may have taken all */
    return error != EINTR;
  }
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
