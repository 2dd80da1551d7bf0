/* Dates and seconds since 1970, both ways of writing the day before a time. */

#include <lares/logread.h>

#include <string.h>
#include <time.h>

/* Years are counted from March, so that the leap day comes last. */
int64_t date_seconds(int64_t year, unsigned month, unsigned day, unsigned seconds) {
  int64_t y = month > 2 ? year : year - 1, era = (y >= 0 ? y : y - 399) / 400;
  unsigned yoe = (unsigned)(y - era * 400);
  unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  int64_t days = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;

  return days * 86400 + seconds;
}

int date_local_seconds(int64_t *out, int64_t year, unsigned month, unsigned day,
                       unsigned seconds) {
  struct tm tm = {.tm_year = (int)(year - 1900),
                  .tm_mon = (int)month - 1,
                  .tm_mday = (int)day,
                  .tm_hour = (int)(seconds / 3600),
                  .tm_min = (int)(seconds / 60 % 60),
                  .tm_sec = (int)(seconds % 60),
                  .tm_isdst = -1,
                  .tm_wday = -1};
  time_t t = mktime(&tm);

  if (tm.tm_wday < 0) return 0; /* mktime() has not come to its end */
  *out = t;
  return 1;
}

int date_digits(char const *text, unsigned count, unsigned *value) {
  unsigned sum = 0;

  while (count--) {
    unsigned digit = (unsigned)(unsigned char)*text++ - '0';
    if (digit > 9) return 0;
    sum = sum * 10 + digit;
  }
  *value = sum;
  return 1;
}

static unsigned fraction(uint32_t *nano, char const *text, size_t len) {
  uint32_t scale = 100000000;
  unsigned i = 1, digit;

  *nano = 0;
  if (len < 2 || *text != '.' || !date_digits(text + 1, 1, &digit)) return 0;
  for (; i < len && date_digits(text + i, 1, &digit); i++) {
    *nano += digit * scale;
    scale /= 10;
  }
  return i;
}

#define WHOLE 19 /* 2026-11-29T10:00:00 */

unsigned date_scan(struct date *date, char const *text, size_t len, char const *separators) {
  unsigned year, hour, minute, second;

  if (len < WHOLE || text[4] != '-' || text[7] != '-' || !text[10] ||
      !strchr(separators, text[10]) || text[13] != ':' || text[16] != ':')
    return 0;
  if (!date_digits(text, 4, &year) || !date_digits(text + 5, 2, &date->month) ||
      !date_digits(text + 8, 2, &date->day) || !date_digits(text + 11, 2, &hour) ||
      !date_digits(text + 14, 2, &minute) || !date_digits(text + 17, 2, &second))
    return 0;
  if (!date->month || date->month > 12 || !date->day || date->day > 31 || hour > 23 ||
      minute > 59 || second > 60)
    return 0;
  date->year = year;
  date->seconds = hour * 3600 + minute * 60 + second;
  return WHOLE + fraction(&date->nano, text + WHOLE, len - WHOLE);
}
