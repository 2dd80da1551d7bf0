/* The orderly end of a logger: it leaves when it has taken what is in its pipe, not before.
 *
 * Told to leave (`x`, or by the scanner, which asks loggers after their services have gone), a
 * logger's supervisor does not tell the machine at once. First comes the drain: it is on record
 * (`drain` of the state), then the writing end is closed, and every logger reads the end of
 * input once it has read the rest. One that holds a writing end itself (lares/logpipe.h) is
 * told by TERM. Meanwhile the logger is wanted up like any other: one that is down is started,
 * one that is killed started again. The machine is told to leave when the logger has ended with
 * nothing left behind it, or the time is over; what is in the pipe when all has ended is kept
 * in a file (leftover.c).
 *
 * Who holds the pipe then: the supervisor its reading end, the logger, and the scanner, which
 * took a reading end before it asked anybody to stop.
 */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/logpipe.h>
#include <lares/report.h>

#include "supervise.h"

#define OTHERS_LOOK_MS 20

/* Under way, and the machine not told to leave yet. */
static int is_draining(struct supervisor const *s) {
  return s->state.drain.ns && !(s->state.machine.flags & FLAG_LEAVING);
}

size_t pipe_waiting(struct supervisor const *s) {
  int waiting;

  if (s->pipe.read < 0 || ioctl(s->pipe.read, FIONREAD, &waiting) < 0) return 0;
  return waiting > 0 ? (size_t)waiting : 0;
}

/* Meaningful only when we have no writing end. The end of input is seen by those for whom there
 * was a writer, which is so for us. */
int pipe_has_writers(struct supervisor const *s) {
  struct pollfd pipe = {.fd = s->pipe.read};

  return poll(&pipe, 1, 0) < 1 || !(pipe.revents & POLLHUP);
}

static int open_writing_end(void) {
  return open(FILE_PIPE, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
}

/* Before each start of a logger: what it is to do with its pipe, and that it does not hold it
 * yet. If this cannot be written it ends with its pipe, as others do. */
void drain_prepare_logger(struct supervisor *s) {
  struct logpipe_words words = {.keep = !s->state.drain.ns};

  if (pwrite(s->buffer, &words, sizeof words, LOGPIPE_WORDS_AT) != sizeof words)
    report_warning_errno("unable to write ", FILE_BUFFER);
}

static int logger_holds(struct supervisor const *s) {
  uint64_t holds;

  if (s->buffer < 0 || s->state.machine.role != ROLE_RUN) return 0;
  return pread(s->buffer, &holds, sizeof holds,
               LOGPIPE_WORDS_AT + offsetof(struct logpipe_words, holds)) == sizeof holds &&
         holds == 1;
}

/* lares-log takes what is there at TERM, as others do at the end of input. A second one would
 * mean that it shall not wait for a disk that is full. */
static void tell_holder(struct supervisor *s) {
  if (!logger_holds(s) || s->state.marks & MARK_TERMED) return;
  if (!child_signal(&s->child, SIGTERM)) return;
  s->state.marks |= MARK_TERMED;
  s->unshown = 1;
}

static void close_writing_end(struct supervisor *s) {
  uint64_t const keep = 0;

  if (s->buffer >= 0 && pwrite(s->buffer, &keep, sizeof keep,
                               LOGPIPE_WORDS_AT + offsetof(struct logpipe_words, keep)) < 0)
    report_warning_errno("unable to write ", FILE_BUFFER);
  if (s->pipe.write >= 0) close(s->pipe.write);
  s->pipe.write = -1;
  tell_holder(s);
  if (s->state.machine.role == ROLE_RUN) child_signal(&s->child, SIGCONT);
}

static int is_at_rest(struct machine const *m) {
  return m->role == ROLE_NONE && m->state != STATE_STOPPING && m->state != STATE_FINISHING;
}

/* Killed, and to be started again: it may have read what it has not written yet. */
static int is_cut_off(struct supervisor const *s) {
  int32_t w = s->state.last_wstat;

  return s->state.machine.state == STATE_BACKOFF && (w == WSTAT_UNKNOWN || WIFSIGNALED(w));
}

/* From now on the time counts that a stop has. */
void drain_set_time(struct supervisor *s) {
  uint32_t ms = s->definition.timeout_kill;

  s->state.drain = ms ? deadline_add_ms(clock_now(), ms) : DEADLINE_NEVER;
}

int drain_begin(struct supervisor *s) {
  struct machine const *m = &s->state.machine;

  if (!s->is_log || s->pipe.read < 0 || m->flags & FLAG_LEAVING) return 0;
  if (is_draining(s)) return 1;
  if (is_at_rest(m) && !is_cut_off(s) && !pipe_waiting(s)) return 0;
  drain_set_time(s);
  reason_of_event(s, EVENT_EXIT);
  journal(s, EVENT_EXIT, 0);
  close_writing_end(s);
  show(s, ".", 1);
  return 1;
}

/* A new supervisor. Reading ends that were opened when nobody wrote do not see the end of
 * input: for ours there shall have been a writer. */
void drain_take_pipe(struct supervisor *s) {
  int fd;

  if (!s->wired || !s->is_log) return;
  fd = open_writing_end();
  if (fd < 0) cannot_begin(s, "open FIFO ", s->name, "/" FILE_PIPE);
  if (!s->state.drain.ns && !(s->state.machine.flags & FLAG_LEAVING)) {
    s->pipe.write = fd;
    s->leftover_due = 1;
  } else
    close(fd);
}

void drain_go_on(struct supervisor *s) {
  if (is_draining(s)) close_writing_end(s);
}

/* For the time of a start: a reader that opens a FIFO without a writer waits for one. -1 with
 * errno, or a descriptor to be closed; -2 when none is needed. */
int drain_hold_for_start(struct supervisor *s) {
  return s->is_log && s->pipe.read >= 0 && s->pipe.write < 0 ? open_writing_end() : -2;
}

/* With nothing left in the pipe, a logger that ends by itself has ended for good. One that was
 * killed has not. */
void drain_before_end(struct supervisor *s, int32_t wstat) {
  if (!is_draining(s) || s->state.machine.role != ROLE_RUN || pipe_waiting(s)) return;
  if (wstat != WSTAT_UNKNOWN && WIFEXITED(wstat)) happen(s, EVENT_EXIT);
}

/* What was asked for by people who do not want to wait any more. */
void drain_give_up(struct supervisor *s) {
  if (is_draining(s)) s->state.drain = clock_now();
}

/* A logger that runs but will not be told of any end: somebody else writes still. */
static int is_left_with_writers(struct supervisor const *s) {
  return s->state.machine.role == ROLE_RUN && pipe_has_writers(s) && !logger_holds(s);
}

static int is_over(struct supervisor const *s) {
  struct machine const *m = &s->state.machine;

  if (deadline_passed(s->state.drain, clock_now())) return 1;
  if (is_cut_off(s)) return 0;
  if (pipe_waiting(s)) return is_at_rest(m) && m->state != STATE_BACKOFF && s->drain_started;
  return is_at_rest(m) || is_left_with_writers(s);
}

void drain_step(struct supervisor *s) {
  struct machine const *m = &s->state.machine;

  if (s->quit) return;
  if (m->flags & FLAG_LEAVING) {
    if (!deadline_passed(s->save_again, clock_now())) return;
    s->save_again = DEADLINE_NEVER;
    happen(s, EVENT_EXIT);
    return;
  }
  if (!is_draining(s)) return;
  if (m->flags & FLAG_PAUSED) happen(s, EVENT_CONTINUE);
  if (is_over(s)) {
    happen(s, EVENT_EXIT);
  } else if (is_at_rest(m) && !s->drain_started) {
    s->drain_started = 1;
    happen(s, EVENT_WANT_UP);
  }
}

struct deadline drain_deadline(struct supervisor const *s) {
  if (!is_draining(s)) return s->save_again;
  if (!is_left_with_writers(s)) return s->state.drain;
  return deadline_earlier(s->state.drain, deadline_add_ms(clock_now(), OTHERS_LOOK_MS));
}

/* All has ended, and we are to leave: not before what is left in the pipe is safe. */
int drain_may_leave(struct supervisor *s) {
  if (!s->is_log || s->pipe.read < 0) return 1;
  if (s->pipe.write >= 0) close(s->pipe.write);
  s->pipe.write = -1;
  if (leftover_save(s)) return 1;
  s->save_again = deadline_add_ms(clock_now(), RETRY_MS);
  return 0;
}
