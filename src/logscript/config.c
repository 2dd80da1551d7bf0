/* The text of a config: a word is a line, from its first byte to its newline, blanks included.
 * Empty lines and those that begin with # are none, as for svlogd. */

#include <lares/logscript.h>

#include <string.h>

static int fail(struct logconfig_error *error, unsigned line, char const *expected) {
  *error = (struct logconfig_error){.line = line, .expected = expected};
  return -1;
}

int logconfig_words(char *text, size_t len, char const **words, unsigned *lines,
                    struct logconfig_error *error) {
  char *end = text + len, *next;
  unsigned line = 1;
  int count = 0;

  for (*end = '\n'; text < end; text = next, line++) {
    char *newline = memchr(text, '\n', (size_t)(end - text) + 1);
    next = newline + 1;
    if (memchr(text, 0, (size_t)(newline - text)))
      return fail(error, line, "words without NUL bytes");
    *newline = 0;
    if (!*text || *text == '#') continue;
    if (count == LOG_CONFIG_WORDS_MAX) return fail(error, line, "at most 1000 words");
    lines[count] = line;
    words[count++] = text;
  }
  return count;
}
