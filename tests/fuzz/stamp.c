/* Stamps: labels as text and as bytes, ISO dates against the C library's, comparing, and names
 * of archives. */

#include <skalibs/nonposix.h>
#include <lares/clock.h>
#include <lares/logdir.h>

#define FUZZ_WORDS                                                                             \
  "@", "40000000", "@400000006b0020993b9ac9ff", ".s", ".u", "3b9aca00", "ffffffff",
#include "fuzz.h"

static int is_label(char const *text) {
  if (*text != '@') return 0;
  for (unsigned i = 1; i < 25; i++)
    if (!text[i] || !strchr("0123456789abcdef", text[i])) return 0;
  return memcmp(text + 17, "3b9ac9ff", 8) <= 0; /* 999999999 */
}

static void check_text(char const text[STAMP_FMT]) {
  struct stamp stamp = {.tai = 5, .nano = 7};
  char again[STAMP_FMT];

  fuzz_check(stamp_scan(text, &stamp) == is_label(text), "a label is one or not");
  if (is_label(text)) {
    stamp_fmt(again, &stamp);
    fuzz_check(!memcmp(again, text, STAMP_FMT), "it is written as it was read");
  } else
    fuzz_check(stamp.tai == 5 && stamp.nano == 7, "a refused one changes nothing");
}

static void check_iso(struct stamp const *stamp) {
  char got[STAMP_ISO], want[128];
  time_t seconds = (time_t)(int64_t)(stamp->tai - STAMP_EPOCH);
  struct tm tm;

  stamp_iso(got, stamp);
  for (unsigned i = 0; i < STAMP_ISO; i++)
    fuzz_check(strchr("0123456789-:.TZ", got[i]) && got[i], "what stands in a date");
  if (!gmtime_r(&seconds, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) return;
  if (stamp->nano > 999999999) return;
  snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
           tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
           (unsigned)(stamp->nano / 1000000));
  fuzz_check(!memcmp(got, want, STAMP_ISO), "the date is the C library's");
}

/* Some of the 3652059 days of the years that have four digits, from anywhere among them. */
static void check_dates(uint64_t seed, uint32_t nano) {
  for (unsigned i = 0; i < 32; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    check_iso(&(struct stamp){.tai = STAMP_EPOCH - 62135596800u + (seed >> 20) % 315537897600u,
                              .nano = nano});
  }
}

static void check_pair(struct stamp const *a, struct stamp const *b) {
  char left[STAMP_FMT], right[STAMP_FMT];
  int order, text;

  stamp_fmt(left, a);
  stamp_fmt(right, b);
  order = stamp_compare(a, b);
  text = memcmp(left, right, STAMP_FMT);
  fuzz_check((order < 0) == (text < 0) && (order > 0) == (text > 0), "ordered as their texts");
  if (a->nano > 999999999 || b->nano > 999999999) return;
  fuzz_check(order < 0 || !stamp_seconds(a, b), "no time since what is to come");
  if (order < 0 && a->nano <= b->nano)
    fuzz_check(stamp_seconds(a, b) == b->tai - a->tai, "seconds between");
  if (order < 0 && a->nano > b->nano)
    fuzz_check(stamp_seconds(a, b) == b->tai - a->tai - 1, "whole seconds between");
}

static void check_name(char const *name) {
  struct archive archive;
  char again[ARCHIVE_NAME + 1];
  int parsed = archive_parse(name, &archive);

  if (parsed) {
    archive_name(again, &archive);
    fuzz_check(!strcmp(again, name), "an archive's name comes back");
  } else
    fuzz_check(strlen(name) != 27 || !is_label(name) || name[25] != '.' || name[1] >= '8' ||
                   !memcmp(name, "@7fffffffffffffff", 17) || !strchr("su", name[26]),
               "an archive's name is known");
}

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
  struct fuzz_input in = {data, size};
  char name[64] = "", packed[STAMP_PACK];
  struct stamp a, b;

  a.tai = fuzz_number(&in, 8);
  a.nano = (uint32_t)fuzz_number(&in, 4);
  b.tai = fuzz_number(&in, 8);
  b.nano = (uint32_t)fuzz_number(&in, 4);
  stamp_pack(packed, &a);
  fuzz_check(size < STAMP_PACK || !memcmp(packed, data, STAMP_PACK), "packed as it was");
  check_iso(&a);
  check_dates(a.tai * 31 + b.tai, a.nano % 1000000000);
  check_pair(&a, &b);
  check_pair(&b, &a);
  if (in.left > sizeof name - 1) in.left = sizeof name - 1;
  if (in.left) memcpy(name, in.at, in.left);
  check_text(name);
  check_name(name);
  return 0;
}
