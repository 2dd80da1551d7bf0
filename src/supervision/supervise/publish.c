/* Telling: the journal, the state record, the classic status, the wake-up; in this order, so
 * that whoever is woken finds it all. None of it may stop the machine: what cannot be written
 * is said once and tried again at a deadline. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include <lares/event.h>
#include <lares/exitcode.h>
#include <lares/killpoint.h>
#include <lares/report.h>

#include "supervise.h"

/* What a newer lares wrote is kept for it. */
static int set_aside(void) {
  if (rename(FILE_HISTORY, FILE_HISTORY_NEWER) < 0) return 0;
  report_warning(FILE_HISTORY, " was written by a newer lares: kept as ", FILE_HISTORY_NEWER,
                 ", begun anew");
  return 1;
}

/* Deaths that are counted have to be there; each is four records at most (death, finish, the
 * end of the rest, the next start). */
static uint32_t journal_room(struct supervisor const *s) {
  struct svdir const *d = &s->definition;
  uint32_t deaths = d->max_deaths > d->max_death_tally ? d->max_deaths : d->max_death_tally;

  return d->max_deaths && d->max_history < 4 * deaths ? 4 * deaths : d->max_history;
}

void journal_make_room(struct supervisor *s) {
  uint32_t most = journal_room(s);

  if (most > s->history.most) s->history.most = most;
}

void journal_open(struct supervisor *s, struct history_record *last) {
  uint32_t most = journal_room(s);

  if (history_open(&s->history, FILE_HISTORY, most, last)) return;
  if (errno == EPROTONOSUPPORT && set_aside() &&
      history_open(&s->history, FILE_HISTORY, most, last))
    return;
  if (errno == EPROTO)
    strerr_dief(EXIT_USAGE, s->name, "/" FILE_HISTORY " is not a regular file; remove it");
  cannot_begin(s, "open ", s->name, "/" FILE_HISTORY);
}

/* The numbers go on whatever became of the records: a reader is told what it lost. Until there
 * is a next record whoever begins here finds them lost: that is said once. */
void journal_number(struct supervisor *s, uint64_t last) {
  if (s->state.sequence > last) {
    if (!(s->state.marks & MARK_SAID_LOST))
      report_warning(FILE_HISTORY,
                     " is damaged, newer or shortened; its last records are lost");
    s->state.marks |= MARK_SAID_LOST;
    s->history.sequence = s->state.sequence;
  }
  s->state.sequence = s->history.sequence;
}

static void failed(struct supervisor *s, char const *file) {
  if (!s->said_no_write)
    report_warning_errno("unable to write ", file, ", the service goes on; trying again");
  s->said_no_write = 1;
  s->unshown = 1;
}

static void write_child(struct supervisor *s) {
  int good = s->owes == OWES_END ? identity_record_end(s->record, &s->owed)
                                 : identity_record_write(s->record, &s->owed);

  if (good)
    s->owes = OWES_NOTHING;
  else
    failed(s, FILE_CHILD);
}

void record_child(struct supervisor *s, struct identity_record const *record, enum owes what) {
  s->owed = *record;
  s->owes = (uint8_t)what;
  write_child(s);
}

static int write_state(struct supervisor *s) {
  char packed[STATE_RECORD_SIZE];

  state_record_pack(packed, &s->state);
  if (pwrite(s->state_fd, packed, sizeof packed, 0) == sizeof packed) return 1;
  failed(s, FILE_STATE);
  return 0;
}

static void note_times(struct supervisor *s, struct stamp const *now, machine_deeds deeds) {
  struct state_record *r = &s->state;

  if (deeds & DO_SPAWN_RUN) r->ready = (struct stamp){.tai = 0};
  if (!(r->machine.flags & FLAG_READY) || r->ready.tai) return;
  r->ready = *now;
  r->began = clock_now(); /* what makes a run good is counted from here (restart-reset) */
}

static void append(struct supervisor *s, struct event_told const *what,
                   struct stamp const *now) {
  struct history_record record = {.at = *now,
                                  .machine = s->state.machine,
                                  .event = (uint8_t)what->event,
                                  .reason = what->reason,
                                  .detail = what->detail,
                                  .pid = s->state.pid,
                                  .moment = clock_now()};

  if (what->event == EVENT_RUN_DIED || what->event == EVENT_START_BAD ||
      what->event == EVENT_FINISH_DONE)
    record.wstat = s->wstat;
  if (!history_append(&s->history, &record)) failed(s, FILE_HISTORY);
  s->state.sequence = record.sequence;
  s->state.marks &= (uint16_t)~MARK_SAID_LOST;
}

void journal(struct supervisor *s, enum machine_event event, machine_deeds deeds) {
  struct state_record *r = &s->state;
  struct event_told what = {.event = event, .reason = s->reason, .detail = s->detail};
  struct stamp now;

  s->unshown = 0; /* this is written now, the rest when it is shown */
  clock_stamp(&now);
  note_times(s, &now, deeds);
  if (r->machine.state != s->told) r->since = now;
  s->told = r->machine.state;
  r->reason = s->reason;
  r->detail = s->detail;
  needs_mark(s);
  if (event == EVENT_RUN_DIED || event == EVENT_FINISH_DONE || event == EVENT_EMPTY)
    r->rest = s->rest.none ? 0 : rest_count(s);
  if (s->untold.is_set) append(s, &s->untold, &now);
  s->untold.is_set = 0;
  KILL_POINT(JOURNAL);
  append(s, &what, &now);
  KILL_POINT(JOURNALLED);
  write_state(s);
  KILL_POINT(STATED);
}

/* Nothing is written when nothing that it holds has changed. */
static int write_status(struct supervisor *s) {
  char packed[CLASSIC_STATUS_SIZE];
  struct classic_status classic;

  classic_status_from_state(&classic, &s->state);
  classic_status_pack(packed, &classic);
  if (!memcmp(packed, s->shown, sizeof packed)) return 1;
  if (!classic_status_replace(FILE_STATUS, FILE_STATUS_SPARE, packed)) {
    failed(s, FILE_STATUS);
    return 0;
  }
  memcpy(s->shown, packed, sizeof packed);
  return 1;
}

void show(struct supervisor *s, char const *letters, size_t len) {
  int again = s->unshown;

  if (!len && s->reshow.ns != DEADLINE_NEVER.ns) { /* somebody is still to be woken */
    letters = ".";
    len = 1;
  }
  s->unshown = 0;
  s->reshow = DEADLINE_NEVER;
  if (s->owes) write_child(s);
  if (!history_flush(&s->history)) failed(s, FILE_HISTORY);
  if (again) write_state(s);
  write_status(s);
  if (len && !event_wake(DIR_EVENT, letters, len)) failed(s, DIR_EVENT);
  KILL_POINT(WOKEN);
  if (s->unshown) {
    s->reshow = deadline_add_ms(clock_now(), RETRY_MS);
    return;
  }
  if (s->said_no_write) report_info("writing in supervise/ works again");
  s->said_no_write = 0;
}

static int is_ended(unsigned state) {
  return state == STATE_DOWN || state == STATE_BACKOFF || state == STATE_FAILED ||
         state == STATE_DONE || state == STATE_WAITING;
}

static int is_ending(unsigned state) {
  return state == STATE_STOPPING || state == STATE_FINISHING;
}

/* What happened in the order it did: a life ends (d), everything of it is gone (D), it will not
 * be tried again (O), the next begins (u), is ready (U), the supervisor leaves (x). */
size_t wake_letters(struct supervisor const *s, struct machine const *before,
                    machine_deeds deeds, char *letters) {
  struct machine const *after = &s->state.machine;
  size_t n = 0;
  int lived = is_ending(before->state) || deeds & DO_DEATH;

  if (deeds & DO_DEATH) letters[n++] = 'd';
  if (lived && (is_ended(after->state) || deeds & DO_SPAWN_RUN)) letters[n++] = 'D';
  if (after->state == STATE_FAILED && before->state != STATE_FAILED) letters[n++] = 'O';
  if (deeds & DO_SPAWN_RUN) letters[n++] = 'u';
  if (after->flags & FLAG_READY && !(before->flags & FLAG_READY)) letters[n++] = 'U';
  if (after->state == STATE_DONE && before->state != STATE_DONE &&
      s->definition.type == TYPE_ONESHOT)
    letters[n++] = 'U'; /* its being up */
  if (deeds & DO_GONE) letters[n++] = 'x';
  if (!n) letters[n++] = '.';
  return n;
}
