/* What a deputy (src/logging/log/deputy.c) has read in the log writer's place, and dropped,
 * while that was kept by a slow disk: counted in the buffer's head, so that it outlives both,
 * and handed to the actions when these have had what was read before.
 *
 * A kill at any instruction: bytes that were read and not counted are found where read() put
 * them, which was zero before; two counts and a word, which says which of them holds, make one
 * store of counting. Handing over begins with a copy of all counts and is repeated from that
 * until it is done.
 */

#include <skalibs/nonposix.h>
#include "buffer.h"

#include <string.h>

#include <skalibs/allreadwrite.h>

static struct logdrops const *counted(struct logskip const *skip) {
  return skip->count + (skip->word & LOGSKIP_SECOND);
}

static void store(uint64_t *word, uint64_t value) {
  logbuf_fence();
  *word = value;
  logbuf_fence();
}

static void count(struct logskip *skip, size_t len) {
  uint64_t other = ~skip->word & LOGSKIP_SECOND;
  struct logdrops sum = *counted(skip);

  sum.bytes += len;
  for (size_t i = 0; i < len; i++)
    sum.lines += skip->bytes[i] == '\n';
  skip->count[other] = sum;
  store(&skip->word, other | (skip->bytes[len - 1] == '\n' ? 0 : LOGSKIP_INSIDE));
}

ssize_t logskip_read(struct logbuf *buf, int fd, size_t most) {
  struct logskip *skip = &buf->head->skip;
  ssize_t got;

  if (most > sizeof skip->bytes) most = sizeof skip->bytes;
  memset(skip->bytes, 0, sizeof skip->bytes);
  skip->expected = most;
  store(&skip->word, skip->word | LOGSKIP_READING);
  got = fd_read(fd, skip->bytes, most);
  if (got > 0)
    count(skip, (size_t)got);
  else
    store(&skip->word, skip->word & ~(uint64_t)LOGSKIP_READING);
  return got;
}

int logskip_inside(struct logbuf const *buf) {
  return (buf->head->skip.word & LOGSKIP_INSIDE) != 0;
}

int logskip_any(struct logbuf const *buf) {
  return counted(&buf->head->skip)->bytes != 0;
}

uint32_t logbuf_bit(struct logbuf const *buf, struct logrecord const *record) {
  size_t at = (size_t)((char const *)record - (char const *)buf->head->records);

  return 1u << at / sizeof buf->head->records[0];
}

/* What else a damaged file may hold. */
static uint64_t known(uint64_t records) {
  return records & ((1u << LOG_ACTIONS_MAX) - 1);
}

/* Of the line that we are in no more is wanted. */
static void cut_places(struct logbuf *buf, uint64_t records) {
  for (uint64_t left = known(records); left; left &= left - 1) {
    struct logplace *place = &buf->head->records[__builtin_ctzll(left)].record.place;
    place->inside = LOG_LINE_CUT;
  }
}

/* The beginning of a line goes; its end is put where somebody has to come out of it. */
static void replace_rest(struct logbuf *buf, int newline) {
  char *data = logbuf_data(buf, logbuf_active(buf));
  size_t len = logbuf_length(buf), kept = newline ? 1 : 0;

  if (len > kept) memset(data + kept, 0, len - kept);
  if (newline)
    *data = '\n';
  else if (len)
    *data = 0;
  logbuf_set(buf, logbuf_active(buf), kept);
}

/* The line of which the end was dropped had been counted where it was cut before; and the
 * newline that is put in place of the end will be, as the rest of a line. */
static struct logdrops share(struct logskip const *skip, unsigned which) {
  struct logdrops sum = skip->sum;

  if (skip->cut_before >> which & 1) sum.lines--;
  if (skip->newline && skip->cut >> which & 1) sum.bytes--;
  return sum;
}

/* Can be begun again after a kill. */
static void move(struct logbuf *buf) {
  struct logbuf_head *head = buf->head;
  struct logskip *skip = &head->skip;
  struct logdrops all = skip->before_all;

  cut_places(buf, skip->cut);
  replace_rest(buf, (int)skip->newline);
  for (uint64_t left = known(skip->tell); left; left &= left - 1) {
    unsigned i = (unsigned)__builtin_ctzll(left);
    struct logdrops more = share(skip, i);
    head->drops[i].lines = skip->before[i].lines + more.lines;
    head->drops[i].bytes = skip->before[i].bytes + more.bytes;
    all.lines += more.lines;
    all.bytes += more.bytes;
  }
  head->dropped = all;
  memset(skip->count, 0, sizeof skip->count);
  store(&skip->word, 0);
  store(&skip->moving, 0);
}

/* The line that tells has the time of now, and a stamp of its own. */
static void leave_stamp(struct logbuf *buf) {
  struct logbuf_half *half = logbuf_half(buf);
  uint64_t now = lognow(), next = now > buf->head->next_ns ? now : buf->head->next_ns;

  if (next < half->first_ns) next = half->first_ns;
  half->rest_ns = next + 2;
  half->first_ns = next + 1;
  buf->head->next_ns = next + 2;
}

/* Whose place is within a line in this way. */
static uint32_t insiders(struct logbuf const *buf, enum log_inside how) {
  uint32_t found = 0;

  for (uint32_t left = buf->claimed; left; left &= left - 1)
    if (buf->head->records[__builtin_ctz(left)].record.place.inside == how)
      found |= left & -left;
  return found;
}

uint64_t logskip_settle(struct logbuf *buf, uint32_t records) {
  struct logskip *skip = &buf->head->skip;
  uint32_t before = insiders(buf, LOG_LINE_CUT), skipping = insiders(buf, LOG_LINE_SKIPPED);
  int inside = logskip_inside(buf);
  int cut = before || skipping || insiders(buf, LOG_LINE_SELECTED);

  skip->sum = *counted(skip);
  skip->sum.bytes += logbuf_length(buf);
  skip->sum.lines += (uint64_t)inside;
  memcpy(skip->before, buf->head->drops, sizeof skip->before);
  skip->before_all = buf->head->dropped;
  skip->tell = records;
  skip->newline = !inside && cut;
  skip->cut = inside || cut ? buf->claimed & ~skipping : 0;
  skip->cut_before = before;
  leave_stamp(buf);
  store(&skip->moving, 1);
  move(buf);
  buf->ready = logbuf_length(buf);
  buf->carried = inside || cut;
  return skip->sum.bytes;
}

int logskip_recover(struct logbuf *buf) {
  struct logskip *skip = &buf->head->skip;
  size_t len =
      skip->expected < sizeof skip->bytes ? (size_t)skip->expected : sizeof skip->bytes;
  int cut = skip->moving && skip->cut;

  if (skip->word & LOGSKIP_READING) {
    size_t end = len;
    while (end && !skip->bytes[end - 1])
      end--;
    if (end)
      count(skip, len);
    else
      store(&skip->word, skip->word & ~(uint64_t)LOGSKIP_READING);
  }
  if (skip->moving) move(buf);
  return cut;
}
