/* The state record: file `state` of supervise/. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bytes.h"
#include "load.h"

#ifndef STATE_VERSION /* a test builds another */
#define STATE_VERSION 4
#endif
#define STATE_OLDEST 1 /* of which everything from 168 on is zero */

#define REASON_TEXT(name, text) text,
static char const *const reason_texts[] = {STATUS_REASONS(REASON_TEXT)};
#undef REASON_TEXT

int status_reason_is_unrunnable(unsigned reason) {
  return reason == REASON_NO_RUN || reason == REASON_NO_EXEC;
}

char const *status_reason_text(unsigned reason) {
  return reason < REASON_COUNT ? reason_texts[reason] : "?";
}

/* 256 bytes, version 4 (3 had zero from 225 on, 2 also at 124 and from 200 on, 1 also at 168 to
 * 199):
 *   0  2  "LS"
 *   2  1  version
 *   3  1  reason
 *   4  4  reason's detail
 *   8  8  machine: state, want, role, stop, flags, zero, early deaths (2)
 *  16  2  marks
 *  18  2  zero
 *  20  4  pid
 *  24  4  last wait status of `run`
 *  28  4  descendants left
 *  32  8  boot, as in the identity record
 *  40  8  number of the last history record
 *  48  8  starts of `run`
 *  56  8  deaths of `run`
 *  64 12  since (TAI64N, as all stamps here)
 *  76 12  changed
 *  88 12  ready
 * 100 12  last exit
 * 112 12  defined
 * 124  4  sum of the definition that runs (svdir_age), 0 unknown
 * 128  8  deadline (CLOCK_MONOTONIC nanoseconds, 2^63 - 1 none; as all here)
 * 136  8  died
 * 144  8  began
 * 152  8  pidfs inode of pid, 0 unknown
 * 160  8  start time of pid, 0 unknown
 * 168  4  pid of one that a stop waits for, 0
 * 172 16  name of its program, zero behind it
 * 188  4  strays that cannot be attributed
 * 192  8  drain: a logger that was told to leave has until then, 0
 * 200 24 letters that wait for a script of the first (control/C), zero behind them
 * 224  1  letter of a stop whose signal a script decides about, 0
 * 225  3  zero
 * 228  4  process group of the last `run`, 0 unknown
 * 232  4  session of the last `run` (or of what was adopted last), 0 unknown
 * 236  4  parent that this one had besides us, 0
 * 240  8  when it was seen to be of the session last (ticks, field 22 of /proc/PID/stat), 0
 * 248  4  zero
 * 252  4  checksum of bytes 0 to 251
 */
void state_record_pack(char out[STATE_RECORD_SIZE], struct state_record const *r) {
  memset(out, 0, STATE_RECORD_SIZE);
  out[0] = 'L';
  out[1] = 'S';
  out[2] = STATE_VERSION;
  out[3] = (char)r->reason;
  uint32_pack_big(out + 4, r->detail);
  put_machine(out + 8, &r->machine);
  uint16_pack_big(out + 16, r->marks);
  put_i32(out + 20, r->pid);
  put_i32(out + 24, r->last_wstat);
  uint32_pack_big(out + 28, r->rest);
  uint64_pack_big(out + 32, r->boot);
  uint64_pack_big(out + 40, r->sequence);
  uint64_pack_big(out + 48, r->starts);
  uint64_pack_big(out + 56, r->deaths);
  stamp_pack(out + 64, &r->since);
  stamp_pack(out + 76, &r->changed);
  stamp_pack(out + 88, &r->ready);
  stamp_pack(out + 100, &r->last_exit);
  stamp_pack(out + 112, &r->defined);
  uint32_pack_big(out + 124, r->definition);
  put_deadline(out + 128, r->deadline);
  put_deadline(out + 136, r->died);
  put_deadline(out + 144, r->began);
  uint64_pack_big(out + 152, r->inode);
  uint64_pack_big(out + 160, r->start);
  put_i32(out + 168, r->awaited);
  memcpy(out + 172, r->awaited_name, sizeof r->awaited_name);
  uint32_pack_big(out + 188, r->unattributed);
  put_deadline(out + 192, r->drain);
  memcpy(out + 200, r->pending, sizeof r->pending);
  out[224] = r->custom;
  put_i32(out + 228, r->group);
  put_i32(out + 232, r->session);
  put_i32(out + 236, r->reaper);
  uint64_pack_big(out + 240, r->until);
  checksum_put(out, STATE_RECORD_SIZE);
}

/* A text, a zero behind it, and nothing but zeros there. */
static int is_padded(char const *text, size_t size) {
  size_t len = strnlen(text, size);

  return len < size && reserved_zero(text + len, size - len);
}

/* What a version did not know is zero in it. */
static int has_only_its_own(char const *in, struct state_record const *r) {
  if (in[2] < 4 && !reserved_zero(in + 225, 27)) return 0;
  if (in[2] < 3 && (r->definition || !reserved_zero(in + 200, 25))) return 0;
  return in[2] > STATE_OLDEST || reserved_zero(in + 168, 84);
}

int state_record_unpack(char const in[STATE_RECORD_SIZE], struct state_record *out) {
  struct state_record r;

  if (!version_within(in, 'S', STATE_OLDEST, STATE_VERSION)) return 0;
  if (!checksum_holds(in, STATE_RECORD_SIZE)) return (errno = EPROTO, 0);
  r.reason = (uint8_t)in[3];
  uint32_unpack_big(in + 4, &r.detail);
  get_machine(in + 8, &r.machine);
  uint16_unpack_big(in + 16, &r.marks);
  get_i32(in + 20, &r.pid);
  get_i32(in + 24, &r.last_wstat);
  uint32_unpack_big(in + 28, &r.rest);
  uint64_unpack_big(in + 32, &r.boot);
  uint64_unpack_big(in + 40, &r.sequence);
  uint64_unpack_big(in + 48, &r.starts);
  uint64_unpack_big(in + 56, &r.deaths);
  stamp_unpack(in + 64, &r.since);
  stamp_unpack(in + 76, &r.changed);
  stamp_unpack(in + 88, &r.ready);
  stamp_unpack(in + 100, &r.last_exit);
  stamp_unpack(in + 112, &r.defined);
  uint32_unpack_big(in + 124, &r.definition);
  get_deadline(in + 128, &r.deadline);
  get_deadline(in + 136, &r.died);
  get_deadline(in + 144, &r.began);
  uint64_unpack_big(in + 152, &r.inode);
  uint64_unpack_big(in + 160, &r.start);
  get_i32(in + 168, &r.awaited);
  memcpy(r.awaited_name, in + 172, sizeof r.awaited_name);
  uint32_unpack_big(in + 188, &r.unattributed);
  get_deadline(in + 192, &r.drain);
  memcpy(r.pending, in + 200, sizeof r.pending);
  r.custom = in[224];
  get_i32(in + 228, &r.group);
  get_i32(in + 232, &r.session);
  get_i32(in + 236, &r.reaper);
  uint64_unpack_big(in + 240, &r.until);
  if (!machine_plausible(&r.machine) || r.pid < 0 || r.awaited < 0 || r.group < 0 ||
      r.session < 0 || r.reaper < 0 || in[8 + MACHINE_RESERVED] || !reserved_zero(in + 18, 2) ||
      !is_padded(r.awaited_name, sizeof r.awaited_name) ||
      !is_padded(r.pending, sizeof r.pending) || !reserved_zero(in + 225, 3) ||
      !reserved_zero(in + 248, 4) || !has_only_its_own(in, &r))
    return (errno = EPROTO, 0);
  *out = r;
  return 1;
}

/* One that is being written does not add up, but does a moment later: who must not wait takes
 * what comes of so many readings at once. */
#define READINGS 3

int state_record_load(char const *dir, struct state_record *out) {
  char packed[STATE_RECORD_SIZE];

  for (unsigned i = 1;; i++) {
    ssize_t got = load_file(dir, "supervise/state", packed, sizeof packed);
    if (got < 0) return 0;
    if (got != sizeof packed) return (errno = EPROTO, 0);
    if (state_record_unpack(packed, out)) return 1;
    if (errno != EPROTO || i == READINGS) return 0;
  }
}

/* Read again without a pause so often, then with one, and so long in all. */
#define READ_AT_ONCE 20
#define READ_PAUSE_MS 2
#define READ_PATIENCE_MS 1000

int state_record_settled(int (*read)(void const *context, struct state_record *),
                         void const *context, struct state_record *out) {
  struct deadline until = DEADLINE_NEVER;

  for (unsigned i = 0;; i++) {
    if (read(context, out)) return 1;
    if (errno != EPROTO) return 0;
    if (i < READ_AT_ONCE) continue;
    if (i == READ_AT_ONCE) until = deadline_add_ms(clock_now(), READ_PATIENCE_MS);
    if (deadline_passed(until, clock_now())) return (errno = EPROTO, 0);
    clock_pause(READ_PAUSE_MS);
  }
}

static int load(void const *dir, struct state_record *out) {
  return state_record_load(dir, out);
}

int state_record_load_settled(char const *dir, struct state_record *out) {
  return state_record_settled(&load, dir, out);
}

int state_record_next(struct state_record const *r, struct stamp *next) {
  struct stamp now;
  int64_t left, ns;

  if (r->machine.state != STATE_BACKOFF && r->machine.state != STATE_FAILED) return 0;
  if (r->deadline.ns == INT64_MAX) return 0;
  left = clock_now().ns;
  left = r->deadline.ns > left ? r->deadline.ns - left : 0;
  clock_stamp(&now);
  ns = left % 1000000000 + now.nano;
  next->tai = now.tai + (uint64_t)(left / 1000000000 + ns / 1000000000);
  next->nano = (uint32_t)(ns % 1000000000);
  return 1;
}
