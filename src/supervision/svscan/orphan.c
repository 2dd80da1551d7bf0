/* Reaping. As child subreaper we get what a dead supervisor leaves: its service. When that ends
 * its status would be lost with the reaping, hence the note in supervise/exit (rule R4 of
 * doc/DESIGN.md section 8), left before the reap and followed by a poke of the supervisor that
 * has adopted it.
 *
 * Most orphans are recognised by their pid, read from supervise/child when the supervisor died.
 * A service that had not signed in yet then is looked for when a stranger ends, as long as such
 * slots (SLOT_UNSURE) exist. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <sys/wait.h>

#include <lares/killpoint.h>
#include <lares/status.h>

static int read_child(struct scan const *s, struct entry const *e, enum which which,
                      struct identity_record *r) {
  char dir[PATH_SIZE];

  return slot_path(s, e, which, "", dir) && note_read_child(dir, r);
}

/* One whose end is on record is no orphan: its supervisor was killed before it had reaped it,
 * and may have started the next, which has not signed in. */
static int is_expected(struct scan const *s, struct identity_record const *r) {
  return r->state != IDENTITY_EXITED && orphan_is_ours(s, &r->who);
}

int orphan_is_ours(struct scan const *s, struct identity const *who) {
  return note_is_ours(&s->abilities, who);
}

static void set_unsure(struct scan *s, struct slot *slot, int unsure) {
  int was = !!(slot->flags & SLOT_UNSURE);

  if (was == unsure) return;
  slot->flags ^= SLOT_UNSURE;
  s->unsure += unsure ? 1u : -1u;
}

void orphan_forget(struct scan *s, struct entry *e, enum which which) {
  struct slot *slot = &e->slot[which];

  if (slot->orphan) pid_remove(s, e, which, slot->orphan);
  slot->orphan = 0;
  set_unsure(s, slot, 0);
}

void orphan_expect(struct scan *s, struct entry *e, enum which which) {
  struct slot *slot = &e->slot[which];
  struct identity_record r;

  if (slot->orphan) return; /* adopted by the one that died now; still our child */
  set_unsure(s, slot, 1);
  if (!read_child(s, e, which, &r) || !is_expected(s, &r)) return;
  if (!pid_add(s, e, which, r.who.pid)) return;
  slot->orphan = r.who.pid;
  set_unsure(s, slot, 0);
}

int orphan_lives(struct scan *s, struct entry *e, enum which which) {
  char dir[PATH_SIZE];

  if (!moved_path(s, e, which, dir)) return is_shortage(errno);
  return note_lives(&s->abilities, dir);
}

static void leave_note(struct scan *s, struct entry *e, enum which which, int32_t pid,
                       int32_t wstat) {
  char dir[PATH_SIZE];

  if (!slot_path(s, e, which, "", dir)) return;
  switch (note_leave(&s->abilities, dir, IDENTITY_BY_SCANNER, pid, wstat)) {
  case NOTE_LEFT:
    trouble_over(s, TROUBLE_NOTE);
    break;
  case NOTE_FAILED:
    if (trouble(s, TROUBLE_NOTE))
      report_warning_errno("unable to write ", dir, "/supervise/exit");
    break;
  default:
    break; /* it is known already */
  }
}

/* Whose service was this? Looks through the slots where that is open. */
static struct entry *search(struct scan *s, int32_t pid, enum which *which) {
  for (uint32_t i = 0; s->unsure && i < s->top; i++) {
    struct entry *e = s->table[i];
    for (unsigned w = 0; e && w < 2; w++) {
      struct slot *slot = &e->slot[w];
      struct identity_record r = {.state = IDENTITY_NONE};
      if (!(slot->flags & SLOT_UNSURE)) continue;
      if (read_child(s, e, (enum which)w, &r) && is_expected(s, &r)) {
        if (r.who.pid != pid) continue;
        *which = (enum which)w;
        return e;
      }
      /* Its new supervisor has had time to find what there was. */
      if (slot->state == SLOT_RUNNING && r.state != IDENTITY_FORKING &&
          deadline_passed(deadline_add_ms(slot->moment, RUN_LONG_MS), clock_now()))
        set_unsure(s, slot, 0);
    }
  }
  return 0;
}

/* What a supervisor starts leads a session, or is still in that of its supervisor. */
static int may_be_service(struct scan const *s, int32_t pid) {
  pid_t session = getsid(pid);
  enum which which;

  return session == pid || (session > 0 && pid_find(s, session, &which));
}

/* Its supervisor need not be dead as far as we know: it hands its child on just before it can
 * be waited for itself. Or it has adopted one, learned of its end before we did, and started
 * this one. So all are looked through, but only for what can be a service: strays are many. */
static struct entry *search_everywhere(struct scan *s, int32_t pid, enum which *which) {
  if (!may_be_service(s, pid)) return 0;
  for (uint32_t i = 0; i < s->top; i++)
    for (unsigned w = 0; s->table[i] && w < 2; w++) {
      struct identity_record r;
      if (!read_child(s, s->table[i], (enum which)w, &r) || r.who.pid != pid) continue;
      if (!is_expected(s, &r)) continue;
      *which = (enum which)w;
      return s->table[i];
    }
  return 0;
}

/* It was only the launcher of a daemon in the background, which is our child by now. */
static int has_launched(struct scan const *s, struct entry const *e, enum which which,
                        int32_t pid) {
  struct identity_record r;

  return read_child(s, e, which, &r) &&
         (r.state == IDENTITY_FORKING || (r.who.pid != pid && orphan_is_ours(s, &r.who)));
}

static void reap_other(struct scan *s, int32_t pid, int32_t wstat, struct entry *e,
                       enum which which) {
  char number[REPORT_NUMBER], status[REPORT_NUMBER];

  if (!e) e = search(s, pid, &which);
  if (!e) e = search_everywhere(s, pid, &which);
  KILL_POINT(NOTE);
  if (e) leave_note(s, e, which, pid, wstat);
  KILL_POINT(NOTED);
  child_reap(pid);
  KILL_POINT(ORPHAN_REAPED);
  if (e) {
    orphan_forget(s, e, which);
    if (has_launched(s, e, which, pid)) orphan_expect(s, e, which);
    slot_poke(s, e, which, "."); /* means nothing, but wakes */
    KILL_POINT(POKED);
    return;
  }
  if (script_reaped(s, pid) || hook_reaped(s, pid, wstat)) return;
  report_info("reaped a stray process, pid ", report_number(number, pid),
              WIFEXITED(wstat) ? ": exited " : ": killed by signal ",
              report_number(status, WIFEXITED(wstat) ? WEXITSTATUS(wstat) : WTERMSIG(wstat)));
}

/* Two log/ may be links to one directory: its supervisor stands in both slots. (Unless, by the
 * rarest of chances, the number is that of a process started just now.) */
static void end_others(struct scan *s, int32_t pid, int32_t wstat) {
  enum which which;
  struct entry *e;
  int32_t unused;

  while ((e = pid_find(s, pid, &which)) && e->slot[which].pid == pid &&
         child_peek(pid, &unused) < 0)
    slot_ended(s, e, which, wstat);
}

void orphan_reap_all(struct scan *s) {
  enum which which = SERVICE;
  int32_t wstat;
  pid_t pid;

  while (child_peek_any(&pid, &wstat) == 1) {
    struct entry *e = pid_find(s, pid, &which);
    if (e && e->slot[which].pid == pid) {
      child_reap(pid);
      KILL_POINT(SUPERVISOR_REAPED);
      slot_ended(s, e, which, wstat);
      end_others(s, pid, wstat);
    } else if (s->upgrade.probe == pid) {
      child_reap(pid);
      (void)upgrade_reaped(s, pid, wstat);
    } else
      reap_other(s, pid, wstat, e, which);
  }
}
