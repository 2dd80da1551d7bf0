/* The journal's writer: file `history` of supervise/. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"

#define HISTORY_VERSION 2
#define HISTORY_OLDEST 1 /* of which everything from 48 on is zero */
#define READ_SLOTS 16

/* 64 bytes, version 2 (version 1 had zero at 48 to 55), the file being an array of them:
 *   0  2  "LH"
 *   2  1  version
 *   3  1  event
 *   4  8  number
 *  12 12  when, TAI64N
 *  24  8  machine after the change: state, want, role, stop, flags, zero, early deaths (2)
 *  32  1  reason
 *  33  3  zero
 *  36  4  reason's detail
 *  40  4  pid
 *  44  4  wait status
 *  48  8  the same moment on the monotonic clock (CLOCK_MONOTONIC nanoseconds)
 *  56  4  zero
 *  60  4  checksum of bytes 0 to 59
 */
void history_record_pack(char out[HISTORY_RECORD_SIZE], struct history_record const *r) {
  memset(out, 0, HISTORY_RECORD_SIZE);
  out[0] = 'L';
  out[1] = 'H';
  out[2] = HISTORY_VERSION;
  out[3] = (char)r->event;
  uint64_pack_big(out + 4, r->sequence);
  stamp_pack(out + 12, &r->at);
  put_machine(out + 24, &r->machine);
  out[32] = (char)r->reason;
  uint32_pack_big(out + 36, r->detail);
  put_i32(out + 40, r->pid);
  put_i32(out + 44, r->wstat);
  put_deadline(out + 48, r->moment);
  checksum_put(out, HISTORY_RECORD_SIZE);
}

/* Nobody lives to write the number 2^63; believed, it would end the numbering. */
int history_record_unpack(char const in[HISTORY_RECORD_SIZE], struct history_record *r) {
  if (!version_within(in, 'H', HISTORY_OLDEST, HISTORY_VERSION)) return 0;
  if (!checksum_holds(in, HISTORY_RECORD_SIZE)) return (errno = EPROTO, 0);
  r->event = (uint8_t)in[3];
  uint64_unpack_big(in + 4, &r->sequence);
  stamp_unpack(in + 12, &r->at);
  get_machine(in + 24, &r->machine);
  r->reason = (uint8_t)in[32];
  uint32_unpack_big(in + 36, &r->detail);
  get_i32(in + 40, &r->pid);
  get_i32(in + 44, &r->wstat);
  get_deadline(in + 48, &r->moment);
  if (r->pid < 0 || r->sequence >> 63 || in[24 + MACHINE_RESERVED] ||
      !reserved_zero(in + 33, 3) || (in[2] == HISTORY_OLDEST && r->moment.ns) ||
      !reserved_zero(in + 56, 4))
    return (errno = EPROTO, 0);
  return 1;
}

typedef int unpack(char const in[HISTORY_RECORD_SIZE], struct history_record *);

/* The number alone, whether it is damaged or not. */
static int unpack_number(char const in[HISTORY_RECORD_SIZE], struct history_record *r) {
  if (!version_within(in, 'H', HISTORY_OLDEST, HISTORY_VERSION)) return 0;
  uint64_unpack_big(in + 4, &r->sequence);
  return 1;
}

/* The highest number there is and its slot; damaged slots count as empty, but what a newer
 * version wrote is not to be written over. */
static int find_last(struct history_writer *w, struct history_record *last, unpack *read_slot) {
  char page[READ_SLOTS * HISTORY_RECORD_SIZE]; /* small: a stack page once touched stays ours */
  struct history_record r;

  last->sequence = 0;
  w->next = 0;
  for (uint32_t slot = 0; slot < w->slots; slot += READ_SLOTS) {
    ssize_t got = pread(w->fd, page, sizeof page, (off_t)slot * HISTORY_RECORD_SIZE);
    if (got < 0) return 0;
    for (uint32_t i = 0; i < (uint32_t)got / HISTORY_RECORD_SIZE; i++) {
      int known = read_slot(page + i * HISTORY_RECORD_SIZE, &r);
      if (!known && errno == EPROTONOSUPPORT) return 0;
      if (!known || r.sequence <= last->sequence) continue;
      *last = r;
      w->next = slot + i + 1;
    }
  }
  w->sequence = last->sequence;
  return 1;
}

/* Most checksums need not be computed: a supervisor that takes over is waited for. */
static int find_last_quickly(struct history_writer *w, struct history_record *last) {
  char packed[HISTORY_RECORD_SIZE];
  off_t at;

  if (!find_last(w, last, unpack_number)) return 0;
  if (!last->sequence) return 1;
  at = (off_t)(w->next - 1) * HISTORY_RECORD_SIZE;
  return pread(w->fd, packed, sizeof packed, at) == sizeof packed &&
         history_record_unpack(packed, last);
}

int history_open(struct history_writer *w, char const *file, uint32_t most,
                 struct history_record *last) {
  struct stat st;

  *w = (struct history_writer){.fd = -1, .most = most < HISTORY_LEAST ? HISTORY_LEAST : most};
  *last = (struct history_record){.sequence = 0};
  w->fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (w->fd < 0) return 0;
  if (fstat(w->fd, &st) < 0) goto close_file;
  if (!S_ISREG(st.st_mode)) {
    errno = EPROTO;
    goto close_file;
  }
  if (!st.st_size) (void)fchmod(w->fd, 0644); /* whatever the umask */
  st.st_size /= HISTORY_RECORD_SIZE;
  w->slots = st.st_size < HISTORY_MOST ? (uint32_t)st.st_size : HISTORY_MOST;
  if (w->most < w->slots) w->most = w->slots;
  if (find_last_quickly(w, last) || find_last(w, last, history_record_unpack)) return 1;

close_file : {
  int saved = errno;
  close(w->fd);
  w->fd = -1;
  errno = saved;
  return 0;
}
}

/* Space is taken before it is needed, a page at a time, so that a full disk stops no record and
 * an idle service's journal costs one page. */
static void grow(struct history_writer *w) {
  off_t from = (off_t)w->slots * HISTORY_RECORD_SIZE;
  uint32_t more = w->most - w->slots < HISTORY_LEAST ? w->most - w->slots : HISTORY_LEAST;
  int error = EINTR;

  while (more && error == EINTR)
    error = posix_fallocate(w->fd, from, (off_t)more * HISTORY_RECORD_SIZE);
  if (!error) w->slots += more;
}

static int put(struct history_writer *w, uint32_t slot,
               char const packed[HISTORY_RECORD_SIZE]) {
  ssize_t wrote = pwrite(w->fd, packed, HISTORY_RECORD_SIZE, (off_t)slot * HISTORY_RECORD_SIZE);

  if (wrote >= 0 && wrote != HISTORY_RECORD_SIZE) errno = ENOSPC;
  return wrote == HISTORY_RECORD_SIZE;
}

/* Each has its place in the file, so the order does not matter. */
int history_flush(struct history_writer *w) {
  while (w->owed_count) {
    struct history_owed const *owed = &w->owed[w->owed_count - 1];
    if (!put(w, owed->slot, owed->packed)) return 0;
    w->owed_count--;
  }
  return 1;
}

/* Kept for later. When there are too many the oldest is given up: readers see that its number
 * is missing. */
static void owe(struct history_writer *w, uint32_t slot,
                char const packed[HISTORY_RECORD_SIZE]) {
  if (w->owed_count == HISTORY_OWED) {
    memmove(w->owed, w->owed + 1, (HISTORY_OWED - 1) * sizeof *w->owed);
    w->owed_count--;
  }
  w->owed[w->owed_count].slot = slot;
  memcpy(w->owed[w->owed_count++].packed, packed, HISTORY_RECORD_SIZE);
}

int history_append(struct history_writer *w, struct history_record *r) {
  char packed[HISTORY_RECORD_SIZE];
  uint32_t slot;
  int error;

  if (w->next >= w->slots) grow(w);
  slot = w->next < history_ring(w) ? w->next : 0;
  r->sequence = ++w->sequence;
  w->next = slot + 1;
  history_record_pack(packed, r);
  if (put(w, slot, packed)) return 1;
  error = errno;
  owe(w, slot, packed);
  errno = error;
  return 0;
}
