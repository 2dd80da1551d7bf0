/* multilog's patterns: a table of what Debian's multilog did with them (the process ring
 * compares with the program itself), and stamps as text.
 */

#include <lares/logdir.h>

#include "tap.h"

static struct {
  char const *pattern, *yes, *no; /* lines separated by | */
} const cases[] = {
    {"hello", "hello", "|hell|hello |hello world|xhello"},
    {"", "", "a| "},
    {"*", "|a|*|a b", 0},
    {"*a*", "abc|a*c|aabb|a", "|bcd"},
    {"a*b", "a*b|ab|axb", "abb|aab c|a|b"},
    {"*b", "xb|b|a*b", "bb|xbb|abx|"},
    {"a*b*c", "abc|axbyc", "abcc|ab|ac"},
    {"**", "a*c|**|*|x*", "abc|"},
    {"***", "a*c|*", "abc"},
    {"a**b", "a*b|a**b|ax*yb", "ab|axb"},
    {"***x", "***x|*x", "x|ax"},
    {"named[*]: Cleaned cache *", "named[135]: Cleaned cache of 3121 RRs",
     "named[1]2]: Cleaned cache of|named[135]: Cleaned"},
    {"* fatal: *", "@400000003b4a39c23294b13c fatal: out of memory", "fatal: x|a b fatal: x"},
};

static void check(char const *pattern, char const *lines, int want) {
  for (char const *line = lines; line;) {
    size_t len = strcspn(line, "|");
    if (!ok(logmatch(pattern, line, len) == want, want ? "matches" : "does not match"))
      diag("%s on %.*s", pattern, (int)len, line);
    line = line[len] ? line + len + 1 : 0;
  }
}

static void test_select(void) {
  static struct logpattern const patterns[] = {
      {0, "*a*", 0, 0}, {1, "*b*", 0, 0}, {0, "*c*", 0, 0}};

  ok(logmatch_select(patterns, 0, "a", 1, 0), "selected without patterns");
  ok(!logmatch_select(patterns, 1, "a", 1, 0), "deselected");
  ok(logmatch_select(patterns, 2, "ab", 2, 0), "and selected again");
  ok(!logmatch_select(patterns, 3, "abc", 3, 0), "and deselected for good");
  ok(logmatch_select(patterns, 3, "x", 1, 0), "others stay");
}

/* f after actions, F anywhere. */
static void test_rest(void) {
  static struct logpattern const patterns[] = {
      {LOG_PATTERN_NONE, 0, 0, 0},    {LOG_PATTERN_PLUS, "*a*", 0, 0},
      {LOG_PATTERN_ACTION, 0, 0, 0},  {LOG_PATTERN_PLUS, "*b*", 0, 0},
      {LOG_PATTERN_ACTION, 0, 0, 0},  {LOG_PATTERN_REST, 0, 0, 0},
      {LOG_PATTERN_MINUS, "c*", 0, 0}};

  ok(!logmatch_select(patterns, 1, "a", 1, 0), "F selects nothing");
  ok(logmatch_select(patterns, 2, "a", 1, 0) && !logmatch_select(patterns, 2, "b", 1, 0),
     "but what comes behind it does");
  ok(logmatch_select(patterns, 4, "a", 1, 0) && logmatch_select(patterns, 4, "b", 1, 0),
     "goes on");
  ok(!logmatch_select(patterns, 6, "a", 1, 0), "f: an action before the last took it");
  ok(!logmatch_select(patterns, 6, "b", 1, 0), "f: the last action took it");
  ok(logmatch_select(patterns, 6, "d", 1, 0), "f: nobody took it");
  ok(!logmatch_select(patterns, 7, "c", 1, 0), "patterns go on behind f");
  ok(logmatch_select(patterns + 5, 1, "x", 1, 0), "f before every action selects all");
}

static void test_length(void) {
  static char thousand[1001], line[1100];
  struct logpattern pattern[] = {{0, "*", 0, 0}, {1, thousand, 0, 0}};

  memset(thousand, 'x', 1000);
  memset(line, 'x', sizeof line);
  ok(logmatch_select(pattern, 2, line, 1000, 0), "1000 bytes match");
  ok(logmatch_select(pattern, 2, line, 1001, 0), "what is behind them is not looked at");
  ok(!logmatch_select(pattern, 2, line, 999, 0), "999 are too few");
  ok(logmatch("a*c", "a\0b\nc", 5), "any bytes are matched");
}

/* Counting up must give the same text as converting each time, over every carry. */
static void test_label(int tai, int iso, uint64_t from, unsigned steps, char const *name) {
  struct loglabel counted, made;
  unsigned wrong = 0;

  loglabel_start(&counted, tai, iso, from);
  for (unsigned i = 0; i < steps; i++) {
    char one[64], other[64];
    loglabel_start(&made, tai, iso, from + i);
    loglabel_put(&made, one);
    loglabel_put(&counted, other);
    if (made.len != counted.len || memcmp(one, other, made.len)) wrong++;
  }
  is_int(wrong, 0, name);
}

/* The words of a config hold within it, and an f behind it knows of them. */
static void test_scope(void) {
  static struct logpattern const patterns[] = {
      {LOG_PATTERN_MINUS, "*a*", 0, 0},   {LOG_PATTERN_SCOPE, 0, 1, 0},
      {LOG_PATTERN_PLUS, "x*", 1, 0},     {LOG_PATTERN_MINUS, "*b*", 1, 0},
      {LOG_PATTERN_ACTION, 0, 1, 0},      {LOG_PATTERN_LEAVE, 0, 0, 0},
      {LOG_PATTERN_MINUS, "@ *c*", 0, 0}, {LOG_PATTERN_REST, 0, 0, 0}};

  ok(logmatch_select(patterns, 4, "@ xa", 4, 2), "a config's pattern does not see stamps");
  ok(!logmatch_select(patterns, 4, "@ xb", 4, 2), "nor does the next");
  ok(!logmatch_select(patterns, 6, "@ xa", 4, 2), "behind it everything is as before");
  ok(logmatch_select(patterns, 6, "@ xb", 4, 2), "whatever it was");
  ok(!logmatch_select(patterns, 7, "@ xc", 4, 2), "others do see stamps");
  ok(logmatch_select(patterns, 8, "@ xb", 4, 2) && !logmatch_select(patterns, 8, "@ xa", 4, 2),
     "f: what the directory of the config has not taken");
}

int main(void) {
  test_scope();
  uint64_t second = 1795169439ull * 1000000000ull;
  char out[64];
  struct loglabel label;

  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    check(cases[i].pattern, cases[i].yes, 1);
    check(cases[i].pattern, cases[i].no, 0);
  }
  test_select();
  test_rest();
  test_length();
  loglabel_start(&label, 1, 1, second + 123456789);
  loglabel_put(&label, out);
  is_int(label.len, 51, "two stamps and two blanks");
  is_mem(out, label.len, "@400000006b001ca9075bcd15 2026-11-20T10:10:39.123Z ", 51,
         "TAI64N with DJB's offset, then ISO 8601");
  test_label(1, 0, second - 70000, 140000, "TAI64N counted up over a second");
  test_label(0, 1, second - 1000100, 1000200, "ISO counted up over milliseconds");
  test_label(1, 1, second - 5000, 10000, "both");
  test_label(1, 0, second + 0xfffff00, 1024, "every digit carries");
  return tap_done();
}
