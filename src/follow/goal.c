/* What can be waited for, and whether a state is that. No system call. */

#include <lares/follow.h>

#include <string.h>

static int state_named(char const *word, size_t len) {
  for (int state = 0; state < STATE_COUNT; state++) {
    char const *name = machine_state_name((unsigned)state);
    if (strlen(name) == len && !memcmp(name, word, len)) return state;
  }
  return -1;
}

static int take_states(struct goal *goal, char const *list, char const **wrong) {
  for (;;) {
    size_t len = strcspn(list, ",");
    int state = state_named(list, len);
    if (state < 0) return (*wrong = list, -1);
    goal->states |= (uint16_t)(1u << state);
    if (!list[len]) return 1;
    list += len + 1;
  }
}

int goal_option(struct goal *goal, int letter, char const *argument, char const **wrong) {
  static char const letters[] = "dDuUrR"; /* in the order of the kinds */
  char const *found = letter ? strchr(letters, letter) : 0;

  if (letter == 's') {
    goal->kind = GOAL_STATES;
    return take_states(goal, argument, wrong);
  }
  if (!found) return 0;
  goal->kind = (uint8_t)(found - letters);
  return 1;
}

/* A oneshot that is done is up: there is something to be brought down. */
static int is_done_oneshot(struct machine const *m, unsigned marks) {
  return m->state == STATE_DONE && marks & MARK_ONESHOT;
}

static int is_down(struct machine const *m, unsigned marks) {
  return (m->role == ROLE_NONE || m->role == ROLE_FINISH) && !is_done_oneshot(m, marks);
}

static int is_resting(struct machine const *m, unsigned marks) {
  return (m->state == STATE_DOWN || m->state == STATE_FAILED || m->state == STATE_DONE) &&
         !is_done_oneshot(m, marks);
}

static int is_up(struct machine const *m, unsigned marks) {
  if (is_done_oneshot(m, marks)) return 1;
  return m->role == ROLE_RUN && (m->state == STATE_UP || m->state == STATE_STARTING);
}

/* Also what has ended well without ever promising to say so. */
static int is_ready(struct machine const *m, unsigned marks) {
  return m->state == STATE_UP || is_done_oneshot(m, marks) ||
         (m->state == STATE_DONE && !(marks & MARK_NOTIFIES));
}

int goal_is_reached(struct goal const *goal, struct machine const *m, unsigned marks,
                    int started) {
  switch (goal->kind) {
  case GOAL_DOWN:
    return is_down(m, marks);
  case GOAL_REALLY_DOWN:
    return is_resting(m, marks);
  case GOAL_UP:
    return is_up(m, marks);
  case GOAL_READY:
    return is_ready(m, marks);
  case GOAL_RESTART:
    return started && is_up(m, marks);
  case GOAL_RESTART_READY:
    return started && is_ready(m, marks);
  default:
    return goal->states >> m->state & 1;
  }
}

/* Who is down may be started by somebody; who failed for good or is done needs to be told, and
 * whoever waits is better told that. */
int goal_is_missed(struct goal const *goal, struct state_record const *s, int fresh) {
  if (goal->kind == GOAL_DOWN || goal->kind == GOAL_REALLY_DOWN) return 0;
  switch (s->machine.state) {
  case STATE_DOWN:
    return fresh;
  case STATE_DONE:
    return fresh || !goal->patient;
  case STATE_FAILED:
    return (fresh || !goal->patient) && s->deadline.ns == DEADLINE_NEVER.ns;
  case STATE_BACKOFF:
    return fresh && goal->kind != GOAL_STATES && status_reason_is_unrunnable(s->reason);
  default:
    return 0;
  }
}

static void add(char buf[STATUS_TEXT], char const *word) {
  size_t at = strlen(buf), len = strlen(word);

  if (at + len < STATUS_TEXT) memcpy(buf + at, word, len + 1);
}

char const *goal_describe(char buf[STATUS_TEXT], struct goal const *goal) {
  static char const *const names[] = {"down",  "really down", "up",
                                      "ready", "restarted",   "restarted and ready"};

  *buf = 0;
  if (goal->kind < GOAL_STATES) {
    add(buf, names[goal->kind]);
    return buf;
  }
  for (unsigned state = 0; state < STATE_COUNT; state++) {
    if (!(goal->states >> state & 1)) continue;
    if (*buf) add(buf, " or ");
    add(buf, machine_state_name(state));
  }
  return buf;
}
