/* Opening what the script names, before the first line is read: a failure ends the program. */

#include <skalibs/nonposix.h>
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/report.h>

/* Its lock may be our own: a directory that the script names twice. */
static void cannot_open_dir(struct logger const *logger, unsigned which) {
  struct logdir const *dir = &logger->targets[which].dir;
  int error = errno;

  if (logdir_is_kind(dir->step))
    strerr_dief(EXIT_SYSTEM, logdir_step_text(dir->step), dir->path, "; remove it");
  for (unsigned i = 0; dir->step == LOGDIR_LOCK && i < which; i++) {
    struct stat one, other;
    if (logger->plan->script.actions[i].kind != LOG_TO_DIR) continue;
    if (!stat(dir->path, &one) && !fstat(logger->targets[i].dir.dirfd, &other) &&
        one.st_ino == other.st_ino && one.st_dev == other.st_dev)
      strerr_dief(EXIT_USAGE, "script: ", logger->plan->script.actions[i].path, " and ",
                  dir->path, " are the same directory");
  }
  errno = error;
  if (dir->step == LOGDIR_LOCK && errno == EWOULDBLOCK)
    strerr_dief(EXIT_SYSTEM, "unable to lock directory ", dir->path,
                ": another log writer uses it");
  strerr_diefsys(EXIT_SYSTEM, logdir_step_text(dir->step), dir->path);
}

static void cannot_open_stream(struct stream const *stream) {
  if (stream->action->kind == LOG_TO_STATUS && errno == EINVAL)
    strerr_dief(EXIT_SYSTEM, "status file ", stream_name(stream), " is no regular file");
  strerr_diefusys(EXIT_SYSTEM, "open ", stream_name(stream));
}

static void open_one(struct logger *logger, unsigned which) {
  struct target *target = logger->targets + which;

  target->action = logger->plan->script.actions + which;
  if (target->action->kind != LOG_TO_DIR) {
    if (!stream_open(&target->stream, target->action, &logger->buf,
                     output_number(logger->plan, which)))
      cannot_open_stream(&target->stream);
    return;
  }
  if (!logdir_open(&target->dir, target->action, &logger->buf)) cannot_open_dir(logger, which);
  if (target->action->period_s || target->action->age_s ||
      target->action->sync == LOG_SYNC_AFTER)
    logger->timed = 1;
}

unsigned output_number(struct plan const *plan, unsigned which) {
  unsigned number = 0;

  for (unsigned i = 0; i < which; i++)
    number += plan->script.actions[i].kind == plan->script.actions[which].kind;
  return number;
}

void output_join(struct target *targets, unsigned count) {
  for (unsigned which = 0; which < count; which++)
    for (unsigned i = 0; i < which; i++)
      if (targets[which].action->kind != LOG_TO_DIR && targets[i].action->kind != LOG_TO_DIR &&
          !targets[which].stream.joined)
        stream_join(&targets[which].stream, &targets[i].stream);
}

void output_say_untold(struct logger const *logger, struct logdrops untold) {
  char lines[REPORT_NUMBER], bytes[REPORT_NUMBER];

  if (!untold.bytes) return;
  say_warning(logger, report_number(lines, (int64_t)untold.lines), " lines, ",
              report_number(bytes, (int64_t)untold.bytes),
              " bytes, were dropped, and the log that was to tell it is not written any more");
}

void output_open(struct logger *logger) {
  char const *service = getenv("LARES_NAME");

  for (unsigned i = 0; i < logger->plan->script.action_count; i++)
    open_one(logger, i);
  output_join(logger->targets, logger->plan->script.action_count);
  output_say_untold(logger, logbuf_forget(&logger->buf));
  logbuf_resume(&logger->buf);
  logger->work = (struct logwork){.buf = &logger->buf,
                                  .script = &logger->plan->script,
                                  .service = service && *service ? service : 0};
  logger->work.chunk = malloc(LOG_CHUNK + LOG_SLACK);
  if (!logger->work.chunk) strerr_diefusys(EXIT_SYSTEM, "allocate");
}
