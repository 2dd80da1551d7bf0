/* The step: looks a cell up, follows its decisions, applies what concerns the record.
 *
 * Invariants kept here rather than in every cell (tests/unit/machine.c proves them):
 *  - a stop kind, "killed" and an owed finish exist only in stopping and finishing;
 *  - who runs `finish` owes it;
 *  - ready only in up; paused only while a `start` or `run` lives, and both only of this
 * process;
 *  - a full stop is never narrowed; a process that died is forgotten before anything else;
 *  - PUBLISH accompanies every change that status shows.
 */

#include <lares/machine.h>

#include "rules.h"

#define CELL(state, event, what, to)                                                           \
  [STATE_##state][EVENT_##event] = {.deeds = (what), .next = NEXT_##to},
struct machine_cell MACHINE_CONST machine_cells[STATE_COUNT][EVENT_COUNT] = {
    MACHINE_CELLS(CELL)};
#undef CELL

/* One enumerator a cell: a cell given twice is a redefinition, a missing one breaks the count.
 */
#define CELL(state, event, what, to) CELL_##state##_##event,
enum machine_cell_name { MACHINE_CELLS(CELL) CELL_COUNT };
#undef CELL
_Static_assert(CELL_COUNT == STATE_COUNT * EVENT_COUNT, "the table has a hole");

#define LINE(of, holds, what, to)                                                              \
  {.decision = NEXT_##of, .must = (holds), .deeds = (what), .next = NEXT_##to},
struct machine_line MACHINE_CONST machine_lines[] = {MACHINE_LINES(LINE)};
#undef LINE
unsigned const machine_line_count = sizeof machine_lines / sizeof machine_lines[0];

/* Where each decision's lines begin; the enumerators count them, as for the cells. */
static unsigned first_line(unsigned decision) {
  unsigned i = 0;

  while (machine_lines[i].decision != decision)
    i++;
  return i;
}

uint16_t machine_early_after(struct machine const *m, int early) {
  if (!early) return 0;
  return m->early == MACHINE_EARLY_MAX ? m->early : (uint16_t)(m->early + 1);
}

/* The process is dead, and with it what was said of it: a new one is neither paused nor ready.
 */
static void forget_process(struct machine *m) {
  m->role = ROLE_NONE;
  m->flags &= (uint8_t) ~(FLAG_PAUSED | FLAG_READY);
}

/* What the event itself says about the record, whatever the state. */
static void take_event(struct machine *m, enum machine_event event, uint32_t facts) {
  switch (event) {
  case EVENT_RUN_DIED:
    if (facts & FACT_FINISH) m->flags |= FLAG_OWED;
    /* FALLTHROUGH */
  case EVENT_START_BAD:
    m->early = machine_early_after(m, !!(facts & FACT_EARLY));
    forget_process(m);
    break;
  case EVENT_FINISH_DONE:
    m->flags &= (uint8_t)~FLAG_OWED;
    forget_process(m);
    break;
  case EVENT_START_OK:
  case EVENT_CONDITION_OK:
  case EVENT_CONDITION_NO:
  case EVENT_UNBORN:
    forget_process(m);
    break;
  case EVENT_READY:
    m->flags |= FLAG_READY;
    break;
  case EVENT_UNREADY:
    m->flags &= (uint8_t)~FLAG_READY;
    break;
  default:
    break;
  }
}

static void take_deeds(struct machine *m, machine_deeds deeds) {
  if (deeds & DO_WANT_UP) m->want = WANT_UP;
  if (deeds & DO_WANT_DOWN) m->want = WANT_DOWN;
  if (deeds & DO_WANT_ONCE) m->want = WANT_ONCE;
  if (deeds & DO_LEAVING) m->flags |= FLAG_LEAVING;
  if (deeds & DO_RESET) m->early = 0;
  if (deeds & DO_STOP_FULL) m->stop = STOP_FULL;
  if (m->stop != STOP_FULL) {
    if (deeds & DO_STOP_AGAIN) m->stop = STOP_AGAIN;
    if (deeds & DO_STOP_LAPSE) m->stop = STOP_LAPSE;
  }
  if (deeds & DO_REST_KILL) m->flags |= FLAG_KILLED;
  if (deeds & DO_SEND_STOP) m->flags |= FLAG_PAUSED;
  if (deeds & (DO_SEND_CONT | DO_SEND_DOWN)) m->flags &= (uint8_t)~FLAG_PAUSED;
  if (deeds & DO_SPAWN_START) m->role = ROLE_START;
  if (deeds & DO_SPAWN_RUN) m->role = ROLE_RUN;
  if (deeds & DO_SPAWN_CONDITION) m->role = ROLE_CONDITION;
  if (deeds & DO_SPAWN_FINISH) {
    m->role = ROLE_FINISH;
    m->flags |= FLAG_OWED;
  }
}

static void keep_invariants(struct machine *m) {
  if (m->state != STATE_STOPPING && m->state != STATE_FINISHING) {
    m->stop = STOP_NONE;
    m->flags &= (uint8_t) ~(FLAG_KILLED | FLAG_OWED);
  }
  if (m->state != STATE_UP) m->flags &= (uint8_t)~FLAG_READY;
  if (m->role == ROLE_NONE || m->role == ROLE_FINISH) m->flags &= (uint8_t)~FLAG_PAUSED;
}

static uint32_t conditions(struct machine const *m, uint32_t facts) {
  uint32_t word = facts;

  if (m->want == WANT_UP) word |= IS_WANTED_UP;
  if (m->want == WANT_DOWN) word |= IS_WANTED_DOWN;
  if (m->want == WANT_ONCE) word |= IS_WANTED_ONCE;
  if (m->flags & FLAG_LEAVING) word |= IS_LEAVING;
  if (m->flags & FLAG_OWED) word |= IS_OWED;
  if (m->flags & FLAG_KILLED) word |= IS_KILLED;
  if (m->stop == STOP_FULL) word |= IS_STOP_FULL;
  if (m->stop == STOP_AGAIN) word |= IS_STOP_AGAIN;
  if (m->role != ROLE_NONE) word |= HAS_PROCESS;
  return word;
}

static int is_visible_change(struct machine const *before, struct machine const *after) {
  uint8_t shown = FLAG_PAUSED | FLAG_LEAVING | FLAG_READY;

  return before->state != after->state || before->want != after->want ||
         before->role != after->role || (before->flags & shown) != (after->flags & shown);
}

machine_deeds machine_step(struct machine *m, enum machine_event event, uint32_t facts) {
  struct machine before = *m;
  struct machine_cell const *cell = &machine_cells[m->state][event];
  machine_deeds deeds = cell->deeds;
  unsigned next = cell->next;

  if (deeds & DO_BUG) return deeds;
  take_event(m, event, facts);
  take_deeds(m, deeds);
  while (next >= NEXT_DECISION_FIRST) {
    struct machine_line const *line = &machine_lines[first_line(next)];
    uint32_t word = conditions(m, facts);
    while ((word & line->must) != line->must)
      line++;
    take_deeds(m, line->deeds);
    deeds |= line->deeds;
    next = line->next;
  }
  if (next != NEXT_SAME) m->state = (uint8_t)next;
  keep_invariants(m);
  if (is_visible_change(&before, m) || event == EVENT_FORKED || /* its pid is another */
      (deeds & (MACHINE_SPAWNS | DO_DEATH)))
    deeds |= DO_PUBLISH;
  return deeds;
}

int machine_possible(struct machine const *m, enum machine_event event) {
  switch (event) {
  case EVENT_BOOT:
    return m->state == STATE_DOWN && !(m->flags & FLAG_LEAVING);
  case EVENT_START_OK:
    return m->role == ROLE_START;
  case EVENT_START_BAD:
    return m->role == ROLE_START || m->role == ROLE_CONDITION;
  case EVENT_CONDITION_OK:
  case EVENT_CONDITION_NO:
    return m->role == ROLE_CONDITION;
  case EVENT_RUN_DIED:
  case EVENT_READY:
  case EVENT_UNREADY:
  case EVENT_FORKED:
  case EVENT_FORKING:
  case EVENT_MISFORKED:
  case EVENT_LAPSE:
    return m->role == ROLE_RUN;
  case EVENT_FINISH_DONE:
    return m->role == ROLE_FINISH;
  /* A process is asked for on entering these states only. */
  case EVENT_UNBORN:
    return m->role != ROLE_NONE && m->state != STATE_STOPPING && !(m->flags & FLAG_PAUSED);
  default:
    return 1;
  }
}

/* Which states bind what, as tests/unit/machine.c finds it over all reachable records. */
static int fields_agree(struct machine const *m) {
  int stopping = m->state == STATE_STOPPING, finishing = m->state == STATE_FINISHING;
  int full = m->stop == STOP_FULL;

  if (m->flags & FLAG_LEAVING && m->state != STATE_DOWN && !full) return 0;
  if (m->flags & FLAG_KILLED && !full) return 0;
  if (finishing && !(m->flags & FLAG_OWED)) return 0;
  if (stopping && (m->flags & FLAG_PAUSED || m->stop == STOP_NONE)) return 0;
  if (stopping && m->role == ROLE_NONE) return full;
  if (stopping) return !(m->flags & FLAG_OWED);
  if (m->state == STATE_DONE) return m->want == WANT_UP;
  if (m->state == STATE_WAITING || m->state == STATE_BACKOFF || m->state == STATE_FAILED)
    return m->want != WANT_DOWN;
  return 1;
}

int machine_plausible(struct machine const *m) {
  static uint8_t const roles[STATE_COUNT] = {
      [STATE_DOWN] = 1 << ROLE_NONE,
      [STATE_WAITING] = 1 << ROLE_NONE,
      [STATE_STARTING] = 1 << ROLE_START | 1 << ROLE_RUN | 1 << ROLE_CONDITION,
      [STATE_UP] = 1 << ROLE_RUN,
      [STATE_STOPPING] = 1 << ROLE_NONE | 1 << ROLE_START | 1 << ROLE_RUN | 1 << ROLE_CONDITION,
      [STATE_FINISHING] = 1 << ROLE_NONE | 1 << ROLE_FINISH,
      [STATE_BACKOFF] = 1 << ROLE_NONE,
      [STATE_FAILED] = 1 << ROLE_NONE,
      [STATE_DONE] = 1 << ROLE_NONE,
  };
  struct machine kept = *m;

  if (m->state >= STATE_COUNT || m->want > WANT_ONCE || m->role >= ROLE_COUNT ||
      m->stop > STOP_LAPSE || m->flags >= FLAG_KILLED << 1 || !(roles[m->state] & 1 << m->role))
    return 0;
  keep_invariants(&kept);
  return kept.stop == m->stop && kept.flags == m->flags && fields_agree(m);
}
