/* What programs say of options that getopt finds wrong, of --help and --version. */

#ifndef LARES_OPTION_H
#define LARES_OPTION_H

#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/buffer.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include <lares/config.h>
#include <lares/exitcode.h>

/* What a program makes of its list of options, OPTIONS(X) with an X(letter, ":" where it has an
 * argument, " name" of that, help) for each: the letters for subgetopt_r(), and what the usage
 * text says of each in its line and below it. */
#define OPTION_LETTER(letter, colon, argument, help) letter colon
#define OPTION_BRIEF(letter, colon, argument, help) " [ -" letter argument " ]"
#define OPTION_HELP(letter, colon, argument, help) "\n  -" letter argument "\t" help

/* "-Y", or the whole word where that is a long option, of which no program has any but those it
 * has looked for itself. To be asked right after subgetopt_r() has said '?' or ':'. */
static inline char const *option_typed(char const *const *argv, subgetopt const *at,
                                       char buf[3]) {
  if (at->problem == '-' && argv[at->ind] && !strncmp(argv[at->ind], "--", 2))
    return argv[at->ind];
  buf[0] = '-';
  buf[1] = (char)at->problem;
  buf[2] = 0;
  return buf;
}

/* Ends the program with what is wrong and its usage text. letter: what subgetopt_r() said,
 * which is ':' where an argument is missing if the option string begins with one. */
static inline _Noreturn void option_die(char const *const *argv, subgetopt const *at,
                                        int letter, char const *usage) {
  char buf[3];
  char const *option = option_typed(argv, at, buf);

  if (letter == ':')
    strerr_dief(EXIT_USAGE, "option ", option, " needs an argument\n", PROG,
                ": usage: ", usage);
  strerr_dief(EXIT_USAGE, "unknown option ", option, "\n", PROG, ": usage: ", usage);
}

/* The one scan directory that may follow the options, or the present one. */
static inline char const *option_scan_directory(int argc, char const *const *argv,
                                                subgetopt const *at, char const *usage) {
  if (argc - at->ind > 1)
    strerr_dief(EXIT_USAGE, "more than one scan directory: ", argv[at->ind + 1], "\n", PROG,
                ": usage: ", usage);
  return argc > at->ind ? argv[at->ind] : ".";
}

/* An argument in a message: an empty one is to be seen, too. */
static inline char const *option_shown(char const *argument) {
  return *argument ? argument : "''";
}

/* What a program is started with behind its options, at the end of a list with room for two
 * more and the end: a name that begins with - would be one of them. */
static inline void option_operand(char const **argv, char const *operand) {
  if (*operand == '-') *argv++ = "--";
  *argv++ = operand;
  *argv = 0;
}

/* Ends the program with its usage text on standard output. */
static inline _Noreturn void option_help(char const *usage) {
  if (buffer_puts(buffer_1small, "usage: ") < 0 || buffer_puts(buffer_1small, usage) < 0 ||
      buffer_putsflush(buffer_1small, "\n") < 0)
    strerr_diefusys(EXIT_SYSTEM, "write to standard output");
  _exit(EXIT_DONE);
}

/* Ends the program with its name and version on standard output if it has the one argument
 * --version. With further ones that word is what it was: an option that is not known, or one
 * of a program that we become. To be asked while PROG is the name that it is installed by. */
static inline void option_version(int argc, char const *const *argv) {
  static char const version[] = " " LARES_VERSION "\n";
  size_t len;

  if (argc != 2 || strcmp(argv[1], "--version")) return;
  len = strlen(PROG);
  if (allwrite(1, PROG, len) < len ||
      allwrite(1, version, sizeof version - 1) < sizeof version - 1)
    strerr_diefusys(EXIT_SYSTEM, "write to standard output");
  _exit(EXIT_DONE);
}

#endif
