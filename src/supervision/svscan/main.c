/* lares-svscan: one supervisor for each entry of a scan directory, and one for its log/.
 *
 * Everything that can go wrong at the start is said with strerr and ends the program; from
 * loop_run on nothing but a signal does. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/config.h>
#include <lares/exitcode.h>
#include <lares/option.h>
#include <lares/path.h>

/* letter, with argument, name of the argument, help */
#define OPTIONS(X)                                                                             \
  X("b", ":", " dir", "find lares-supervise in dir")                                           \
  X("d", ":", " defs", "build a service in scandir for each definition in defs")               \
  X("g", ":", " cgroup", "give each service a cgroup of its own below this one")               \
  X("h", "", "", "show this text and exit")                                                    \
  X("k", "", "", "do not stop what vanishes, only stop restarting its supervisors")            \
  X("T", ":", " ms", "a stop takes at most so many milliseconds (1000 and up)")
/* -p, -q and -r are for the scanner itself, when it upgrades. */
static char const letters[] = ":" OPTIONS(OPTION_LETTER) "pqr:";
static char const usage[] =
    "lares-svscan" OPTIONS(OPTION_BRIEF) " [ scandir ]" OPTIONS(OPTION_HELP);

/* A relative directory is meant from where we were started, not from the scan directory. */
static char const *absolute(char path[PATH_SIZE], char const *dir) {
  if (!path_absolute(path, PATH_SIZE, dir))
    strerr_diefusys(EXIT_SYSTEM, "name directory ", dir);
  return path;
}

static char const *read_options(struct scan *s, int argc, char const *const *argv) {
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
      s->definitions.path = absolute(definitions, at.arg);
      break;
    case 'g':
      s->given = absolute(cgroup, at.arg);
      break;
    case 'h':
      option_help(usage);
    case 'k':
      s->keep = 1;
      break;
    case 'p':
      s->upgrade.probing = 1;
      break;
    case 'q':
      s->upgrade.quiet = 1;
      break;
    case 'r':
      s->upgrade.resumed = 1;
      resume_descriptors(s, at.arg);
      break;
    case 'T':
      if (!uint320_scan(at.arg, &s->stop_ms) || s->stop_ms < 1000)
        strerr_dief(EXIT_USAGE, "option -T: `", at.arg,
                    "' is not a number of milliseconds from 1000 to 4294967295");
      break;
    default:
      option_die(argv, &at, letter, usage);
    }
  return option_scan_directory(argc, argv, &at, usage);
}

static void enter(struct scan *s, char const *dir) {
  struct stat st;
  DIR *list;

  if (chdir(dir) < 0)
    strerr_diefusys(errno == ENOENT || errno == ENOTDIR ? EXIT_USAGE : EXIT_SYSTEM,
                    "use scan directory ", option_shown(dir));
  list = opendir(".");
  if (!list || stat(".", &st) < 0) strerr_diefusys(EXIT_SYSTEM, "list scan directory ", dir);
  closedir(list);
  s->dev = st.st_dev;
  s->ino = st.st_ino;
  s->path = realpath(".", 0);
  if (!s->path) strerr_diefusys(EXIT_SYSTEM, "find the path of ", dir);
}

/* `lares-svscan /service/web` would take its log/ for a service. */
static void warn_of_service(struct scan const *s) {
  struct stat st;

  if ((!stat("run", &st) && S_ISREG(st.st_mode)) ||
      (!stat("supervise/ok", &st) && S_ISFIFO(st.st_mode)))
    report_warning(s->path, " looks like the directory of a service, not of services: the "
                            "scan directory may be the one that it is in");
}

/* Later it may come and go. */
static void check_definitions(struct scan *s) {
  char const *path = s->definitions.path;
  struct stat st;

  if (!path) return;
  if (stat(path, &st) < 0 || (!S_ISDIR(st.st_mode) && (errno = ENOTDIR)))
    strerr_diefusys(errno == ENOENT || errno == ENOTDIR ? EXIT_USAGE : EXIT_SYSTEM,
                    "use definitions ", path);
  if (st.st_dev == s->dev && st.st_ino == s->ino)
    strerr_dief(EXIT_USAGE, "option -d: ", path, " is the scan directory itself");
}

/* After an upgrade we are where we were, whatever the path leads to by now. */
static void stay(struct scan *s, char const *path) {
  struct stat st;

  if (stat(".", &st) < 0) cannot_begin(s, "use scan directory ", path);
  s->dev = st.st_dev;
  s->ino = st.st_ino;
  s->path = path;
}

/* The probe has found it. Should it be gone meanwhile, that is no reason to end: starting
 * supervisors is tried again and again. */
static void find_supervise(struct scan *s) {
  if (program_find(s)) return;
  if (s->upgrade.resumed && !is_shortage(errno)) {
    strcpy(s->supervise, LARES_BINDIR "/lares-supervise");
    return;
  }
  if (!s->bindir && !is_shortage(errno)) /* without /proc we do not know where we are */
    strerr_dief(EXIT_SYSTEM, "unable to find lares-supervise: ", strerror(errno),
                "; give -b DIR");
  cannot_begin(s, "find lares-supervise", s->bindir ? " in " : "", s->bindir ? s->bindir : "");
}

/* Descriptor 0 is nobody's to read. */
static void open_null(struct scan *s) {
  int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

  if (fd < 0 || fd_copy(0, fd) < 0) cannot_begin(s, "open /dev/null");
  close(fd);
}

static void take_over(struct scan *s) {
  char number[REPORT_NUMBER];
  int32_t holder;
  uid_t owner;

  if (!s->upgrade.resumed && !home_open(s, &holder)) {
    if (holder)
      strerr_dief(EXIT_USAGE, "another scanner, pid ",
                  holder > 0 ? report_number(number, holder) : "unknown", ", runs in ",
                  s->path);
    if (home_is_foreign(&owner))
      strerr_dief(EXIT_USAGE, s->path, "/.lares is that of a scanner of user ",
                  report_number(number, owner),
                  ", and only one of the same user can run there; remove it if none is to");
  }
  if (s->upgrade.resumed)
    program_note(s);
  else if (s->has_home) {
    (void)unlink(NEXT_BINDIR); /* what the one before us was asked to become it did not */
    home_listen(s);
  }
  definitions_begin(s);
  if (s->upgrade.resumed) store_begin(s);
  home_find_vanished(s);
  if (s->has_home && home_was_stopping(s)) {
    report_info("a scanner before this one was about to stop everything: going on with that");
    scan_all(s);
    stop_begin(s);
  } else if (s->upgrade.resumed)
    resume_begin(s);
  else
    scan_later(s, 0);
}

int main(int argc, char const *const *argv) {
  static struct scan s = {
      .lock = -1,
      .store = -1,
      .inotify = -1,
      .watch = -1,
      .definitions = {.watch = -1},
      .epoll = -1,
      .next = DEADLINE_NEVER,
      .rescan_at = DEADLINE_NEVER,
      .ping_at = DEADLINE_NEVER,
      .kill_at = DEADLINE_NEVER,
      .give_up_at = DEADLINE_NEVER,
      .control = {.read = -1, .write = -1},
      .hook = {.pipe = -1, .moment = DEADLINE_NEVER},
      .upgrade = {.probe_until = DEADLINE_NEVER, .tell_at = DEADLINE_NEVER}};
  char const *dir;

  PROG = "lares-svscan";
  fd_sanitize();
  s.argv = argv;
  dir = read_options(&s, argc, argv);
  if (s.upgrade.resumed || s.upgrade.probing)
    stay(&s, dir);
  else {
    enter(&s, dir);
    check_definitions(&s);
  }
  if (s.upgrade.resumed && !upgrade_done()) cannot_begin(&s, "read " NEXT_BINDIR);
  find_supervise(&s);
  if (s.upgrade.probing) return upgrade_probe(&s);
  s.cgroup = delegated_cgroup(s.given, s.upgrade.resumed);
  if (!child_probe_abilities(&s.abilities)) cannot_begin(&s, "tell processes from each other");
  s.envp = spawn_environment(&s);
  if (!s.envp) cannot_begin(&s, "copy the environment");
  open_null(&s);
  s.signals = loop_start();
  if (s.signals < 0) cannot_begin(&s, "trap signals");
  spawn_raise_limit(&s);
  report_start("svscan");
  if (!s.upgrade.resumed) warn_of_service(&s);
  if (!tree_adopt_orphans())
    report_info("not a child subreaper: exit codes of adopted services may stay unknown");
  watch_start(&s);
  notify_begin(&s);
  take_over(&s);
  script_look(&s);
  hook_look(&s);
  loop_run(&s);
  if (!s.stopping) return EXIT_DONE;
  if (!s.living) report_info("everything has stopped");
  home_ended(&s);
  home_stopped();
  notify_end(&s);
  script_become(&s, "finish");
  return s.code;
}
