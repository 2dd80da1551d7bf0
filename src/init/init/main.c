/* lares-init: pid 1 of a container. Starts lares-svscan and keeps it running. What can go wrong
 * at the start is said and ends the program; from the loop on only the scanner's end does. */

#include <skalibs/nonposix.h>
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/option.h>
#include <lares/path.h>
#include <lares/report.h>

/* letter, with argument, name of the argument, help */
#define OPTIONS(X)                                                                             \
  X("b", ":", " dir", "find lares-svscan and lares-supervise in dir")                          \
  X("d", ":", " defs", "for lares-svscan: build services from the definitions in defs")        \
  X("g", ":", " cgroup", "for lares-svscan: give each service a cgroup below this one")        \
  X("h", "", "", "show this text and exit")                                                    \
  X("k", "", "", "for lares-svscan: do not stop what vanishes")                                \
  X("T", ":", " ms", "for lares-svscan: a stop takes at most so many milliseconds")
static char const letters[] = ":" OPTIONS(OPTION_LETTER);
static char const usage[] =
    "lares-init" OPTIONS(OPTION_BRIEF) " [ scandir ]" OPTIONS(OPTION_HELP);

char const *PROG = "lares-init";

/* Our working directory will be another. */
static char const *absolute(char path[PATH_SIZE], char const *dir) {
  if (!path_absolute(path, PATH_SIZE, dir))
    strerr_diefusys(EXIT_SYSTEM, "name directory ", dir);
  return path;
}

static char const *check_ms(char const *ms) {
  uint32_t n;

  if (!uint320_scan(ms, &n) || n < 1000)
    strerr_dief(EXIT_USAGE, "option -T: `", ms,
                "' is not a number of milliseconds from 1000 to 4294967295");
  return ms;
}

static char const *read_options(struct init *s, int argc, char const *const *argv) {
  static char bindir[PATH_SIZE], cgroup[PATH_SIZE], definitions[PATH_SIZE];
  subgetopt at = SUBGETOPT_ZERO;
  int letter;

  option_version(argc, argv);
  if (argc == 2 && !strcmp(argv[1], "--help")) option_help(usage);
  while ((letter = subgetopt_r(argc, argv, letters, &at)) != -1)
    switch (letter) {
    case 'b':
      s->bindir = absolute(bindir, at.arg);
      break;
    case 'd':
      s->definitions = absolute(definitions, at.arg);
      break;
    case 'g':
      s->cgroup = absolute(cgroup, at.arg);
      break;
    case 'h':
      option_help(usage);
    case 'k':
      s->keep = "-k";
      break;
    case 'T':
      s->ms = check_ms(at.arg);
      break;
    default:
      option_die(argv, &at, letter, usage);
    }
  return option_scan_directory(argc, argv, &at, usage);
}

static void enter(struct init *s, char const *dir) {
  s->dir = chdir(dir) < 0 ? -1 : open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (s->dir < 0)
    strerr_diefusys(errno == ENOENT || errno == ENOTDIR ? EXIT_USAGE : EXIT_SYSTEM,
                    "use scan directory ", option_shown(dir));
  s->path = realpath(".", 0);
  if (!s->path) strerr_diefusys(EXIT_SYSTEM, "find the path of ", dir);
}

/* poll() refuses only for want of memory, or when our descriptor limit was lowered to nothing.
 */
static void wait_for_events(struct init const *s) {
  struct pollfd signals = {.fd = s->signals, .events = POLLIN};

  if (clock_poll(&signals, 1, deadline_earlier(s->due, s->ask)) < 0) clock_pause(100);
}

/* Whatever woke us, everything is looked at. */
static void loop_run(struct init *s) {
  while (!s->over) {
    wait_for_events(s);
    signals_read(s);
    orphans_reap(s);
    if (!s->over && deadline_passed(s->due, clock_now())) scanner_start(s);
  }
}

int main(int argc, char const *const *argv) {
  static struct init s = {.dir = -1, .ask = DEADLINE_NEVER, .due = DEADLINE_NEVER};

  if (!fd_sanitize()) strerr_diefusys(EXIT_SYSTEM, "open /dev/null");
  enter(&s, read_options(&s, argc, argv));
  s.signals = signals_begin();
  if (s.signals < 0) strerr_diefusys(EXIT_SYSTEM, "catch signals");
  if (!child_probe_abilities(&s.abilities))
    strerr_diefusys(EXIT_SYSTEM, "tell processes from each other");
  path_beside(s.beside, sizeof s.beside, "lares-svscan");
  report_start("init");
  s.first = getpid() == 1;
  if (!tree_adopt_orphans() && !s.first)
    report_info("not a child subreaper: a dead scanner's supervisors go elsewhere");
  scanner_start(&s);
  loop_run(&s);
  return s.code;
}
