/* Stamps: the wall clock as TAI64N labels. */

#include <skalibs/uint32.h>
#include <skalibs/uint64.h>
#include <lares/clock.h>

void stamp_from_timespec(struct stamp *out, struct timespec const *ts) {
  out->tai = STAMP_EPOCH + (uint64_t)(int64_t)ts->tv_sec;
  out->nano = (uint32_t)ts->tv_nsec;
}

void clock_stamp(struct stamp *out) {
  struct timespec ts = {0};

  clock_gettime(CLOCK_REALTIME, &ts);
  stamp_from_timespec(out, &ts);
}

void stamp_pack(char out[STAMP_PACK], struct stamp const *t) {
  uint64_pack_big(out, t->tai);
  uint32_pack_big(out + 8, t->nano);
}

void stamp_unpack(char const in[STAMP_PACK], struct stamp *t) {
  uint64_unpack_big(in, &t->tai);
  uint32_unpack_big(in + 8, &t->nano);
}

/* Each digit in a byte of its own, all eight at once: 39 is what a letter has more than the
 * character ten behind 0. */
static void put_hex(char out[8], uint32_t value) {
  uint64_t digits = value, letters;

  digits = (digits | digits << 16) & 0x0000ffff0000ffff;
  digits = (digits | digits << 8) & 0x00ff00ff00ff00ff;
  digits = (digits | digits << 4) & 0x0f0f0f0f0f0f0f0f;
  letters = (digits + 0x0606060606060606) >> 4 & 0x0101010101010101;
  uint64_pack_big(out, digits + 0x3030303030303030 + letters * 39);
}

void stamp_fmt(char out[STAMP_FMT], struct stamp const *t) {
  *out = '@';
  put_hex(out + 1, (uint32_t)(t->tai >> 32));
  put_hex(out + 9, (uint32_t)t->tai);
  put_hex(out + 17, t->nano);
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

int stamp_scan(char const in[STAMP_FMT], struct stamp *t) {
  char packed[STAMP_PACK];
  struct stamp read;

  if (*in++ != '@') return 0;
  for (unsigned i = 0; i < STAMP_PACK; i++, in += 2) {
    int high = hex_value(in[0]), low = high < 0 ? -1 : hex_value(in[1]);
    if (low < 0) return 0;
    packed[i] = (char)(high << 4 | low);
  }
  stamp_unpack(packed, &read);
  if (read.nano > 999999999) return 0;
  *t = read;
  return 1;
}

/* Days since 1970-01-01 to a date of the proleptic Gregorian calendar, without the C library's
 * locale and time zone machinery (which opens files and allocates). Years are counted from
 * March so that the leap day comes last. */
static void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day) {
  int64_t shifted = days + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  unsigned doe = (unsigned)(shifted - era * 146097);
  unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  unsigned march = (5 * doy + 2) / 153;

  *day = doy - (153 * march + 2) / 5 + 1;
  *month = march < 10 ? march + 3 : march - 9;
  *year = (int64_t)yoe + era * 400 + (*month <= 2);
}

static char *digits(char *out, unsigned value, unsigned width) {
  for (unsigned i = width; i--; value /= 10)
    out[i] = (char)('0' + value % 10);
  return out + width;
}

void stamp_iso(char out[STAMP_ISO], struct stamp const *t) {
  int64_t unix_time = (int64_t)(t->tai - STAMP_EPOCH), days = unix_time / 86400;
  int64_t rest = unix_time % 86400, year;
  unsigned month, day;

  if (rest < 0) {
    rest += 86400;
    days--;
  }
  civil_from_days(days, &year, &month, &day);
  if (year < 0) year = 0;
  if (year > 9999) year = 9999;
  out = digits(out, (unsigned)year, 4);
  *out++ = '-';
  out = digits(out, month, 2);
  *out++ = '-';
  out = digits(out, day, 2);
  *out++ = 'T';
  out = digits(out, (unsigned)(rest / 3600), 2);
  *out++ = ':';
  out = digits(out, (unsigned)(rest / 60 % 60), 2);
  *out++ = ':';
  out = digits(out, (unsigned)(rest % 60), 2);
  *out++ = '.';
  out = digits(out, t->nano / 1000000, 3);
  *out = 'Z';
}

int stamp_compare(struct stamp const *a, struct stamp const *b) {
  if (a->tai != b->tai) return a->tai < b->tai ? -1 : 1;
  return a->nano < b->nano ? -1 : a->nano > b->nano;
}

uint64_t stamp_seconds(struct stamp const *since, struct stamp const *now) {
  if (stamp_compare(now, since) <= 0) return 0;
  return now->tai - since->tai - (now->nano < since->nano);
}
