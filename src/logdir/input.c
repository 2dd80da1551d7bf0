/* The input buffer's use: reading into it, handing out lines, carrying the rest over. The order
 * of stores is what buffer.h promises.
 *
 * Stamps: the clock is read once after each read(). The first line gets the time at which its
 * first byte was read, each later line one nanosecond more than the one before, and no stamp is
 * earlier than one given before, whatever the clock does.
 */

#include <skalibs/nonposix.h>
#include "buffer.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

#include <lares/killpoint.h>

/* Position after the last newline below end, or 0. */
static size_t after_last_newline(char const *data, size_t end) {
  while (end && data[end - 1] != '\n')
    end--;
  return end;
}

static void count_bytes(struct logbuf *buf, size_t got) {
  struct logbuf_half *half = logbuf_half(buf);
  size_t len = logbuf_length(buf);
  uint64_t now = lognow(), next = now > buf->head->next_ns ? now : buf->head->next_ns;

  if (!len && !buf->carried) half->first_ns = next++;
  /* Lines are there when something was dropped or is going to be: no stamp goes back. */
  if (!buf->ready || half->rest_ns < next) half->rest_ns = next;
  buf->now = now;
  logbuf_set(buf, logbuf_active(buf), len + got);
  if (buf->ready <= len) {
    char const *fresh = logbuf_data(buf, logbuf_active(buf)) + len;
    size_t end = after_last_newline(fresh, got);
    if (end) buf->ready = len + end;
  }
  if (len + got == buf->capacity && !buf->ready) buf->ready = buf->capacity;
}

static size_t ask_waiting(int fd) {
  int waiting;

  return ioctl(fd, FIONREAD, &waiting) < 0 || waiting < 0 ? 0 : (size_t)waiting;
}

/* What was waiting and was not read waits still, when nothing else was done since: to ask takes
 * the lock that the pipe's writers fill it under. Who believed in bytes that another has read
 * would, killed now, leave as many NULs to the next. */
ssize_t logbuf_read(struct logbuf *buf, int fd, size_t most) {
  size_t len = logbuf_length(buf), room = buf->capacity - len;
  ssize_t got;

  if (most < room) room = most;
  if (buf->shared) {
    if (buf->waiting < room) buf->waiting = ask_waiting(fd);
    if (buf->waiting && buf->waiting < room) room = buf->waiting;
    buf->head->expected = buf->waiting ? room : 0;
    logbuf_fence();
  }
  got = fd_read(fd, logbuf_data(buf, logbuf_active(buf)) + len, room);
  KILL_POINT(READ);
  buf->waiting -= got > 0 && (size_t)got < buf->waiting ? (size_t)got : buf->waiting;
  if (got > 0) count_bytes(buf, (size_t)got);
  KILL_POINT(COUNTED);
  if (buf->shared) buf->head->expected = 0;
  return got;
}

void logbuf_forget_waiting(struct logbuf *buf) {
  buf->waiting = 0;
}

int logbuf_has_lines(struct logbuf const *buf, size_t got, size_t lines) {
  char const *end = logbuf_data(buf, logbuf_active(buf)) + logbuf_length(buf), *at = end - got;

  while (lines && at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
    lines--;
    at++;
  }
  return !lines;
}

void logbuf_resume(struct logbuf *buf) {
  char const *data = logbuf_data(buf, logbuf_active(buf));
  int cut = logskip_recover(buf);

  buf->ready = after_last_newline(data, logbuf_length(buf));
  if (!buf->ready && logbuf_length(buf) == buf->capacity) buf->ready = buf->capacity;
  buf->carried = cut || log_in_line(buf->start.inside);
}

int logbuf_full(struct logbuf const *buf) {
  return logbuf_length(buf) == buf->capacity;
}

int logbuf_in_line(struct logbuf const *buf) {
  size_t len = logbuf_length(buf);

  if (!len) return buf->carried;
  return logbuf_data(buf, logbuf_active(buf))[len - 1] != '\n';
}

void logbuf_finish_line(struct logbuf *buf) {
  size_t len = logbuf_length(buf);

  if (!logbuf_in_line(buf)) return;
  logbuf_data(buf, logbuf_active(buf))[len] = '\n';
  logbuf_set(buf, logbuf_active(buf), len + 1);
  buf->ready = len + 1;
}

size_t logbuf_rest(struct logbuf const *buf, struct logplace const *place, char const **data) {
  size_t had = (size_t)(place->offset - logbuf_half(buf)->offset);

  *data = logbuf_data(buf, logbuf_active(buf)) + had;
  return buf->ready > had ? buf->ready - had : 0;
}

uint64_t logbuf_stamp(struct logbuf const *buf, struct logplace const *place) {
  struct logbuf_half const *half = logbuf_half(buf);

  if (place->line <= half->line) return half->first_ns;
  return half->rest_ns + (place->line - half->line) - 1;
}

/* Lines are counted only for stamps, so a directory that counts them (patterns) and one that
 * does not may differ; they begin the next half together. */
static void same_line(struct logbuf *buf, uint64_t line) {
  for (uint32_t left = buf->claimed; left; left &= left - 1)
    buf->head->records[__builtin_ctz(left)].record.place.line = line;
}

/* What is copied is the beginning of one line, which is why a half that holds no end of a line
 * is not turned: it would be copied at each read. Memory that nobody else sees needs no second
 * half; using one spares the cache. */
void logbuf_turn(struct logbuf *buf, struct logplace const *place) {
  struct logbuf_head *head = buf->head;
  unsigned now = logbuf_active(buf), other = buf->shared ? !now : now;
  struct logbuf_half const *from = head->half + now;
  size_t len = logbuf_length(buf), left = len - buf->ready;
  uint64_t stamp = logbuf_stamp(buf, place);

  if (!buf->ready) return;
  same_line(buf, place->line);
  buf->carried = left || log_in_line(place->inside);
  memmove(logbuf_data(buf, other), logbuf_data(buf, now) + buf->ready, left);
  head->half[other] = (struct logbuf_half){.offset = from->offset + buf->ready,
                                           .line = place->line,
                                           .first_ns = stamp,
                                           .rest_ns = stamp + 1};
  stamp += (uint64_t)buf->carried;
  if (head->next_ns < stamp) head->next_ns = stamp;
  KILL_POINT(TURN);
  logbuf_set(buf, other, left);
  KILL_POINT(TURNED);
  buf->ready = 0;
  if (buf->shared) memset(logbuf_data(buf, now), 0, len);
  KILL_POINT(CLEARED);
}
