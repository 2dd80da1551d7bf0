/* What comes to us when a scanner dies: its supervisors and, when these die too, their
 * services. Of a service that ends here its next supervisor would not learn how, hence the note
 * (R4 of doc/DESIGN.md section 6), left before the reap and followed by a poke. The next
 * scanner cannot do it: it is not the parent. */

#include <skalibs/nonposix.h>
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lares/channel.h>
#include <lares/path.h>
#include <lares/report.h>

struct search {
  struct init *init;
  int32_t pid, wstat;
  int found;
};

static void try_directory(struct search *search, char const *dir) {
  char control[PATH_SIZE];

  switch (
      note_leave(&search->init->abilities, dir, IDENTITY_BY_INIT, search->pid, search->wstat)) {
  case NOTE_LEFT:
    search->init->unnoted = 0;
    break;
  case NOTE_FAILED:
    if (!search->init->unnoted)
      report_warning_errno("unable to write ", dir, "/supervise/exit");
    search->init->unnoted = 1;
    break;
  default:
    return;
  }
  search->found = 1;
  if (path_join(control, sizeof control, dir, "supervise/control"))
    (void)channel_poke(control, "."); /* means nothing, but wakes */
}

static void try_service(struct search *search, char const *dir) {
  char log[PATH_SIZE];

  try_directory(search, dir);
  if (!search->found && path_join(log, sizeof log, dir, "log")) try_directory(search, log);
}

static void try_entry(void *context, char const *name) {
  struct search *search = context;

  if (!search->found && path_is_service_name(name)) try_service(search, name);
}

/* An entry that has left the scan directory is where its record says: DEV:INO:PATH. */
static void try_record(void *context, char const *name) {
  struct search *search = context;
  char record[PATH_SIZE], text[PATH_SIZE];
  ssize_t len;
  char *at;

  if (search->found || name[0] == '.' || !path_join(record, sizeof record, RECORDS, name))
    return;
  len = readlink(record, text, sizeof text - 1);
  if (len < 0) return;
  text[len] = 0;
  at = strchr(text, ':');
  at = at ? strchr(at + 1, ':') : 0;
  if (at && at[1] == '/') try_service(search, at + 1);
}

/* Needs no descriptor for the scan directory itself: there may be none left. */
static void leave_note(struct init *s, int32_t pid, int32_t wstat) {
  struct search search = {.init = s, .pid = pid, .wstat = wstat};
  int records;

  if (lseek(s->dir, 0, SEEK_SET) >= 0) (void)path_each_name(s->dir, try_entry, &search);
  if (search.found) return;
  records = open(RECORDS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (records < 0) return;
  (void)path_each_name(records, try_record, &search);
  close(records);
}

static void inherit(struct init *s, int32_t pid, int32_t wstat) {
  char number[REPORT_NUMBER], status[REPORT_NUMBER];

  orphans_follow_directory(s);
  leave_note(s, pid, wstat);
  child_reap(pid);
  report_info("reaped an orphan, pid ", report_number(number, pid),
              WIFEXITED(wstat) ? ": exited " : ": killed by signal ",
              report_number(status, WIFEXITED(wstat) ? WEXITSTATUS(wstat) : WTERMSIG(wstat)));
}

/* The scanner first, however many orphans wait to be reaped. */
void orphans_reap(struct init *s) {
  int32_t wstat;
  pid_t pid;

  for (;;) {
    if (s->scanner && child_peek(s->scanner, &wstat) == 1) {
      child_reap(s->scanner);
      scanner_ended(s, wstat);
    }
    if (child_peek_any(&pid, &wstat) != 1) return;
    if (pid != s->scanner) inherit(s, pid, wstat);
  }
}

static void count(void *context, char const *name) {
  if (name[0] != '.') ++*(unsigned *)context;
}

unsigned orphans_supervised(void) {
  int records = open(RECORDS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  unsigned found = 0;

  if (records < 0) return 0;
  (void)path_each_name(records, count, &found);
  close(records);
  return found;
}

/* The scanner does the same: something was mounted there, or it was made anew. */
void orphans_follow_directory(struct init *s) {
  struct stat there, ours;
  int dir;

  if (stat(s->path, &there) < 0 || fstat(s->dir, &ours) < 0 ||
      (there.st_dev == ours.st_dev && there.st_ino == ours.st_ino))
    return;
  dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return;
  if (fchdir(dir) < 0) {
    close(dir);
    return;
  }
  close(s->dir);
  s->dir = dir;
}
