/* Carrying out what the machine says. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lares/killpoint.h>
#include <lares/report.h>

#include "supervise.h"

#define SOON_OVER_MS 1
#define ARMS                                                                                   \
  (DO_ARM_START | DO_ARM_READY | DO_ARM_KILL | DO_ARM_FINISH | DO_ARM_BACKOFF | DO_ARM_RETRY | \
   DO_ARM_FAILED)

int signal_of(struct supervisor const *s, struct control_letter const *letter) {
  if (letter->signal == CONTROL_SIGNAL_DOWN) return s->definition.down_signal;
  if (letter->signal == CONTROL_SIGNAL_RELOAD) return s->definition.reload_signal;
  return letter->signal;
}

/* Of a daemon in the background the main process need not lead its group. */
static int send_to_group(struct supervisor *s, int sig) {
  forking_find_group(s);
  if (s->state.group == s->child.who.pid) return child_signal_group(&s->child, sig);
  return child_signal_group_of(&s->child, sig) || child_signal(&s->child, sig);
}

static void send(struct supervisor *s, int sig, int to_group) {
  int sent;

  if (s->forking == FORKING_LEFT) {
    forking_signal(s, sig);
    return;
  }
  session_witness(s);
  sent = to_group ? send_to_group(s, sig) : child_signal(&s->child, sig);
  if (sent && sig == SIGTERM) s->state.marks |= MARK_TERMED;
  if (!sent && errno != ESRCH) report_warning_errno("unable to signal the service");
}

void send_down_signal(struct supervisor *s) {
  send(s, s->definition.down_signal, 0);
  send(s, SIGCONT, 0);
}

void send_down(struct supervisor *s) {
  if (s->no_addressee) return;
  if (!custom_stop(s)) send_down_signal(s);
}

static void kill_all(struct supervisor *s) {
  if (s->state.pid) send(s, SIGKILL, !!(s->definition.has & HAS_KILLPG));
  rest_kill(s);
}

static void send_signals(struct supervisor *s, machine_deeds deeds) {
  int to_group = s->command && s->command->target == TO_GROUP;

  if (deeds & DO_SEND && s->command) send(s, signal_of(s, s->command), to_group);
  if (deeds & DO_SEND && s->event_signal) send(s, s->event_signal, 0);
  if (deeds & DO_SEND_STOP) send(s, SIGSTOP, to_group);
  if (deeds & DO_SEND_CONT) send(s, SIGCONT, to_group);
  if (deeds & DO_SEND_DOWN) send_down(s);
  if (deeds & DO_SEND_KILL)
    send(s, SIGKILL, to_group || (!s->command && s->definition.has & HAS_KILLPG));
  /* A launcher may leave others while it dies. */
  if (deeds & DO_SEND_KILL && s->state.machine.state == STATE_STOPPING &&
      forking_is_unsettled(s))
    s->rest.killing = 1;
  if (deeds & DO_REST_DOWN) rest_signal(s, s->definition.down_signal);
  if (deeds & DO_REST_KILL) kill_all(s);
}

#define CONDITION_MS 10000 /* has a `condition` whose service has no timeout-start */

/* 0 means none, whatever is counted from. */
static struct deadline in_ms(uint32_t ms) {
  return ms ? deadline_add_ms(clock_now(), ms) : DEADLINE_NEVER;
}

void arm(struct supervisor *s, machine_deeds deeds) {
  struct svdir const *d = &s->definition;

  if (deeds & DO_ARM_START) s->state.deadline = in_ms(d->timeout_start);
  if (deeds & DO_ARM_START && s->state.machine.role == ROLE_CONDITION && !d->timeout_start)
    s->state.deadline = in_ms(CONDITION_MS);
  if (deeds & DO_ARM_READY) s->state.deadline = in_ms(d->timeout_ready);
  if (deeds & DO_ARM_KILL) s->state.deadline = in_ms(d->timeout_kill);
  if (deeds & DO_ARM_FINISH) s->state.deadline = in_ms(d->timeout_finish);
  if (deeds & DO_ARM_BACKOFF) s->state.deadline = next_start(s);
  if (deeds & DO_ARM_FAILED) s->state.deadline = in_ms(d->retry_failed);
  if (deeds & DO_ARM_RETRY) {
    s->state.deadline = in_ms(s->retry_ms);
    s->retry_ms = s->retry_ms * 2 < RETRY_MOST_MS ? s->retry_ms * 2 : RETRY_MOST_MS;
  }
}

static int carry_out_spawn(struct supervisor *s, machine_deeds deeds) {
  if (deeds & DO_SPAWN_CONDITION) return spawn(s, ROLE_CONDITION);
  if (deeds & DO_SPAWN_START) return spawn(s, ROLE_START);
  if (deeds & DO_SPAWN_RUN) return spawn(s, ROLE_RUN);
  if (deeds & DO_SPAWN_FINISH) return spawn(s, ROLE_FINISH);
  return 1;
}

/* `down` in the service directory, for the letters that remember. */
static void remember(struct supervisor *s) {
  if (!s->command) return;
  if (s->command->memory == REMEMBER_DOWN) {
    int fd = open("down", O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
      report_warning_errno("unable to make the file down, this will not be remembered");
    else
      close(fd);
  }
  if (s->command->memory == REMEMBER_UP && unlink("down") < 0 && errno != ENOENT)
    report_warning_errno("unable to remove the file down, this will not be remembered");
}

static void leave(struct supervisor *s, machine_deeds deeds) {
  if (deeds & DO_GONE) {
    /* On record last of all: dying before it, our successor leaves in our place. */
    s->state.marks |= MARK_LEFT;
    s->state.drain.ns = 0;
    s->unshown = 1;
    needs_drop(s);
    if (s->cgroup.dir >= 0) (void)cgroup_remove(&s->cgroup, s->cgroup_parent);
    sd_end(s);
  }
  if (deeds & (DO_GONE | DO_QUIT)) s->quit = 1;
  if (deeds & DO_RENEW) upgrade_begin(s);
}

/* The process has been told to end, and most do within a moment: what is shown of the stop is
 * shown together with its end. Who reads the state knows it already. */
static int is_soon_over(struct supervisor const *s, struct machine const *before) {
  return s->state.machine.state == STATE_STOPPING && before->state != STATE_STOPPING &&
         s->state.machine.role != ROLE_NONE;
}

static void publish(struct supervisor *s, struct machine const *before, machine_deeds deeds) {
  char letters[8];
  size_t len = wake_letters(s, before, deeds, letters);

  if (is_soon_over(s, before))
    s->reshow = deadline_earlier(s->reshow, deadline_add_ms(clock_now(), SOON_OVER_MS));
  else
    show(s, letters, len);
  over_tell(s);
}

/* What shows nothing may still be remembered: to start again after a stop, say. */
static int is_as_before(struct machine const *m, struct machine const *before) {
  return m->stop == before->stop && m->early == before->early && m->flags == before->flags;
}

static void show_state(struct supervisor *s) {
  s->unshown = 1;
  show(s, "", 0);
}

/* A command's change is on record before it is acted on, or a crash in between would undo it; a
 * restart is done first and written down then, nobody shall wait for a disk. */
void happen(struct supervisor *s, enum machine_event event) {
  struct machine before = s->state.machine;
  uint32_t facts;
  machine_deeds deeds;
  struct event_told told;
  int first = s->command || event == EVENT_EXIT, termed = s->state.marks & MARK_TERMED;
  int undoes, is_born;

  if (hold_done(s, event)) return;
  facts = facts_now(s, event);
  reason_of_event(s, event);
  deeds = machine_step(&s->state.machine, event, facts);
  reason_of_failure(s, &before);
  over_follow(s, &before, deeds);
  deeds = hold_back(s, &before, deeds);
  reason_of_wait(s);
  if (deeds & DO_GONE && !drain_may_leave(s)) deeds &= ~(machine_deeds)DO_GONE;
  /* What a supervisor begins with is on record even when nothing is to be done. */
  if (event == EVENT_BOOT || deeds & DO_GONE) deeds |= DO_PUBLISH;
  if (event == EVENT_UNBORN && s->untold.is_set) deeds |= s->untold.deeds;
  if (deeds & DO_BUG) {
    report_error("impossible: ", machine_event_name(event), " while ",
                 machine_state_name(before.state));
    return;
  }
  if (s->state.machine.state != before.state || deeds & ARMS)
    s->state.deadline = DEADLINE_NEVER;
  if (!(deeds & MACHINE_SPAWNS)) reap_recorded(s);
  rest_follow(s);
  watchdog_follow(s);
  check_follow(s, deeds);
  remember(s);
  arm(s, deeds);
  /* What is to undo a oneshot's work is not in `child` yet, and the work in no death. */
  undoes = first && before.state == STATE_DONE && deeds & DO_SPAWN_FINISH;
  first = first && (undoes || !(deeds & MACHINE_SPAWNS));
  if (first && deeds & DO_PUBLISH) journal(s, event, deeds);
  send_signals(s, deeds);
  KILL_POINT(SENT);
  if (!termed && s->state.marks & MARK_TERMED) s->unshown = 1; /* runit's "got TERM" */
  told = (struct event_told){event, s->reason, s->detail, deeds & DO_DEATH, 1};
  is_born = carry_out_spawn(s, deeds);
  reap_recorded(s);
  if (!is_born) {
    /* A death shall not vanish behind the start that failed. */
    if (!s->command && event != EVENT_DEADLINE) s->untold = told;
    happen(s, EVENT_UNBORN);
    return;
  }
  if (undoes) s->unshown = 1; /* its pid */
  leave(s, deeds);
  if (!first && deeds & DO_PUBLISH) journal(s, event, deeds);
  if (deeds & DO_PUBLISH)
    publish(s, &before, deeds);
  else if (s->unshown || !is_as_before(&s->state.machine, &before))
    show_state(s);
}

/* The scanner may have left a note; it is there only after a supervisor has died. */
int32_t end_of_stranger(struct child const *c) {
  return identity_wstat(&c->who, c->pidfd, FILE_EXIT);
}

/* Yes or no is what it answers with its exit code; anything else is a failure, tried again. */
static enum machine_event event_of_condition(struct supervisor const *s, int32_t wstat) {
  if (wstat == 0) return EVENT_CONDITION_OK;
  if (wstat == WSTAT_UNKNOWN || !WIFEXITED(wstat) || s->exec_error) return EVENT_START_BAD;
  return EVENT_CONDITION_NO;
}

/* To reap takes a twentieth of a restart, so that it is done behind the start (R3 asks only
 * that it be done after the record). Until then the dead one is a child of ours to who looks at
 * those. */
void reap_recorded(struct supervisor *s) {
  if (!s->unreaped) return;
  child_reap(s->unreaped);
  s->unreaped = 0;
  KILL_POINT(REAPED);
}

/* We have come in the midst of a stop, which is told to us when we listen: too late for what
 * was dead when we came, which would be started once more. (While an end is told that has had
 * its consequences, somebody lives.) */
void go_first(struct supervisor *s) {
  if (!s->going || s->successor || s->quit || s->state.machine.flags & FLAG_LEAVING) return;
  s->no_addressee = 1;
  obey_command(s, control_find('x'));
  s->no_addressee = 0;
}

void process_ended(struct supervisor *s, int32_t wstat) {
  struct state_record *r = &s->state;
  enum machine_role role = r->machine.role;
  struct identity_record record = {.state = IDENTITY_EXITED,
                                   .role = role,
                                   .who =
                                       s->forking == FORKING_LEFT ? s->launcher : s->child.who,
                                   .wstat = wstat,
                                   .began = r->began};

  if (forking_goes_on(s, wstat)) return;
  forking_find_group(s);
  go_first(s);

  KILL_POINT_IF(r->marks & MARK_ADOPTED, PEEKED);
  drain_before_end(s, wstat);
  clock_stamp(&record.started);
  if (!s->successor) record_child(s, &record, OWES_END);
  KILL_POINT_IF(r->marks & MARK_ADOPTED, RECORDED);
  session_witness(s);
  if (s->child.pidfd < 0) s->unreaped = s->child.who.pid;
  if (!s->unreaped) KILL_POINT_IF(r->marks & MARK_ADOPTED, REAPED);
  child_forget(&s->child);
  r->pid = 0;
  r->inode = r->start = 0;
  r->changed = record.started;
  r->marks &= (uint16_t) ~(MARK_TERMED | MARK_ADOPTED);
  s->wstat = wstat;
  reason_of_end(s, role, wstat);
  switch (role) {
  case ROLE_CONDITION:
    happen(s, event_of_condition(s, wstat));
    break;
  case ROLE_START:
    happen(s, wstat == 0 ? EVENT_START_OK : EVENT_START_BAD);
    break;
  case ROLE_FINISH:
    happen(s, EVENT_FINISH_DONE);
    break;
  default:
    r->deaths++;
    r->last_wstat = wstat;
    r->last_exit = record.started;
    happen(s, EVENT_RUN_DIED);
  }
  reap_recorded(s);
  s->exec_error = 0;
  if (r->machine.role != ROLE_RUN) s->forking = FORKING_NOT;
}
