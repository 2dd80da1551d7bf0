/* Are the rules able to fail? The machine is compiled into this test with a table that can be
 * written to, one fault after the other is planted in it, and for each one the rules, the
 * endings or the list of plausible records has to notice. Every 16th fault by default, all with
 * LARES_LONG.
 */

#define MACHINE_CONST
#include "../../src/machine/machine.c"

#include "machine_rulebook.h"
#include "machine_ends.h"
#include "tap.h"

/* What a supervisor can tell apart: the record, and these deeds. */
#define TOLD                                                                                   \
  ((machine_deeds) ~(DO_WANT_UP | DO_WANT_DOWN | DO_WANT_ONCE | DO_LEAVING | DO_STOP_FULL |    \
                     DO_STOP_AGAIN | DO_STOP_LAPSE))

static struct walk walk;
static struct outcome {
  struct spot before, after;
  uint32_t facts;
  machine_deeds deeds;
  uint8_t event;
} * outcomes; /* all steps of the machine as it is, owned */
static uint32_t outcome_count;
static uint8_t sound[SPOT_KEYS]; /* the spots of the machine as it is ... */
static uint32_t sound_seen[STATE_COUNT][EVENT_COUNT]; /* ... and the facts it looks at */

static int keep_rules(void *context, struct step const *step, uint32_t at) {
  int *noticed = context;

  (void)at;
  for (unsigned i = 0; i < MACHINE_RULE_COUNT && !*noticed; i++)
    *noticed = !machine_rules[i].holds(step);
  return !*noticed;
}

static int keep_outcome(void *context, struct step const *step, uint32_t at) {
  (void)context;
  (void)at;
  if (!(outcome_count & (outcome_count - 1))) {
    outcomes = realloc(outcomes, (outcome_count ? outcome_count * 2 : 1) * sizeof *outcomes);
    need(outcomes != 0);
  }
  outcomes[outcome_count++] = (struct outcome){.before = step->before,
                                               .after = step->after,
                                               .facts = step->facts,
                                               .deeds = step->deeds,
                                               .event = (uint8_t)step->event};
  return 1;
}

/* A fault that changes no step at all is none. Facts which only the faulty table looks at are
 * varied too. event EVENT_COUNT: it may be anywhere. */
static int is_same_machine(unsigned state, unsigned event) {
  uint32_t unseen[STATE_COUNT][EVENT_COUNT];

  for (unsigned s = 0; s < STATE_COUNT; s++)
    for (unsigned e = 0; e < EVENT_COUNT; e++)
      unseen[s][e] = facts_seen(s, e) & ~sound_seen[s][e];
  for (uint32_t i = 0; i < outcome_count; i++) {
    struct outcome const *o = &outcomes[i];
    uint32_t mask = unseen[o->before.m.state][o->event], facts = 0;
    struct step step;
    if (event < EVENT_COUNT && (o->event != event || o->before.m.state != state)) continue;
    do {
      spot_step(&step, &o->before, o->event, o->facts | facts);
      if ((step.deeds ^ o->deeds) & TOLD || spot_key(&step.after) != spot_key(&o->after))
        return 0;
      facts = (facts - mask) & mask;
    } while (facts);
  }
  return 1;
}

static int is_noticed(void) {
  int noticed = 0;

  walk_take(&walk, keep_rules, &noticed);
  for (uint32_t i = 0; i < walk.count && !noticed; i++)
    if (is_ending(&walk.reached[i].spot.m)) noticed = !!ends_badly(&walk.reached[i].spot, 1);
  /* Other spots than before: tests/unit/machine.c would find records that are not plausible, or
   * plausible ones that are not reached. */
  return noticed || memcmp(walk.known, sound, sizeof sound);
}

static struct { unsigned number, stride, planted, equal, survived; } faults;

/* A fault is planted, and one in stride is tried. */
static int is_tried(void) {
  return faults.number++ % faults.stride == 0;
}

/* column: the event of a cell in the row of its state; EVENT_COUNT: the row is a line. */
static void try_fault(unsigned row, unsigned column, char const *what, unsigned value) {
  int cell = column < EVENT_COUNT;

  faults.planted++;
  if (is_same_machine(row, column)) {
    faults.equal++;
  } else if (!is_noticed() && faults.survived++ < 100) {
    diag("survived: %s %u %s %s %u", cell ? machine_state_name(row) : "line", row,
         cell ? machine_event_name(column) : "", what, value);
  }
}

/* Can this event come in this state at all? Else what its cell says is of no consequence. */
static int is_live(unsigned state, unsigned event) {
  for (uint32_t i = 0; i < walk.count; i++)
    if (walk.reached[i].spot.m.state == state &&
        machine_possible(&walk.reached[i].spot.m, event))
      return 1;
  return 0;
}

static void plant_in_cell(unsigned state, unsigned event) {
  struct machine_cell *cell = &machine_cells[state][event], kept = *cell;

  for (unsigned bit = 0; bit < DEED_BIT_COUNT; bit++) {
    if (1ull << bit == DO_PUBLISH || !is_tried()) continue;
    cell->deeds ^= 1ull << bit;
    try_fault(state, event, "deed", bit);
    *cell = kept;
  }
  for (unsigned next = 0; next < NEXT_COUNT; next++) {
    if (next == kept.next || !is_tried()) continue;
    cell->next = (uint8_t)next;
    try_fault(state, event, "next", next);
    *cell = kept;
  }
}

static void plant_in_line(unsigned at) {
  struct machine_line *line = &machine_lines[at], kept = *line;

  for (unsigned bit = 0; bit < DEED_BIT_COUNT; bit++) {
    if (1ull << bit == DO_PUBLISH || !is_tried()) continue;
    line->deeds ^= 1ull << bit;
    try_fault(at, EVENT_COUNT, "deed", bit);
    *line = kept;
  }
  for (unsigned bit = 0; bit < CONDITION_BIT_COUNT; bit++) {
    if (!kept.must || !is_tried()) continue; /* the last line has to hold always */
    line->must ^= 1u << bit;
    try_fault(at, EVENT_COUNT, "condition", bit);
    *line = kept;
  }
  for (unsigned next = 0; next <= NEXT_SAME; next++) { /* a decision could make a circle */
    if (next == kept.next || !is_tried()) continue;
    line->next = (uint8_t)next;
    try_fault(at, EVENT_COUNT, "next", next);
    *line = kept;
  }
}

int main(void) {
  static uint8_t live[STATE_COUNT][EVENT_COUNT];

  faults.stride = getenv("LARES_LONG") ? 1 : 16;
  walk_init(&walk);
  walk_take(&walk, keep_outcome, 0);
  memcpy(sound, walk.known, sizeof sound);
  memcpy(sound_seen, walk.seen, sizeof sound_seen);
  memcpy(walk.also, walk.seen, sizeof walk.also); /* a fault may forget to look at one */
  ok(!is_noticed(), "the table as it is breaks no rule");
  for (unsigned state = 0; state < STATE_COUNT; state++)
    for (unsigned event = 0; event < EVENT_COUNT; event++)
      live[state][event] = (uint8_t)is_live(state, event);
  for (unsigned state = 0; state < STATE_COUNT; state++)
    for (unsigned event = 0; event < EVENT_COUNT; event++)
      if (live[state][event]) plant_in_cell(state, event);
  for (unsigned at = 0; at < machine_line_count; at++)
    plant_in_line(at);
  diag("%u faults of %u tried, of which %u change nothing", faults.planted, faults.number,
       faults.equal);
  ok(faults.planted > 500, "faults were planted");
  is_int(faults.survived, 0, "each of them was noticed");
  free(outcomes);
  walk_free(&walk);
  return tap_done();
}
