/* Which program runs on which file, and when. Lines are never kept waiting: nothing here
 * blocks. What becomes of a file: outcome.c.
 */

#include <skalibs/nonposix.h>
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <skalibs/djbunix.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/report.h>

#define TIMEOUT_S 300 /* of a program, LARES_LOG_TIMEOUT */
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
  outcome_unstarted(jobs, dir);
}

/* --- while one runs --- */

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
    outcome_settle(jobs, dir);
  }
  if (dir->unprocessed != jobs->told) outcome_say_unprocessed(jobs, dir);
  if (jobs->ready && dir->job.cancelled) jobs->retry = DEADLINE_NEVER; /* somebody waits */
  if (jobs->retry.ns != DEADLINE_NEVER.ns) {
    if (!deadline_passed(jobs->retry, clock_now())) return;
    jobs->retry = DEADLINE_NEVER;
    dir->worklist = 1;
  }
  if (jobs->ready)
    outcome_settle(jobs, dir);
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
    /* The list of a directory on whose files nobody works is never done. */
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
