/* Writing to all directories and streams, and patience with the ones that cannot be written, or
 * that may drop. How they are opened: open.c.
 */

#include <skalibs/nonposix.h>
#include "log.h"

#include <errno.h>
#include <string.h>

#include <lares/report.h>

static int is_dir(struct target const *target) {
  return target->action->kind == LOG_TO_DIR;
}

struct logrecord *output_record(struct target const *target) {
  return is_dir(target) ? target->dir.record : target->stream.record;
}

static char const *name_of(struct target const *target) {
  return is_dir(target) ? target->dir.path : stream_name(&target->stream);
}

static uint64_t behind(struct target const *target, struct logbuf const *buf) {
  char const *data;

  return logbuf_rest(buf, &output_record(target)->place, &data) +
         (is_dir(target) ? 0 : target->stream.len - target->stream.at);
}

static void say_failing(struct logger const *logger, struct target const *target, int error) {
  char number[REPORT_NUMBER];
  int by_kind = is_dir(target) && logdir_is_kind(target->dir.step);
  char const *step =
      is_dir(target) ? logdir_step_text(target->dir.step) : "unable to write to ";
  char const *why = by_kind ? "it is to be removed" : strerror(error);

  if (target->action->drop)
    report_error(step, name_of(target),
                 ", lines are dropped when there is no more room for them: ", why);
  else
    report_error(step, name_of(target), ", ",
                 report_number(number, (int64_t)behind(target, &logger->buf)),
                 " bytes are held and nothing more is read until it works: ", why);
}

static void begin_failing(struct logger *logger, struct target *target, int error) {
  struct deadline now = clock_now();

  if (!is_dir(target) && error == EAGAIN) {
    target->waiting = 1;
    return;
  }
  if (!is_dir(target) && target->stream.closed) {
    report_error("nobody reads ", name_of(target), " any more; lines for it are left out");
    return;
  }
  target->waiting = 0; /* poll() says of such a reader that it can take more */
  if (!target->failing) {
    say_failing(logger, target, error);
    target->since = now;
  }
  target->failing = 1;
  target->retry = deadline_add_ms(now, target->action->retry_ms);
  if (is_dir(target) && target->action->drop) logdir_retreat(&target->dir, &logger->work);
}

static void end_failing(struct target *target) {
  char number[REPORT_NUMBER];
  int64_t ms = (clock_now().ns - target->since.ns) / 1000000;

  if (target->failing)
    report_info("writing to ", name_of(target), " again after ", report_number(number, ms),
                target->dropped ? " ms; what was dropped is said there" : " ms, nothing lost");
  target->failing = target->waiting = target->dropped = 0;
}

/* The clock is asked only when something fails. */
static int write_one(struct logger *logger, struct target *target) {
  if (target->failing && !deadline_passed(target->retry, clock_now())) return 0;
  if (!(is_dir(target) ? logdir_work(&target->dir, &logger->work)
                       : stream_work(&target->stream, &logger->work))) {
    begin_failing(logger, target, errno);
    if (is_dir(target) || !target->stream.closed) return 0;
    (void)stream_work(&target->stream, &logger->work);
  }
  if (target->failing || target->waiting) end_failing(target);
  return 1;
}

static void drop(struct logger *logger, struct target *target) {
  struct logwork const *work = &logger->work;

  target->dropped = 1;
  if (is_dir(target))
    logdir_drop(&target->dir, work);
  else
    stream_drop(&target->stream, work);
}

/* Lines are counted only where there are stamps; the highest number is right. */
static void turn(struct logger *logger) {
  struct logplace const *place = &output_record(logger->targets)->place;

  for (unsigned i = 1; i < logger->plan->script.action_count; i++) {
    struct logplace const *other = &output_record(logger->targets + i)->place;
    if (other->line > place->line) place = other;
  }
  logbuf_turn(&logger->buf, place);
}

/* Once, until it has worked. */
static void say_unremoved(struct target *target) {
  if (target->dir.unremoved != target->unremoved)
    report_error("unable to remove a file of ", target->dir.path,
                 " for its age, trying again each minute: ", strerror(target->dir.unremoved));
  target->unremoved = target->dir.unremoved;
  target->dir.unremoved = 0;
}

static void say_remade(struct target *target) {
  report_warning("directory ", target->dir.path,
                 " was removed, and what it had; there is another now");
  target->dir.remade = 0;
}

int output_write(struct logger *logger) {
  struct deadline now = logger->timed ? clock_now() : DEADLINE_NEVER;
  int lagging = 0;

  for (unsigned i = 0; i < logger->plan->script.action_count; i++) {
    struct target *target = logger->targets + i;
    if (logger->timed && is_dir(target)) logdir_tick(&target->dir, now);
    target->lagging = !write_one(logger, target);
    if (is_dir(target) && target->dir.unremoved) say_unremoved(target);
    if (is_dir(target) && target->dir.remade) say_remade(target);
    lagging |= target->lagging;
  }
  if (lagging && output_held(logger)) return 0;
  if (lagging && !logbuf_full(&logger->buf)) return 1;
  for (unsigned i = 0; i < logger->plan->script.action_count; i++)
    if (logger->targets[i].lagging) drop(logger, logger->targets + i);
  turn(logger);
  return 1;
}

int output_skip(struct logger *logger) {
  uint32_t records = 0;

  if (!logskip_any(&logger->buf)) return 0;
  for (unsigned i = 0; i < logger->plan->script.action_count; i++) {
    struct target *target = logger->targets + i;
    if (target->lagging) drop(logger, target);
    if (is_dir(target) || !target->stream.joined)
      records |= logbuf_bit(&logger->buf, output_record(target));
  }
  turn(logger);
  deputy_say(logger, logskip_settle(&logger->buf, records));
  return 1;
}

int output_held(struct logger const *logger) {
  for (unsigned i = 0; i < logger->plan->script.action_count; i++)
    if (logger->targets[i].lagging && !logger->targets[i].action->drop) return 1;
  return 0;
}

int output_settled(struct logger const *logger, unsigned which) {
  return !logger->targets[which].lagging || logger->targets[which].action->drop;
}

struct deadline output_due(struct logger const *logger) {
  struct deadline due = DEADLINE_NEVER;

  for (unsigned i = 0; i < logger->plan->script.action_count; i++) {
    struct target const *target = logger->targets + i;
    if (target->failing)
      due = deadline_earlier(due, target->retry);
    else if (logger->timed && is_dir(target))
      due = deadline_earlier(due, logdir_due(&target->dir));
  }
  return due;
}

unsigned output_poll(struct logger const *logger, struct pollfd fds[LOG_ACTIONS_MAX]) {
  unsigned count = 0;

  for (unsigned i = 0; i < logger->plan->script.action_count; i++)
    if (logger->targets[i].waiting)
      fds[count++] = (struct pollfd){.fd = logger->targets[i].stream.fd, .events = POLLOUT};
  return count;
}

void output_rotate(struct logger *logger) {
  for (unsigned i = 0; i < logger->plan->script.action_count; i++)
    logger->targets[i].dir.rotate = 1;
}

static struct target const *furthest_behind(struct logger const *logger, uint64_t *most) {
  struct target const *furthest = 0;

  *most = 0;
  for (unsigned i = 0; i < logger->plan->script.action_count; i++) {
    uint64_t bytes = behind(logger->targets + i, &logger->buf);
    if (bytes <= *most || logger->targets[i].action->drop) continue;
    *most = bytes;
    furthest = logger->targets + i;
  }
  return furthest;
}

uint64_t output_behind(struct logger const *logger) {
  uint64_t most;

  furthest_behind(logger, &most);
  return most;
}

void output_say_behind(struct logger const *logger) {
  char number[REPORT_NUMBER];
  uint64_t most;
  struct target const *target = furthest_behind(logger, &most);

  if (target)
    report_error("told to end while ", name_of(target),
                 " could not be written: ", report_number(number, (int64_t)most),
                 " bytes not written");
}

/* A last try; then somebody who comes after us finds the buffer, or nobody does. */
static void leave(struct logger *logger, struct target *target) {
  struct logdrops const *drops;
  char lines[REPORT_NUMBER];

  if (!target->action->drop) return;
  target->retry = clock_now();
  if (target->lagging) target->lagging = !write_one(logger, target);
  if (logger->buf.shared) return;
  if (target->lagging) drop(logger, target);
  drops = logbuf_drops(&logger->buf, output_record(target));
  if (drops->bytes)
    report_error(name_of(target),
                 " could not be written: ", report_number(lines, (int64_t)drops->lines),
                 " lines dropped");
}

void output_close(struct logger *logger) {
  for (unsigned i = 0; i < logger->plan->script.action_count; i++) {
    leave(logger, logger->targets + i);
    if (is_dir(logger->targets + i)) logdir_close(&logger->targets[i].dir);
  }
}
