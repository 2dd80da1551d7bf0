/* What a new supervisor finds. Three files may tell of the one before: `child`, written by the
 * process itself, is the truth about it; `history` and then `state` say what the machine made
 * of it, and may be one step behind.
 *
 * A living process is proven by its identity and adopted: it is waited for, never started
 * again. A process that has ended meanwhile is a death like any other, and goes to the machine
 * as one.
 */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <lares/killpoint.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/report.h>

#include "supervise.h"

/* A daemon in the background is the same start all the time, and has no main process for a
 * while; what undoes a oneshot is asked for before it is made. */
static int is_told(struct supervisor const *s, struct identity_record const *record) {
  struct state_record const *r = &s->state;

  if (r->machine.role != record->role) return 0;
  if (s->forking != FORKING_NOT && !stamp_compare(&r->changed, &record->started)) return 1;
  if (!r->pid && (record->role == ROLE_FINISH || record->state == IDENTITY_EXITED)) return 1;
  return r->pid == record->who.pid;
}

/* The machine has not heard of this start yet: be where it leads. */
static void catch_up_with_start(struct supervisor *s, struct identity_record const *record) {
  struct state_record *r = &s->state;
  struct machine *m = &r->machine;

  forking_resume(s, record);
  r->inode = record->who.inode;
  r->start = record->who.start;
  untold_began(s, record);
  if (is_told(s, record)) return;
  m->role = record->role;
  m->stop = STOP_NONE;
  m->flags &= FLAG_LEAVING;
  switch (record->role) {
  case ROLE_CONDITION:
  case ROLE_START:
    m->state = STATE_STARTING;
    break;
  case ROLE_FINISH:
    m->state = STATE_FINISHING;
    m->flags |= FLAG_OWED;
    break;
  default:
    r->group = record->who.pid;
    m->state = declares_readiness(s) || s->forking || s->definition.type == TYPE_ONESHOT
                   ? STATE_STARTING
                   : STATE_UP;
    r->ready.tai = 0;
    r->starts++;
  }
  if (m->want == WANT_DOWN && record->role != ROLE_FINISH) m->want = WANT_UP;
  r->pid = record->who.pid;
  r->changed = record->started;
  arm_anew(s);
  if (s->told != m->state) r->since = record->started;
  s->told = m->state;
}

/* What is said into the readiness FIFO lives as long as the instance holds its other end. 0: it
 * does not any more, and what was said is gone. */
static int reopen_notify(struct supervisor *s) {
  struct machine const *m = &s->state.machine;
  int probe;

  if (m->state != STATE_STARTING || m->role != ROLE_RUN) return 1;
  probe = open(FILE_NOTIFY, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  if (probe < 0 && errno == ENXIO) return 0; /* the child's end can be read, too */
  s->notify_mute = probe < 0 && errno == ENOENT;
  if (s->notify_mute) return 1;
  s->notify = channel_open_read(FILE_NOTIFY);
  s->notify_reopened = (uint8_t)came_after_another(s);
  if (probe >= 0) close(probe);
  return 1;
}

/* Who closes it has said so first, as a rule; to wait for a word that cannot come would end a
 * healthy service when timeout-ready has passed. */
void take_for_ready(struct supervisor *s) {
  if (s->state.machine.state != STATE_STARTING) return;
  report_info(
      "it has closed its readiness descriptor while nobody listened, taking it for ready");
  happen(s, EVENT_READY);
}

/* A state that knows of this start has its group; one of version 3 had none. */
static void know_group(struct supervisor *s, struct identity_record const *record) {
  if (record->role == ROLE_RUN && !s->state.group) s->state.group = record->who.pid;
}

/* The process on record lives; pidfd -1: as our own child, or where there are no pidfds. */
static void keep(struct supervisor *s, struct identity_record const *record, int pidfd) {
  struct machine const *m = &s->state.machine;
  int is_another = s->state.pid != record->who.pid;

  s->child = (struct child){.who = record->who, .pidfd = pidfd};
  s->state.pid = record->who.pid;
  /* There are two copies again, before the other one can be lost. */
  if (s->child_lost) record_child(s, record, OWES_START);
  if (s->state.marks & MARK_ADOPTED) session_adopted(s);
  know_group(s, record);
  forking_find_group(s);
  if (!reopen_notify(s) && s->forking == FORKING_NOT) take_for_ready(s);
  /* Its main process was chosen, and the machine may not have heard of it. */
  if (s->forking == FORKING_SETTLED && m->role == ROLE_RUN &&
      (is_another || (m->state == STATE_STARTING && s->notify < 0)))
    forking_tell(s);
}

static void adopt(struct supervisor *s, struct identity_record const *record, int pidfd) {
  char pid[REPORT_NUMBER];

  catch_up_with_start(s, record);
  s->state.marks |= MARK_ADOPTED;
  s->unshown = 1; /* nothing is journalled, but the state is to say so */
  report_info("found the service running as pid ", report_number(pid, record->who.pid),
              ", keeping it");
  keep(s, record, pidfd);
}

/* It ended while nobody was looking, or was looking but could not tell the machine any more. */
static void make_up_death(struct supervisor *s, struct identity_record const *record,
                          int32_t wstat) {
  catch_up_with_start(s, record);
  s->child = (struct child){.who = record->who, .pidfd = -1};
  know_group(s, record);
  if (forking_is_unsettled(s)) (void)reopen_notify(s); /* of those it may have left */
  process_ended(s, wstat == WSTAT_UNKNOWN ? end_of_stranger(&s->child) : wstat);
}

/* After an upgrade in place it still is our own child. */
static int is_own_child(struct supervisor *s, struct identity_record const *record) {
  int32_t wstat;
  int ended;

  /* Reaped, it only launched; its number may be another child's by now. */
  if (record->state == IDENTITY_FORKING && record->wstat != WSTAT_UNKNOWN) return 0;
  ended = child_peek(record->who.pid, &wstat);
  if (ended < 0) return 0;
  s->state.marks &= (uint16_t)~MARK_ADOPTED;
  if (ended) {
    make_up_death(s, record, wstat);
    return 1;
  }
  catch_up_with_start(s, record);
  keep(s, record, -1);
  return 1;
}

static void take_over(struct supervisor *s, struct identity_record const *record,
                      int have_state) {
  int pidfd;

  untold_tell(s, record, have_state);
  if (is_own_child(s, record)) return;

  switch (identity_prove(&s->abilities, &record->who, &pidfd)) {
  case IDENTITY_LIVES:
    KILL_POINT(FOUND);
    adopt(s, record, pidfd);
    break;
  case IDENTITY_UNPROVABLE:
    report_warning_errno("unable to prove that the process on record is the service's; "
                         "taking it for that");
    adopt(s, record, pidfd);
    break;
  default:
    make_up_death(s, record, record->wstat);
  }
}

/* The end of another finish than the one that the machine waits for, which was never made. */
static int is_of_before(struct supervisor const *s, struct identity_record const *ended) {
  return s->state.machine.role == ROLE_FINISH &&
         stamp_compare(&ended->started, &s->state.since) < 0;
}

/* 1 if there was something to go on with. */
static int go_on(struct supervisor *s, int have_state) {
  struct identity_record record;
  struct machine const *m = &s->state.machine;
  int is_done;

  if (read_child(s, &record) && record.who.boot == s->abilities.boot) {
    if (record.state == IDENTITY_RUNNING || record.state == IDENTITY_FORKING) {
      take_over(s, &record, have_state);
      return 1;
    }
    /* Recorded and not yet told: the machine still believes it alive. */
    if (record.state == IDENTITY_EXITED && have_state && m->role == record.role &&
        (s->state.pid == record.who.pid || (!s->state.pid && !is_of_before(s, &record)))) {
      make_up_death(s, &record, record.wstat);
      return 1;
    }
  }
  if (!have_state) return 0;
  is_done = m->state == STATE_DONE;
  go_first(s);
  if (s->quit || is_done) return 1; /* what it did may be being undone now */
  /* Asked for, to undo what a oneshot did, and never made: a finish is never left out. */
  if (m->role == ROLE_FINISH && !s->state.pid) {
    happen(s, EVENT_UNBORN);
    happen(s, EVENT_DEADLINE);
  } else if (m->role != ROLE_NONE) {
    /* Nothing is known of the process the machine believes in: an unknown death. */
    record = (struct identity_record){.state = IDENTITY_EXITED,
                                      .role = m->role,
                                      .who = {.pid = s->state.pid},
                                      .wstat = WSTAT_UNKNOWN};
    make_up_death(s, &record, record.wstat);
  } else if (m->state == STATE_FINISHING)
    happen(s, EVENT_DEADLINE);
  else if (m->state == STATE_WAITING)
    happen(s, EVENT_NEEDS_MET); /* as far as that is so */
  else if (m->state == STATE_DOWN && m->flags & FLAG_LEAVING)
    happen(s, EVENT_EXIT);
  return 1;
}

/* What cannot be read just now is not what it normally is: a service that is to stay down would
 * be started. One that runs is kept all the same; the directory is read again before its next
 * life. */
static void need_definition(struct supervisor *s) {
  int error;

  svdir_default(&s->definition);
  s->said_no_read = 1;
  if (read_definition(s)) return;
  error = errno;
  s->said_no_read = 0;
  if (says_running(s)) return;
  errno = error;
  cannot_begin(s, "read the service directory ", s->name);
}

/* The one before us was killed: what it was the subreaper for has gone to the scanner. */
static void note_orphans(struct supervisor *s) {
  if (!s->resumed && (s->state.machine.state != STATE_DOWN || s->state.rest))
    s->state.marks |= MARK_ORPHANED;
}

static void begin_or_go(struct supervisor *s) {
  if (s->going)
    go_first(s);
  else
    happen(s, EVENT_BOOT);
}

void resume(struct supervisor *s) {
  int have_state;

  s->going = s->wired && !s->is_log && hold_is_to_go(s);
  need_definition(s);
  have_state = load_records(s);
  s->told = s->state.machine.state;
  s->reason = s->state.reason;
  s->detail = s->state.detail;
  s->state.marks &= (uint16_t) ~(MARK_IS_LOG | MARK_LEFT | MARK_BLANK | MARK_HAS_LOG);
  if (s->is_log) s->state.marks |= MARK_IS_LOG;
  if (have_state) note_orphans(s);
  mark_definition(s); /* the record that was loaded has the marks of its time */
  open_log_pipe(s);
  drain_take_pipe(s);
  hold_recall(s);
  needs_recall(s);
  sd_listen(s);
  if (!go_on(s, have_state)) begin_or_go(s);
  hold_go_on(s);
  sd_resume(s);
  check_follow(s, DO_NONE);
  if (s->state.machine.state == STATE_STOPPING && s->state.machine.flags & FLAG_KILLED)
    s->rest.killing = 1;
  rest_follow(s);
  drain_go_on(s);
  custom_resume(s);
  needs_mark(s);
  s->unshown = 1; /* the record may have been mended, and says now that it was adopted */
  show(s, "s", 1);
  s->over_untold = s->state.marks & MARK_OVER && s->definition.has & HAS_ESSENTIAL;
  over_tell(s);
  KILL_POINT(RESUMED);
}
