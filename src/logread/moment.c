/* Times as people type them. */

#include <skalibs/nonposix.h>
#include <lares/logread.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t unit_of(char letter) {
  switch (letter) {
  case 's':
    return 1;
  case 'm':
    return 60;
  case 'h':
    return 3600;
  case 'd':
    return 86400;
  case 'w':
    return 7 * 86400;
  default:
    return 0;
  }
}

#define AGO_MOST (100000ull * 366 * 86400)

/* 1h30m; a minus in front of it, as some are used to, says the same. */
static int scan_ago(struct stamp *out, char const *text, struct stamp const *now) {
  uint64_t ago = 0;

  if (*text == '-') text++;
  do {
    uint64_t number = 0, unit;
    if (*text < '0' || *text > '9') return 0;
    for (; *text >= '0' && *text <= '9'; text++) {
      number = number * 10 + (uint64_t)(*text - '0');
      if (number > AGO_MOST) return 0;
    }
    unit = unit_of(*text);
    if (!unit || number > AGO_MOST / unit) return 0;
    ago += number * unit;
    text++;
  } while (*text);
  if (ago > AGO_MOST) return 0;
  *out = (struct stamp){.tai = now->tai - ago, .nano = now->nano};
  return 1;
}

/* Local midnight, so many days before today. */
static int day_start(struct stamp *out, struct stamp const *now, int days) {
  time_t t = (time_t)(now->tai - STAMP_EPOCH);
  struct tm tm;
  int64_t seconds;

  if (!localtime_r(&t, &tm)) return 0;
  tm.tm_mday -= days;
  tm.tm_hour = 12; /* which every day has */
  tm.tm_isdst = -1;
  tm.tm_wday = -1;
  mktime(&tm);
  if (tm.tm_wday < 0 || !date_local_seconds(&seconds, tm.tm_year + 1900LL,
                                            (unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday, 0))
    return 0;
  *out = (struct stamp){.tai = STAMP_EPOCH + (uint64_t)seconds};
  return 1;
}

/* "", Z or +01:00 behind a date: seconds east of UTC, and whether it is there. */
static int scan_zone(char const *text, int *given, int64_t *east) {
  unsigned hours, minutes;

  *given = *text != 0;
  *east = 0;
  if (!*text || !strcmp(text, "Z")) return 1;
  if ((*text != '+' && *text != '-') || strlen(text) != 6 || text[3] != ':') return 0;
  if (!date_digits(text + 1, 2, &hours) || !date_digits(text + 4, 2, &minutes)) return 0;
  if (hours > 24 || minutes > 59) return 0;
  *east = (int64_t)(hours * 3600 + minutes * 60) * (*text == '-' ? -1 : 1);
  return 1;
}

/* What date_scan() wants of a date that may be shorter: with a zero time of day or zero seconds
 * put in. Where the rest begins, or 0. */
static char const *complete(char full[64], char const *text) {
  size_t len = strspn(text, "0123456789-:T_ .");
  char const *rest = text + len;
  unsigned have = (unsigned)len;
  char const *sign = len > 10 ? memchr(text + 10, '-', len - 10) : 0;

  if (sign) { /* of a zone west of UTC */
    rest = sign;
    have = (unsigned)(sign - text);
  }
  if (have == 10)
    snprintf(full, 64, "%.10sT00:00:00", text);
  else if (have == 16)
    snprintf(full, 64, "%.16s:00", text);
  else if (have >= 19 && have < 40)
    snprintf(full, 64, "%.*s", (int)have, text);
  else
    return 0;
  return rest;
}

static int scan_date(struct stamp *out, char const *text) {
  char full[64];
  char const *rest = complete(full, text);
  struct date date;
  int64_t seconds, east;
  int has_zone;

  if (!rest || date_scan(&date, full, strlen(full), "T _") != strlen(full)) return 0;
  if (!scan_zone(rest, &has_zone, &east)) return 0;
  if (has_zone)
    seconds = date_seconds(date.year, date.month, date.day, date.seconds) - east;
  else if (!date_local_seconds(&seconds, date.year, date.month, date.day, date.seconds))
    return 0;
  *out = (struct stamp){.tai = STAMP_EPOCH + (uint64_t)seconds, .nano = date.nano};
  return 1;
}

/* 10:00 or 10:00:30: of today. */
static int scan_clock(struct stamp *out, char const *text, struct stamp const *now) {
  time_t t = (time_t)(now->tai - STAMP_EPOCH);
  char full[64];
  struct tm tm;

  if (strlen(text) < 5 || strlen(text) > 18 || text[2] != ':' || !localtime_r(&t, &tm))
    return 0;
  snprintf(full, sizeof full, "%04d-%02d-%02dT%s", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
           text);
  return scan_date(out, full);
}

int moment_scan(struct stamp *out, char const *text, struct stamp const *now) {
  if (*text == '@') return strlen(text) == STAMP_FMT && stamp_scan(text, out);
  if (!strcmp(text, "now")) return (*out = *now, 1);
  if (!strcmp(text, "today")) return day_start(out, now, 0);
  if (!strcmp(text, "yesterday")) return day_start(out, now, 1);
  return scan_ago(out, text, now) || scan_clock(out, text, now) || scan_date(out, text);
}
