/* Stamps as text for people: the C library is asked once a second of the log, the fraction is
 * written by ourselves. */

#include <lares/logread.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NANO_DIGITS 9

/* The year as daemontools' tai64nlocal shows it, which knows of no sign. */
static unsigned put_second(char *out, size_t size, struct tm const *tm, char middle) {
  unsigned long year = (unsigned long)(1900 + (long)tm->tm_year);

  return (unsigned)snprintf(out, size, "%lu-%02d-%02d%c%02d:%02d:%02d", year, tm->tm_mon + 1,
                            tm->tm_mday, middle, tm->tm_hour, tm->tm_min, tm->tm_sec);
}

/* What localtime() says is how far it is from UTC at that moment. */
static unsigned put_offset(char *out, size_t size, struct tm const *tm, int64_t seconds) {
  int64_t shown =
      date_seconds(tm->tm_year + 1900LL, (unsigned)tm->tm_mon + 1, (unsigned)tm->tm_mday,
                   (unsigned)(tm->tm_hour * 3600 + tm->tm_min * 60 + tm->tm_sec));
  int64_t minutes = (shown - seconds) / 60;
  unsigned distance = (unsigned)(minutes < 0 ? -minutes : minutes);

  return (unsigned)snprintf(out, size, "%c%02u:%02u", minutes < 0 ? '-' : '+',
                            distance / 60 % 100, distance % 60);
}

static int know(struct time_writer *w, uint64_t tai) {
  int64_t seconds = (int64_t)(tai - STAMP_EPOCH);
  time_t t = (time_t)seconds;
  struct tm tm;

  w->known = 0;
  if (t != seconds || !(w->form == TIME_AS_UTC ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)))
    return 0;
  w->len = put_second(w->text, sizeof w->text, &tm, w->form == TIME_AS_LOCAL ? ' ' : 'T');
  w->offset = 0;
  if (w->form == TIME_AS_UTC) {
    w->behind[0] = 'Z';
    w->offset = 1;
  } else if (w->form == TIME_AS_ISO)
    w->offset = put_offset(w->behind, sizeof w->behind, &tm, seconds);
  w->tai = tai;
  w->known = 1;
  return 1;
}

static void put_pair(char *out, uint32_t value) {
  out[0] = (char)('0' + value / 10);
  out[1] = (char)('0' + value % 10);
}

/* In pairs, which do not wait for each other. Of more than 999999999, which no logger writes,
 * all digits are shown. */
static unsigned put_nano(char *out, uint32_t nano) {
  uint32_t high = nano / 100000, low = nano % 100000;
  unsigned more = nano > 999999999;

  if (more) {
    *out++ = (char)('0' + high / 10000);
    high %= 10000;
  }
  put_pair(out, high / 100);
  put_pair(out + 2, high % 100);
  out[4] = (char)('0' + low / 10000);
  low %= 10000;
  put_pair(out + 5, low / 100);
  put_pair(out + 7, low % 100);
  return NANO_DIGITS + more;
}

unsigned time_write(struct time_writer *w, char out[TIME_TEXT], struct stamp const *t) {
  unsigned len;

  if (!(w->known && w->tai == t->tai) && !know(w, t->tai)) return 0;
  memcpy(out, w->text, sizeof w->text);
  len = w->len;
  out[len++] = '.';
  len += put_nano(out + len, t->nano);
  memcpy(out + len, w->behind, sizeof w->behind);
  return len + w->offset;
}
