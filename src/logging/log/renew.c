/* HUP: other words for a log writer that runs. The configs are read into a second plan, and if
 * that is wrong nothing has changed. What has to be opened for it is opened beside what there
 * is, and if that fails nothing has changed either. Only then the plans change places, at one
 * moment between two chunks: each line was written by the one or the other.
 *
 * The moment: no program is at work on a finished file (they are ended and begin anew), no
 * action has written a line in part, and those that go have had everything that was read. A
 * directory that stays keeps its lock, its place in the input and its current; what a kill
 * would leave at any time is what a successor with either script goes on with.
 */

#include <skalibs/nonposix.h>
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/killpoint.h>
#include <lares/report.h>

struct renewal { /* owned, what is to take the place of the logger's */
  struct target targets[LOG_ACTIONS_MAX];
  struct jobs jobs[LOG_ACTIONS_MAX];
};

/* --- which action is which --- */

static int same_dir(struct logrecord const *record, struct stat const *st) {
  return record->dev == (uint64_t)st->st_dev && record->ino == (uint64_t)st->st_ino;
}

static int same_stream(struct logaction const *one, struct logaction const *other) {
  return one->kind == other->kind &&
         (one->kind != LOG_TO_STATUS || !strcmp(one->path, other->path));
}

/* The target that the action has now, or none. A directory is known by what it is; of streams
 * that are alike the first stays the first. */
static int find_present(struct logger const *logger, struct plan const *plan, unsigned which) {
  struct logaction const *wanted = plan->script.actions + which;
  unsigned number = output_number(plan, which);
  struct stat st;

  if (wanted->kind == LOG_TO_DIR && stat(wanted->path, &st) < 0) return -1;
  for (unsigned i = 0; i < logger->plan->script.action_count; i++) {
    struct target const *target = logger->targets + i;
    if (target->action->kind != wanted->kind) continue;
    if (wanted->kind == LOG_TO_DIR
            ? same_dir(target->dir.record, &st)
            : output_number(logger->plan, i) == number && same_stream(target->action, wanted))
      return (int)i;
  }
  return -1;
}

/* --- the moment --- */

static int may_renew(struct logger *logger) {
  char stays[LOG_ACTIONS_MAX] = {0};

  if (!jobs_recall(logger)) return 0;
  for (unsigned i = 0; i < logger->next->script.action_count; i++) {
    int present = find_present(logger, logger->next, i);
    if (present >= 0) stays[present] = 1;
  }
  for (unsigned i = 0; i < logger->plan->script.action_count; i++) {
    if (output_record(logger->targets + i)->place.inside == LOG_LINE_SELECTED) return 0;
    if (!stays[i] && !output_settled(logger, i)) return 0;
  }
  return 1;
}

/* --- opening --- */

static void cannot(char const *what, char const *name, char const *why) {
  report_error(what, name, ": ", why, "; the script that runs stays");
}

static int open_dir(struct logger *logger, struct renewal *renewal, unsigned which) {
  struct target *target = renewal->targets + which;
  struct logdir *dir = &target->dir;

  if (logdir_open_at_once(dir, target->action, &logger->buf)) return 1;
  if (dir->step == LOGDIR_LOCK && errno == EWOULDBLOCK)
    cannot(logdir_step_text(dir->step), target->action->path, "another log writer uses it");
  else
    cannot(logdir_step_text(dir->step), target->action->path,
           logdir_is_kind(dir->step) ? "it is to be removed" : strerror(errno));
  if (dir->record) logbuf_drop_record(&logger->buf, dir->record);
  dir->record = 0;
  return 0;
}

static int open_stream(struct logger *logger, struct renewal *renewal, unsigned which) {
  struct target *target = renewal->targets + which;

  if (stream_open(&target->stream, target->action, &logger->buf,
                  output_number(logger->next, which)))
    return 1;
  cannot("unable to open ", stream_name(&target->stream), strerror(errno));
  stream_close(&target->stream);
  target->stream.record = 0;
  return 0;
}

/* Two names of one directory. */
static int is_double(struct logger const *logger, struct renewal const *renewal,
                     unsigned which) {
  struct logaction const *wanted = logger->next->script.actions + which;
  struct stat st;

  if (stat(wanted->path, &st) < 0) return 0;
  for (unsigned i = 0; i < which; i++) {
    struct target const *other = renewal->targets + i;
    if (other->action->kind != LOG_TO_DIR || !same_dir(other->dir.record, &st)) continue;
    cannot(wanted->path, "", "the script names that directory twice");
    return 1;
  }
  return 0;
}

/* What stays is a copy until the plans change places. */
static int open_one(struct logger *logger, struct renewal *renewal, unsigned which) {
  struct logaction const *wanted = logger->next->script.actions + which;
  struct target *target = renewal->targets + which;
  int present;

  if (wanted->kind == LOG_TO_DIR && is_double(logger, renewal, which)) return 0;
  present = find_present(logger, logger->next, which);
  if (!jobs_prepare(logger, renewal->jobs + which, wanted)) {
    cannot("unable to prepare the programs of ", wanted->path, strerror(errno));
    return 0;
  }
  if (present < 0) {
    *target = (struct target){.action = wanted};
    return wanted->kind == LOG_TO_DIR ? open_dir(logger, renewal, which)
                                      : open_stream(logger, renewal, which);
  }
  if (wanted->kind == LOG_TO_DIR) {
    struct logdir *dir = &logger->targets[present].dir;
    if (!logdir_take_back(dir) || !logdir_reserve(dir, wanted)) {
      cannot(logdir_step_text(dir->step), dir->path, strerror(errno));
      return 0;
    }
  }
  *target = logger->targets[present];
  target->action = wanted;
  renewal->jobs[which].told = logger->jobs[present].told;
  return 1;
}

/* --- closing --- */

static void close_target(struct logger *logger, struct target *target) {
  struct logrecord *record = output_record(target);

  if (target->dir.path) {
    logdir_close(&target->dir);
    free(target->dir.archives.ring);
  } else
    stream_close(&target->stream);
  if (record) output_say_untold(logger, logbuf_drop_record(&logger->buf, record));
}

static int is_among(struct target const *target, struct target const *others, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    if (output_record(others + i) == output_record(target)) return 1;
  return 0;
}

/* What was opened for nothing. */
static void undo(struct logger *logger, struct renewal *renewal, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    if (!is_among(renewal->targets + i, logger->targets, logger->plan->script.action_count))
      close_target(logger, renewal->targets + i);
  for (unsigned i = 0; i < LOG_ACTIONS_MAX; i++)
    jobs_free(renewal->jobs + i);
}

/* --- the change --- */

static void change_places(struct logger *logger, struct renewal *renewal) {
  unsigned before = logger->plan->script.action_count,
           count = logger->next->script.action_count;
  struct deadline now = clock_now();

  for (unsigned i = 0; i < before; i++) {
    if (!is_among(logger->targets + i, renewal->targets, count))
      close_target(logger, logger->targets + i);
    jobs_free(logger->jobs + i);
  }
  logger->timed = 0;
  for (unsigned i = 0; i < count; i++) {
    struct target *target = renewal->targets + i;
    target->retry = now; /* the new words may be what helps */
    if (target->action->kind != LOG_TO_DIR)
      stream_renew(&target->stream, target->action);
    else if (target->dir.action != target->action)
      logdir_renew(&target->dir, target->action);
    if (target->action->period_s || target->action->age_s ||
        target->action->sync == LOG_SYNC_AFTER)
      logger->timed = 1;
  }
  memcpy(logger->targets, renewal->targets, sizeof logger->targets);
  memcpy(logger->jobs, renewal->jobs, sizeof logger->jobs);
  output_join(logger->targets, count);
  plan_free(logger->plan);
  logger->plan = logger->next;
  logger->next = 0;
  logger->work.script = &logger->plan->script;
  jobs_begin_anew(logger);
}

int renew_work(struct logger *logger) {
  struct renewal *renewal;
  unsigned i, count;

  if (!logger->next || !may_renew(logger)) return 0;
  count = logger->next->script.action_count;
  renewal = calloc(1, sizeof *renewal);
  if (!renewal) {
    cannot("unable to allocate for ", "the script", strerror(errno));
    renew_forget(logger);
    return 1;
  }
  limit_plan(logger, logger->next);
  logbuf_find_start(&logger->buf);
  for (i = 0; i < count && open_one(logger, renewal, i); i++)
    KILL_POINT(SCRIPT_OPENED);
  if (i < count) {
    undo(logger, renewal, i);
    renew_forget(logger);
  } else {
    KILL_POINT(SCRIPT);
    change_places(logger, renewal);
    KILL_POINT(SCRIPT_HOLDS);
    report_info("the script was read again and holds");
  }
  free(renewal);
  return 1;
}

/* --- HUP --- */

void renew_read(struct logger *logger) {
  struct plan_fault fault;
  struct plan *plan;

  if (logger->leaving || logger->ended) return;
  plan = plan_load(logger->argc, logger->argv, &fault);
  renew_forget(logger);
  if (!plan)
    report_error(fault.text, "; the script that runs stays");
  else if (plan_is_same(plan, logger->plan))
    plan_free(plan);
  else
    logger->next = plan;
}

void renew_forget(struct logger *logger) {
  plan_free(logger->next);
  logger->next = 0;
}
