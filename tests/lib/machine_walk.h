/* A walk over everything the state machine can come to, for the tests of src/machine.
 *
 * A spot is a record and what the test knows besides about the world it drives: whether a
 * deadline is set, and who has been sent KILL. The walk takes every spot reachable from
 * MACHINE_ZERO through every possible event with every combination of the facts which the cell
 * and its decisions look at (facts_seen; tests/unit/machine.c proves that the others are of no
 * consequence), and shows each step to the rules.
 */

#ifndef MACHINE_WALK_H
#define MACHINE_WALK_H

#include <stdlib.h>
#include <string.h>

#include <lares/machine.h>

#include "../../src/machine/rules.h"

#define FACTS_ALL ((1u << FACT_BIT_COUNT) - 1)
#define SPAWNS MACHINE_SPAWNS
#define ARMS                                                                                   \
  (DO_ARM_START | DO_ARM_READY | DO_ARM_KILL | DO_ARM_FINISH | DO_ARM_BACKOFF | DO_ARM_RETRY | \
   DO_ARM_FAILED)

struct spot {
  struct machine m; /* early is always 0: the walk is not about it */
  uint8_t armed;    /* the state's deadline is set and has not passed */
  uint8_t process_killed, rest_killed;
};

struct step {
  struct spot before, after;
  unsigned event;
  uint32_t facts;
  machine_deeds deeds;
  uint8_t alive; /* the role that still lives after the event, before the deeds */
};

struct reached {
  struct spot spot;
  uint32_t from; /* index of the spot it was first reached from */
  uint32_t facts;
  uint8_t event;
};

#define SPOT_KEYS (1u << 19)
struct walk {
  struct reached *reached; /* SPOT_KEYS entries, owned */
  uint8_t *known;          /* by spot_key, owned */
  uint32_t count;
  uint64_t steps;
  uint32_t seen[STATE_COUNT][EVENT_COUNT]; /* facts_seen, asked once */
  uint32_t also[STATE_COUNT][EVENT_COUNT]; /* facts to be varied even if not */
};

static uint32_t spot_key(struct spot const *spot) {
  struct machine const *m = &spot->m;

  return (uint32_t)(m->state & 15) | (m->want & 3u) << 4 | (m->role & 7u) << 6 |
         (m->stop & 3u) << 9 | (m->flags & 31u) << 11 | (spot->armed & 1u) << 16 |
         (spot->process_killed & 1u) << 17 | (spot->rest_killed & 1u) << 18;
}

static uint32_t decision_seen(unsigned next) {
  uint32_t seen = 0;

  if (next < NEXT_DECISION_FIRST) return 0;
  for (unsigned i = 0; i < machine_line_count; i++)
    if (machine_lines[i].decision == next)
      seen |= (machine_lines[i].must & FACTS_ALL) | decision_seen(machine_lines[i].next);
  return seen;
}

/* The facts that can make a difference to this event in this state, EARLY apart, which goes
 * into the count of early deaths and nowhere else. */
static uint32_t facts_seen(unsigned state, unsigned event) {
  uint32_t seen = decision_seen(machine_cells[state][event].next);

  if (event == EVENT_RUN_DIED) seen |= FACT_FINISH;
  return seen & ~(uint32_t)FACT_EARLY;
}

/* Some exclude or imply each other: what has no definition need not be walked. mask: those that
 * are varied. */
__attribute__((unused)) static int facts_agree(uint32_t facts, uint32_t mask) {
  uint32_t implied = 0;

  if (facts & FACT_NOTHING) implied |= FACT_ONESHOT | FACT_SLOW;
  if (facts & FACT_ONESHOT) implied |= FACT_SLOW;
  return (facts & implied & mask) == (implied & mask) && !(implied && (facts & FACT_FORKING));
}

static int event_ends_process(unsigned event) {
  return event == EVENT_START_OK || event == EVENT_START_BAD || event == EVENT_RUN_DIED ||
         event == EVENT_FINISH_DONE || event == EVENT_UNBORN || event == EVENT_CONDITION_OK ||
         event == EVENT_CONDITION_NO;
}

/* One step in the world: what deeds do to deadline and processes. */
static void spot_step(struct step *step, struct spot const *before, unsigned event,
                      uint32_t facts) {
  struct spot *after = &step->after;
  machine_deeds deeds;

  step->before = *before;
  step->event = event;
  step->facts = facts;
  step->alive = event_ends_process(event) ? (uint8_t)ROLE_NONE : before->m.role;
  *after = *before;
  deeds = step->deeds = machine_step(&after->m, event, facts);
  after->m.early = 0;
  if (event == EVENT_DEADLINE) after->armed = 0;
  if (deeds & ARMS)
    after->armed = 1;
  else if (after->m.state != before->m.state)
    after->armed = 0; /* a state entered without a deadline has none */
  if (step->alive == ROLE_NONE)
    after->process_killed = 0;
  else if (deeds & (DO_SEND_KILL | DO_REST_KILL))
    after->process_killed = 1;
  if (deeds & SPAWNS) after->process_killed = 0;
  if (deeds & DO_REST_KILL) after->rest_killed = 1;
  if (event == EVENT_EMPTY || after->m.state != STATE_STOPPING) after->rest_killed = 0;
}

static void walk_add(struct walk *walk, struct spot const *spot, uint32_t from, unsigned event,
                     uint32_t facts) {
  uint32_t key = spot_key(spot);

  if (walk->known[key]) return;
  walk->known[key] = 1;
  walk->reached[walk->count++] =
      (struct reached){.spot = *spot, .from = from, .facts = facts, .event = (uint8_t)event};
}

__attribute__((unused)) static void walk_init(struct walk *walk) {
  memset(walk, 0, sizeof *walk);
  walk->reached = malloc(SPOT_KEYS * sizeof *walk->reached);
  walk->known = malloc(SPOT_KEYS);
  if (!walk->reached || !walk->known) abort();
}

__attribute__((unused)) static void walk_free(struct walk *walk) {
  free(walk->reached);
  free(walk->known);
}

/* Take the walk; look is shown each step and says whether to go on. */
__attribute__((unused)) static void
walk_take(struct walk *walk, int (*look)(void *context, struct step const *, uint32_t from),
          void *context) {
  struct spot zero = {.m = MACHINE_ZERO};

  memset(walk->known, 0, SPOT_KEYS);
  walk->count = 0;
  walk->steps = 0;
  for (unsigned state = 0; state < STATE_COUNT; state++)
    for (unsigned event = 0; event < EVENT_COUNT; event++)
      walk->seen[state][event] = facts_seen(state, event);
  walk_add(walk, &zero, 0, 0, 0);
  for (uint32_t at = 0; at < walk->count; at++)
    for (unsigned event = 0; event < EVENT_COUNT; event++) {
      struct spot spot = walk->reached[at].spot;
      uint32_t facts = 0,
               mask = walk->seen[spot.m.state][event] | walk->also[spot.m.state][event];
      if (!machine_possible(&spot.m, event)) continue;
      do { /* all subsets of mask */
        struct step step;
        if (!facts_agree(facts, mask)) continue;
        spot_step(&step, &spot, event, facts);
        walk->steps++;
        if (!look(context, &step, at)) return;
        walk_add(walk, &step.after, at, event, facts);
      } while ((facts = (facts - mask) & mask));
    }
}

#endif
