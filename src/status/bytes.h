/* Packing into fixed big-endian fields, and the checksum every record of ours ends with. */

#ifndef LARES_STATUS_BYTES_H
#define LARES_STATUS_BYTES_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <skalibs/uint16.h>
#include <skalibs/uint32.h>
#include <skalibs/uint64.h>

#include <lares/clock.h>
#include <lares/machine.h>

/* FNV-1a, 32 bits: it has to see torn and stray writes, not an attacker (supervise/ is ours).
 */
static inline uint32_t checksum(char const *bytes, size_t len) {
  uint32_t sum = 2166136261u;

  for (size_t i = 0; i < len; i++)
    sum = (sum ^ (unsigned char)bytes[i]) * 16777619u;
  return sum;
}

/* The last four bytes of a record of size bytes. */
static inline void checksum_put(char *record, size_t size) {
  uint32_pack_big(record + size - 4, checksum(record, size - 4));
}

static inline int checksum_holds(char const *record, size_t size) {
  uint32_t sum;

  uint32_unpack_big(record + size - 4, &sum);
  return sum == checksum(record, size - 4);
}

/* Is every byte zero? Of what a record keeps for later; a writer that uses it has another
 * version. */
static inline int reserved_zero(char const *at, size_t len) {
  while (len--)
    if (at[len]) return 0;
  return 1;
}

/* 1 when the record begins with these two letters and one of these versions, otherwise 0 with
 * errno. */
static inline int version_within(char const *record, char second, unsigned char oldest,
                                 unsigned char newest) {
  unsigned char found = (unsigned char)record[2];

  if (record[0] != 'L' || record[1] != second) return (errno = EPROTO, 0);
  if (found > newest) return (errno = EPROTONOSUPPORT, 0);
  return found >= oldest ? 1 : (errno = EPROTO, 0);
}

static inline int version_is(char const *record, char second, unsigned char version) {
  return version_within(record, second, version, version);
}

static inline void put_i32(char *at, int32_t n) {
  uint32_pack_big(at, (uint32_t)n);
}

static inline void get_i32(char const *at, int32_t *n) {
  uint32_t u;

  uint32_unpack_big(at, &u);
  memcpy(n, &u, sizeof u);
}

static inline void put_deadline(char *at, struct deadline d) {
  uint64_pack_big(at, (uint64_t)d.ns);
}

static inline void get_deadline(char const *at, struct deadline *d) {
  uint64_t u;

  uint64_unpack_big(at, &u);
  memcpy(&d->ns, &u, sizeof u);
}

/* 8 bytes, part of other records:
 *   0  1  state
 *   1  1  want
 *   2  1  role
 *   3  1  stop
 *   4  1  flags
 *   5  1  zero
 *   6  2  early deaths
 */
#define MACHINE_PACK 8
#define MACHINE_RESERVED 5
static inline void put_machine(char *at, struct machine const *m) {
  at[0] = (char)m->state;
  at[1] = (char)m->want;
  at[2] = (char)m->role;
  at[3] = (char)m->stop;
  at[4] = (char)m->flags;
  at[5] = 0;
  uint16_pack_big(at + 6, m->early);
}

static inline void get_machine(char const *at, struct machine *m) {
  m->state = (uint8_t)at[0];
  m->want = (uint8_t)at[1];
  m->role = (uint8_t)at[2];
  m->stop = (uint8_t)at[3];
  m->flags = (uint8_t)at[4];
  uint16_unpack_big(at + 6, &m->early);
}

#endif
