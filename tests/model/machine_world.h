/* The machine in its world, the part in C: the step is the one of src/machine, compiled into
 * the verifier that spin makes of tests/model/machine.pml. `now` is that one's present state,
 * whose fields are the variables of the model.
 *
 * LARES_MUTANT in the environment plants a fault in the table, which the model has to refute.
 */

#ifndef MACHINE_WORLD_H
#define MACHINE_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MACHINE_CONST
#include "../../src/machine/machine.c"
#include "../lib/machine_walk.h"

static unsigned char world_visited[STATE_COUNT];

/* Which states were seen; to standard output, where the test looks for it. */
static void world_end(void) {
#define NAME(name, text) text,
  static char const *const names[] = {MACHINE_STATES(NAME)};
#undef NAME

  for (unsigned state = 0; state < STATE_COUNT; state++)
    if (world_visited[state]) printf("visited %s\n", names[state]);
}

/* Mutants: `down` without effect in failed; a widened stop without its deadline; a service that
 * could not be started and that nothing starts again. */
static void world_begin(void) {
  char const *mutant = getenv("LARES_MUTANT");
  static int begun;

  if (!begun++) atexit(world_end);
  if (!mutant) return;
  if (!strcmp(mutant, "deaf"))
    machine_cells[STATE_FAILED][EVENT_WANT_DOWN] = (struct machine_cell){.next = NEXT_SAME};
  for (unsigned i = 0; i < machine_line_count; i++) {
    struct machine_line *line = &machine_lines[i];
    if (!strcmp(mutant, "widen") && line->decision == NEXT_WIDEN)
      line->deeds &= ~(machine_deeds)DO_ARM_KILL;
    if (!strcmp(mutant, "stillborn") && line->decision == NEXT_STILLBORN)
      line->deeds &= ~(machine_deeds)DO_ARM_RETRY;
  }
}

#define AFTER_LIFE (FACT_ENDED | FACT_SUCCESS | FACT_GIVEUP | FACT_LATER)

static int is_after_life(unsigned event) {
  return event_ends_process(event) || event == EVENT_EMPTY;
}

/* With LARES_DELAYS there is always some time between a death and the next start. */
static int has_delays(void) {
  static int known = -1;

  if (known < 0) known = getenv("LARES_DELAYS") != 0;
  return known;
}

/* Facts that may hold or not with this event, and those that do. */
static uint32_t world_bound(unsigned event) {
  return is_after_life(event) && has_delays() ? FACT_LATER : 0;
}
static uint32_t world_free(unsigned state, unsigned event) {
  uint32_t facts = FACT_UNMET;

  if (event == EVENT_BOOT) facts |= FACT_WANTED;
  if (is_after_life(event)) facts |= AFTER_LIFE;
  return facts & facts_seen(state, event) & ~world_bound(event);
}

/* The number of an assertion that does not hold, 0 when all do. before, wanted: what was;
 * process: who lives after the event, before the deeds. */
static int world_judge(unsigned before, unsigned wanted, struct machine const *m,
                       unsigned event, machine_deeds deeds, unsigned process, int rest) {
  int leaving = m->flags & FLAG_LEAVING;

  if (deeds & DO_BUG) return 1;
  if (!(deeds & DO_DEATH) != (event != EVENT_RUN_DIED)) return 2;
  if (deeds & SPAWNS && process != ROLE_NONE) return 3;
  if (deeds & SPAWNS & ~DO_SPAWN_FINISH && (m->want == WANT_DOWN || leaving)) return 4;
  if (deeds & SPAWNS ? m->role == ROLE_NONE : m->role != process) return 5;
  if (deeds & DO_GONE && (!leaving || m->role != ROLE_NONE || m->state != STATE_DOWN || rest))
    return 6;
  /* Wanted and down: by its condition alone, or nothing has happened since. */
  if (m->want != WANT_DOWN && m->state == STATE_DOWN && !leaving &&
      event != EVENT_CONDITION_NO && (before != STATE_DOWN || wanted == WANT_DOWN))
    return 7;
  return 0;
}

/* What may come of an event in a record, given the facts that hold: a set of further ones for
 * each outcome that differs from the others. Most sets of facts make no difference, and what
 * makes none is not worth exploring again. */
#define CHOICES_MOST 64
#define CHOICES_KEPT 8192
struct choices {
  uint64_t key; /* 0: nothing is here */
  unsigned count;
  uint32_t facts[CHOICES_MOST];
};

struct outcome {
  struct machine m;
  machine_deeds deeds;
  int broken;
};

static struct outcome world_outcome(struct machine const *m, unsigned event, uint32_t facts,
                                    unsigned process, int rest) {
  struct outcome o;

  memset(&o, 0, sizeof o); /* compared as bytes */
  o.m = *m;
  o.deeds = machine_step(&o.m, event, facts);
  o.m.early = 0;
  o.broken = world_judge(m->state, m->want, &o.m, event, o.deeds, process, rest);
  return o;
}

static void find_choices(struct choices *c, struct machine const *m, unsigned event,
                         uint32_t bound, unsigned process) {
  static struct outcome known[CHOICES_MOST];
  uint32_t free = world_free(m->state, event), facts = 0;

  c->count = 0;
  do {
    struct outcome o = world_outcome(m, event, bound | facts, process, !!(bound & FACT_REST));
    unsigned i = 0;
    while (i < c->count && memcmp(&known[i], &o, sizeof o))
      i++;
    if (i == CHOICES_MOST) abort();
    if (i == c->count) {
      known[c->count] = o;
      c->facts[c->count++] = facts;
    }
    facts = (facts - free) & free;
  } while (facts);
}

static struct choices *world_choices(struct machine const *m, unsigned event, uint32_t bound,
                                     unsigned process) {
  static struct choices kept[CHOICES_KEPT];
  struct spot spot = {.m = *m};
  uint64_t key =
      (uint64_t)bound << 32 | (uint64_t)(event + 1) << 24 | process << 20 | spot_key(&spot);
  struct choices *c = &kept[(key * 0x9e3779b97f4a7c15u) >> 51];

  if (c->key != key) {
    c->key = key;
    find_choices(c, m, event, bound, process);
  }
  return c;
}

#endif
