/* lares: the one command people type. main.c has the table of its subcommands; each is a file.
 */

#ifndef LARES_FRONTEND_LARES_H
#define LARES_FRONTEND_LARES_H

struct subcommand {
  char const *name;
  int (*run)(int argc, char const *const *argv); /* argv[0] is its name; the exit code */
  char const *usage;                             /* what follows the name */
  char const *help;
};

#define SUBCOMMANDS(X)                                                                         \
  X(run, "[-s scandir] service [command [arg...]]",                                            \
    "run a command of the service's own (command/NAME); without one, list them")

#define SUBCOMMAND_FUNCTION(name, usage, help)                                                 \
  extern int lares_##name(int argc, char const *const *argv);
SUBCOMMANDS(SUBCOMMAND_FUNCTION)
#undef SUBCOMMAND_FUNCTION

extern struct subcommand const subcommands[];
/* Ends the program: wrong usage of the subcommand. wrong, what: parts of the message. */
extern void die_usage(char const *subcommand, char const *wrong, char const *what)
    __attribute__((noreturn));
/* -s, or LARES_SCANDIR, or /service. */
extern char const *scan_directory(char const *given);

#endif
