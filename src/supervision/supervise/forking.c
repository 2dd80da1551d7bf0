/* A daemon that insists on going into the background (`type` forking). `run` is only its
 * launcher; what it leaves comes to us as subreaper, and one process of it is the service from
 * then on: the one that `pid-file` names, without one the only one left.
 *
 * Launching: the launcher lives and is the main process, the record in `child` says forking.
 * Left: it is over and none is chosen yet; the machine's process is everything it left, which
 * gets the signals, and is dead when all of it is. Settled: the main process is on record, the
 * launcher's record behind it, by which what belongs to this start is known.
 *
 * A supervisor that comes after one that was killed finds one of the three in `child`. The
 * launch not being its own, what was left may be the scanner's child: it is looked for there
 * before anything is started. */

#include <skalibs/nonposix.h>

#include <signal.h>
#include <unistd.h>

#include <lares/killpoint.h>
#include <lares/report.h>

#include "supervise.h"

int forking_is_unsettled(struct supervisor const *s) {
  return s->forking == FORKING_LAUNCHING || s->forking == FORKING_LEFT;
}

struct launch forking_launch(struct supervisor const *s) {
  return (struct launch){.abilities = &s->abilities,
                         .who = s->launcher,
                         .service = s->service,
                         .except = s->probe,
                         .elsewhere = s->came_after};
}

void forking_signal(struct supervisor *s, int sig) {
  struct launch launch = forking_launch(s);

  launch_signal(&launch, sig);
}

/* What was started at the moment that all records of this launch bear. */
static struct identity_record record_of(struct supervisor const *s, enum identity_state state) {
  return (struct identity_record){.state = (uint8_t)state,
                                  .role = ROLE_RUN,
                                  .who = s->launcher,
                                  .wstat = s->launch_wstat,
                                  .started = s->state.changed,
                                  .began = s->state.began};
}

void forking_born(struct supervisor *s, struct child_plan const *plan) {
  s->forking = plan->forking ? FORKING_LAUNCHING : FORKING_NOT;
  s->launcher = plan->who;
  s->launch_wstat = WSTAT_UNKNOWN;
  s->look = DEADLINE_NEVER;
  s->came_after = s->no_orphans;
}

int came_after_another(struct supervisor const *s) {
  return !s->resumed || s->state.marks & MARK_ORPHANED;
}

void forking_resume(struct supervisor *s, struct identity_record const *record) {
  struct identity_record launcher = *record;

  s->forking = FORKING_NOT;
  if (record->state == IDENTITY_FORKING)
    s->forking = FORKING_LAUNCHING;
  else if (identity_record_launcher(s->record, record, &launcher))
    s->forking = FORKING_SETTLED;
  s->launcher = launcher.who;
  s->launch_wstat = launcher.wstat;
  /* What was left to the same process, before it became another program, is ours. */
  s->came_after = s->no_orphans || came_after_another(s);
  if (s->came_after && forking_is_unsettled(s)) s->state.marks |= MARK_ORPHANED;
  if (!forking_is_unsettled(s) || s->state.deadline.ns != DEADLINE_NEVER.ns) return;
  if (s->state.machine.state == STATE_STARTING) arm(s, DO_ARM_START);
  /* Told to end, what the launcher left has had its time. */
  if (s->state.machine.state == STATE_STOPPING && s->definition.timeout_kill)
    s->rest.killing = 1;
}

/* Of the main process there was, none is any more; s->child is it, ended, ours or adopted. */
static void lose_main(struct supervisor *s) {
  if (s->child.pidfd < 0 && s->child.who.pid) child_reap(s->child.who.pid);
  child_forget(&s->child);
  s->state.pid = 0;
  s->state.inode = s->state.start = 0;
  s->state.marks &= (uint16_t) ~(MARK_TERMED | MARK_ADOPTED);
}

/* R3 for what has launched: how it ended is on record before it is reaped. */
static void become_left(struct supervisor *s) {
  struct identity_record record = record_of(s, IDENTITY_FORKING);

  record_child(s, &record, OWES_START);
  KILL_POINT(LAUNCHED);
  lose_main(s);
  KILL_POINT(LEFT);
  s->forking = FORKING_LEFT;
  forking_look_first(s);
  s->unshown = 1;
}

/* The machine's process is another from now on. */
void forking_tell(struct supervisor *s) {
  happen(s, EVENT_FORKED);
  /* It said so before it came here, or at a time when nobody listened. */
  if (s->state.marks & MARK_SAID_READY) {
    s->state.marks &= (uint16_t)~MARK_SAID_READY;
    happen(s, EVENT_READY);
  } else if (s->definition.type == TYPE_FORKING && s->definition.notification_fd >= 0 &&
             s->notify < 0 && !s->notify_mute)
    happen(s, EVENT_READY);
}

void forking_settle(struct supervisor *s, struct child const *next) {
  struct identity_record launcher = record_of(s, IDENTITY_FORKING);
  struct identity_record record = record_of(s, IDENTITY_RUNNING);
  char pid[REPORT_NUMBER];
  int32_t wstat;

  /* What makes a run good is counted from here, unless it said while it was up who goes on. */
  if (s->state.machine.state != STATE_UP) s->state.began = clock_now();
  record.who = next->who;
  record.wstat = WSTAT_UNKNOWN;
  record.began = s->state.began;
  if (identity_record_settle(s->record, &record, &launcher))
    s->owes = OWES_NOTHING; /* it has overwritten that */
  else
    record_child(s, &record, OWES_START);
  KILL_POINT(CHOSEN);
  lose_main(s);
  s->child = *next;
  s->forking = FORKING_SETTLED;
  s->said_no_fork = FORKING_NOT;
  s->look = deadline_add_ms(clock_now(), FORKING_QUIET_MS);
  s->state.pid = next->who.pid;
  s->state.inode = next->who.inode;
  s->state.start = next->who.start;
  forking_find_group(s);
  if (child_peek(next->who.pid, &wstat) < 0) {
    s->state.marks |= MARK_ADOPTED;
    session_adopted(s);
  } else
    session_born(s);
  if (s->came_after && !s->no_orphans)
    report_info("found the service running as pid ", report_number(pid, next->who.pid),
                ", keeping it");
  forking_tell(s);
}

/* Asked for a moment later and again when it ends: a daemon may have become the main process
 * before it has made a session of its own. One that has ended may have been reaped, and its
 * number be another's. */
void forking_find_group(struct supervisor *s) {
  pid_t group = s->forking == FORKING_SETTLED ? getpgid(s->child.who.pid) : 0;

  if (group <= 1 || group == s->state.group || !main_is_there(s)) return;
  s->state.group = group;
  s->unshown = 1;
}

static void look_and_show(struct supervisor *s) {
  forking_look(s);
  if (s->forking == FORKING_LEFT && s->unshown) show(s, "", 0);
}

/* No main process any more, and others may live: they are waited for, to become it or, when it
 * has failed, to be ended before there is a second. Who is somebody else's child is not seen
 * for certain at one look, its list of children may be changing just now. */
static int leave_others(struct supervisor *s, int32_t wstat, unsigned own) {
  struct launch launch = forking_launch(s);
  struct launch_rest left = launch_rest(&launch);
  int was_settled = s->forking == FORKING_SETTLED;

  if (!left.count && left.ended <= own && !s->came_after) return 0;
  s->launch_wstat = wstat;
  become_left(s);
  /* Of others' children nobody tells us how they ended; the launcher's status is not theirs. */
  if (was_settled || !s->came_after) s->left_wstat = wstat;
  if (s->state.machine.state == STATE_STOPPING)
    forking_signal(s, s->rest.killing ? SIGKILL : s->definition.down_signal);
  else if (wstat != 0 && wstat != WSTAT_UNKNOWN) {
    reason_of_end(s, ROLE_RUN, wstat);
    happen(s, EVENT_MISFORKED);
  } else if (was_settled || s->state.machine.state == STATE_UP)
    happen(s, EVENT_FORKING);
  look_and_show(s);
  return 1;
}

/* The main process is over: has the daemon only moved on? It has when its pid file names
 * another process of it (nginx exchanges its program so), or when it was never more than one
 * that forks and ends: as long as the run is no good one that is not known. */
static int moves_on(struct supervisor *s, int32_t wstat) {
  struct deadline good = deadline_add_ms(s->state.began, s->definition.restart_reset);
  struct pid_file file;
  struct child next;

  if (s->state.machine.state != STATE_STARTING && s->state.machine.state != STATE_UP) return 0;
  if (s->definition.type != TYPE_FORKING) return 0; /* one that said who its main process is */
  if (forking_named(s, &next, &file) && next.who.pid != s->child.who.pid) {
    forking_settle(s, &next);
    return 1;
  }
  return !deadline_passed(good, clock_now()) && leave_others(s, wstat, s->child.pidfd < 0);
}

int forking_goes_on(struct supervisor *s, int32_t wstat) {
  if (s->successor || s->state.machine.role != ROLE_RUN) return 0;
  if (s->forking == FORKING_LAUNCHING) return leave_others(s, wstat, 0);
  return s->forking == FORKING_SETTLED && moves_on(s, wstat);
}
