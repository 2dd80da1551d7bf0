/* What the chain tools share: options from one list, and what to say when they are wrong.
 *
 * A tool names its options in a list macro OPTIONS(FLAG, VALUE) of FLAG(letter, help) and
 * VALUE(letter, argument, help), and CHAIN_TEXTS(OPTIONS, "name", "operands") makes the option
 * string `letters` and the text `usage` of it. What is left after the options is a command line
 * that the tool becomes: same process, exit 126 or 127 when that is impossible. */

#ifndef CHAIN_H
#define CHAIN_H

#include <string.h>
#include <unistd.h>

#include <lares/exitcode.h>
#include <lares/option.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#define CHAIN_LETTER_FLAG(letter, help) letter
#define CHAIN_LETTER_VALUE(letter, argument, help) letter ":"
#define CHAIN_SHORT_FLAG(letter, help) "[-" letter "] "
#define CHAIN_SHORT_VALUE(letter, argument, help) "[-" letter " " argument "] "
#define CHAIN_HELP_FLAG(letter, help) "\n  -" letter "  " help
#define CHAIN_HELP_VALUE(letter, argument, help) "\n  -" letter " " argument "  " help

#define CHAIN_TEXTS(OPTIONS, name, operands)                                                   \
  static char const letters[] = ":" OPTIONS(CHAIN_LETTER_FLAG, CHAIN_LETTER_VALUE);            \
  static char const usage[] =                                                                  \
      name " " OPTIONS(CHAIN_SHORT_FLAG, CHAIN_SHORT_VALUE) operands OPTIONS(CHAIN_HELP_FLAG,  \
                                                                             CHAIN_HELP_VALUE)

/* The next option's letter, or -1 after the last. Ends the program on one that is not known or
 * lacks its argument, and on a lone --help or --version. */
static inline int chain_option(int argc, char const *const *argv, char const *known,
                               char const *text, subgetopt *at) {
  int letter = subgetopt_r(argc, argv, known, at);

  if (letter == '?') option_version(argc, argv);
  if (letter == '?' && argc == 2 && !strcmp(argv[1], "--help")) option_help(text);
  if (letter == '?' || letter == ':') option_die(argv, at, letter, text);
  return letter;
}

/* What is left after the options. Ends the program when that is fewer than n words. */
static inline char const *const *chain_operands(int argc, char const *const *argv, int n,
                                                char const *text, subgetopt const *at) {
  if (argc - at->ind < n)
    strerr_dief(EXIT_USAGE, "no program given\n", PROG, ": usage: ", text);
  return argv + at->ind;
}

#endif
