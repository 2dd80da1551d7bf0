/* multilog's patterns. A star stands for any string without the character that follows it in
 * the pattern, a star at the end for any string, everything else for itself. There is no
 * backtracking, so a match takes time proportional to the line. A star that follows a star is
 * "the next character" for the first one and a star again after it, as in multilog: `**`
 * matches what contains a star.
 */

#include <lares/logscript.h>

#include <string.h>

int logmatch(char const *pattern, char const *line, size_t len) {
  for (;; pattern++) {
    if (!*pattern) return !len;
    if (*pattern == '*') {
      char const *found;
      if (!pattern[1]) return 1;
      found = len ? memchr(line, pattern[1], len) : 0;
      if (!found) return 0;
      len -= (size_t)(found - line);
      line = found;
      continue;
    }
    if (!len || *line != *pattern) return 0;
    line++;
    len--;
  }
}

static int matches(struct logpattern const *pattern, char const *line, size_t len,
                   size_t stamps) {
  if (pattern->bare) {
    line += stamps;
    len -= stamps;
  }
  if (pattern->regex) {
    size_t most = len > LOG_REGEX_MAX ? LOG_REGEX_MAX : len;
    char const *nul = memchr(line, 0, most);
    return logregex_match(pattern->regex, line, nul ? (size_t)(nul - line) : most);
  }
  return logmatch(pattern->text, line, len > LOG_MATCH_MAX ? LOG_MATCH_MAX : len);
}

/* Configs do not stand in each other, so one place is enough for what was before. */
int logmatch_select(struct logpattern const *patterns, unsigned count, char const *line,
                    size_t len, size_t stamps) {
  int selected = 1, taken = 0, outside = 1;

  for (unsigned i = 0; i < count; i++)
    switch (patterns[i].kind) {
    case LOG_PATTERN_REST:
      selected = !taken;
      break;
    case LOG_PATTERN_NONE:
      selected = 0;
      break;
    case LOG_PATTERN_ACTION:
      taken |= selected;
      break;
    case LOG_PATTERN_SCOPE:
      outside = selected;
      break;
    case LOG_PATTERN_LEAVE:
      selected = outside;
      break;
    default:
      if (selected != (patterns[i].kind == LOG_PATTERN_PLUS) &&
          matches(patterns + i, line, len, stamps))
        selected = !selected;
    }
  return selected;
}
