/* Upgrade in place: a rehearsed crash. A new binary is probed in a child; if it can be run and
 * understands our records we become it, in the same pid, with the lock and the control FIFO
 * kept. Everything else the new image finds as after a crash, except that the service is still
 * its own child. If it cannot start, we go on.
 *
 * The probe is needed because execve() finds a missing or foreign file out, but not a truncated
 * one or a library that is not there: those die after the point of no return.
 */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/posixplz.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/config.h>
#include <lares/exitcode.h>
#include <lares/killpoint.h>
#include <lares/option.h>
#include <lares/path.h>
#include <lares/report.h>
#include <lares/shortage.h>
#include <lares/text.h>

#include "supervise.h"

#define PROBE_MS 10000
#define FILE_REFUSED "supervise/refused"
#define FILE_UNTAKEN "supervise/untaken" /* the probe's: what is wrong */

static void refuse(int error, char const *what, char const *program, char const *how) {
  report_refusal(FILE_REFUSED, error, what, program, how);
}

/* What the scanner starts, by the link that it has made. Believed if only we or root can have
 * made it, and if there is such a program still. */
static int read_note(char const *scan, char program[PROGRAM_SIZE]) {
  char name[PROGRAM_SIZE];
  struct stat st;
  ssize_t len;

  if (!path_join(name, sizeof name, scan, ".lares/program")) return 0;
  if (lstat(name, &st) < 0 || (st.st_uid && st.st_uid != geteuid())) return 0;
  len = readlink(name, program, PROGRAM_SIZE);
  if (len <= 0 || len == PROGRAM_SIZE) return 0;
  program[len] = 0;
  return program[0] == '/' && !access(program, X_OK);
}

/* Where the new binary is: what `.lares/bindir` of the scan directory names, what the scanner
 * starts, else what we were started as, by path: /proc/self/exe is the old file, removed by
 * now. Read without blocking. */
static int find_program(char program[PROGRAM_SIZE]) {
  char const *scan = getenv("LARES_SCANDIR");
  char const *self = (char const *)getauxval(AT_EXECFN);
  char name[PROGRAM_SIZE], dir[PROGRAM_SIZE];

  if (scan && path_join(name, sizeof name, scan, ".lares/bindir")) {
    if (!path_own_line(dir, sizeof dir, name)) {
      if (is_shortage(errno)) return 0;
    } else if (dir[0] == '/')
      return path_join(program, PROGRAM_SIZE, dir, PROGRAM);
  }
  errno = 0;
  if (scan && read_note(scan, program)) return 1;
  if (is_shortage(errno)) return 0;
  if (self && self[0] == '/' && strlen(self) < PROGRAM_SIZE) {
    strcpy(program, self);
    return 1;
  }
  if (path_beside(program, PROGRAM_SIZE, PROGRAM) && !access(program, X_OK)) return 1;
  return path_join(program, PROGRAM_SIZE, LARES_BINDIR, PROGRAM);
}

void upgrade_begin(struct supervisor *s) {
  char const *argv[] = {PROGRAM, "-p", 0, 0, 0};
  struct child_plan plan = {.abilities = &s->abilities,
                            .file = s->program,
                            .argv = argv,
                            .envp = (char const *const *)environ,
                            .record = -1,
                            .dies_with_us = 1};

  option_operand(argv + 2, s->name);
  s->probe_again = s->probe != 0;
  if (s->probe) return;
  KILL_POINT(PROBE);
  (void)unlink(FILE_REFUSED);
  (void)unlink(FILE_UNTAKEN);
  if (!find_program(s->program)) {
    refuse(errno, "unable to name the new program", "", "");
    return;
  }
  s->probe = child_start(&plan);
  if (s->probe < 0) {
    s->probe = 0;
    refuse(errno, "unable to try ", s->program, "");
    return;
  }
  s->probe_error = plan.failed;
  s->probe_until = deadline_add_ms(clock_now(), PROBE_MS);
}

void upgrade_late(struct supervisor *s) {
  struct child probe = {.who = {.pid = s->probe}, .pidfd = -1};

  child_signal(&probe, SIGKILL);
  s->probe_until = DEADLINE_NEVER;
}

static void become(struct supervisor *s) {
  KILL_POINT(RENEW);
  helper_end_all(s); /* the new image does not know them */
  begin_as(s, s->program, 0);
  refuse(errno, "unable to become ", s->program, "");
}

void upgrade_probed(struct supervisor *s, int32_t wstat) {
  char how[REPORT_TRIED], text[REPORT_UNTAKEN];

  child_reap(s->probe);
  KILL_POINT(PROBED);
  s->probe = 0;
  s->probe_until = DEADLINE_NEVER;
  if (s->quit) /* on record as gone: whoever came back would start it all anew */
    return;
  if (s->probe_again) /* asked for once more meanwhile: another program may be there by now */
    upgrade_begin(s);
  else if (wstat == WSTAT_PROBED && s->owes) /* a new image would believe what is there */
    refuse(0, FILE_CHILD " could not be written", "", "");
  else if (wstat == WSTAT_PROBED)
    become(s);
  else if (s->probe_error)
    refuse(s->probe_error, "unable to execute ", s->program, "");
  else if (report_take(FILE_UNTAKEN, text))
    refuse(0, s->program, ": ", text);
  else
    refuse(0, "", s->program, report_tried(how, wstat));
}

/* The other side: -p. The working directory is the service's. */
static void die_of(char const *file) {
  char text[128] = "unable to use ";

  strcat(text, file);
  strcat(text, ": ");
  text_add(text, sizeof text, status_trouble(errno));
  report_untaken(FILE_UNTAKEN, text);
  strerr_dief(EXIT_SYSTEM, "take over: ", text);
}

int upgrade_probe(void) {
  struct history_writer journal;
  struct history_record last;
  struct state_record state;
  struct identity_record record;
  int fd = open(FILE_CHILD, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

  KILL_POINT(PROBING);
  /* The supervisor that tries us goes on with its work, and writes. */
  if (!state_record_load_settled(".", &state)) die_of(FILE_STATE);
  if (fd < 0 || !(status_is_blank(fd) || identity_record_read(fd, &record))) die_of(FILE_CHILD);
  if (!history_open(&journal, FILE_HISTORY, 0, &last)) die_of(FILE_HISTORY);
  return EXIT_PROBED;
}
