/* Essential services: when one of them has ended for good everything is stopped, and our exit
 * code is its. Its supervisor notes in the state that it has (MARK_OVER) and pokes us; it says
 * so again when it is replaced, and a new scanner looks for itself. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <lares/exitcode.h>
#include <lares/status.h>

/* How `run` ended last, as a shell says it; of one that never came to that, `start`. */
static int code_of(struct state_record const *r) {
  if (r->deaths && r->last_wstat != WSTAT_UNKNOWN)
    return WIFSIGNALED(r->last_wstat) ? 128 + WTERMSIG(r->last_wstat)
                                      : WEXITSTATUS(r->last_wstat);
  if (!r->deaths && r->machine.state == STATE_DONE) return EXIT_DONE;
  if (!r->deaths && (r->reason == REASON_START_FAILED || r->reason == REASON_CONDITION_FAILED))
    return (int)(r->detail & 0xff);
  return EXIT_SYSTEM;
}

void essential_later(struct scan *s, unsigned ms) {
  s->essentials_seen = 0;
  need_look(s, deadline_add_ms(clock_now(), ms));
}

/* What cannot be asked just now is asked again. */
static int is_over(struct scan *s, struct entry *e, struct state_record *r) {
  char path[PATH_SIZE];
  struct stat st;

  if (e->phase != PHASE_ACTIVE || !slot_path(s, e, SERVICE, "essential", path)) return 0;
  if (stat(path, &st) < 0 ||
      (slot_path(s, e, SERVICE, "", path), !state_record_load(path, r))) {
    if (is_shortage(errno)) essential_later(s, RETRY_MS);
    return 0;
  }
  return r->boot == s->abilities.boot && (r->marks & MARK_OVER) && !(r->marks & MARK_LEFT);
}

/* The first to end decides. */
void essential_look(struct scan *s) {
  struct entry *first = 0;
  struct state_record r, found;
  char number[REPORT_NUMBER], text[STATUS_TEXT];

  if (s->stopping || s->leave) return;
  for (uint32_t i = 0; i < s->top; i++) {
    struct entry *e = s->table[i];
    if (!e || !is_over(s, e, &r) || (first && stamp_compare(&r.since, &found.since) >= 0))
      continue;
    first = e;
    found = r;
  }
  if (!first) return;
  s->code = code_of(&found);
  s->essential = 1;
  report_warning("essential service `", first->name, "' has ended for good (",
                 machine_state_name(found.machine.state), ", ",
                 status_reason_describe(text, found.reason, found.detail),
                 "): stopping everything, exit code ", report_number(number, s->code));
  stop_begin(s);
}
