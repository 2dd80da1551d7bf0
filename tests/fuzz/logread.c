/* What is read from logs and from people: labels of lines, typed times, names of archives. A
 * label lies within its line, is the same whatever was read before, and is read again from what
 * it is shown as; a moment has a time of day that exists. */

#include <skalibs/nonposix.h>
#include <lares/logread.h>

#define FUZZ_WORDS                                                                             \
  "@400000006b0020993b9ac9ff ", "2026-11-20T10:00:00.123Z ", "2026-11-20_10:00:00.12345 ",     \
      "{\"time\":\"", "Z\",", "2026-11-20 10:00:00.5 ", "10:00", "1h30m", "today",             \
      "yesterday", "+01:00", "-05:00", ".s", ".u", ".gz", ".zst",
#include "fuzz.h"

static void check_shown(struct label const *label) {
  struct time_writer writer = {.form = TIME_AS_UTC};
  struct label_reader reader = {.len = 0};
  struct label again;
  char text[TIME_TEXT];
  unsigned len = time_write(&writer, text, &label->at);

  fuzz_check(len < TIME_TEXT, "a time fits");
  if (len != 30) return; /* none, or not of four digits */
  fuzz_check(label_scan(&reader, &again, text, len) && again.len == len, "it is a label again");
  fuzz_check(!stamp_compare(&again.at, &label->at), "of the same time");
}

static void check_line(struct label_reader *used, char const *line, size_t len) {
  struct label_reader fresh = {.len = 0};
  struct label one, other;
  int found = label_scan(&fresh, &one, line, len);

  fuzz_check(found || !one.len, "there is one or not");
  fuzz_check(label_scan(used, &other, line, len) == found && one.len == other.len,
             "the same as without what is kept");
  if (!found) return;
  fuzz_check(one.len <= len, "within the line");
  fuzz_check(!one.len || one.len == len || line[one.len] == ' ' || line[one.len] == '\n',
             "up to a blank");
  fuzz_check(one.len || *line == '{', "in front, or in JSON");
  fuzz_check(one.at.nano <= 999999999, "nanoseconds");
  fuzz_check(!stamp_compare(&one.at, &other.at), "the same time");
  check_shown(&one);
}

static void check_text(char const *text, struct stamp const *now) {
  struct logfile file;
  struct stamp moment = {.tai = 3, .nano = 4};

  if (logfile_parse(&file, text))
    fuzz_check(*text == '@' && !strcmp(file.name, text), "a name is that of an archive");
  if (moment_scan(&moment, text, now))
    fuzz_check(moment.nano <= 999999999, "a moment");
  else
    fuzz_check(moment.tai == 3 && moment.nano == 4, "a refused one changes nothing");
}

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
  struct label_reader used = {.len = 0};
  struct stamp now = {.tai = STAMP_EPOCH + 1795168800, .nano = 5};
  char const *at = (char const *)data, *end = at + size;
  char text[64];

  while (at < end) {
    size_t left = (size_t)(end - at);
    char const *newline = memchr(at, '\n', left);
    size_t len = newline ? (size_t)(newline - at) : left;
    char *line =
        malloc(len ? len : 1); /* of just that size: a sanitizer sees who reads behind it */
    fuzz_check(line != 0, "memory");
    memcpy(line, at, len);
    check_line(&used, line, len);
    free(line);
    snprintf(text, sizeof text, "%.*s", (int)(len < 63 ? len : 63), at);
    check_text(text, &now);
    at += len + (newline != 0);
  }
  return 0;
}
