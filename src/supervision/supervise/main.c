/* lares-supervise [ -qs ] DIR: options, and the order of beginning. */

#include <skalibs/nonposix.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/buffer.h>
#include <skalibs/djbunix.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/option.h>
#include <lares/path.h>
#include <lares/report.h>

#include "supervise.h"

/* Large, and written to by few: behind everything else (the linker sorts by name), so that what
 * all write to shares as few pages as it can. */
#define SELDOM __attribute__((section(".bss.zz")))

#define USAGE "lares-supervise [ -qs ] [ -n SCANDIR ] DIR"

static char const help[] =
    "usage: " USAGE "\n"
    "Supervise the service of directory DIR until told to leave.\n"
    "  -n  look up the services that it needs in SCANDIR\n"
    "  -q  say nothing when it is impossible to begin; it was said before\n"
    "  -s  started by lares-svscan: output goes to the logger of DIR/log through a named FIFO\n"
    "  -h  this text\n";

static int const kept_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

/* The name a person knows it by: as given under lares-svscan, else the directory's own. */
static void take_name(struct supervisor *s, char const *dir) {
  char const *entry = s->wired && dir[0] == '/' ? getenv(ENTRY_VARIABLE) : 0, *base;
  size_t len;

  if (entry && *entry) dir = entry; /* it has vanished, and is found by a path alone */
  base = dir;
  len = strlen(dir);
  while (len > 1 && dir[len - 1] == '/')
    len--;
  if (!s->wired) {
    for (size_t i = 0; i + 1 < len; i++)
      if (dir[i] == '/') base = dir + i + 1;
    len -= (size_t)(base - dir);
  }
  if (len >= NAME_MAX_LENGTH)
    strerr_dief(EXIT_USAGE, "name too long (", "at most 259 bytes", "): ", dir);
  memcpy(s->name, base, len);
  s->name[len] = 0;
  s->is_log = s->wired && len > 4 && !memcmp(s->name + len - 4, "/log", 4);
}

/* "." names nothing: the service bears the directory's name, or what it is called in its scan
 * directory. */
static void name_from_directory(struct supervisor *s) {
  char cwd[4096], *slash;

  if (!getcwd(cwd, sizeof cwd)) return;
  slash = strrchr(cwd, '/');
  if (slash && slash[1] && strlen(slash + 1) < NAME_MAX_LENGTH) strcpy(s->name, slash + 1);
}

/* strerr's messages, which end us, go nowhere; descriptor 2 stays as it is for the service. The
 * messages of later do not come this way. */
static void hush(void) {
  int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

  if (fd >= 0) buffer_2->fd = fd;
}

/* The working directory will be the service's. */
static char const *absolute(char const *path) {
  static char full[4096] SELDOM;

  if (!path_absolute(full, sizeof full, path)) strerr_diefusys(EXIT_SYSTEM, "name ", path);
  return full;
}

static void help_and_exit(void) {
  _exit(write(1, help, sizeof help - 1) < 0 ? EXIT_SYSTEM : EXIT_DONE);
}

static void answer(int argc, char const *const *argv) {
  option_version(argc, argv);
  if (argc == 2 && !strcmp(argv[1], "--help")) help_and_exit();
}

static void take_options(struct supervisor *s, int argc, char const *const *argv,
                         subgetopt *l) {
  char bad[3];

  for (;;) {
    switch (subgetopt_r(argc, argv, "n:pPqr:sh", l)) {
    case -1:
      return;
    case 's':
      s->wired = 1;
      break;
    case 'n':
      s->needs.scan = absolute(l->arg);
      break;
    case 'q':
      hush();
      break;
    case 'p':
      _exit(upgrade_probe());
    case 'P': /* a scanner asks only whether we are what we seem */
      _exit(EXIT_PROBED);
    case 'r':
      s->resumed = l->arg;
      break;
    case 'h':
      help_and_exit();
      break;
    default:
      strerr_dief(EXIT_USAGE, "unknown option ", option_typed(argv, l, bad), "; usage: " USAGE);
    }
  }
}

int main(int argc, char const *const *argv) {
  static struct supervisor s;
  static struct need needs[NEEDS_MOST] SELDOM;
  static char program[PROGRAM_SIZE] SELDOM, logger[PROGRAM_SIZE] SELDOM;
  static char label[sizeof "supervise " + NAME_MAX_LENGTH];
  subgetopt l = SUBGETOPT_ZERO;
  int selfpipe;

  PROG = "lares-supervise";
  if (!fd_sanitize()) strerr_diefusys(EXIT_SYSTEM, "open /dev/null");
  answer(argc, argv);
  take_options(&s, argc, argv, &l);
  argc -= l.ind;
  argv += l.ind;
  if (argc != 1)
    strerr_dief(EXIT_USAGE, argc ? "more than one directory" : "no directory",
                "; usage: " USAGE);
  take_name(&s, argv[0]);
  s.needs.list = needs;
  s.program = program;
  s.logger = logger;
  if (s.wired && !s.needs.scan) s.needs.scan = getenv("LARES_SCANDIR");
  if (!s.resumed && chdir(argv[0]) < 0) strerr_diefusys(EXIT_SYSTEM, "chdir to ", argv[0]);
  if (!strcmp(s.name, ".")) name_from_directory(&s);
  strcpy(label, "supervise ");
  strcpy(label + 10, s.name);
  s.pipe = CHANNEL_NONE;
  if (s.resumed) begin_take_descriptors(&s, s.resumed);
  /* lares-svscan has made them default for us. */
  selfpipe = signals_listen(kept_signals, sizeof kept_signals / sizeof *kept_signals,
                            SIGNALS_ALL | (s.wired ? SIGNALS_DEFAULT : 0));
  if (selfpipe < 0) cannot_begin(&s, "catch signals");
  setup(&s, argv[0]);
  report_start(label);
  rest_say_unseen(&s);
  resume(&s);
  loop(&s, selfpipe);
  return EXIT_DONE;
}
