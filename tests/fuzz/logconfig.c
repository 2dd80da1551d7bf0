/* The text of a log directory's config: the words are its lines, but for empty ones and
 * comments, each at its line. */

#include <skalibs/nonposix.h>
#include <lares/logscript.h>

#define FUZZ_WORDS "\n", "#", "s4096\n", "# a\n", "\n\n", "t\nt\nt\nt\nt\nt\nt\nt\n",
#include "fuzz.h"

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
  static char const *words[LOG_CONFIG_WORDS_MAX];
  static unsigned lines[LOG_CONFIG_WORDS_MAX];
  struct logconfig_error error = {.line = 0};
  unsigned line = 1;
  size_t at = 0;
  int seen = 0, count;
  char *text;

  if (size > LOG_CONFIG_MAX) return 0;
  need((text = malloc(size + 1)));
  memcpy(text, data, size);
  count = logconfig_words(text, size, words, lines, &error);
  for (; at < size; line++) {
    size_t len = 0;
    while (at + len < size && data[at + len] != '\n')
      len++;
    if (memchr(data + at, 0, len)) break;
    if (len && data[at] != '#') {
      if (seen == LOG_CONFIG_WORDS_MAX) break;
      fuzz_check(count < 0 || seen < count, "a word is missing");
      fuzz_check(count < 0 || (strlen(words[seen]) == len && lines[seen] == line &&
                               !memcmp(words[seen], data + at, len)),
                 "a word is what stands in its line");
      seen++;
    }
    at += len + 1;
  }
  if (at < size)
    fuzz_check(count < 0 && error.line == line && error.expected, "the first wrong line");
  else
    fuzz_check(count == seen, "as many words as there are");
  free(text);
  return 0;
}
