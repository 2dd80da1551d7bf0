/* Upgrade in place, the old image's side: find the new program, try it in a child, become it in
 * the same pid with the scan lock and the control FIFO kept. All else the new image finds as
 * after a death (resume.c), except that the supervisors are still its own children. Nothing
 * changes when it is refused: why stands in SCAN/.lares/refused, a link whose text it is. And a
 * directory that is asked for (.lares/bindir.next) becomes .lares/bindir only by the new image:
 * should we be killed before, who follows us does not begin with programs that nobody has
 * tried.
 *
 * The probe tries both programs: as pid 1 there would be nobody to start another scanner. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <skalibs/posixplz.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/config.h>
#include <lares/exitcode.h>
#include <lares/killpoint.h>
#include <lares/option.h>
#include <lares/path.h>

#define PROGRAM "lares-svscan"

static void refuse(int error, char const *what, char const *program, char const *how) {
  report_refusal(REFUSED, error, what, program, how);
  (void)unlink(NEXT_BINDIR);
}

static int read_directory(char const *file, char dir[PATH_SIZE]) {
  return path_own_line(dir, PATH_SIZE, file) && dir[0] == '/';
}

static int find_program(char program[PATH_SIZE]) {
  char const *self = (char const *)getauxval(AT_EXECFN);
  char dir[PATH_SIZE];

  errno = 0;
  if (read_directory(NEXT_BINDIR, dir) || (!is_shortage(errno) && read_directory(BINDIR, dir)))
    return path_join(program, PATH_SIZE, dir, PROGRAM);
  if (is_shortage(errno)) return 0; /* another place is not the right one for that */
  if (self && self[0] == '/' && strlen(self) < PATH_SIZE) {
    memcpy(program, self, strlen(self) + 1);
    return 1;
  }
  if (path_beside(program, PATH_SIZE, PROGRAM) && !access(program, X_OK)) return 1;
  return path_join(program, PATH_SIZE, LARES_BINDIR, PROGRAM);
}

/* The directory of the programs: .lares/bindir, which the new image makes of what is asked for,
 * was made later than a -b. The probe is to try what is asked for before it is anything. */
static char const *put_directory(struct scan const *s, int probing, char dir[PATH_SIZE]) {
  if (read_directory(NEXT_BINDIR, dir)) return probing ? dir : 0;
  return s->bindir && !read_directory(BINDIR, dir) ? s->bindir : 0;
}

/* What we were started as, the directory always as an absolute path. */
#define ARGUMENTS 14
struct arguments {
  char const *argv[ARGUMENTS];
  char number[UINT32_FMT + 1], dir[PATH_SIZE];
};
static void put_arguments(struct scan const *s, struct arguments *a, char const *letter,
                          char const *value) {
  char const *bindir = put_directory(s, !value, a->dir);
  char const **argv = a->argv;
  unsigned n = 0;

  argv[n++] = PROGRAM;
  argv[n++] = letter;
  if (value) argv[n++] = value;
  if (bindir) {
    argv[n++] = "-b";
    argv[n++] = bindir;
  }
  if (s->definitions.path) {
    argv[n++] = "-d";
    argv[n++] = s->definitions.path;
  }
  if (s->given) {
    argv[n++] = "-g";
    argv[n++] = s->given;
  }
  if (s->keep) argv[n++] = "-k";
  if (s->stop_ms) {
    a->number[uint32_fmt(a->number, s->stop_ms)] = 0;
    argv[n++] = "-T";
    argv[n++] = a->number;
  }
  option_operand(argv + n, s->path);
}

/* Would the new image not find what we know? It looks in the scan directory, and in .lares,
 * where of what is being stopped is noted where it is (moved_search). */
static int knows_more(struct scan *s) {
  uint64_t ino = s->ino, dev = s->dev;

  lost_check(s);
  if (!s->lost && s->ino == ino && s->dev == dev) return 0;
  refuse(0, "the scan directory ", s->path, " is not the one that it was");
  return 1;
}

void upgrade_begin(struct scan *s) {
  struct upgrade *u = &s->upgrade;
  struct arguments arguments;

  u->again = u->probe != 0;
  if (u->probe) return;
  KILL_POINT(PROBE);
  (void)unlink(REFUSED);
  (void)unlink(UNTAKEN);
  u->due = u->late = 0;
  if (s->stopping || s->put_off) {
    refuse(0, "everything is being stopped", "", "");
    return;
  }
  if (s->lock < 0 || s->control.write < 0) {
    refuse(0, ".lares cannot be used", "", "");
    return;
  }
  if (knows_more(s)) return;
  if (!find_program(u->program)) {
    refuse(errno, "unable to name the new program", "", "");
    return;
  }
  put_arguments(s, &arguments, "-p", 0);
  if (!spawn_program(s, u->program, arguments.argv, &u->probe, &u->probe_error)) {
    u->probe = 0;
    refuse(errno, "unable to try ", u->program, "");
    return;
  }
  u->probe_until = deadline_add_ms(clock_now(), PROBE_MS);
  need_look(s, u->probe_until);
}

void upgrade_deadline(struct scan *s, struct deadline now) {
  struct upgrade *u = &s->upgrade;
  struct child probe = {.who = {.pid = u->probe}, .pidfd = -1};

  if (u->probe && deadline_passed(u->probe_until, now)) {
    u->late = 1;
    u->probe_until = DEADLINE_NEVER;
    child_signal(&probe, SIGKILL);
  }
  need_look(s, u->probe_until);
}

int upgrade_reaped(struct scan *s, int32_t pid, int32_t wstat) {
  struct upgrade *u = &s->upgrade;
  char how[REPORT_TRIED], text[REPORT_UNTAKEN];

  if (!pid || u->probe != pid) return 0;
  KILL_POINT(PROBED);
  u->probe = 0;
  u->probe_until = DEADLINE_NEVER;
  if (u->again) /* another program may be there by now */
    upgrade_begin(s);
  else if (wstat == WSTAT_PROBED)
    u->due = 1;
  else if (u->probe_error)
    refuse(u->probe_error, "unable to execute ", u->program, "");
  else if (report_take(UNTAKEN, text))
    refuse(0, u->program, ": ", text);
  else if (u->late)
    refuse(0, "", u->program, " took too long when it was tried");
  else
    refuse(0, "", u->program, report_tried(how, wstat));
  return 1;
}

/* Cleared for the exec alone. The lock must never be let go: another scanner would begin. */
static int keep_over_exec(struct scan const *s, int keep) {
  int const fds[] = {s->lock, s->control.read, s->control.write};
  int good = 1;

  for (unsigned i = 0; i < 3; i++)
    if (fcntl(fds[i], F_SETFD, keep ? 0 : FD_CLOEXEC) < 0) good = 0;
  store_keep(s, keep);
  return good;
}

/* The new image: what was asked for is done. What has been asked for since the probe was not
 * tried yet, and stays asked for; the word to do it waits in the control FIFO. 0 with errno
 * when that cannot be told for the moment. */
int upgrade_done(void) {
  char const *self = (char const *)getauxval(AT_EXECFN);
  char dir[PATH_SIZE], program[PATH_SIZE];

  errno = 0;
  if (!read_directory(NEXT_BINDIR, dir)) return !is_shortage(errno);
  if (!self || !path_join(program, PATH_SIZE, dir, PROGRAM)) return 1;
  if (!strcmp(self, program)) (void)rename(NEXT_BINDIR, BINDIR);
  return 1;
}

/* Called when every signal that came has been acted on; what comes from here on waits, blocked,
 * for the new image. */
void upgrade_become(struct scan *s) {
  struct upgrade *u = &s->upgrade;
  struct arguments arguments;
  char fds[3 * UINT_FMT];
  sigset_t all, old;
  size_t len = 0;
  int error;

  u->due = 0;
  if (s->stopping || s->put_off || s->leave) {
    refuse(0, "everything is being stopped", "", "");
    return;
  }
  if (knows_more(s)) return;
  len += uint_fmt(fds + len, (unsigned)s->lock);
  fds[len++] = ',';
  len += uint_fmt(fds + len, (unsigned)s->control.read);
  fds[len++] = ',';
  len += uint_fmt(fds + len, (unsigned)s->control.write);
  fds[len] = 0;
  put_arguments(s, &arguments, "-r", fds);
  notify_reloading(s);
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &old);
  spawn_restore_limit(s);
  KILL_POINT(RENEW);
  if (keep_over_exec(s, 1)) execve(u->program, (char *const *)arguments.argv, environ);
  error = errno;
  keep_over_exec(s, 0);
  spawn_raise_limit(s);
  sigprocmask(SIG_SETMASK, &old, 0);
  notify_ready(s);
  refuse(error, "unable to become ", u->program, "");
}
