/* lares SUBCOMMAND ...: the table, and help. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/buffer.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/option.h>

#include "lares.h"

#define USAGE "lares [-h] subcommand [arg...]"
#define OTHERS                                                                                 \
  "lares-svstat shows how services are, lares-svc tells them what to do, lares-svscanctl "     \
  "their scanner"

char const *PROG = "lares";

#define SUBCOMMAND(name, usage, help) {#name, &lares_##name, usage, help},
struct subcommand const subcommands[] = {SUBCOMMANDS(SUBCOMMAND)};
#undef SUBCOMMAND
#define NAME(name, usage, help) " " #name
static char const wrong_subcommand[] = "; subcommands:" SUBCOMMANDS(NAME) "; " OTHERS;
#undef NAME
#define COUNT (sizeof subcommands / sizeof *subcommands)

static void put(char const *text) {
  if (buffer_puts(buffer_1, text) < 0) strerr_diefusys(EXIT_SYSTEM, "write to standard output");
}

static int help(void) {
  put("usage: " USAGE "\n\n");
  for (unsigned i = 0; i < COUNT; i++) {
    put("  lares ");
    put(subcommands[i].name);
    put(" ");
    put(subcommands[i].usage);
    put("\n        ");
    put(subcommands[i].help);
    put("\n");
  }
  put("\n" OTHERS ".\n");
  if (!buffer_flush(buffer_1)) strerr_diefusys(EXIT_SYSTEM, "write to standard output");
  return EXIT_DONE;
}

static struct subcommand const *find(char const *name) {
  for (unsigned i = 0; i < COUNT; i++)
    if (!strcmp(subcommands[i].name, name)) return &subcommands[i];
  return 0;
}

void die_usage(char const *name, char const *wrong, char const *what) {
  strerr_dief(EXIT_USAGE, wrong, what, "\n", PROG, ": usage: lares ", name, " ",
              find(name)->usage);
}

char const *scan_directory(char const *given) {
  char const *known = getenv("LARES_SCANDIR");

  return given ? given : known && *known ? known : "/service";
}

int main(int argc, char const *const *argv) {
  struct subcommand const *subcommand;

  option_version(argc, argv);
  if (argc < 2)
    strerr_dief(EXIT_USAGE, "no subcommand", wrong_subcommand, "\n", PROG, ": usage: " USAGE);
  if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")) return help();
  if (argv[1][0] == '-')
    strerr_dief(EXIT_USAGE, "unknown option ", argv[1], "\n", PROG, ": usage: " USAGE);
  subcommand = find(argv[1]);
  if (!subcommand)
    strerr_dief(EXIT_USAGE, "unknown subcommand ", argv[1], wrong_subcommand, "\n", PROG,
                ": usage: " USAGE);
  return subcommand->run(argc - 1, argv + 1);
}
