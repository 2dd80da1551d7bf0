/* Those who need this service go before it: a stop on purpose is on record (MARK_DELIBERATE),
 * then the registrations in supervise/dependents/ are read, and nothing is signalled as long as
 * one counts (MARK_HELD). To the machine the stop is under way.
 *
 * Who does not know that anybody needs it (MARK_NEEDED) asks nothing: a dependent does not
 * start before it finds that mark. A registration does not count when its supervisor is gone
 * for GRACE_MS (whoever comes next registers anew), when it is one for the order and its owner
 * does not stop, when it waits for us in its turn, or when its owner has had the time that its
 * own stop may take. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/report.h>
#include <lares/shortage.h>
#include <lares/text.h>

#include "supervise.h"

#define BOOT_DIGITS 16
#define GRACE_MS 1000
#define REACTION_MS                                                                            \
  5000                /* until a dependent has begun to stop; after its KILL, until it ended */
#define SLACK_MS 2000 /* after a deadline of its own */
#define CIRCLE_MS 500

struct roll {
  struct supervisor *s;
  struct deadline now;
  unsigned count;
  uint32_t sum;
  char names[NEEDS_TEXT]; /* for people */
};

void hold_recall(struct supervisor *s) {
  if (!access(DIR_DEPENDENTS, F_OK) || is_shortage(errno)) s->state.marks |= MARK_NEEDED;
}

void hold_told(struct supervisor *s) {
  s->hold.look = 1;
  if (s->state.marks & MARK_NEEDED) return;
  hold_recall(s);
  if (!(s->state.marks & MARK_NEEDED)) return;
  s->unshown = 1;
  show(s, ".", 1);
}

/* --- who counts ------------------------------------------------------------------------------
 */

/* A registration is a link whose text is n (a need) or a (an order) and a path. */
static int read_registration(char const *name, char text[PATH_MAX]) {
  char path[sizeof DIR_DEPENDENTS + 1 + PATH_NAME_MAX] = DIR_DEPENDENTS "/";
  ssize_t len;

  strncat(path, name, PATH_NAME_MAX);
  errno = 0;
  len = readlink(path, text, PATH_MAX - 1);
  if (len < 2) return 0;
  text[len] = 0;
  return (text[0] == 'n' || text[0] == 'a') && text[1] == '/';
}

static void remove_registration(char const *name) {
  char path[sizeof DIR_DEPENDENTS + 1 + PATH_NAME_MAX] = DIR_DEPENDENTS "/";

  strncat(path, name, PATH_NAME_MAX);
  (void)unlink(path);
}

/* In this boot, with which such notes begin: a scanner that cannot write leaves older ones. */
static int has_noted(struct supervisor const *s, char const *note) {
  char path[PATH_MAX], text[BOOT_DIGITS + 1] = "";
  uint64_t boot;

  return s->needs.scan && path_join(path, sizeof path, s->needs.scan, note) &&
         readlink(path, text, BOOT_DIGITS) == BOOT_DIGITS &&
         uint64_xscan(text, &boot) == BOOT_DIGITS && boot == s->abilities.boot;
}

static int everything_stops(struct supervisor const *s) {
  return has_noted(s, ".lares/stopping");
}

int hold_is_to_go(struct supervisor const *s) {
  char note[PATH_STOP];
  struct stat st;

  if (everything_stops(s)) return 1;
  if (stat(".", &st) < 0) return 0;
  path_of_stop(note, st.st_dev, st.st_ino, 0);
  return has_noted(s, note);
}

static int is_stopping(struct state_record const *r) {
  return r->machine.state == STATE_STOPPING || r->machine.state == STATE_FINISHING;
}

/* It is held itself, by way of others perhaps for us: links were changed while all ran. */
static int closes_circle(struct roll const *roll, char const *name) {
  struct supervisor *s = roll->s;

  return s->needs.top &&
         deadline_passed(deadline_add_ms(s->hold.changed, CIRCLE_MS), roll->now) &&
         cycle_waits(s, name);
}

/* Has it had its time? What it waits for itself is not its own. */
static int is_late(struct roll const *roll, struct state_record const *r) {
  struct deadline since = roll->s->hold.changed, limit = DEADLINE_NEVER;

  if (r->marks & MARK_HELD) return 0;
  if (!is_stopping(r) || r->machine.flags & FLAG_KILLED)
    limit = deadline_add_ms(since, REACTION_MS);
  else if (r->deadline.ns != DEADLINE_NEVER.ns)
    limit = deadline_add_ms(r->deadline, SLACK_MS);
  return deadline_passed(limit, roll->now);
}

static int counts(struct roll *roll, char const *name, char const *text) {
  struct supervisor *s = roll->s;
  struct state_record r = {.marks = 0};
  int known;

  if (!control_is_supervised(text + 1)) {
    if (!deadline_passed(deadline_add_ms(s->hold.changed, GRACE_MS), roll->now)) return 1;
    remove_registration(name);
    return 0;
  }
  known = state_record_load(text + 1, &r);
  if (known) roll->sum = (roll->sum ^ (uint32_t)r.sequence) * 16777619u;
  if (text[0] == 'a' && !(known && is_stopping(&r) && r.marks & MARK_DELIBERATE) &&
      !everything_stops(s))
    return 0;
  if (known && r.marks & MARK_HELD && closes_circle(roll, name)) {
    report_warning("stopping without waiting for ", name, ": it waits for this one");
    remove_registration(name);
    return 0;
  }
  if (!known || !is_late(roll, &r)) return 1;
  report_warning("stopping without waiting any longer for ", name, ", which needs this one");
  remove_registration(name);
  return 0;
}

static void consider(void *context, char const *name) {
  struct roll *roll = context;
  char text[PATH_MAX];

  if (name[0] == '.') return;
  if (!read_registration(name, text)) {
    roll->count += is_shortage(errno); /* it may be one: asked again */
    return;
  }
  if (!counts(roll, name, text)) return;
  for (char const *c = name; *c; c++)
    roll->sum = (roll->sum ^ (unsigned char)*c) * 16777619u;
  if (roll->count++) text_add(roll->names, sizeof roll->names, ", ");
  text_add(roll->names, sizeof roll->names, name);
}

/* --- the stop --------------------------------------------------------------------------------
 */

static int is_held(struct supervisor const *s) {
  return s->state.marks & MARK_HELD;
}

/* What is done has no process to be signalled late: the machine hears of it when all have gone.
 * Which event that is the reason says. */
int hold_done(struct supervisor *s, enum machine_event event) {
  struct state_record *r = &s->state;
  int goes = event == EVENT_WANT_DOWN || event == EVENT_EXIT || event == EVENT_NEEDS_LOST;

  if (s->hold.releasing || r->machine.state != STATE_DONE || !(r->marks & MARK_ONESHOT) ||
      !(r->marks & MARK_NEEDED))
    return 0;
  if (event == EVENT_WANT_UP || event == EVENT_ONCE || event == EVENT_RESTART)
    r->marks &= (uint16_t)~MARK_HELD;
  if (!goes) return 0;
  if (is_held(s) && event == EVENT_NEEDS_LOST) return 1;
  reason_of_event(s, event);
  r->reason = s->reason;
  r->detail = s->detail;
  if (!is_held(s)) s->hold = (struct hold){.look = 1, .changed = clock_now()};
  r->marks |= MARK_HELD;
  needs_mark(s);
  s->unshown = 1;
  show(s, ".", 1);
  return 1;
}

static void release_done(struct supervisor *s) {
  struct control_letter const *letter =
      s->state.reason == REASON_COMMAND ? control_find((char)s->state.detail) : 0;

  s->state.marks &= (uint16_t)~MARK_HELD;
  s->hold.releasing = 1;
  s->command = letter;
  happen(s, letter ? (enum machine_event)letter->event : EVENT_NEEDS_LOST);
  s->command = 0;
  s->hold.releasing = 0;
}

machine_deeds hold_back(struct supervisor *s, struct machine const *before,
                        machine_deeds deeds) {
  struct machine const *m = &s->state.machine;
  int running = before->state == STATE_STARTING || before->state == STATE_UP;

  if (is_held(s) && m->state == STATE_DONE) return deeds;
  if (is_held(s) && (m->state != STATE_STOPPING || m->role == ROLE_NONE)) {
    /* It has ended by itself, or somebody had no patience; what it left has its time now. */
    s->state.marks &= (uint16_t)~MARK_HELD;
    return m->state == STATE_STOPPING ? deeds | DO_ARM_KILL : deeds;
  }
  if (m->state != STATE_STOPPING || m->stop != STOP_FULL || !(deeds & DO_SEND_DOWN))
    return deeds;
  if (!is_held(s) && (!running || !(s->state.marks & MARK_NEEDED))) return deeds;
  if (!is_held(s)) s->hold = (struct hold){.look = 1, .changed = clock_now()};
  s->state.marks |= MARK_HELD;
  return deeds & ~(machine_deeds)(DO_SEND_DOWN | DO_ARM_KILL);
}

void hold_go_on(struct supervisor *s) {
  if (!is_held(s)) return;
  s->hold = (struct hold){.look = 1, .changed = clock_now()};
  s->state.deadline = DEADLINE_NEVER;
}

/* Signalled first: a supervisor killed in between does it again. */
static void release(struct supervisor *s) {
  s->state.marks &= (uint16_t)~MARK_HELD;
  send_down(s);
  arm(s, DO_ARM_KILL);
  s->unshown = 1;
  show(s, ".", 1);
}

void hold_step(struct supervisor *s) {
  struct roll roll = {.s = s, .sum = 2166136261u};
  int fd;

  if (!is_held(s) || s->quit) return;
  roll.now = clock_now();
  if (!s->hold.look && !deadline_passed(s->hold.next, roll.now)) return;
  s->hold.look = 0;
  fd = open(DIR_DEPENDENTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    if (!path_each_name(fd, consider, &roll)) roll.count++;
    close(fd);
  } else if (errno != ENOENT)
    roll.count++; /* nothing is known: asked again */
  if (!roll.count && s->state.machine.state == STATE_DONE)
    release_done(s);
  else if (!roll.count)
    release(s);
  if (!roll.count) return;
  texts_wait_for(s, roll.names);
  s->needs.shown = 0;
  if (s->hold.seen != roll.sum) s->hold.changed = roll.now;
  s->hold.seen = roll.sum;
  s->hold.next = deadline_add_ms(roll.now, CIRCLE_MS);
}

struct deadline hold_deadline(struct supervisor const *s) {
  if (!is_held(s)) return DEADLINE_NEVER;
  return s->hold.look ? clock_now() : s->hold.next;
}
