/* What the values mean. Strict: what is not wholly understood is refused with the reason, since
 * a value half understood (10s taken for 10 ms) is worse than a default. */

#include "values.h"

#include <string.h>
#include <strings.h>

#include <skalibs/sig.h>
#include <skalibs/uint32.h>

/* An offending text in a message: its beginning, in one line and printable. */
struct quoted {
  char text[40];
};

static char const *quote(struct quoted *quoted, char const *text, size_t len) {
  size_t shown = len < 32 ? len : 32, i;

  quoted->text[0] = '"';
  for (i = 0; i < shown; i++)
    quoted->text[1 + i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
  memcpy(quoted->text + 1 + i, shown < len ? "...\"" : "\"", shown < len ? 5 : 2);
  return quoted->text;
}

/* The whole of text is a decimal number in the range. (skalibs' scanners change their output
 * when they fail and do not notice an overflow.) */
static int scan_number(uint32_t *number, char const *text, size_t len, uint32_t least,
                       uint32_t most, struct wrong *wrong) {
  char bound[UINT32_FMT];
  struct quoted quoted;
  uint64_t value = 0;

  for (size_t i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9')
      return WRONG(wrong, quote(&quoted, text, len), " is not a decimal number");
    if (value <= UINT32_MAX) value = value * 10 + (unsigned)(text[i] - '0');
  }
  if (!len) return WRONG(wrong, "a number is missing");
  bound[uint32_fmt(bound, value < least ? least : most)] = 0;
  if (value < least) return WRONG(wrong, quote(&quoted, text, len), " is less than ", bound);
  if (value > most) return WRONG(wrong, quote(&quoted, text, len), " is more than ", bound);
  *number = (uint32_t)value;
  return 1;
}

static int scan_word(uint8_t *which, char const *text, size_t len, char const *words,
                     struct wrong *wrong) {
  struct quoted quoted;
  char const *word = words;

  for (uint8_t i = 0;; i++) {
    size_t word_len = strcspn(word, "|");
    if (word_len == len && !memcmp(word, text, len)) {
      *which = i;
      return 1;
    }
    if (!word[word_len]) break;
    word += word_len + 1;
  }
  return WRONG(wrong, quote(&quoted, text, len), " is none of ", words);
}

/* sig0_scan would take any number and, of names, what merely begins like one is our problem.
 * Case does not matter, for the SIG no more than for what follows it. */
static int scan_signal(uint8_t *signal, char const *text, size_t len, struct wrong *wrong) {
  struct quoted quoted;
  uint32_t number = 0;

  if (text[0] >= '0' && text[0] <= '9') {
    if (!scan_number(&number, text, len, 1, SIGNAL_MOST, wrong)) return 0;
  } else {
    int found = sig_number(strncasecmp(text, "SIG", 3) ? text : text + 3);
    if (found < 1 || found > (int)SIGNAL_MOST)
      return WRONG(wrong, quote(&quoted, text, len), " is no name of a signal");
    number = (uint32_t)found;
  }
  *signal = (uint8_t)number;
  return 1;
}

static int scan_path(uint8_t *there, char const *text, size_t len, struct wrong *wrong) {
  struct quoted quoted;

  if (text[len - 1] == '/')
    return WRONG(wrong, quote(&quoted, text, len), " names a directory, a file is expected");
  *there = 1;
  return 1;
}

/* The next of several values between blanks: its length, 0 at the end. */
static size_t next_item(char const **item) {
  *item += strspn(*item, " \t");
  return strcspn(*item, " \t");
}

static int scan_delays(struct svdir *out, char const *text, struct wrong *wrong) {
  struct svdir_delay delays[SVDIR_DELAYS];
  uint8_t count = 0;
  size_t len;

  for (; (len = next_item(&text)); text += len) {
    char const *star = memchr(text, '*', len);
    size_t ms_len = star ? (size_t)(star - text) : len;
    uint32_t times = 1;

    if (count == SVDIR_DELAYS) return WRONG(wrong, "has more than 32 delays");
    if (!scan_number(&delays[count].ms, text, ms_len, 0, DELAY_MOST, wrong)) return 0;
    if (star && !scan_number(&times, star + 1, len - ms_len - 1, 1, UINT16_MAX, wrong))
      return 0;
    delays[count++].count = (uint16_t)times;
  }
  memset(out->delays, 0, sizeof out->delays);
  memcpy(out->delays, delays, count * sizeof *delays);
  out->delay_count = count;
  return 1;
}

static int scan_deaths(struct svdir *out, char const *text, struct wrong *wrong) {
  uint32_t values[2] = {0, 0};
  size_t len;

  for (unsigned i = 0; i < 2; i++, text += len) {
    len = next_item(&text);
    if (!len) return WRONG(wrong, "a number of deaths and milliseconds are expected");
    if (!scan_number(&values[i], text, len, 1, i ? MS_MOST : DEATHS_MOST, wrong)) return 0;
  }
  if (next_item(&text)) return WRONG(wrong, "has more than two numbers");
  out->max_deaths = values[0];
  out->max_deaths_within = values[1];
  return 1;
}

int value_scan(struct svdir *out, struct value_row const *row, char const *text, size_t len,
               struct wrong *wrong) {
  char *field = (char *)out + row->offset;
  uint32_t number = 0;
  int16_t fd;
  uint8_t byte = 0;

  switch (row->kind) {
  case VALUE_NUMBER:
    if (!scan_number(&number, text, len, row->least, row->most, wrong)) return 0;
    memcpy(field, &number, sizeof number);
    return 1;
  case VALUE_FD:
    if (!scan_number(&number, text, len, row->least, row->most, wrong)) return 0;
    fd = (int16_t)number;
    memcpy(field, &fd, sizeof fd);
    return 1;
  case VALUE_WORD:
    if (!scan_word(&byte, text, len, row->words, wrong)) return 0;
    break;
  case VALUE_SIGNAL:
    if (!scan_signal(&byte, text, len, wrong)) return 0;
    break;
  case VALUE_PATH:
    if (!scan_path(&byte, text, len, wrong)) return 0;
    break;
  case VALUE_DELAYS:
    return scan_delays(out, text, wrong);
  default:
    return scan_deaths(out, text, wrong);
  }
  memcpy(field, &byte, sizeof byte);
  return 1;
}

void value_keep(struct svdir *out, struct value_row const *row, struct svdir const *from) {
  static uint8_t const sizes[] = {[VALUE_NUMBER] = sizeof(uint32_t),
                                  [VALUE_FD] = sizeof(int16_t),
                                  [VALUE_WORD] = 1,
                                  [VALUE_SIGNAL] = 1,
                                  [VALUE_PATH] = 1};

  switch (row->kind) {
  case VALUE_DELAYS:
    memcpy(out->delays, from->delays, sizeof out->delays);
    out->delay_count = from->delay_count;
    return;
  case VALUE_DEATHS:
    out->max_deaths = from->max_deaths;
    out->max_deaths_within = from->max_deaths_within;
    return;
  default:
    memcpy((char *)out + row->offset, (char const *)from + row->offset, sizes[row->kind]);
  }
}
