/* Expressions against libc's regcomp() and regexec(): the same texts are taken, but for what is
 * refused on purpose, and match the same lines.
 */

#include <skalibs/nonposix.h>
#include <lares/logscript.h>

#include <regex.h>
#include <stdlib.h>
#include <time.h>

#include "tap.h"

static struct logregex regex;

static void pick(char *out, char const *const *parts, unsigned count, unsigned some) {
  *out = 0;
  while (some--)
    strcat(out, parts[(unsigned)rand() % count]);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* glibc lets a group that ends in an anchor be repeated as if the anchor were not there:
 * (.$){2} matches "ab". */
static int is_disputed(char const *text) {
  return strpbrk(text, "^$") && strpbrk(text, "{*+");
}

static void test_random(unsigned seed) {
  static char const *const parts[] = {
      "a",     "b",    "c", "a",   "b", ".",   "[ab]", "[^a]", "(",     ")",
      "(",     ")",    "|", "*",   "+", "?",   "x",    "{2}",  "^",     "$",
      "{1,2}", "{0,}", "1", "\\.", "b", "\\*", "[]-]", "c",    "[a-c]", "[[:digit:]]"};
  static char const *const letters[] = {"a", "b", "c", "1", ".", "*", "x", "]", "-", ""};
  char text[200], line[100];
  unsigned wrong = 0, refused = 0, matched = 0;

  srand(seed);
  for (unsigned round = 0; round < 60000; round++) {
    regex_t theirs;
    char const *expected;
    pick(text, parts, COUNT(parts), (unsigned)rand() % 9);
    expected = logregex_compile(&regex, text);
    if (regcomp(&theirs, text, REG_EXTENDED | REG_NOSUB)) continue;
    refused += expected != 0;
    for (unsigned i = 0; !expected && i < 6; i++) {
      pick(line, letters, COUNT(letters), (unsigned)rand() % 10);
      int match = logregex_match(&regex, line, strlen(line));
      matched += match != 0;
      if (match == !regexec(&theirs, line, 0, 0, 0) || is_disputed(text)) continue;
      diag("'%s' and '%s': %d", text, line, match);
      wrong++;
    }
    regfree(&theirs);
  }
  is_int(wrong, 0, "matches what libc's matches");
  is_int(refused, 0, "takes what libc's takes");
  ok(matched > 1000, "and some do match");
}

static void test_refused(void) {
  static char const *const texts[] = {"(",       "[a",
                                      "[z-a]",   "[[:nothing:]]",
                                      "[[.a.]]", "*",
                                      "a{2,1}",  "a{256}",
                                      "a{",      "\\1",
                                      "\\w",     "\\",
                                      "a|*",     "((((a){200}){200}){200}){200}",
                                      0};

  for (char const *const *text = texts; *text; text++)
    ok(logregex_compile(&regex, *text) != 0, *text);
}

/* It was read on behind the end of brackets that are not closed. */
static void test_unclosed(void) {
  static char const texts[][8] = {"[a\0]", "[\0]", "[^\0]", "[a-\0]]", "[[:\0]", "[]\0]"};

  for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
    ok(logregex_compile(&regex, texts[i]) != 0, "brackets that are not closed");
}

/* What takes a backtracking matcher for ever. */
static void test_time(void) {
  static char line[4096];

  memset(line, 'a', sizeof line);
  ok(!logregex_compile(&regex, "^(a*)*(a|aa)*(a|a)*b$"), "nested repetitions");
  ok(!logregex_match(&regex, line, sizeof line), "end in time");
}

int main(void) {
  char const *given = getenv("LARES_SEED");
  unsigned seed = given ? (unsigned)atoi(given) : (unsigned)time(0);

  diag("seed %u", seed);
  test_random(seed);
  test_refused();
  test_unclosed();
  test_time();
  return tap_done();
}
