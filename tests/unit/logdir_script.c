/* The script of the log writer: every word, what it holds for, numbers at their limits, the
 * errors.
 */

#include <lares/logscript.h>

#include <string.h>

#include "tap.h"

static struct logscript script;
static struct logpattern patterns[64];
static struct logscript_error problem;

static int parse(char const *const *words) {
  int count = 0;

  while (words[count])
    count++;
  return logscript_parse(&script, patterns, words, 0, count, &problem);
}

#define PARSE(...) parse((char const *const[]){__VA_ARGS__, 0})

static void test_default(void) {
  struct logaction const *action = script.actions;

  ok(PARSE("./main"), "a directory is enough");
  is_int(script.action_count, 1, "one action");
  is_int(action->kind, LOG_TO_DIR, "to a directory");
  is_str(action->path, "./main", "its path");
  is_int(action->size, 99999, "multilog's default size");
  is_int(action->count, 10, "multilog's default number");
  is_int(action->retry_ms, 1000, "a retry each second");
  ok(!script.tai && !script.iso && !action->format.tai && !action->format.iso, "no stamps");
  ok(!action->format.prefix && !action->format.stream && !action->format.strip,
     "lines as they are");
  ok(!action->processor && !action->compress && !action->sync && !action->drop &&
         !action->records && !action->total && !action->tolerance && !action->period_s,
     "and nothing else");
  is_int(script.moved_count, 0, "nothing out of range");
}

static void test_order(void) {
  ok(PARSE("t", "-*a*", "s5000", "n3", "/one", "+*b", "n4", "./two", "./three"),
     "several directories");
  ok(script.tai && !script.iso, "t");
  is_int(script.action_count, 3, "three directories");
  is_int(script.actions[0].patterns, 1, "the first directory obeys one pattern");
  is_int(script.actions[1].patterns, 3, "the second both, and knows of the first directory");
  is_int(script.actions[0].count, 3, "n before it");
  is_int(script.actions[1].count, 4, "n between them");
  is_int(script.actions[2].size, 5000, "s stays in force");
  ok(patterns[0].kind == LOG_PATTERN_MINUS && patterns[2].kind == LOG_PATTERN_PLUS,
     "minus and plus");
  is_str(patterns[2].text, "*b", "the pattern's text");
  ok(PARSE("t", "./a", "-b", "./b") && !script.actions[0].patterns &&
         script.actions[1].patterns == 2,
     "an action before all patterns has none");
}

static void test_stamps(void) {
  struct logformat const *one = &script.actions[0].format, *two = &script.actions[1].format;

  ok(PARSE("s4096", "T", "t", "./a", "./b") && script.tai && script.iso,
     "stamps after numbers");
  ok(one->tai && one->iso && two->tai && two->iso, "are for all actions");
  ok(PARSE("t", "./a", "T", "1") && script.tai && !script.iso, "T behind an action");
  ok(one->tai && !one->iso && !two->tai && two->iso, "is in place of the t before it");
  ok(PARSE("./a", "t", "T", "1") && !one->tai && two->tai && two->iso, "both behind an action");
  ok(!script.tai && !script.iso, "are not what patterns see");
  ok(PARSE("-x", "t", "./a") && one->tai && !script.tai, "nor is t behind a pattern");
  ok(PARSE("t", "./a", "x", "./b") && one->tai && !two->tai && script.tai, "x takes them away");
}

static void test_formats(void) {
  struct logformat const *one = &script.actions[0].format, *two = &script.actions[1].format;

  ok(PARSE("pweb:", "j", "a", "1", "p", "jerr", "2"), "formats");
  is_str(one->prefix, "web:", "a prefix");
  is_str(one->stream, "stdout", "JSON, the default stream");
  ok(one->strip && two->strip, "ANSI sequences");
  ok(!two->prefix, "p alone: no prefix");
  is_str(two->stream, "err", "JSON, a stream");
  ok(PARSE("pa", "j", "a", "1", "x", "2") && !two->prefix && !two->stream && !two->strip,
     "x takes all away");
}

static void test_actions(void) {
  ok(PARSE("1", "2", "e", "=a/b", "=/c", "."), "all kinds of actions");
  is_int(script.action_count, 6, "six");
  ok(script.actions[0].kind == LOG_TO_STDOUT && script.actions[1].kind == LOG_TO_STDERR, "1 2");
  ok(script.actions[2].kind == LOG_TO_ALERT && script.actions[3].kind == LOG_TO_STATUS, "e =");
  is_str(script.actions[3].path, "a/b", "a status file's path");
  is_str(script.actions[4].path, "/c", "an absolute one");
  ok(PARSE("F", "+*x*", "1", "f", "2") && script.actions[1].patterns == 4 &&
         patterns[0].kind == LOG_PATTERN_NONE && patterns[2].kind == LOG_PATTERN_ACTION &&
         patterns[3].kind == LOG_PATTERN_REST,
     "F and f");
}

static void test_files(void) {
  struct logaction const *one = script.actions, *two = script.actions + 1;

  ok(PARSE("S50000", "l100", "R3600", "A86400", "r50", "c", "o", "y", "!gzip -c", "z", "./a",
           "!", "z-", "b", "yn", "./b"),
     "all that is said of files");
  is_int(one->total, 50000, "S");
  is_int(one->tolerance, 100, "l");
  is_int(one->period_s, 3600, "R");
  is_int(one->age_s, 86400, "A");
  is_int(one->retry_ms, 50, "r");
  ok(one->records && one->drop && one->sync == LOG_SYNC_READ, "c o y");
  is_str(one->processor, "gzip -c", "!");
  is_str(one->compress, "", "z");
  ok(!two->processor && !two->compress && !two->drop && two->sync == LOG_SYNC_NEVER,
     "and taken back");
  ok(PARSE("zzstd", "yr", "./a", "zgzip", "y250", "./b") && one->sync == LOG_SYNC_END &&
         two->sync == LOG_SYNC_AFTER && two->sync_ms == 250,
     "yr and a time");
  is_str(one->compress, "zstd", "zzstd");
  is_str(two->compress, "gzip", "zgzip");
  ok(PARSE("s5000", "l4000", "./a") && one->tolerance == 2500, "l is at most half of s");
}

static void is_moved(unsigned which, int index, uint64_t used) {
  ok(which < script.moved_count && script.moved[which].index == index &&
         script.moved[which].used == used,
     "and told");
}

static void test_numbers(void) {
  ok(PARSE("s4096", "n2", "."), "the smallest");
  is_int(script.moved_count, 0, "are in range");
  ok(PARSE("s4095", "."), "a smaller size");
  is_int(script.actions[0].size, 4096, "is raised");
  is_moved(0, 0, 4096);
  ok(PARSE(".", "n1", "./b"), "a smaller number");
  is_int(script.actions[1].count, 2, "is raised");
  is_moved(0, 1, 2);
  ok(PARSE("l1000000", "./a", "./b", "s4096", "=file", "./c") && script.moved_count == 2,
     "l is moved for what it holds for");
  is_moved(0, 0, 49999);
  is_moved(1, 0, 2048);
  is_int(script.last, 5, "the last action");
  ok(PARSE("n1", "./a", "s5000", "R1") && !script.moved[0].index && script.last == 1,
     "words behind it");
  ok(PARSE("s16777216", "."), "more than multilog's largest size");
  is_int(script.actions[0].size, 16777216, "is taken");
  ok(PARSE("s1099511627777", "n1000001", "R99999999999", "r0", "."), "too large, too small");
  ok(script.actions[0].size == LOG_SIZE_MAX && script.actions[0].count == LOG_COUNT_MAX &&
         script.actions[0].period_s == LOG_TIME_MAX &&
         script.actions[0].retry_ms == LOG_RETRY_MIN,
     "are moved");
}

static void refuse(char const *const *words, int index, char const *name) {
  if (!ok(!parse(words), name)) return;
  is_int(problem.index, index, "at its position");
  ok(problem.expected && *problem.expected, "with what is expected");
}

#define REFUSE(index, name, ...) refuse((char const *const[]){__VA_ARGS__, 0}, index, name)

static void test_errors(void) {
  char const *many[LOG_ACTIONS_MAX + 2] = {0};
  char long_prefix[258] = "p";

  refuse((char const *const[]){0}, 0, "nothing");
  REFUSE(2, "no action", "t", "n3");
  REFUSE(1, "an unknown word", "t", "k", ".");
  REFUSE(0, "an empty word", "", ".");
  REFUSE(0, "s without a number", "s", ".");
  REFUSE(0, "s with more than a number", "s12x", ".");
  REFUSE(0, "a negative number", "n-1", ".");
  REFUSE(0, "a number of 77 bits", "s99999999999999999999999", ".");
  for (char const *one = "tTaxfFEMcbo12e"; *one; one++) {
    char word[] = {*one, 'x', 0};
    REFUSE(0, "a letter with more", word, ".");
  }
  for (char const *one = "SlRAr"; *one; one++) {
    char word[] = {*one, 0};
    REFUSE(1, "a letter without its number", "t", word, ".");
  }
  REFUSE(1, "= without a file", "t", "=", ".");
  REFUSE(0, "y with another letter", "yx", ".");
  REFUSE(0, "z with another program", "zrar", ".");
  REFUSE(0, "a stream with a quotation mark", "j\"", ".");
  REFUSE(0, "a prefix of two lines", "pa\nb", ".");
  memset(long_prefix + 1, 'x', 256);
  REFUSE(0, "a prefix that is too long", long_prefix, ".");
  REFUSE(0, "a directory without a dot", "main");
  for (unsigned i = 0; i <= LOG_ACTIONS_MAX; i++)
    many[i] = "./d";
  refuse(many, LOG_ACTIONS_MAX, "one action too many");
}

/* Words that begin with a colon stand in a config. */
static int parse_config(char const *const *words) {
  char const *plain[64];
  unsigned lines[64];
  int count = 0;

  for (; words[count]; count++) {
    lines[count] = *words[count] == ':' ? (unsigned)count + 1 : 0;
    plain[count] = words[count] + (*words[count] == ':');
  }
  return logscript_parse(&script, patterns, plain, lines, count, &problem);
}

#define PARSE_CONFIG(...) parse_config((char const *const[]){__VA_ARGS__, 0})

static void test_config(void) {
  struct logaction const *one = script.actions, *two = script.actions + 1;

  ok(PARSE_CONFIG("s5000", "T", "-a*", ":s6000", ":t", ":-b*", "./a", "n3", "./b"),
     "words of a config");
  ok(one->size == 6000 && two->size == 5000 && two->count == 3, "hold for its directory alone");
  ok(one->format.tai && one->format.iso && !two->format.tai && two->format.iso, "stamps too");
  ok(script.iso && !script.tai, "of which only the command line's are what patterns see");
  ok(patterns[1].kind == LOG_PATTERN_SCOPE && patterns[2].bare && !patterns[0].bare &&
         patterns[4].kind == LOG_PATTERN_LEAVE,
     "patterns have their scope");
  is_int(one->patterns, 3, "which the directory obeys");
  ok(PARSE_CONFIG(":-b*", "./a", "./b") && one->patterns == 2 && !two->patterns,
     "a later directory has no pattern");
  ok(PARSE_CONFIG(":F", ":+*err*", ":2", ":+*", ":./more", "./a") && script.action_count == 3,
     "actions in a config");
  ok(PARSE_CONFIG("t", "1", ":x", "./a", "T", "./b") && !two->format.tai &&
         !script.actions[2].format.tai && script.actions[2].format.iso,
     "a T behind it replaces the t before it, as without it");
  ok(PARSE_CONFIG(":t3600", "./a", "./b") && one->period_s == 3600 && !one->format.tai &&
         !two->period_s,
     "svlogd's t with a number");
  ok(PARSE_CONFIG(":t0", "./a") && !one->period_s, "t0: at any age");
  ok(!PARSE_CONFIG(":t", ":t1x", "./a") && problem.index == 1, "t with more");
  ok(!PARSE_CONFIG("t5", "./a") && problem.index == 0, "t with a number elsewhere");
  for (char const *const *word = (char const *const[]){":s0", ":n0", ":n000", ":N5", ":e*x*",
                                                       ":E*x*", ":u1.2.3.4", ":U1.2.3.4", 0};
       *word; word++)
    ok(!PARSE_CONFIG(":t", *word, "./a") && problem.index == 1 && problem.expected, *word + 1);
  ok(PARSE_CONFIG("n0", "./a") && one->count == 2, "n0 elsewhere is moved as ever");
}

static void test_expressions(void) {
  ok(PARSE("-*a*", "E", "-^a|b$", "./a", "M", "+*", "./b") && !patterns[0].regex &&
         patterns[1].regex && patterns[1].bare && !patterns[3].regex && script.regexes,
     "E and M");
  ok(!logmatch_select(patterns, 2, "xb", 2, 0) && logmatch_select(patterns, 2, "bx", 2, 0),
     "an expression selects");
  logscript_free(&script);
  ok(!PARSE("E", "+[a", "./a") && problem.index == 1, "a wrong one");
  ok(PARSE_CONFIG(":E", ":-a+$", "./a", "-a+$", "./b") && patterns[1].regex &&
         !patterns[4].regex,
     "in a config it holds for that");
  logscript_free(&script);
}

static int split(char const *text, size_t len, char const **words, unsigned *lines,
                 struct logconfig_error *error) {
  static char copy[LOG_CONFIG_MAX + 1];

  memcpy(copy, text, len);
  return logconfig_words(copy, len, words, lines, error);
}

static void test_split(void) {
  static char const *words[LOG_CONFIG_WORDS_MAX];
  static unsigned lines[LOG_CONFIG_WORDS_MAX];
  static char many[2 * LOG_CONFIG_WORDS_MAX + 2];
  struct logconfig_error error;

  is_int(split("", 0, words, lines, &error), 0, "an empty config");
  is_int(split("\n# t\n\n", 6, words, lines, &error), 0, "comments and empty lines");
  is_int(split("# s\n\np a b \n-#x", 15, words, lines, &error), 2, "two words");
  is_str(words[0], "p a b ", "blanks are part of a word");
  is_str(words[1], "-#x", "no newline at the end");
  ok(lines[0] == 3 && lines[1] == 4, "their lines");
  ok(split("t\ns5\0\n", 6, words, lines, &error) < 0 && error.line == 2, "a NUL byte");
  ok(split("#\0\n", 3, words, lines, &error) < 0 && error.line == 1, "in a comment too");
  for (unsigned i = 0; i <= LOG_CONFIG_WORDS_MAX; i++)
    memcpy(many + 2 * i, "t\n", 2);
  is_int(split(many, sizeof many - 2, words, lines, &error), LOG_CONFIG_WORDS_MAX,
         "as many words as there may be");
  ok(split(many, sizeof many, words, lines, &error) < 0 &&
         error.line == LOG_CONFIG_WORDS_MAX + 1,
     "one too many");
}

int main(void) {
  test_config();
  test_expressions();
  test_split();
  test_default();
  test_order();
  test_stamps();
  test_formats();
  test_actions();
  test_files();
  test_numbers();
  test_errors();
  return tap_done();
}
