/* What becomes of a file on which a program has run, and what is said when it failed: a file
 * with which a program fails stays as it is.
 */

#include <skalibs/nonposix.h>
#include "jobs.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <lares/report.h>

#define DELAY_MOST_MS 60000

static void wait_a_while(struct jobs *jobs, struct logdir const *dir) {
  jobs->delay_ms = jobs->delay_ms ? jobs->delay_ms * 2 : dir->action->retry_ms;
  if (jobs->delay_ms > DELAY_MOST_MS) jobs->delay_ms = DELAY_MOST_MS;
  jobs->retry = deadline_add_ms(clock_now(), jobs->delay_ms);
}

void outcome_unstarted(struct jobs *jobs, struct logdir const *dir) {
  if (!jobs->broken && logdir_is_kind(dir->step))
    report_error(logdir_step_text(dir->step), dir->path,
                 ", finished files are not worked on until it is removed");
  else if (!jobs->broken)
    report_error_errno("unable to start a program on a finished file of ", dir->path,
                       ", trying again now and then");
  jobs->broken = 1;
  wait_a_while(jobs, dir);
}

static char const *why_failed(struct jobs const *jobs, struct logdir const *dir, char *number) {
  struct work_report const *report = jobs->report;
  int wstat = report->wstat;

  if (dir->job.misplaced) return "what it wrote is no longer in its place";
  if (dir->job.cancelled) return "its file had to give way to newer ones";
  switch (report->outcome) {
  case WORK_LATE:
    return "it took too long and was killed";
  case WORK_HAUNTED:
    return "it left a process that cannot be killed";
  case WORK_STATE:
    return "its new state is larger than an eighth of a file";
  case WORK_UNFLUSHED:
  case WORK_UNSTARTED:
    return strerror(report->error);
  case WORK_ENDED:
    break;
  default:
    return "it was killed";
  }
  if (WIFSIGNALED(wstat) && WTERMSIG(wstat) == SIGXFSZ)
    return "it wrote more than there is room for";
  strcpy(number, WIFSIGNALED(wstat) ? "signal " : "exit code ");
  report_number(number + strlen(number),
                WIFSIGNALED(wstat) ? WTERMSIG(wstat) : WEXITSTATUS(wstat));
  return number;
}

static void say_failed(struct jobs const *jobs, struct logdir const *dir, char const *why,
                       int again) {
  char name[STAMP_FMT + 1] = {0}, number[REPORT_NUMBER];
  char const *what = dir->job.packing ? jobs->packer : "processor";

  stamp_fmt(name, &dir->job.stamp);
  if (again)
    report_error(what, " of ", dir->path, " failed with ", name, ", next try in ",
                 report_number(number, jobs->delay_ms), " ms: ", why);
  else
    report_error(what, " of ", dir->path, " failed with ", name,
                 ", which is kept as it is: ", why);
}

/* That a file does not get smaller by a half is no failure that anybody has to know of. */
static void failed(struct jobs *jobs, struct logdir *dir) {
  char text[REPORT_NUMBER + 16];
  char const *why = why_failed(jobs, dir, text);
  int full = (jobs->report->outcome == WORK_ENDED || jobs->report->outcome == WORK_DONE) &&
             logjob_is_full(dir);
  int quiet = dir->job.packing && (full || dir->job.cancelled);
  enum logjob_after after = logjob_failed(dir);

  if (full) why = "it wrote more than there is room for";
  while (quiet && after == LOGJOB_AGAIN)
    after = logjob_failed(dir);
  /* Each file has delays of its own: where one after the other fails once and has to give way,
   * the next shall not wait a minute. */
  if (after != LOGJOB_AGAIN || !dir->job.tries) jobs->delay_ms = 0;
  if (after == LOGJOB_AGAIN) wait_a_while(jobs, dir);
  /* Of one file the first failure and the last. */
  if (after == LOGJOB_AGAIN && jobs->delay_ms > dir->action->retry_ms) quiet = 1;
  if (!quiet && after != LOGJOB_GONE) say_failed(jobs, dir, why, after == LOGJOB_AGAIN);
}

void outcome_settle(struct jobs *jobs, struct logdir *dir) {
  enum archive_packing made = dir->job.packing ? jobs->packing : ARCHIVE_PLAIN;
  int recalled = jobs->recalled && jobs->report->outcome != WORK_DONE;

  jobs->ready = jobs->recalled = 0;
  if (recalled) {
    logjob_postpone(dir);
    dir->job.cancelled = 0;
    return;
  }
  /* Who has ignored that its file is full has not said all it had to say. */
  if (jobs->report->outcome != WORK_DONE || dir->job.cancelled || logjob_is_full(dir)) {
    failed(jobs, dir);
    return;
  }
  if (!dir->job.active || logjob_commit(dir, made)) {
    if (jobs->broken) report_info("finished files of ", dir->path, " are worked on again");
    jobs->delay_ms = 0;
    jobs->broken = 0;
    return;
  }
  if (errno == ECANCELED) {
    dir->job.cancelled = 1;
    failed(jobs, dir);
    return;
  }
  jobs->ready = 1;
  outcome_unstarted(jobs, dir);
}

void outcome_say_unprocessed(struct jobs *jobs, struct logdir const *dir) {
  char number[REPORT_NUMBER];

  if (dir->unprocessed < 2 * jobs->told || !dir->unprocessed || dir->unprocessed == jobs->told)
    return;
  jobs->told = dir->unprocessed;
  report_error("files of ", dir->path,
               " removed for want of room before the processor had them: ",
               report_number(number, dir->unprocessed));
}
