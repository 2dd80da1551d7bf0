/* Waiting for one service to be in a state. */

#include <lares/follow.h>

#include <errno.h>
#include <string.h>

#include <lares/control.h>

#define SUCCESSOR_MS 2 /* a supervisor has begun, its state is about to be there */

static void decide(struct await *a, enum await_outcome outcome) {
  a->outcome = (uint8_t)outcome;
  a->look = DEADLINE_NEVER;
}

static void fail(struct await *a) {
  a->error = errno;
  decide(a, AWAIT_FAILED);
}

static void look_in(struct await *a, uint64_t ms) {
  a->look = deadline_earlier(a->look, deadline_add_ms(clock_now(), ms));
}

/* What could not be executed is told as up first, and is not. */
static int is_reached(struct await const *a, struct machine const *m, unsigned reason) {
  if (m->role == ROLE_RUN && status_reason_is_unrunnable(reason)) return 0;
  return goal_is_reached(a->goal, m, a->now.marks, a->started);
}

static int judge(void *context, struct follow_news const *news) {
  struct await *a = context;
  struct history_record const *r = news->record;

  if (news->what != FOLLOW_RECORD) return 1;
  if (r->machine.role == ROLE_RUN && !status_reason_is_unrunnable(r->reason) &&
      (r->event == EVENT_RUN_DIED || a->last.role != ROLE_RUN))
    a->started = 1;
  a->last = r->machine;
  if (!is_reached(a, &r->machine, r->reason)) return 1;
  decide(a, AWAIT_REACHED);
  return 0;
}

static void supervisor_ended(struct await *a) {
  if (a->gone) return;
  a->gone = 1;
  a->grace = deadline_add_ms(clock_now(), FOLLOW_GRACE_MS);
}

/* The supervisor is not there. One that left in order said so; one that was killed is followed
 * by another soon. */
static void look_for_successor(struct await *a) {
  int left = a->now.marks & MARK_LEFT;

  if (control_is_supervised(a->follow.dir) == 1) {
    a->gone = 0;
    follow_renew(&a->follow);
    look_in(a, SUCCESSOR_MS);
  } else if (left || deadline_passed(a->grace, clock_now()))
    decide(a, left && is_reached(a, &a->now.machine, a->now.reason) ? AWAIT_REACHED
                                                                    : AWAIT_UNSUPERVISED);
  else
    look_in(a, FOLLOW_LOOK_MS);
}

static int is_fresh(struct await const *a) {
  return a->now.sequence != a->before.sequence;
}

/* It was taken away: what is still to be known stands in the journal that we hold. */
static void look_at_removed(struct await *a) {
  struct follow *f = &a->follow;

  (void)follow_read(f, UINT64_MAX, &judge, a);
  if (a->outcome != AWAIT_UNDECIDED) return;
  if (a->last.role == ROLE_NONE && a->last.flags & FLAG_LEAVING) a->now.marks |= MARK_LEFT;
  if (!a->gone && f->ok < 0 && control_is_supervised(f->dir) != 1) supervisor_ended(a);
  if (a->gone) return look_for_successor(a);
  look_in(a, FOLLOW_LOOK_MS);
}

static void look(struct await *a) {
  struct follow *f = &a->follow;
  struct state_record now;
  int unread = 0;

  a->look = DEADLINE_NEVER;
  if (!follow_state(f, &now)) {
    if (errno == ENOENT) return look_at_removed(a);
    return fail(a);
  }
  a->now = now;
  if (a->now.starts > a->before.starts && !status_reason_is_unrunnable(a->now.reason))
    a->started = 1;
  /* Without a journal there is the state. */
  if (a->now.sequence != f->place.seen)
    unread = !follow_read(f, a->now.sequence, &judge, a) && errno != ENOENT;
  if (a->outcome != AWAIT_UNDECIDED) return;
  if (a->gone) return look_for_successor(a);
  if (is_reached(a, &a->now.machine, a->now.reason))
    decide(a, AWAIT_REACHED);
  else if (goal_is_missed(a->goal, &a->now, is_fresh(a)))
    decide(a, AWAIT_MISSED);
  else
    a->look = follow_deadline(f);
  /* It may hold what has been and is no more. */
  if (unread && a->outcome == AWAIT_UNDECIDED) look_in(a, FOLLOW_RETRY_MS);
}

void await_happened(struct await *a, struct pollfd const fds[2], struct deadline now) {
  if (fds[1].revents) supervisor_ended(a);
  if (follow_woken(&a->follow, fds) || deadline_passed(a->look, now)) look(a);
}

void await_open(struct await *a, char const *dir, struct goal const *goal) {
  *a = (struct await){.goal = goal, .look = DEADLINE_NEVER};
  if (!follow_open(&a->follow, dir)) {
    if (errno != ENOENT && errno != ENOTDIR) return fail(a);
    a->absent = follow_absent(dir);
    return decide(a, AWAIT_UNSUPERVISED);
  }
  follow_keep(&a->follow);
  if (a->follow.ok < 0 && !control_is_supervised(dir)) return decide(a, AWAIT_UNSUPERVISED);
  if (!follow_state(&a->follow, &a->before)) return fail(a);
  a->follow.place.seen = a->before.sequence;
  a->last = a->before.machine;
  look(a);
}

void await_close(struct await *a) {
  follow_close(&a->follow);
}

static void add(char buf[AWAIT_TEXT], char const *word) {
  size_t at = strlen(buf), len = strlen(word);

  if (at + len < AWAIT_TEXT) memcpy(buf + at, word, len + 1);
}

char const *await_describe(char buf[AWAIT_TEXT], struct await const *a) {
  char goal[STATUS_TEXT], text[STATUS_TEXT];
  char const *why = status_reason_explain(text, a->follow.dir, a->now.reason, a->now.detail, 0);

  *buf = 0;
  (void)goal_describe(goal, a->goal);
  if (a->outcome == AWAIT_FAILED) {
    add(buf, a->error == ENOENT ? "no state in it, it is not supervised by lares: "
                                : "unable to read its state: ");
    add(buf, status_trouble(a->error));
  } else if (a->outcome == AWAIT_UNSUPERVISED) {
    add(buf, a->absent ? a->absent : a->gone ? "the supervisor has left" : "not supervised");
    add(buf, "; waited for ");
    add(buf, goal);
  } else {
    add(buf, "it is ");
    add(buf, machine_state_name(a->now.machine.state));
    if (*why) add(buf, " (");
    add(buf, why);
    if (*why) add(buf, ")");
    add(buf, ", not ");
    add(buf, goal);
  }
  return buf;
}
