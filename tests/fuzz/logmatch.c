/* Patterns of the log writer against a matcher that tries everything. Input: one byte of flags,
 * patterns each ended by a newline, an empty one, then the line. */

#include <skalibs/nonposix.h>
#include <lares/logdir.h>

#define FUZZ_WORDS "*", "**", "*a", "a*", "* *", "\n\n", "+*", "-*",
#include "fuzz.h"

#define PATTERNS 8

/* Does any way to read the pattern fit? The byte after a star is where its string ends. */
static int matches(char const *pattern, uint8_t const *line, size_t len) {
  if (!*pattern) return len == 0;
  if (*pattern != '*')
    return len && (uint8_t)*pattern == *line && matches(pattern + 1, line + 1, len - 1);
  if (!pattern[1]) return 1;
  for (size_t end = 0; end < len; end++) {
    int inside = 0;
    for (size_t i = 0; i < end; i++)
      if (line[i] == (uint8_t)pattern[1]) inside = 1;
    if (!inside && line[end] == (uint8_t)pattern[1] &&
        matches(pattern + 1, line + end, len - end))
      return 1;
  }
  return 0;
}

/* The last pattern that fits decides. */
static int selected(struct logpattern const *patterns, unsigned count, uint8_t const *line,
                    size_t len) {
  if (len > 1000) len = 1000;
  while (count--)
    if (matches(patterns[count].text, line, len))
      return patterns[count].kind == LOG_PATTERN_PLUS;
  return 1;
}

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
  static char texts[PATTERNS][64];
  struct logpattern patterns[PATTERNS];
  uint8_t flags = size ? *data : 0;
  unsigned count = 0;
  size_t at = 1;

  if (size > 3000) return 0;
  while (at < size && count < PATTERNS && data[at] != '\n') {
    size_t len = 0;
    for (; at < size && data[at] != '\n'; at++)
      if (data[at] && len < sizeof *texts - 1) texts[count][len++] = (char)data[at];
    texts[count][len] = 0;
    patterns[count] = (struct logpattern){.kind = flags >> count & 1, .text = texts[count]};
    count++;
    at++;
  }
  if (at < size) at++;
  if (at > size) at = size;
  for (unsigned i = 0; i < count; i++)
    fuzz_check(logmatch(texts[i], (char const *)data + at, size - at) ==
                   matches(texts[i], data + at, size - at),
               "a pattern fits or does not");
  fuzz_check(logmatch_select(patterns, count, (char const *)data + at, size - at, 0) ==
                 selected(patterns, count, data + at, size - at),
             "the line is selected or not");
  return 0;
}
