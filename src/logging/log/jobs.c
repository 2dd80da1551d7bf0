/* Which program runs on which file, and what is said when it fails. Lines are never kept
 * waiting: nothing here blocks, and a file with which a program fails stays as it is.
 */

#include <skalibs/nonposix.h>
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/path.h>
#include <lares/report.h>

#define TIMEOUT_S 300 /* of a program, LARES_LOG_TIMEOUT */
#define DELAY_MOST_MS 60000
#define LATE_MS 2000  /* the process between should have ended so long ago */
#define AGAIN_MS 1000 /* and is looked at again */

static int has_work(struct logaction const *action) {
  return action->kind == LOG_TO_DIR && (action->processor || action->compress);
}

/* --- at the start --- */

int jobs_prepare(struct logger const *logger, struct jobs *jobs,
                 struct logaction const *action) {
  jobs->retry = DEADLINE_NEVER;
  if (!has_work(action)) return 1;
  if (action->compress && !packer_find(logger, jobs, action)) return 0;
  jobs->report =
      mmap(0, sizeof *jobs->report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (jobs->report != MAP_FAILED) return 1;
  jobs->report = 0;
  return 0;
}

void jobs_free(struct jobs *jobs) {
  if (jobs->report) munmap(jobs->report, sizeof *jobs->report);
  free(jobs->packer);
  *jobs = (struct jobs){.retry = DEADLINE_NEVER};
}

/* A state that was too large is dropped when a directory is opened, or has less room. */
void jobs_begin_anew(struct logger *logger) {
  logger->working = 0;
  for (unsigned i = 0; i < logger->plan->script.action_count; i++) {
    struct logdir *dir = &logger->targets[i].dir;
    if (!has_work(logger->plan->script.actions + i)) continue;
    logger->working = 1;
    if (dir->state_dropped)
      say_warning(logger, "the state of the processor of ", dir->path,
                  " was larger than an eighth of a file and is dropped");
    dir->state_dropped = 0;
  }
}

void jobs_open(struct logger *logger) {
  for (unsigned i = 0; i < logger->plan->script.action_count; i++)
    if (!jobs_prepare(logger, logger->jobs + i, logger->plan->script.actions + i))
      strerr_diefusys(EXIT_SYSTEM, "allocate");
  jobs_begin_anew(logger);
}

/* --- starting --- */

static uint32_t most_ms(void) {
  char const *given = getenv("LARES_LOG_TIMEOUT");
  unsigned seconds;

  if (!given || !uint0_scan(given, &seconds) || !seconds || seconds > 1000000)
    seconds = TIMEOUT_S;
  return seconds * 1000u;
}

static pid_t start(struct jobs *jobs, struct logdir const *dir) {
  struct logjob const *job = &dir->job;
  char const *processor[] = {"/bin/sh", "-c", dir->action->processor, 0};
  char const *packer[] = {jobs->packer, "-c", "-q", 0};
  struct work_order order = {.argv = job->packing ? packer : processor,
                             .dir = dir->dirfd,
                             .in = job->in,
                             .out = job->out,
                             .state = job->state,
                             .newstate = job->newstate,
                             .room = job->room,
                             .state_room = job->state_room,
                             .most_ms = most_ms(),
                             .report = jobs->report};

  return work_start(&order);
}

static void wait_a_while(struct jobs *jobs, struct logdir const *dir) {
  jobs->delay_ms = jobs->delay_ms ? jobs->delay_ms * 2 : dir->action->retry_ms;
  if (jobs->delay_ms > DELAY_MOST_MS) jobs->delay_ms = DELAY_MOST_MS;
  jobs->retry = deadline_add_ms(clock_now(), jobs->delay_ms);
}

static void cannot_begin(struct jobs *jobs, struct logdir const *dir) {
  if (!jobs->broken && logdir_is_kind(dir->step))
    report_error(logdir_step_text(dir->step), dir->path,
                 ", finished files are not worked on until it is removed");
  else if (!jobs->broken)
    report_error_errno("unable to start a program on a finished file of ", dir->path,
                       ", trying again now and then");
  jobs->broken = 1;
  wait_a_while(jobs, dir);
}

static enum logjob_begun begin(struct jobs *jobs, struct logdir *dir) {
  enum logjob_begun begun = dir->action->processor ? logjob_begin(dir, 0) : LOGJOB_NOTHING;

  if (begun == LOGJOB_NOTHING && jobs->packer) begun = logjob_begin(dir, 1);
  return begun;
}

static void begin_next(struct jobs *jobs, struct logdir *dir) {
  enum logjob_begun begun = begin(jobs, dir);

  if (begun == LOGJOB_NOTHING) {
    dir->worklist = 0;
    return;
  }
  if (begun == LOGJOB_BEGUN) {
    jobs->pid = start(jobs, dir);
    jobs->late = deadline_add_ms(clock_now(), most_ms() + LATE_MS);
    jobs->rounds = 0;
    if (jobs->pid > 0) return;
    jobs->pid = 0;
    logjob_postpone(dir);
  }
  cannot_begin(jobs, dir);
}

/* --- the end of a program --- */

static void tell_to_end(struct jobs *jobs) {
  work_end(jobs->pid);
  jobs->late = deadline_earlier(jobs->late, deadline_add_ms(clock_now(), AGAIN_MS));
}

/* The deadline is kept by the process between, unless somebody stops it. */
static void mend_late(struct jobs *jobs) {
  struct deadline now = clock_now();

  if (!deadline_passed(jobs->late, now)) return;
  work_mend(jobs->pid, jobs->rounds++);
  jobs->late = deadline_add_ms(now, AGAIN_MS);
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

static void finish_job(struct jobs *jobs, struct logdir *dir) {
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
  cannot_begin(jobs, dir);
}

/* Told at once, and then when there are twice as many. */
static void say_unprocessed(struct jobs *jobs, struct logdir const *dir) {
  char number[REPORT_NUMBER];

  if (dir->unprocessed < 2 * jobs->told || !dir->unprocessed || dir->unprocessed == jobs->told)
    return;
  jobs->told = dir->unprocessed;
  report_error("files of ", dir->path,
               " removed for want of room before the processor had them: ",
               report_number(number, dir->unprocessed));
}

/* No other is begun when we leave, or other words are coming. */
static int begins(struct logger const *logger) {
  return !logger->leaving && !logger->next;
}

static void look_after(struct logger const *logger, struct jobs *jobs, struct logdir *dir) {
  if (jobs->pid) {
    pid_t ended;
    if (dir->job.cancelled) tell_to_end(jobs);
    do
      ended = waitpid(jobs->pid, 0, WNOHANG);
    while (ended < 0 && errno == EINTR);
    if (!ended) {
      mend_late(jobs);
      return;
    }
    jobs->pid = 0;
    finish_job(jobs, dir);
  }
  if (dir->unprocessed != jobs->told) say_unprocessed(jobs, dir);
  if (jobs->retry.ns != DEADLINE_NEVER.ns) {
    if (!deadline_passed(jobs->retry, clock_now())) return;
    jobs->retry = DEADLINE_NEVER;
    dir->worklist = 1;
  }
  if (jobs->ready)
    finish_job(jobs, dir);
  else if (dir->worklist && begins(logger))
    begin_next(jobs, dir);
}

void jobs_work(struct logger *logger) {
  for (unsigned i = 0; logger->working && i < logger->plan->script.action_count; i++)
    if (has_work(logger->plan->script.actions + i))
      look_after(logger, logger->jobs + i, &logger->targets[i].dir);
}

struct deadline jobs_due(struct logger const *logger) {
  struct deadline due = DEADLINE_NEVER;

  for (unsigned i = 0; logger->working && i < logger->plan->script.action_count; i++) {
    /* Also a directory with whose files nobody works has a list, which nobody would ever clear.
     */
    if (!has_work(logger->plan->script.actions + i)) continue;
    due = deadline_earlier(due, logger->jobs[i].retry);
    if (logger->jobs[i].pid) due = deadline_earlier(due, logger->jobs[i].late);
    /* The next file. */
    if (!logger->jobs[i].pid && logger->targets[i].dir.worklist &&
        logger->jobs[i].retry.ns == DEADLINE_NEVER.ns && begins(logger))
      due = clock_now();
  }
  return due;
}

/* --- other words --- */

/* A file that is ready and has no name yet is made again: words may want another. */
int jobs_recall(struct logger *logger) {
  int none = 1;

  for (unsigned i = 0; i < logger->plan->script.action_count; i++) {
    struct jobs *jobs = logger->jobs + i;
    struct logdir *dir = &logger->targets[i].dir;
    if (!jobs->report) continue;
    if (jobs->pid && !jobs->recalled) {
      jobs->recalled = 1;
      tell_to_end(jobs);
    }
    if (jobs->ready && !dir->job.named) {
      jobs->ready = 0;
      logjob_postpone(dir);
      dir->job.cancelled = 0;
    }
    if (jobs->pid || jobs->ready) none = 0;
  }
  return none;
}

/* --- the end --- */

static int unfinished(struct logger *logger) {
  int count = 0;

  for (unsigned i = 0; i < logger->plan->script.action_count; i++) {
    struct jobs *jobs = logger->jobs + i;
    struct logdir const *dir = &logger->targets[i].dir;
    if (!jobs->report || (jobs->broken && !jobs->pid)) continue;
    if (jobs->pid && (logger->hurry || (logger->leaving && dir->job.packing)))
      tell_to_end(jobs);
    if (jobs->pid || jobs->ready || (dir->worklist && !logger->leaving)) count++;
  }
  return count;
}

void jobs_finish(struct logger *logger, void (*handle_signals)(struct logger *)) {
  while (logger->working && unfinished(logger)) {
    struct pollfd fds = {.fd = logger->signals, .events = POLLIN};
    struct deadline due = jobs_due(logger);
    if (logger->hurry || due.ns == DEADLINE_NEVER.ns) due = deadline_add_ms(clock_now(), 1000);
    clock_poll(&fds, 1, due);
    if (fds.revents) handle_signals(logger);
    jobs_work(logger);
  }
}
