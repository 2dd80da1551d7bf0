/* The life of a supervisor: started, ended, started again. It is never tried in a tight loop:
 * the first death of a supervisor that ran well costs no delay, later ones in a row more and
 * more. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <lares/exitcode.h>
#include <lares/killpoint.h>
#include <lares/option.h>
#include <lares/path.h>
#include <lares/status.h>

/* In a row. Of the further ones neither we nor they say anything. */
#define REPORTED_DEATHS 2

char const *slot_name(struct entry const *e, enum which which, char buf[PATH_SIZE]) {
  size_t len = strlen(e->name);

  memcpy(buf, e->name, len);
  memcpy(buf + len, "/log", which == LOGGER ? 5 : 0);
  if (which == SERVICE) buf[len] = 0;
  return buf;
}

/* An entry whose name leads elsewhere by now is found where it was recorded, if it is still
 * there: never in the directory that has taken its name. */
int slot_path(struct scan const *s, struct entry const *e, enum which which, char const *file,
              char buf[PATH_SIZE]) {
  char base[PATH_SIZE];

  (void)s;
  if (!(e->flags & ENTRY_VANISHED))
    memcpy(base, e->name, strlen(e->name) + 1);
  else if (!home_recorded_path(e, base))
    return (errno = is_shortage(errno) ? errno : ENOENT, 0);
  if (which == LOGGER && !path_join(buf, PATH_SIZE, base, "log")) return 0;
  if (which == SERVICE) memcpy(buf, base, strlen(base) + 1);
  if (!*file) return 1;
  memcpy(base, buf, strlen(buf) + 1);
  return path_join(buf, PATH_SIZE, base, file);
}

int slot_busy(struct slot const *slot) {
  return slot->state == SLOT_RUNNING || slot->state == SLOT_FOUND || slot->state == SLOT_DUE;
}

static void due_in(struct scan *s, struct slot *slot, uint32_t ms) {
  slot->state = SLOT_DUE;
  slot->moment = deadline_add_ms(clock_now(), ms);
  need_look(s, slot->moment);
}

/* Its name leads elsewhere, and it is not where it was; errno. */
static void cannot_find(struct scan *s, struct entry *e, enum which which) {
  struct slot *slot = &e->slot[which];

  if (is_shortage(errno) || e->phase == PHASE_ACTIVE) {
    due_in(s, slot, RETRY_MS);
    return;
  }
  slot->state = SLOT_NONE;
  entry_advance(s, e);
}

/* What its last supervisor wrote in this boot. */
static int read_state(struct scan *s, struct entry *e, enum which which,
                      struct state_record *state) {
  char path[PATH_SIZE];

  return slot_path(s, e, which, "", path) && state_record_load(path, state) &&
         state->boot == s->abilities.boot;
}

/* What the one before was told whoever comes next goes on with. */
static int is_leaving(struct scan *s, struct entry *e, enum which which) {
  struct state_record state;

  return read_state(s, e, which, &state) && state.machine.flags & FLAG_LEAVING;
}

static void start(struct scan *s, struct entry *e, enum which which) {
  char path[PATH_SIZE];
  struct slot *slot = &e->slot[which];
  char const *argv[5] = {"lares-supervise", slot->deaths < REPORTED_DEATHS ? "-s" : "-qs"};
  char entry[sizeof ENTRY_VARIABLE + PATH_SIZE] = ENTRY_VARIABLE "=";
  int failed = 0, is_born;

  /* Told to go by a scanner before us, which its supervisor did not live to hear. */
  if (e->phase == PHASE_ACTIVE && going_was_told(s, e, which) > 0 && !is_leaving(s, e, which))
    going_forget(e, which);
  KILL_POINT(RUN_RECORD);
  home_record(s, e);
  KILL_POINT(RUN_RECORDED);
  if (!(e->flags & ENTRY_VANISHED))
    slot_name(e, which, path);
  else if (!moved_path(s, e, which, path)) {
    cannot_find(s, e, which);
    return;
  } else { /* by a path, which is not its name */
    if (!s->stopping && e->phase == PHASE_GOING) going_note(s, e, which);
    slot_name(e, which, entry + sizeof ENTRY_VARIABLE);
    *s->one_more = entry;
  }
  option_operand(argv + 2, path);
  is_born = spawn_giving(s, s->supervise, argv, 3, slot->store, &slot->pid, &failed);
  *s->one_more = 0;
  if (!is_born) {
    slot->pid = 0;
    if (trouble(s, TROUBLE_START)) report_warning_errno("unable to start supervisors");
    s->hold = deadline_add_ms(clock_now(), RETRY_MS);
    due_in(s, slot, RETRY_MS);
    return;
  }
  trouble_over(s, TROUBLE_START);
  slot->state = SLOT_RUNNING;
  slot->moment = clock_now();
  slot->flags = (uint8_t)((slot->flags & ~(SLOT_ASKED | SLOT_ASKING)) | SLOT_TOLD);
  slot->looks = 0;
  (void)pid_add(s, e, which, slot->pid); /* there is room: entry_new saw to it */
  if (!failed)
    trouble_over(s, TROUBLE_EXEC);
  else {
    errno = failed;
    if (trouble(s, TROUBLE_EXEC)) report_error_errno("unable to run ", s->supervise);
    program_find_again(s);
  }
  hook_tell(s);
  /* A logger's supervisor, only when the service's has left. */
  if (e->phase == PHASE_GOING) entry_advance(s, e);
}

/* By what it wrote before it left. */
static int has_left(struct scan *s, struct entry *e, enum which which) {
  struct state_record state;

  return read_state(s, e, which, &state) && state.marks & MARK_LEFT;
}

/* Of one that was killed in the middle of a stop, or before it had told that the main process
 * ended: others of the service may live, and `finish` is not run yet. One that dies at that
 * again and again is given up. */
static int is_unfinished(struct scan *s, struct entry *e, enum which which) {
  struct state_record state;

  if (e->slot[which].deaths > MOST_DEATHS) return 0;
  if (!read_state(s, e, which, &state) || state.marks & (MARK_LEFT | MARK_BLANK)) return 0;
  if (state.machine.role != ROLE_NONE || state.machine.state == STATE_STOPPING ||
      state.machine.state == STATE_FINISHING)
    return 1;
  /* Between two lives others of it may live; and what a oneshot did is to be undone. */
  return e->phase == PHASE_GOING && (state.machine.state == STATE_DONE || state.rest);
}

/* In a stop: without a supervisor a process would go on, or what a logger has to take would be
 * left. */
int slot_is_owed(struct scan *s, struct entry *e, enum which which) {
  return orphan_lives(s, e, which) || is_unfinished(s, e, which) ||
         (which == LOGGER && logpipe_is_owed(s, e, 1));
}

void slot_start(struct scan *s, struct entry *e, enum which which) {
  struct slot *slot = &e->slot[which];
  char path[PATH_SIZE];
  struct stat st;

  /* A scan that is due comes before that; and who cannot be found is not started elsewhere. */
  if (moved_look(s, e) && e->phase == PHASE_ACTIVE && !s->lost) {
    due_in(s, slot, RETRY_MS);
    return;
  }
  if (which == LOGGER && slot_path(s, e, which, "", path) && stat(path, &st) < 0 &&
      errno == ENOENT) {
    slot->state = SLOT_NONE;
    if (e->phase == PHASE_GOING) entry_advance(s, e);
    return;
  }
  if (!(slot->flags & SLOT_PROBED)) {
    enum probe probe = found_probe(s, e, which);
    if (probe == PROBE_FAILED) due_in(s, slot, RETRY_MS);
    if (probe != PROBE_FREE) {
      if (probe == PROBE_HELD && e->phase == PHASE_GOING) entry_advance(s, e);
      if (probe == PROBE_HELD) resume_tell_late(s);
      return;
    }
    slot->flags |= SLOT_PROBED;
    if (e->phase == PHASE_GOING && !slot_is_owed(s, e, which)) { /* nobody to stop */
      slot->state = SLOT_NONE;
      entry_advance(s, e);
      return;
    }
  }
  if (slot->flags & SLOT_EARLIER) {
    slot->flags &= (uint8_t)~SLOT_EARLIER;
    if (e->phase == PHASE_ACTIVE && has_left(s, e, which) && !going_was_told(s, e, which)) {
      slot->state = SLOT_LEFT;
      slot->moment = DEADLINE_NEVER;
      return;
    }
  }
  start(s, e, which);
}

/* Told by its exit code, or when nobody knows that by what it wrote before it left. */
static int left_on_purpose(struct scan *s, struct entry *e, enum which which, int32_t wstat) {
  if (wstat != WSTAT_UNKNOWN) return WIFEXITED(wstat) && !WEXITSTATUS(wstat);
  return has_left(s, e, which);
}

static void report_end(struct entry const *e, enum which which, int32_t pid, int32_t wstat,
                       uint32_t delay, uint8_t deaths) {
  char name[PATH_SIZE], number[REPORT_NUMBER], status[REPORT_NUMBER], wait[REPORT_NUMBER];
  char const *how = " ended";

  if (deaths > REPORTED_DEATHS) return;
  *status = 0;
  if (wstat != WSTAT_UNKNOWN) {
    how = WIFEXITED(wstat) ? " exited " : " was killed by signal ";
    report_number(status, WIFEXITED(wstat) ? WEXITSTATUS(wstat) : WTERMSIG(wstat));
  }
  report_warning(
      "supervisor of `", slot_name(e, which, name), "', pid ", report_number(number, pid), ",",
      how, status, "; starting another", delay ? " in " : " at once",
      delay ? report_number(wait, delay) : "", delay ? " ms" : "",
      deaths == REPORTED_DEATHS ? " (no more messages about it until one stays)" : "");
}

/* One that is still to be asked has hardly begun, and its `moment` is the next look at it. */
static int was_short(struct slot const *slot) {
  return slot->state == SLOT_RUNNING &&
         (slot->flags & SLOT_ASKING ||
          !deadline_passed(deadline_add_ms(slot->moment, RUN_LONG_MS), clock_now()));
}

void slot_ended(struct scan *s, struct entry *e, enum which which, int32_t wstat) {
  struct slot *slot = &e->slot[which];
  int32_t pid = slot->pid;
  int left, asked = slot->flags & SLOT_ASKED, astray = slot->flags & SLOT_ASTRAY, goes, told,
            still;
  uint32_t delay;

  (void)moved_look(s, e); /* before anything is read that it has left */
  left = !astray && left_on_purpose(s, e, which, wstat);
  /* Where that cannot be told now it is better started once too often. */
  goes = slot->flags & SLOT_GOES || (e->phase == PHASE_ACTIVE && going_was_told(s, e, which));
  if (!was_short(slot)) slot->deaths = 0;
  if (slot->deaths < UINT8_MAX) slot->deaths++;
  delay = astray ? 0 : child_restart_delay(slot->deaths, wstat);
  if (pid) pid_remove(s, e, which, pid);
  found_forget(s, slot);
  slot->pid = 0;
  /* Whether another one has the lock is asked only of who found that out: a new supervisor in
   * place of one that died needs no descriptor of ours. */
  slot->flags =
      (uint8_t)((slot->flags & SLOT_UNSURE) | (wstat == EXIT_SYSTEM << 8 ? 0 : SLOT_PROBED));
  told = goes || e->flags & ENTRY_VANISHED;
  still = told && !left && is_leaving(s, e, which);
  if (goes && still) slot->flags |= SLOT_GOES;
  if (told && !still) going_forget(e, which);
  slot->state = SLOT_NONE;
  slot->moment = DEADLINE_NEVER;
  if (!left) orphan_expect(s, e, which);
  if (left) store_drop(slot);
  if (left && which == LOGGER && e->phase == PHASE_GOING) e->flags |= ENTRY_DRAINED;
  if (e->phase == PHASE_GOING && !left && slot_is_owed(s, e, which))
    due_in(s, slot, delay); /* somebody has to stop it */
  if (e->phase == PHASE_ACTIVE && !left) {
    due_in(s, slot, delay);
    report_end(e, which, pid, wstat, delay, slot->deaths);
  } else if (e->phase == PHASE_ACTIVE && goes) {
    char name[PATH_SIZE];
    report_info("supervisor of `", slot_name(e, which, name),
                "' left, as a scanner before this one had told it; starting another");
    delay = slot->deaths > 1 ? RETRY_MS : 0; /* where the note cannot be taken away */
    due_in(s, slot, delay);
  } else if (e->phase == PHASE_ACTIVE) {
    char name[PATH_SIZE], number[REPORT_NUMBER];
    slot->state = SLOT_LEFT;
    report_info("supervisor of `", slot_name(e, which, name), "', pid ",
                report_number(number, pid), ", left");
    if (!slot_busy(&e->slot[SERVICE]) && !slot_busy(&e->slot[LOGGER])) home_unrecord(s, e);
  } else if (!left && !asked && slot->state == SLOT_DUE)
    report_end(e, which, pid, wstat, delay, slot->deaths);
  if (e->phase == PHASE_ACTIVE) {
    if (slot->state == SLOT_DUE && !delay && !s->hold.ns) slot_start(s, e, which);
  } else
    entry_advance(s, e);
}

void slot_due(struct scan *s, struct entry *e, enum which which) {
  struct slot *slot = &e->slot[which];

  if (slot->state == SLOT_SETTLING && which == SERVICE)
    settle_look(s, e);
  else if (slot->state == SLOT_SETTLING)
    settle_look_log(s, e);
  else if (slot->state == SLOT_DUE)
    slot_start(s, e, which);
  else if (slot->state == SLOT_FOUND)
    found_look(s, e, which);
  else if (slot->state == SLOT_RUNNING && slot->flags & SLOT_ASKING)
    slot_ask(s, e, which);
}
