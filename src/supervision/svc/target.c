/* One service that is waited for.
 *
 * The order is the point: the control FIFO is opened (nobody there: nothing else is done), the
 * state is read, the letters are written, and it is looked for a moment (wait.c), which is
 * enough for most; else the wake-ups are subscribed to, and it is looked once more. Whatever
 * happened since that first reading is in the state record and, when it was more than one
 * thing, in the journal; whatever happens after that last look wakes us. So nothing is missed.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include <lares/control.h>
#include <lares/exitcode.h>
#include <lares/path.h>

#include "svc.h"

#define PATH_ROOM 4096
#define LOOK_MS 20        /* how often, where nobody wakes us */
#define LOOK_PENDING_MS 2 /* how often, while the letters have not been read */

static void finish(struct target *t, int code) {
  t->done = 1;
  t->code = code;
}

static void look_after(struct target *t, uint64_t ms) {
  t->look = deadline_earlier(t->look, deadline_add_ms(clock_now(), ms));
}

static int open_below(char const *dir, char const *name) {
  char path[PATH_ROOM];

  if (!path_join(path, sizeof path, dir, name)) return -1;
  return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static int read_open(void const *fd, struct state_record *record) {
  char packed[STATE_RECORD_SIZE];
  ssize_t got;

  do
    got = pread(*(int const *)fd, packed, sizeof packed, 0);
  while (got < 0 && errno == EINTR);
  if (got < 0) return 0;
  return got == sizeof packed ? state_record_unpack(packed, record) : (errno = EPROTO, 0);
}

static int read_state(int fd, struct state_record *record) {
  return state_record_settled(&read_open, &fd, record);
}

static uint64_t risen(uint64_t from, uint64_t to) {
  return to > from ? to - from : 0;
}

static void take_state(struct progress *p, struct target const *t) {
  struct state_record const *a = &t->before, *b = &t->now;

  p->machine = b->machine;
  p->starts = risen(a->starts, b->starts);
  p->deaths = risen(a->deaths, b->deaths);
  p->reason = b->reason;
  p->notifies = !!(b->marks & MARK_NOTIFIES);
  p->oneshot = !!(b->marks & MARK_ONESHOT);
  p->fresh = a->sequence != b->sequence || a->starts != b->starts || a->deaths != b->deaths ||
             a->machine.state != b->machine.state || a->machine.want != b->machine.want ||
             a->machine.role != b->machine.role;
}

static void open_lares(struct target *t) {
  t->state = open_below(t->dir, "supervise/state");
  if (t->state < 0 || !read_state(t->state, &t->before)) {
    strerr_warnwu("use ", t->dir, "/supervise/state: ", status_trouble(errno));
    return finish(t, EXIT_SYSTEM);
  }
  t->now = t->before;
  t->seen = t->before.sequence;
  take_state(&t->progress, t);
}

void target_open(struct target *t, char const *dir) {
  *t = (struct target){.dir = dir, .control = -1, .state = -1, .look = DEADLINE_NEVER};
  t->events.read = t->events.write = -1;
  if (control_open(dir, &t->control) != CONTROL_SENT) {
    warn_uncontrolled(dir);
    return finish(t, code_uncontrolled());
  }
  t->foreign = !!foreign_kind_of(dir);
  if (!t->foreign) return open_lares(t);
  if (classic_status_load(dir, &t->classic_before)) return;
  strerr_warnwusys("read ", dir, "/supervise/status");
  finish(t, EXIT_SYSTEM);
}

/* What was so before counts only if no older letters were on their way: nothing would happen
 * that could be waited for. */
void target_send(struct target *t, struct svc_order const *order) {
  int pending = control_pending(t->control);
  enum verdict verdict = t->foreign ? UNDECIDED : judge(order, &t->progress);

  if (order->len && control_write(t->control, order->letters, order->len) != CONTROL_SENT) {
    warn_uncontrolled(t->dir);
    return finish(t, code_uncontrolled());
  }
  if (t->foreign || pending) return;
  if (is_hopeless(order, &t->progress)) {
    strerr_warnw(t->dir, ": it is ", machine_state_name(t->before.machine.state),
                 ", and no letter given starts it");
    return finish(t, EXIT_NO);
  }
  if (verdict == REACHED && !order->leave) return finish(t, EXIT_DONE);
}

/* Not being woken (no such directory, not allowed, no space) makes waiting slower, no more. */
static void subscribe(struct target *t) {
  char path[PATH_ROOM];

  if (!path_join(path, sizeof path, t->dir, "supervise/event") ||
      !event_subscribe(&t->events, path))
    t->events.read = -1;
}

void target_follow(struct target *t, struct svc_order const *order) {
  if (!t->foreign) subscribe(t);
  target_look(t, order);
}

struct reading {
  struct progress *progress;
  struct svc_order const *order;
  enum verdict verdict;
};

static int judge_record(void *context, struct history_record const *r) {
  struct reading *in = context;

  progress_add(in->progress, r);
  in->verdict = judge(in->order, in->progress);
  return in->verdict != REACHED;
}

static enum verdict judge_journal(struct target *t, struct svc_order const *order) {
  struct reading in = {&t->progress, order, UNDECIDED};
  uint64_t lost;
  int fd = open_below(t->dir, "supervise/history");

  if (fd < 0) return UNDECIDED;
  history_read(fd, t->seen, &lost, &judge_record, &in);
  close(fd);
  return in.verdict;
}

static enum verdict judge_lares(struct target *t, struct svc_order const *order) {
  struct progress present = t->progress;
  enum verdict verdict;

  take_state(&present, t);
  verdict = judge(order, &present);
  if (verdict != REACHED && t->now.sequence > t->seen + 1)
    if (judge_journal(t, order) == REACHED) verdict = REACHED;
  present.settled |= t->progress.settled;
  t->progress = present;
  t->seen = t->now.sequence;
  return verdict;
}

static void warn_missed(struct target const *t, struct svc_order const *order) {
  char text[STATUS_TEXT];
  char const *why = status_reason_explain(text, t->dir, t->now.reason, t->now.detail, 0);
  /* Tried again without a delay, what cannot be executed may be up for a moment just now. */
  int up = t->now.machine.state == STATE_UP;

  strerr_warnw(t->dir, ": it is ",
               up ? "not running" : machine_state_name(t->now.machine.state),
               why[0] ? " (" : "", why, why[0] ? ")" : "", ", not ", order_goal(order));
}

static void look_gone(struct target *t, struct svc_order const *order, enum verdict verdict) {
  int left = !t->foreign && t->now.marks & MARK_LEFT;

  if (verdict == REACHED && (order->leave || left)) return finish(t, EXIT_DONE);
  if (control_is_supervised(t->dir) == 1) {
    t->gone = 0;
    return look_after(t, LOOK_PENDING_MS);
  }
  if (!left && !order->leave && !t->foreign && !deadline_passed(t->grace, clock_now()))
    return look_after(t, LOOK_MS);
  strerr_warnw(t->dir, ": the supervisor has left; waited for ", order_goal(order));
  finish(t, EXIT_UNSUPERVISED);
}

void target_look(struct target *t, struct svc_order const *order) {
  enum verdict verdict;
  int pending;

  t->look = DEADLINE_NEVER;
  if (t->events.read >= 0 && event_drain(&t->events) < 0) clock_pause(LOOK_MS);
  if (t->foreign ? !classic_status_load(t->dir, &t->classic_now)
                 : !read_state(t->state, &t->now)) {
    strerr_warnwusys("read ", t->dir, t->foreign ? "/supervise/status" : "/supervise/state");
    return finish(t, EXIT_SYSTEM);
  }
  verdict = t->foreign ? foreign_judge(order, t) : judge_lares(t, order);
  if (t->gone) return look_gone(t, order, verdict);
  pending = control_pending(t->control);
  /* What was so before anything happened does not count while letters are on their way. */
  if (verdict == REACHED && (pending <= 0 || (!t->foreign && t->progress.fresh)) &&
      !(order->leave && order->wait == WAIT_REALLY_DOWN))
    return finish(t, EXIT_DONE);
  if (pending > 0) return look_after(t, LOOK_PENDING_MS);
  if (verdict == MISSED) {
    warn_missed(t, order);
    return finish(t, EXIT_NO);
  }
  if (t->events.read < 0) look_after(t, LOOK_MS);
}

/* The supervisor writes it just after the state, which may be another by now. */
int target_is_shown(struct target const *t) {
  struct state_record now;
  struct classic_status shown, due;

  if (t->code || t->foreign || !read_state(t->state, &now)) return 1;
  classic_status_from_state(&due, &now);
  return classic_status_load(t->dir, &shown) && shown.pid == due.pid;
}

void target_timeout(struct target *t, struct svc_order const *order) {
  strerr_warnw(t->dir, ": not ", order_goal(order), " in time", t->foreign ? "" : ", it is ",
               t->foreign ? "" : machine_state_name(t->now.machine.state));
  finish(t, EXIT_TIMEOUT);
}

void target_close(struct target *t) {
  event_unsubscribe(&t->events);
  if (t->control >= 0) close(t->control);
  if (t->state >= 0) close(t->state);
  t->control = t->state = -1;
}
