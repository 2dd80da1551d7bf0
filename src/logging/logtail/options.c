/* The command line, and what follows from standard output being a terminal. */

#include <skalibs/nonposix.h>
#include "logtail.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/option.h>

#define OPTIONS(X)                                                                             \
  X("a", "", "", "all lines")                                                                  \
  X("c", ":", " when", "colours: always, never, auto (on a terminal, if NO_COLOR is not set)") \
  X("e", ":", " pattern", "only lines that match this or another -e (as grep -E)")             \
  X("F", "", "", "as -f; directories that are not there yet are waited for")                   \
  X("f", "", "", "go on with lines that come")                                                 \
  X("h", "", "", "this text")                                                                  \
  X("i", "", "", "patterns match letters of either case")                                      \
  X("j", "", "", "as JSON, an object a line (--json is the same)")                             \
  X("n", ":", " lines", "the last so many of each directory (10)")                             \
  X("p", "", "", "the service's name in front of each line (when there are several)")          \
  X("q", "", "", "never the name")                                                             \
  X("r", "", "", "control characters as they are, on a terminal too")                          \
  X("S", ":", " time", "since then: 10m, 10:00, 2026-11-29, 2026-11-29T10:00:00Z, @TAI64N")    \
  X("s", "", "", "a directory of services stands for all that are in it")                      \
  X("t", ":", " form", "stamps: keep, none, local, iso, utc (local on a terminal, or keep)")   \
  X("U", ":", " time", "until then")                                                           \
  X("v", ":", " pattern", "no lines that match this")

#define LETTERS ":" OPTIONS(OPTION_LETTER)
#define USAGE "lares-logtail" OPTIONS(OPTION_BRIEF) " dir ..."
#define HELP                                                                                   \
  USAGE "\n"                                                                                   \
        "Shows the logs of services, those of several in the order of time. A dir is a log\n"  \
        "directory or a service.\n" OPTIONS(OPTION_HELP)

#define LAST_LINES 10

static enum when when_of(char const *text) {
  if (!strcmp(text, "always")) return WHEN_ALWAYS;
  if (!strcmp(text, "never")) return WHEN_NEVER;
  if (strcmp(text, "auto") != 0)
    strerr_dief(EXIT_USAGE, "-c: always, never or auto is expected, not ", text);
  return WHEN_AUTO;
}

static enum stamp_form form_of(char const *text) {
  static char const *const names[] = {"auto", "keep", "none", "local", "iso", "utc"};
  unsigned i = 0;

  while (i < 6 && strcmp(text, names[i]) != 0)
    i++;
  if (i == 6)
    strerr_dief(EXIT_USAGE, "-t: keep, none, local, iso, utc or auto is expected, not ", text);
  return (enum stamp_form)i;
}

static struct stamp time_of(int letter, char const *text) {
  char option[] = {'-', (char)letter, 0};
  struct stamp now, t;

  clock_stamp(&now);
  if (!moment_scan(&t, text, &now))
    strerr_dief(EXIT_USAGE, option, ": ", MOMENT_EXPECTED, "; not ", *text ? text : "(empty)");
  return t;
}

struct words { /* of -e and -v, which -i may follow */
  char const **all;
  int *exclude;
  unsigned count;
};

static void add_word(struct words *words, char const *text, int exclude) {
  words->all[words->count] = text;
  words->exclude[words->count++] = exclude;
}

static void compile(struct request *q, struct words *words) {
  char error[256];

  for (unsigned i = 0; i < words->count; i++)
    if (!selection_add(&q->selection, words->all[i], words->exclude[i], error, sizeof error))
      strerr_dief(EXIT_USAGE, words->exclude[i] ? "-v: " : "-e: ", words->all[i],
                  " is no extended regular expression: ", error);
  free(words->all);
  free(words->exclude);
}

static void take(struct request *q, struct words *words, int letter, char const *argument) {
  switch (letter) {
  case 'c':
    q->color = when_of(argument);
    return;
  case 'e':
  case 'v':
    add_word(words, argument, letter == 'v');
    return;
  case 'n':
    q->has_last = 1;
    if (!uint640_scan(argument, &q->last))
      strerr_dief(EXIT_USAGE, "-n: a number of lines is expected, not ",
                  *argument ? argument : "(empty)");
    return;
  case 'S':
    q->has_since = 1;
    q->since = time_of('S', argument);
    return;
  case 't':
    q->stamps = form_of(argument);
    return;
  default:
    q->has_until = 1;
    q->until = time_of('U', argument);
  }
}

static void set(struct request *q, int letter) {
  switch (letter) {
  case 'a':
    q->all = 1;
    return;
  case 'F':
    q->awaits = q->follow = 1;
    return;
  case 'f':
    q->follow = 1;
    return;
  case 'i':
    q->selection.flags = REG_ICASE;
    return;
  case 'j':
    q->json = 1;
    return;
  case 'p':
    q->prefix = WHEN_ALWAYS;
    return;
  case 'q':
    q->prefix = WHEN_NEVER;
    return;
  case 'r':
    q->raw = 1;
    return;
  case 's':
    q->scan = 1;
  }
}

static void settle(struct request *q) {
  int is_terminal = isatty(1);
  char const *no_color = getenv("NO_COLOR"), *kind = getenv("TERM");

  if (q->all && q->has_last) strerr_dief(EXIT_USAGE, "-a or -n, not both");
  if (!q->all && !q->has_last && !q->has_since) {
    q->has_last = 1;
    q->last = LAST_LINES;
  }
  if (q->stamps == STAMPS_AUTO) q->stamps = is_terminal ? STAMPS_LOCAL : STAMPS_KEEP;
  if (q->color == WHEN_AUTO)
    q->color = is_terminal && !(no_color && *no_color) && !(kind && !strcmp(kind, "dumb"))
                   ? WHEN_ALWAYS
                   : WHEN_NEVER;
  q->clean = is_terminal && !q->raw && !q->json;
}

int options_parse(struct request *q, int argc, char const *const *argv) {
  subgetopt l = SUBGETOPT_ZERO;
  struct words words = {.all = calloc((size_t)argc, sizeof *words.all),
                        .exclude = calloc((size_t)argc, sizeof *words.exclude)};
  int letter;

  if (!words.all || !words.exclude) strerr_diefusys(EXIT_SYSTEM, "allocate");
  option_version(argc, argv);
  if (argc == 2 && !strcmp(argv[1], "--help")) option_help(HELP);
  if (argc > 1 && !strcmp(argv[1], "--json")) {
    q->json = 1;
    l.ind = 2;
  }
  while ((letter = subgetopt_r(argc, argv, LETTERS, &l)) != -1) {
    if (letter == 'h') option_help(HELP);
    if (letter == '?' || letter == ':') option_die(argv, &l, letter, USAGE);
    if (l.arg)
      take(q, &words, letter, l.arg);
    else
      set(q, letter);
  }
  if (l.ind >= argc) strerr_dief(EXIT_USAGE, "no directory given; usage: ", USAGE);
  compile(q, &words);
  settle(q);
  return l.ind;
}
