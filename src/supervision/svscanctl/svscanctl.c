/* lares-svscanctl: commands to the scanner of a scan directory, and the upgrade of all that
 * runs under it. */

#include <skalibs/nonposix.h>
#include "svscanctl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/buffer.h>
#include <skalibs/sgetopt.h>
#include <skalibs/sig.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/option.h>
#include <lares/path.h>

#define MOST_MS 60000

/* letter, with argument, name of the argument, help */
#define OPTIONS(X)                                                                             \
  X("a", "", "", "tell it to look at everything anew, and do not wait (s6-svscanctl)")         \
  X("b", ":", " dir", "upgrade to the programs in dir, now and later")                         \
  X("h", "", "", "show this text and exit")                                                    \
  X("i", "", "", "as -t")                                                                      \
  X("n", "", "", "as -a")                                                                      \
  X("N", "", "", "as -a")                                                                      \
  X("t", "", "", "tell it to stop everything, and do not wait (s6-svscanctl)")                 \
  X("z", "", "", "as -a")                                                                      \
  X("T", ":", " ms", "wait at most so many milliseconds, then exit 99 (upgrade, rescan: 60000)")
#define CHECK 1 /* like 0, nothing that the scanner is told */
/* name, the scanner's letter, help */
#define COMMANDS(X)                                                                            \
  X("rescan", 'h', "look at everything anew; waits until all that can run is supervised")      \
  X("stop", 't', "stop every service, and the scanner; waits for that")                        \
  X("leave", 'q', "end the scanner, leave the services as they are; waits for that")           \
  X("upgrade", 'Z', "scanner and supervisors become new programs, services go on")             \
  X("list", 0, "print what is here: name, the supervisor's pid, state, remarks")               \
  X("check", CHECK, "look through the definitions here, or in one service directory")
#define COMMAND_HELP(name, letter, help) "\n  " name "\t" help
#define COMMAND(name, letter, help) {name, letter},
static char const letters[] = ":" OPTIONS(OPTION_LETTER);
static char const usage[] =
    "lares-svscanctl [ -b dir ] [ -h ] [ -T ms ] COMMAND [ scandir ]\n"
    "   or: lares-svscanctl -a|-n|-N|-z|-t|-i [ scandir ]" OPTIONS(OPTION_HELP)
        COMMANDS(COMMAND_HELP);
static struct {
  char const *name;
  char letter;
} const commands[] = {COMMANDS(COMMAND)};

char const *PROG = "lares-svscanctl";

struct order {
  char const *bindir;
  uint32_t ms; /* -T, 0 when not given */
  char letter; /* by s6's options, which do not wait; 0 */
};

/* Kept as it was said: what leads there may be a link that is changed with the next version. */
static char const *absolute(char const *dir) {
  static char path[PATH_SIZE];

  if (!path_absolute(path, sizeof path, dir))
    strerr_diefusys(EXIT_SYSTEM, "name directory ", dir);
  return path;
}

static unsigned read_options(struct order *o, int argc, char const *const *argv) {
  subgetopt at = SUBGETOPT_ZERO;
  int letter;

  option_version(argc, argv);
  if (argc == 2 && !strcmp(argv[1], "--help")) option_help(usage);
  while ((letter = subgetopt_r(argc, argv, letters, &at)) != -1)
    switch (letter) {
    case 'a':
    case 'n':
    case 'N':
    case 'z':
      if (!o->letter) o->letter = 'h';
      break;
    case 't':
    case 'i':
      o->letter = 't';
      break;
    case 'b':
      o->bindir = absolute(at.arg);
      break;
    case 'h':
      option_help(usage);
    case 'T':
      if (!uint320_scan(at.arg, &o->ms) || !o->ms)
        strerr_dief(EXIT_USAGE, "option -T: `", at.arg,
                    "' is not a number of milliseconds from 1 to 4294967295");
      break;
    default:
      option_die(argv, &at, letter, usage);
    }
  return (unsigned)at.ind;
}

static int carry_out(struct order const *o, char letter, char const *scandir) {
  struct deadline until = DEADLINE_NEVER;

  int code;

  if (letter == 'Z' || letter == 'h' || o->ms)
    until = deadline_add_ms(clock_now(), o->ms ? o->ms : MOST_MS);
  if (!letter) return list_entries();
  if (letter == CHECK) return check_entries(scandir);
  tell_find_scanner(scandir, letter);
  if (letter == 'Z') return upgrade_tree(o->bindir, until);
  if (letter == 'h' && !o->letter) return rescan(until);
  tell_scanner(letter);
  if (o->letter) return EXIT_DONE;
  code = tell_wait_gone(until, letter == 't');
  return letter == 't' && !code ? tell_left_behind() : code;
}

/* scandir: 0 when it is the current one. */
static int with(struct order const *o, char letter, char const *scandir) {
  if (o->bindir && letter != 'Z') strerr_dief(EXIT_USAGE, "option -b is for upgrade alone");
  if (scandir && chdir(scandir) < 0)
    strerr_diefusys(errno == ENOENT || errno == ENOTDIR ? EXIT_USAGE : EXIT_SYSTEM,
                    "use scan directory ", option_shown(scandir));
  return carry_out(o, letter, scandir ? scandir : ".");
}

int main(int argc, char const *const *argv) {
  struct order o = {.ms = 0};
  unsigned at = read_options(&o, argc, argv), count = (unsigned)argc - at;

  unsigned most = o.letter ? 1 : 2;

  if (count > most || (!count && !o.letter))
    strerr_dief(EXIT_USAGE, count ? "more than one scan directory: " : "no command",
                count ? argv[at + most] : "", "\n", PROG, ": usage: ", usage);
  if (!sig_altignore(SIGPIPE)) strerr_diefusys(EXIT_SYSTEM, "ignore SIGPIPE");
  if (o.letter) return with(&o, o.letter, count ? argv[at] : 0);
  for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
    if (strcmp(argv[at], commands[i].name)) continue;
    return with(&o, commands[i].letter, count > 1 ? argv[at + 1] : 0);
  }
  strerr_dief(EXIT_USAGE, "unknown command `", argv[at], "'; usage: ", usage);
}
