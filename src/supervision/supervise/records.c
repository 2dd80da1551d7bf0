/* What the supervisor before us left in writing: `state`, the last record of `history`, and
 * `child`. The journal is written before the state, so it may be one step ahead. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/report.h>

#include "supervise.h"

void state_begin(struct supervisor *s) {
  uint64_t sequence = s->state.sequence;
  uint16_t kept = s->state.marks & (MARK_NORMALLY_DOWN | MARK_NOTIFIES | MARK_ONESHOT);

  s->state = (struct state_record){.machine = MACHINE_ZERO,
                                   .marks = kept,
                                   .boot = s->abilities.boot,
                                   .last_wstat = WSTAT_UNKNOWN,
                                   .sequence = sequence,
                                   .deadline = DEADLINE_NEVER};
  clock_stamp(&s->state.changed);
  s->state.since = s->state.changed;
}

int says_running(struct supervisor const *s) {
  struct identity_record record;

  return identity_record_read(s->record, &record) &&
         (record.state == IDENTITY_RUNNING || record.state == IDENTITY_FORKING);
}

/* Of this boot, and not taken leave of in order: then it is where the one before stopped. Read
 * through the descriptor that we have: want of others shall not lose what is written. */
static int load_state(struct supervisor *s) {
  char packed[STATE_RECORD_SIZE];
  struct state_record r;
  ssize_t got = pread(s->state_fd, packed, sizeof packed, 0);

  if (got < 0) got = pread(s->state_fd, packed, sizeof packed, 0); /* a disk's bad moment */
  if (got < 0) {
    int error = errno;
    if (!says_running(s)) {
      errno = error;
      cannot_begin(s, "read ", s->name, "/" FILE_STATE);
    }
    errno = error;
    report_warning_errno("unable to read ", FILE_STATE);
  }
  if (got != sizeof packed) return 0;
  if (!state_record_unpack(packed, &r)) {
    if (errno == EPROTONOSUPPORT)
      report_warning(FILE_STATE, " was written by a newer lares; what it says is not used");
    else if (!status_is_blank(s->state_fd))
      report_warning(FILE_STATE, " is damaged; what it said is lost");
    return 0;
  }
  s->state = r;
  return r.boot == s->abilities.boot && !(r.marks & (MARK_LEFT | MARK_BLANK));
}

/* A state's deadline is not in the journal. */
void arm_anew(struct supervisor *s) {
  static machine_deeds const deeds[STATE_COUNT] = {[STATE_STARTING] = DO_ARM_READY,
                                                   [STATE_STOPPING] = DO_ARM_KILL,
                                                   [STATE_FINISHING] = DO_ARM_FINISH,
                                                   [STATE_BACKOFF] = DO_ARM_BACKOFF,
                                                   [STATE_FAILED] = DO_ARM_FAILED};
  struct machine const *m = &s->state.machine;

  s->state.deadline = DEADLINE_NEVER;
  if (m->state == STATE_BACKOFF) s->state.died = clock_now();
  arm(s, m->state == STATE_STARTING &&
                 (m->role == ROLE_START || m->role == ROLE_CONDITION || forking_is_unsettled(s))
             ? DO_ARM_START
             : deeds[m->state]);
}

static int is_running(struct machine const *m) {
  return m->state == STATE_STARTING || m->state == STATE_UP;
}

static int is_full_stop(struct history_record const *r) {
  return r->machine.state == STATE_STOPPING && r->machine.stop == STOP_FULL &&
         r->machine.role != ROLE_NONE;
}

/* The journal is written before the state: when it is ahead, a step was cut short between them.
 */
static void repair_state(struct supervisor *s, struct history_record const *last) {
  struct state_record *r = &s->state;

  if (last->sequence <= r->sequence || !machine_plausible(&last->machine)) return;
  if (last->event == EVENT_RUN_DIED) {
    r->deaths++;
    r->last_wstat = last->wstat;
    r->last_exit = last->at;
  }
  if (last->pid != r->pid && last->event != EVENT_FORKED) {
    if (last->pid && last->machine.role == ROLE_RUN) {
      r->starts++;
      r->ready.tai = 0;
      r->group = last->pid;
    }
    r->inode = r->start = 0; /* `child` knows */
    r->definition = 0;       /* nobody does */
    r->changed = last->at;
  }
  if (last->event == EVENT_READY) {
    r->ready = last->at;
    r->began = last->moment;
  }
  if (last->event == EVENT_EXIT && !(last->machine.flags & FLAG_LEAVING)) drain_set_time(s);
  if (r->marks & MARK_NEEDED && is_running(&r->machine) && is_full_stop(last))
    r->marks |= MARK_HELD; /* its signal comes after the state */
  s->told = r->machine.state;
  r->machine = last->machine;
  r->reason = last->reason;
  r->detail = last->detail;
  r->sequence = last->sequence;
  if (r->machine.state != s->told || r->pid != last->pid) {
    r->pid = last->pid;
    r->since = last->at;
    arm_anew(s);
  }
}

static void say_no_child(struct supervisor const *s) {
  int error = errno;
  char const *wrong = error == EPROTONOSUPPORT ? " was written by a newer lares"
                      : error == EPROTO        ? " is damaged"
                                               : " cannot be read";

  if (status_is_blank(s->record)) return;
  if (error == EPROTONOSUPPORT && !status_of_boot(s->record, s->abilities.boot)) return;
  if (s->state.pid)
    report_warning(FILE_CHILD, wrong, "; using the copy in ", FILE_STATE);
  else
    report_warning(FILE_CHILD, wrong,
                   " and there is no copy of it; if a process of the "
                   "service is left, it may be there twice now");
}

int read_child(struct supervisor *s, struct identity_record *record) {
  if (identity_record_read(s->record, record)) return 1;
  /* Not damaged: it cannot be read just now. Nobody knows what runs. */
  if (errno != EPROTO && errno != EPROTONOSUPPORT && !s->state.pid)
    cannot_begin(s, "read ", s->name, "/" FILE_CHILD);
  /* One that cannot be read just now may tell more than the copy does: it is left as it is. */
  s->child_lost = errno == EPROTO || errno == EPROTONOSUPPORT;
  say_no_child(s);
  if (!s->state.pid) {
    *record = (struct identity_record){.state = IDENTITY_NONE};
    return 0;
  }
  /* The second copy. */
  *record = (struct identity_record){.state = IDENTITY_RUNNING,
                                     .role = s->state.machine.role,
                                     .who = {.pid = s->state.pid,
                                             .inode = s->state.inode,
                                             .start = s->state.start,
                                             .boot = s->state.boot},
                                     .wstat = WSTAT_UNKNOWN,
                                     .started = s->state.changed,
                                     .began = s->state.began};
  return 1;
}

int load_records(struct supervisor *s) {
  struct history_record last;
  int have_state;

  journal_open(s, &last);
  have_state = load_state(s);
  if (have_state)
    repair_state(s, &last);
  else
    state_begin(s);
  journal_number(s, last.sequence);
  return have_state;
}
