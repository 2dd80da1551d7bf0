/* The text record: file `text` of supervise/, what a service says of itself and waits for. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>
#include <unistd.h>

#include "bytes.h"
#include "load.h"

#define TEXT_VERSION 1
#define TEXT_SIZE (TEXT_MOST + 1)

/* Bytes of the well-formed UTF-8 character at s, 0 for none (Unicode, table 3-7). */
unsigned text_character(char const *at, size_t len) {
  unsigned char const *s = (unsigned char const *)at;
  unsigned char least = 0x80, most = 0xbf;
  unsigned size;

  if (!len) return 0;
  size = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
  if (!size || size > len || s[0] > 0xf4) return 0;
  if (s[0] == 0xe0) least = 0xa0;
  if (s[0] == 0xed) most = 0x9f;
  if (s[0] == 0xf0) least = 0x90;
  if (s[0] == 0xf4) most = 0x8f;
  if (size > 1 && (s[1] < least || s[1] > most)) return 0;
  for (unsigned i = 2; i < size; i++)
    if (s[i] < 0x80 || s[i] > 0xbf) return 0;
  return size;
}

/* A terminal takes U+0080 to U+009F for commands, as it does the bytes below the blank. */
static int is_command(char const *s, unsigned len) {
  unsigned char const *c = (unsigned char const *)s;

  return len == 1 ? c[0] < ' ' || c[0] == 0x7f : len == 2 && c[0] == 0xc2 && c[1] < 0xa0;
}

void text_clean(char out[TEXT_MOST + 1], char const *text, size_t len) {
  size_t used = 0;

  while (len) {
    unsigned size = text_character(text, len), is_good = size && !is_command(text, size);
    unsigned more = is_good ? size : 1;
    if (used + more > TEXT_MOST) break;
    if (is_good)
      memcpy(out + used, text, size);
    else
      out[used] = size == 1 ? ' ' : '?';
    used += more;
    text += size ? size : 1;
    len -= size ? size : 1;
  }
  memset(out + used, 0, TEXT_SIZE - used);
}

/* 576 bytes, version 1:
 *   0  2  "LT"
 *   2  1  version
 *   3  1  zero
 *   4  4  watchdog: milliseconds that the service has asked for, 2^32 - 1 none, 0 it has not
 *   8 24  zero
 *  32  8  boot, as in the identity record
 *  40  8  number of the start of `run` (`starts` of the state) that has said this
 *  48 256 text that it shows as its status, zero behind it
 * 304 256 what is waited for, zero behind it; meaningful in the state waiting
 * 560 12 zero
 * 572  4  checksum of bytes 0 to 571
 * So nothing has to be erased at a start: what the run before has said bears another number.
 */
void text_record_pack(char out[TEXT_RECORD_SIZE], struct text_record const *r) {
  memset(out, 0, TEXT_RECORD_SIZE);
  out[0] = 'L';
  out[1] = 'T';
  out[2] = TEXT_VERSION;
  uint32_pack_big(out + 4, r->watchdog);
  uint64_pack_big(out + 32, r->boot);
  uint64_pack_big(out + 40, r->start);
  memcpy(out + 48, r->status, TEXT_SIZE);
  memcpy(out + 304, r->waiting, TEXT_SIZE);
  checksum_put(out, TEXT_RECORD_SIZE);
}

/* As text_clean leaves it. */
static int is_clean(char const text[TEXT_SIZE]) {
  char clean[TEXT_SIZE];

  if (text[TEXT_MOST]) return 0;
  text_clean(clean, text, strlen(text));
  return !memcmp(clean, text, TEXT_SIZE);
}

int text_record_unpack(char const in[TEXT_RECORD_SIZE], struct text_record *out) {
  struct text_record r;

  if (!version_is(in, 'T', TEXT_VERSION)) return 0;
  if (!checksum_holds(in, TEXT_RECORD_SIZE)) return (errno = EPROTO, 0);
  uint32_unpack_big(in + 4, &r.watchdog);
  uint64_unpack_big(in + 32, &r.boot);
  uint64_unpack_big(in + 40, &r.start);
  memcpy(r.status, in + 48, TEXT_SIZE);
  memcpy(r.waiting, in + 304, TEXT_SIZE);
  if (in[3] || !reserved_zero(in + 8, 24) || !reserved_zero(in + 560, 12) ||
      !is_clean(r.status) || !is_clean(r.waiting))
    return (errno = EPROTO, 0);
  *out = r;
  return 1;
}

int text_record_read(int fd, struct text_record *out) {
  char packed[TEXT_RECORD_SIZE];
  ssize_t got = pread(fd, packed, sizeof packed, 0);

  if (got < 0) return 0;
  return got == sizeof packed ? text_record_unpack(packed, out) : (errno = EPROTO, 0);
}

int text_record_write(int fd, struct text_record const *r) {
  char packed[TEXT_RECORD_SIZE];
  ssize_t put;

  text_record_pack(packed, r);
  put = pwrite(fd, packed, sizeof packed, 0);
  if (put < 0) return 0;
  return put == sizeof packed ? 1 : (errno = ENOSPC, 0);
}

int text_record_load(char const *dir, struct text_record *out) {
  char packed[TEXT_RECORD_SIZE];
  ssize_t got = load_file(dir, "supervise/text", packed, sizeof packed);

  if (got < 0) return 0;
  if (got != sizeof packed) return (errno = EPROTO, 0);
  return text_record_unpack(packed, out);
}
