/* Stopping, an entry or everything: the service's supervisor is told to stop and leave, when it
 * has left its logger's, when that has left too the entry ends. Nothing here waits. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/path.h>

#define LIST_TRIES 5        /* one second apart, then what is known is stopped */
#define LIST_LEAST_MS 10000 /* with a -T below that there is no time for it */

/* The supervisor's working directory leads to the FIFO also when no path does any more. */
static int control_path(struct scan *s, struct entry *e, enum which which, char const *file,
                        char path[PATH_SIZE]) {
  struct slot const *slot = &e->slot[which];

  if (!(slot->flags & SLOT_ASTRAY) && slot_path(s, e, which, file + 1, path)) return 1;
  if (!slot->pid) return 0;
  path_of_process(path, slot->pid, "/cwd");
  strcat(path, file);
  return 1;
}

void slot_poke(struct scan *s, struct entry *e, enum which which, char const *letters) {
  char path[PATH_SIZE];

  if (control_path(s, e, which, "/supervise/control", path)) (void)channel_poke(path, letters);
}

int slot_listens(struct scan *s, struct entry *e, enum which which) {
  char path[PATH_SIZE];
  int fd;

  if (!control_path(s, e, which, "/supervise/ok", path)) return 1;
  fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

/* A supervisor that has only just been started does not handle signals yet: TERM would kill it,
 * and if it was started to adopt a service, that would go on. */
static int has_begun(struct scan *s, struct entry *e, enum which which) {
  struct slot *slot = &e->slot[which];

  if (slot->looks >= FIRST_ASKS) return 1;
  if (!(slot->flags & SLOT_ASKING) &&
      deadline_passed(deadline_add_ms(slot->moment, FIRST_ASKS * FIRST_ASK_MS), clock_now()))
    return 1;
  return slot_listens(s, e, which);
}

static void ask_in(struct scan *s, struct slot *slot, uint32_t ms) {
  slot->flags |= SLOT_ASKING;
  slot->moment = deadline_add_ms(clock_now(), ms);
  need_look(s, slot->moment);
}

void slot_ask(struct scan *s, struct entry *e, enum which which) {
  struct slot *slot = &e->slot[which];
  struct child supervisor = {.who = {.pid = slot->pid}, .pidfd = slot->pidfd};
  char name[PATH_SIZE];
  int astray;

  if (slot->flags & SLOT_ASKED || (slot->state != SLOT_RUNNING && slot->state != SLOT_FOUND))
    return;
  astray = moved_is_astray(s, e, which);
  if (astray < 0) { /* it would leave in good order, and what it was to stop go on */
    ask_in(s, slot, RETRY_MS);
    return;
  }
  if (astray) slot->flags |= SLOT_ASTRAY;
  if (slot->state == SLOT_RUNNING && !has_begun(s, e, which)) {
    slot->looks++;
    ask_in(s, slot, FIRST_ASK_MS);
    return;
  }
  slot->flags = (uint8_t)((slot->flags & ~SLOT_ASKING) | SLOT_ASKED);
  if (e->flags & ENTRY_VANISHED && !s->stopping) going_note(s, e, which);
  /* A bare pid is never signalled: it may be somebody else's by now. */
  if (slot->state == SLOT_FOUND && slot->pidfd < 0)
    slot_poke(s, e, which, "dx"); /* to daemontools' supervise x alone is not to stop */
  else if ((!child_signal(&supervisor, SIGTERM) || !child_signal(&supervisor, SIGCONT)) &&
           errno != ESRCH) /* a stopped one would keep us for ever */
    report_warning_errno("unable to stop the supervisor of `", slot_name(e, which, name), "'");
}

/* What waits for its directory may have become somebody's in the meantime. */
static void release(struct scan *s, struct entry *e) {
  char name[PATH_NAME_MAX + 1];
  uint64_t dev = e->dev, ino = e->ino;
  struct entry *alias;

  memcpy(name, e->name, strlen(e->name) + 1);
  home_unrecord(s, e);
  orphan_forget(s, e, SERVICE);
  orphan_forget(s, e, LOGGER);
  entry_free(s, e);
  if (s->stopping) return;
  (void)definition_tidy(s, name);
  scan_name(s, name);
  if (entry_of_inode(s, dev, ino) || !(alias = entry_alias_of(s, dev, ino))) return;
  memcpy(name, alias->name, strlen(alias->name) + 1);
  scan_name(s, name);
}

static void report_gone(struct scan *s, struct entry const *e) {
  char number[REPORT_NUMBER];
  int32_t pid;

  if (!moved_is_lost(e, &pid)) {
    if (!s->stopping) report_info("`", e->name, "' has gone");
    return;
  }
  report_warning("the directory that `", e->name, "' was is not found any more: ",
                 pid ? "process " : "what its supervisor left, if anything,",
                 pid ? report_number(number, pid) : "", " goes on");
}

void entry_advance(struct scan *s, struct entry *e) {
  for (unsigned w = 0; w < 2; w++)
    if (slot_busy(&e->slot[w])) {
      if (e->phase == PHASE_GOING) slot_ask(s, e, (enum which)w);
      return;
    }
  if (logpipe_is_owed(s, e, 0)) {
    e->slot[LOGGER].state = SLOT_DUE;
    e->slot[LOGGER].moment = clock_now();
    need_look(s, e->slot[LOGGER].moment);
    return;
  }
  if (e->phase == PHASE_GOING) report_gone(s, e);
  release(s, e);
}

static void let_go(struct scan *s, struct entry *e, enum entry_phase phase) {
  e->phase = (uint8_t)phase;
  if (phase == PHASE_GOING) logpipe_hold(s, e);
  watch_drop(s, &e->watch_dir);
  watch_drop(s, &e->watch_log);
  watch_drop(s, &e->watch_parent);
  watch_drop(s, &e->watch_definition);
  watch_drop(s, &e->watch_definition_log);
  for (unsigned w = 0; w < 2; w++) {
    struct slot *slot = &e->slot[w];
    enum which which = (enum which)w;
    /* However often it died until now, for the stop one more is tried. */
    if (slot->deaths > MOST_DEATHS) slot->deaths = MOST_DEATHS;
    if (slot->state == SLOT_RUNNING || slot->state == SLOT_FOUND) continue;
    /* Not looked at yet: a supervisor may run, of a scanner before us. */
    if (!(slot->flags & SLOT_PROBED) && found_probe(s, e, which) == PROBE_FAILED &&
        phase == PHASE_GOING) {
      slot->state = SLOT_DUE;
      slot->moment = deadline_add_ms(clock_now(), RETRY_MS);
      need_look(s, slot->moment);
      continue;
    }
    if (slot->state == SLOT_RUNNING || slot->state == SLOT_FOUND) continue;
    if (phase == PHASE_GOING && slot_is_owed(s, e, which)) {
      slot->state = SLOT_DUE;
      slot->moment = clock_now(); /* its supervisor died; a new one has to end that */
      need_look(s, slot->moment);
    } else
      slot->state = SLOT_NONE;
  }
  entry_advance(s, e);
}

void entry_stop(struct scan *s, struct entry *e) {
  if (moved_look(s, e) > 0) moved_search(s, e);
  let_go(s, e, PHASE_GOING);
}

void entry_vanished(struct scan *s, struct entry *e) {
  struct stat st;
  int replaced = !stat(e->name, &st);
  int undefined = replaced && st.st_ino == e->ino && st.st_dev == e->dev;

  e->flags |= ENTRY_VANISHED;
  if (!s->keep) moved_search(s, e); /* what is said has been noted */
  report_info("`", e->name,
              undefined  ? "' is not defined any more"
              : replaced ? "' is another directory now"
                         : "' has vanished",
              s->keep ? ": its supervisors are not restarted any more" : ": stopping it");
  if (!s->keep) {
    entry_stop(s, e);
    return;
  }
  entry_unname(s, e);
  home_unrecord(s, e);
  let_go(s, e, PHASE_KEPT);
}

/* What cannot be listed may be services that run (a scanner that was upgraded or started anew
 * knows nothing else of them): a stop that ended now would leave them. It is noted, and tried
 * again for some seconds. */
static int is_put_off(struct scan *s) {
  if (!s->unlisted && !s->unfound) return 0;
  if (s->lost || s->put_off == LIST_TRIES || (s->stop_ms && s->stop_ms < LIST_LEAST_MS))
    return 0;
  if (!s->put_off++) {
    report_info("stopping everything as soon as the scan directory can be listed");
    home_stopping(s);
  }
  scan_later(s, RETRY_MS);
  return 1;
}

void stop_begin(struct scan *s) {
  struct deadline now = clock_now();

  if (s->stopping) return;
  /* What could not be looked at before may be a service that runs. */
  if (s->rescan_at.ns != DEADLINE_NEVER.ns) scan_all(s);
  if (is_put_off(s)) return;
  s->stopping = 1;
  s->rescan_at = DEADLINE_NEVER;
  watch_end(s); /* what appears now is too late */
  report_info("stopping everything");
  notify_stopping(s);
  home_stopping(s);
  if (s->stop_ms) {
    s->give_up_at = deadline_add_ms(now, s->stop_ms);
    s->kill_at =
        deadline_add_ms(now, s->stop_ms - (s->stop_ms < 10000 ? s->stop_ms / 10 : 1000));
    need_look(s, s->kill_at);
  }
  for (uint32_t i = 0; i < s->top; i++) {
    struct entry *e = s->table[i];
    if (!e) continue;
    if (e->phase == PHASE_ALIAS || e->phase == PHASE_REJECTED)
      entry_free(s, e);
    else if (e->phase != PHASE_GOING)
      entry_stop(s, e);
  }
}

/* -T: shortly before the time is over every process group that is left gets KILL; then we leave
 * whatever still does not end to its supervisors, which leave by themselves when it has. */
void stop_deadlines(struct scan *s, struct deadline now) {
  char number[REPORT_NUMBER];

  if (!s->stopping) return;
  if (!s->killed && deadline_passed(s->kill_at, now)) {
    s->killed = 1;
    if (s->living)
      report_warning("the time to stop is nearly over: killing ",
                     report_number(number, s->living), " services");
    for (uint32_t i = 0; i < s->top; i++) {
      struct entry *e = s->table[i];
      /* Not both: what the service said last is still to be written down. */
      if (e) slot_poke(s, e, slot_busy(&e->slot[SERVICE]) ? SERVICE : LOGGER, "K");
    }
  }
  if (deadline_passed(s->give_up_at, now) && s->living) {
    report_error("the time to stop is over: left behind ", report_number(number, s->living),
                 " services");
    s->code = EXIT_TIMEOUT;
    s->leave = 1;
  }
  if (!s->killed)
    need_look(s, s->kill_at);
  else
    need_look(s, s->give_up_at);
}
