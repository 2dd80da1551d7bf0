/* The scanner: started, ended, started again, and when that is the end of everything. */

#include <skalibs/nonposix.h>
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/posixplz.h>
#include <skalibs/types.h>

#include <lares/config.h>
#include <lares/exitcode.h>
#include <lares/option.h>
#include <lares/path.h>
#include <lares/report.h>

#define PROGRAM "lares-svscan"
#define ENDED ".lares/ended"

static int usable(char path[PATH_SIZE], char const *dir) {
  return path_join(path, PATH_SIZE, dir, PROGRAM) && !access(path, X_OK);
}

/* What the last upgrade said; -b; beside us; where it was to be installed. *upgraded: it was
 * the first. */
static char const *find_program(struct init const *s, char path[PATH_SIZE], int *upgraded) {
  char dir[PATH_SIZE];

  *upgraded = path_own_line(dir, sizeof dir, BINDIR) && dir[0] == '/' && usable(path, dir);
  if (*upgraded || (s->bindir && usable(path, s->bindir))) return path;
  if (!s->bindir && s->beside[0] && !access(s->beside, X_OK)) return s->beside;
  (void)path_join(path, PATH_SIZE, s->bindir ? s->bindir : LARES_BINDIR, PROGRAM);
  return path;
}

static void put_arguments(struct init const *s, int upgraded, char const *argv[ARGUMENTS]) {
  unsigned n = 0;

  argv[n++] = PROGRAM;
  if (s->bindir && !upgraded) {
    argv[n++] = "-b";
    argv[n++] = s->bindir;
  }
  if (s->definitions) {
    argv[n++] = "-d";
    argv[n++] = s->definitions;
  }
  if (s->cgroup) {
    argv[n++] = "-g";
    argv[n++] = s->cgroup;
  }
  if (s->keep) argv[n++] = "-k";
  if (s->ms) {
    argv[n++] = "-T";
    argv[n++] = s->ms;
  }
  option_operand(argv + n, s->path);
}

static void start_in(struct init *s, uint32_t ms) {
  s->due = deadline_add_ms(clock_now(), ms);
}

void scanner_start(struct init *s) {
  char path[PATH_SIZE];
  char const *argv[ARGUMENTS];
  struct child_plan plan = {.abilities = &s->abilities,
                            .argv = argv,
                            .envp = (char const *const *)environ,
                            .record = -1};
  int upgraded;

  orphans_follow_directory(s);
  plan.file = find_program(s, path, &upgraded);
  put_arguments(s, upgraded, argv);
  s->scanner = child_start(&plan);
  if (s->scanner < 0) {
    s->scanner = 0;
    if (!s->unstartable) report_warning_errno("unable to start ", plan.file, ", trying again");
    s->unstartable = 1;
    start_in(s, RETRY_MS);
    return;
  }
  s->began = clock_now();
  s->due = DEADLINE_NEVER;
  s->listens = 0;
  if (plan.failed && !s->unstartable) {
    errno = plan.failed;
    report_error_errno("unable to run ", plan.file);
  }
  s->unstartable = plan.failed != 0;
  signals_deliver(s);
}

/* A scanner that was told to leave has left services behind. Pid 1 cannot leave: that would be
 * their end. */
static int has_left(struct init const *s, int code) {
  return s->first && !code && !s->stopping && orphans_supervised();
}

/* An essential service has ended with that code, and the scanner has said so. */
static int is_of_service(struct init const *s, int code) {
  char text[32];
  uint64_t boot;
  size_t at;
  int said;
  ssize_t len = readlink(ENDED, text, sizeof text - 1);

  if (len < 0) return 0;
  text[len] = 0;
  (void)unlink(ENDED);
  at = uint64_xscan(text, &boot);
  return at && text[at] == ':' && boot == s->abilities.boot &&
         int0_scan(text + at + 1, &said) && said == code;
}

/* Was it the end of everything? What a scanner cannot begin with, it will not be able to begin
 * with later either; but once there has been one, services run. */
static int is_over(struct init const *s, int32_t wstat) {
  int code = WEXITSTATUS(wstat);

  if (!WIFEXITED(wstat)) return 0;
  if (code < EXIT_USAGE || code > EXIT_NOTFOUND) return !has_left(s, code);
  if (is_of_service(s, code)) return 1;
  if (s->stopping) return 1;
  return !s->been_up && (code == EXIT_USAGE || code == EXIT_NOEXEC || code == EXIT_NOTFOUND);
}

static void report_end(int32_t pid, int32_t wstat, uint32_t delay) {
  char number[REPORT_NUMBER], status[REPORT_NUMBER], wait[REPORT_NUMBER];

  report_warning("the scanner, pid ", report_number(number, pid),
                 WIFEXITED(wstat) ? ", exited " : ", was killed by signal ",
                 report_number(status, WIFEXITED(wstat) ? WEXITSTATUS(wstat) : WTERMSIG(wstat)),
                 "; starting another", delay ? " in " : " at once",
                 delay ? report_number(wait, delay) : "", delay ? " ms" : "");
}

void scanner_ended(struct init *s, int32_t wstat) {
  int32_t pid = s->scanner;
  uint32_t delay;

  s->scanner = 0;
  if (deadline_passed(deadline_add_ms(s->began, RUN_LONG_MS), clock_now())) {
    s->been_up = 1;
    s->deaths = 0;
  }
  /* Killed young, with services. */
  if (WIFSIGNALED(wstat) && orphans_supervised()) s->been_up = 1;
  if (is_over(s, wstat)) {
    s->over = 1;
    s->code = WEXITSTATUS(wstat);
    return;
  }
  delay = child_restart_delay(++s->deaths, wstat);
  if (s->deaths <= 2 || delay > 1000) report_end(pid, wstat, delay);
  signals_stop_again(s);
  start_in(s, delay);
  if (!delay) scanner_start(s);
}
