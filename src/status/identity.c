/* The identity record: files `child`, `exit` and `lock` of supervise/. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>
#include <unistd.h>

#include "bytes.h"

#define IDENTITY_VERSION 1
#define IDENTITY_VERSION_FORKING 2   /* of forking records only: others are what they were */
#define IDENTITY_VERSION_CONDITION 3 /* of that role only */

/* 64 bytes, version 1, 2 or 3:
 *   0  2  "LI"
 *   2  1  version
 *   3  1  state: 0 none, 1 running, 2 exited; version 2: 3 forking
 *   4  1  role: 0 none, 1 start, 2 run, 3 finish; version 3: 4 condition
 *   5  3  zero
 *   8  4  pid
 *  12  4  wait status as wait() gives it, -1 unknown
 *  16  8  pidfs inode, 0 unknown
 *  24  8  start time, field 22 of /proc/PID/stat (clock ticks since boot), 0 unknown
 *  32  8  boot: first 8 bytes of the boot id, see lares-status(5); 0 unknown
 *  40 12  started, TAI64N
 *  52  8  began, CLOCK_MONOTONIC nanoseconds
 *  60  4  checksum of bytes 0 to 59
 * One pwrite of 64 bytes at offset 0 is not torn by a SIGKILL.
 *
 * `child` has room for three: the instance that was started last; the end of the one that ended
 * last, which its successor's signing in must not overwrite before it is told; and, when the
 * first is the main process of a daemon in the background, the forking record of the one that
 * launched it, with the same moment of starting.
 */
static char version_of(uint8_t state, uint8_t role) {
  if (role == ROLE_CONDITION) return IDENTITY_VERSION_CONDITION;
  return state == IDENTITY_FORKING ? IDENTITY_VERSION_FORKING : IDENTITY_VERSION;
}

void identity_record_pack(char out[IDENTITY_RECORD_SIZE], struct identity_record const *r) {
  memset(out, 0, IDENTITY_RECORD_SIZE);
  out[0] = 'L';
  out[1] = 'I';
  out[2] = version_of(r->state, r->role);
  out[3] = (char)r->state;
  out[4] = (char)r->role;
  put_i32(out + 8, r->who.pid);
  put_i32(out + 12, r->wstat);
  uint64_pack_big(out + 16, r->who.inode);
  uint64_pack_big(out + 24, r->who.start);
  uint64_pack_big(out + 32, r->who.boot);
  stamp_pack(out + 40, &r->started);
  put_deadline(out + 52, r->began);
  checksum_put(out, IDENTITY_RECORD_SIZE);
}

int identity_record_unpack(char const in[IDENTITY_RECORD_SIZE], struct identity_record *out) {
  struct identity_record r;

  if (!version_within(in, 'I', IDENTITY_VERSION, IDENTITY_VERSION_CONDITION)) return 0;
  if (!checksum_holds(in, IDENTITY_RECORD_SIZE)) return (errno = EPROTO, 0);
  r.state = (uint8_t)in[3];
  r.role = (uint8_t)in[4];
  get_i32(in + 8, &r.who.pid);
  get_i32(in + 12, &r.wstat);
  uint64_unpack_big(in + 16, &r.who.inode);
  uint64_unpack_big(in + 24, &r.who.start);
  uint64_unpack_big(in + 32, &r.who.boot);
  stamp_unpack(in + 40, &r.started);
  get_deadline(in + 52, &r.began);
  if (r.state > IDENTITY_FORKING || r.role >= ROLE_COUNT ||
      in[2] != version_of(r.state, r.role) || r.who.pid < 0 || !reserved_zero(in + 5, 3))
    return (errno = EPROTO, 0);
  *out = r;
  return 1;
}

int identity_record_read(int fd, struct identity_record *out) {
  char packed[IDENTITY_RECORD_SIZE];
  ssize_t got = pread(fd, packed, sizeof packed, 0);

  if (got < 0) return 0;
  if (!got) {
    *out = (struct identity_record){.state = IDENTITY_NONE, .wstat = WSTAT_UNKNOWN};
    return 1;
  }
  if (got != sizeof packed) return (errno = EPROTO, 0);
  return identity_record_unpack(packed, out);
}

static int write_at(int fd, struct identity_record const *r, off_t at) {
  char packed[IDENTITY_RECORD_SIZE];
  ssize_t put;

  identity_record_pack(packed, r);
  put = pwrite(fd, packed, sizeof packed, at);
  if (put >= 0 && put != sizeof packed) errno = ENOSPC;
  return put == sizeof packed;
}

static int read_at(int fd, struct identity_record *out, off_t at) {
  char packed[IDENTITY_RECORD_SIZE];

  if (pread(fd, packed, sizeof packed, at) != sizeof packed) return (errno = EPROTO, 0);
  return identity_record_unpack(packed, out);
}

int identity_record_write(int fd, struct identity_record const *r) {
  return write_at(fd, r, 0);
}

int identity_note_write(int fd, enum identity_writer writer, struct identity_record const *r) {
  return write_at(fd, r, (off_t)writer * IDENTITY_RECORD_SIZE);
}

int identity_note_read(int fd, enum identity_writer writer, struct identity_record *out) {
  return read_at(fd, out, (off_t)writer * IDENTITY_RECORD_SIZE);
}

int identity_record_end(int fd, struct identity_record const *r) {
  char packed[2 * IDENTITY_RECORD_SIZE];
  ssize_t put;

  identity_record_pack(packed, r);
  memcpy(packed + IDENTITY_RECORD_SIZE, packed, IDENTITY_RECORD_SIZE);
  put = pwrite(fd, packed, sizeof packed, 0);
  if (put >= 0 && put != sizeof packed) errno = ENOSPC;
  return put == sizeof packed;
}

int identity_record_last_end(int fd, struct identity_record *out) {
  return read_at(fd, out, IDENTITY_RECORD_SIZE);
}

/* The launcher first: killed in between, whoever comes next finds it forking still. */
int identity_record_settle(int fd, struct identity_record const *main,
                           struct identity_record const *launcher) {
  return write_at(fd, launcher, 2 * IDENTITY_RECORD_SIZE) && write_at(fd, main, 0);
}

int identity_record_launcher(int fd, struct identity_record const *main,
                             struct identity_record *launcher) {
  struct identity_record r;

  if (main->state != IDENTITY_RUNNING || main->role != ROLE_RUN ||
      !read_at(fd, &r, 2 * IDENTITY_RECORD_SIZE) || r.state != IDENTITY_FORKING ||
      r.who.boot != main->who.boot || stamp_compare(&r.started, &main->started))
    return 0;
  *launcher = r;
  return 1;
}

int identity_equal(struct identity const *a, struct identity const *b) {
  if (a->pid != b->pid || a->boot != b->boot) return 0;
  if (a->inode && b->inode)
    return a->inode == b->inode && (!a->start || !b->start || a->start == b->start);
  return a->start && a->start == b->start;
}
