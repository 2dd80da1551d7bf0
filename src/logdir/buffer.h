/* The layout of the input buffer, which can outlive the process, and accessors for buffer.c and
 * input.c. What makes a kill at any instruction harmless:
 *
 * - Bytes past the end of the active half, and all of the other one, are zero. read() puts
 * bytes there before the word counts them; who finds bytes there counts them.
 * - Carrying the beginning of a line over: copy it to the other half, fill in that half's
 *   numbers, store the word (one store switches), zero the old half.
 * - Places are positions in the whole input, so they need no change when halves switch.
 * - Growing while the first half is active: make the file larger, then store the new capacity.
 *   The first half stays where it is, and behind its bytes all is zero, where the second was
 *   too. A file may be larger than its capacity says: somebody was killed between the two.
 *   (A lares-log from before there was growing takes such a file for damaged.)
 * - A chunk is announced in its directory's record (next, base, length, then intent) before it
 *   is written and becomes the place afterwards (place, then intent 0). Whoever finds intent
 *   looks at the size of current: all there, so it is next; otherwise current is cut to base.
 *   A chunk that tells what was dropped (LOG_INTENT_NOTICE) ends that count when it is there.
 * - What is dropped (LOG_INTENT_DROP) is announced with the counts as they are to be. Whoever
 *   finds that puts them, and the place, where they belong, for the first time or once more.
 *
 * The order of stores is kept by compiler fences: a kill falls between two instructions, and
 * the next process sees all that came before it.
 */

#ifndef LARES_LOGDIR_BUFFER_H
#define LARES_LOGDIR_BUFFER_H

#include <stdatomic.h>
#include <stddef.h>

#include <lares/logdir.h>
#include <lares/logpipe.h>

#define LOGBUF_HEAD 4096
#define LOGBUF_SPARE 64 /* after each half: blind copies read beyond the end */
#define LOGBUF_ACTIVE (1ull << 63)

/* What fits twice into a file of that size. */
#define LOGBUF_CAPACITY(size)                                                                  \
  (((size)-LOGBUF_HEAD) / 2 / LOGBUF_SPARE * LOGBUF_SPARE - LOGBUF_SPARE)
#define LOGBUF_LEAST 16384 /* bytes of a file */

/* Mapped memory of one machine and one boot: native byte order, all fields of 8 bytes, the
 * version in the magic.
 *
 *   0     magic "LARESLB1"; zero in a new file
 *   8     capacity: bytes of one half
 *   16    word: active half << 63 | bytes in it
 *   24    expected: bytes that the read() under way was told to get, else 0
 *   32    next_ns: the first stamp that was not given out yet
 *   40    two halves of 32 bytes: offset and line number of the first byte (of the whole
 *         input), the stamp of the first line, the stamp of the second (each later one gets one
 *         nanosecond more)
 *   104   24 records of 96 bytes, one per directory: device, inode, place (3), next (3), base,
 *         length, intent (struct logrecord), one spare
 *   2408  keep, holds: the pipe's, lares/logpipe.h
 *   2424  24 times lines and bytes that were dropped and not yet told (o), of the records
 *   2808  lines and bytes that were dropped in all, lares/logpipe.h
 *   2824  with intent of a drop: the same as they are to be, of its record and in all
 *   2856  what a deputy has read and dropped, skip.c: twice lines and bytes; a word, enum
 *         logskip_word; expected, as above; what hands them to the actions: moving, the records
 *         that are told, that are cut, that were cut before, newline, the sum, and the 24
 *         counts of 2424 and that of 2808 as they were before
 *   3360  what the deputy's read() gets
 *   4096  the first half, capacity bytes and LOGBUF_SPARE, then the second
 */
struct logbuf_half {
  uint64_t offset, line, first_ns, rest_ns;
};

#define LOGSKIP_READ 736

enum logskip_word { LOGSKIP_SECOND = 1, LOGSKIP_READING = 2, LOGSKIP_INSIDE = 4 };

struct logskip {
  struct logdrops count[2];
  uint64_t word;     /* which of them holds; bytes are on their way; they ended inside a line */
  uint64_t expected; /* while reading */
  uint64_t moving, tell, cut, cut_before, newline;
  struct logdrops sum, before[LOG_ACTIONS_MAX], before_all;
  char bytes[LOGSKIP_READ];
};

struct logbuf_head {
  char magic[8];
  uint64_t capacity, word, expected, next_ns;
  struct logbuf_half half[2];
  struct {
    struct logrecord record;
    uint64_t spare;
  } records[LOG_ACTIONS_MAX];
  struct logpipe_words pipe;
  struct logdrops drops[LOG_ACTIONS_MAX];
  struct logdrops dropped, next_told, next_dropped;
  struct logskip skip;
};

_Static_assert(sizeof(struct logrecord) == 88, "the layout above");
_Static_assert(sizeof(struct logbuf_head) <= LOGBUF_HEAD, "the head has room");
_Static_assert(offsetof(struct logbuf_head, pipe) == LOGPIPE_WORDS_AT, "the layout above");
_Static_assert(offsetof(struct logbuf_head, drops) == 2424, "the layout above");
_Static_assert(offsetof(struct logbuf_head, dropped) == LOGBUF_DROPPED_AT, "the layout above");
_Static_assert(offsetof(struct logbuf_head, skip) == 2856, "the layout above");
_Static_assert(offsetof(struct logbuf_head, skip.bytes) == 3360, "the layout above");

static inline void logbuf_fence(void) {
  atomic_signal_fence(memory_order_seq_cst);
}

static inline unsigned logbuf_active(struct logbuf const *buf) {
  return buf->head->word & LOGBUF_ACTIVE ? 1 : 0;
}

static inline size_t logbuf_length(struct logbuf const *buf) {
  return (size_t)(buf->head->word & ~LOGBUF_ACTIVE);
}

static inline struct logbuf_half *logbuf_half(struct logbuf const *buf) {
  return buf->head->half + logbuf_active(buf);
}

static inline char *logbuf_data(struct logbuf const *buf, unsigned which) {
  return (char *)buf->head + LOGBUF_HEAD + which * (buf->capacity + LOGBUF_SPARE);
}

static inline void logbuf_set(struct logbuf *buf, unsigned which, size_t len) {
  logbuf_fence();
  buf->head->word = (which ? LOGBUF_ACTIVE : 0) | len;
  logbuf_fence();
}

/* Puts counts where they belong that somebody who was killed has announced. */
extern void logbuf_settle_drops(struct logbuf *);

#endif
