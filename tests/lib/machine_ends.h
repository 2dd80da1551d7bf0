/* Does a stop end? From a spot, a world that acts by itself until the stop is over, for tests
 * of src/machine. */

#ifndef MACHINE_ENDS_H
#define MACHINE_ENDS_H

#include "machine_rules.h"

/* STUBBORN: whoever lives ends only by KILL, and time passes. MEEK: everything ends by itself
 * and deadlines do not come first. Either way `start` may end well or badly, and the first
 * attempts to make a `finish` may fail. */
enum world_manner { WORLD_STUBBORN, WORLD_MEEK, WORLD_MANNERS };
struct world {
  enum world_manner manner;
  unsigned start_ends; /* EVENT_START_OK or EVENT_START_BAD */
  unsigned unborn;     /* how many attempts fail */
  uint32_t facts;
};

/* More steps than that and the stop does not end. The longest way: deadline, death, deadline,
 * the rest is gone, finish with its failed attempts, its deadline, its death, its rest. */
#define ENDS_STEPS 24

/* What happens next; EVENT_COUNT: nothing will ever happen. */
static unsigned world_event(struct world const *world, struct spot const *spot) {
  static unsigned const deaths[] = {
      [ROLE_RUN] = EVENT_RUN_DIED, [ROLE_FINISH] = EVENT_FINISH_DONE};
  struct machine const *m = &spot->m;
  int lives = m->role != ROLE_NONE;

  if (world->manner == WORLD_MEEK || (lives ? spot->process_killed : spot->rest_killed)) {
    if (m->role == ROLE_CONDITION && world->start_ends == EVENT_START_OK)
      return EVENT_CONDITION_OK;
    if (is_in(m->role, ROLE_START, ROLE_CONDITION)) return world->start_ends;
    if (lives) return deaths[m->role];
    if (m->state == STATE_STOPPING) return EVENT_EMPTY;
  }
  return spot->armed ? EVENT_DEADLINE : EVENT_COUNT;
}

/* 1: the stop ended as it should. */
static int ends_well(struct spot spot, struct world world) {
  unsigned want = spot.m.want, leaving = has_flag(&spot.m, FLAG_LEAVING);
  struct step step;

  for (unsigned i = 0; i < ENDS_STEPS; i++) {
    unsigned event = world_event(&world, &spot);
    if (event == EVENT_COUNT) return 0;
    spot_step(&step, &spot, event, world.facts);
    while ((step.deeds & DO_SPAWN_FINISH) && world.unborn) {
      world.unborn--;
      spot = step.after;
      spot_step(&step, &spot, EVENT_UNBORN, world.facts);
      spot = step.after;
      if (!spot.armed) return 0;
      spot_step(&step, &spot, EVENT_DEADLINE, world.facts);
    }
    spot = step.after;
    if (is_ending(&spot.m)) continue;
    if (leaving) return (step.deeds & DO_GONE) && spot.m.state == STATE_DOWN;
    return IMPLIES(want == WANT_DOWN, spot.m.state == STATE_DOWN && spot.m.role == ROLE_NONE);
  }
  return 0;
}

/* In how many of all worlds the stop of this spot does not end, counted up to 1 when asked to
 * be quick. Those facts are varied which an ending looks at; where a service that is to be
 * started afterwards comes to is none of it. */
static unsigned ends_badly(struct spot const *spot, int quick) {
  static uint32_t const mask = FACT_FINISH | FACT_REST | FACT_ENDED | FACT_SUCCESS |
                               FACT_ONESHOT | FACT_GIVEUP | FACT_LATER;
  struct world world;
  unsigned bad = 0;

  for (unsigned manner = 0; manner < WORLD_MANNERS; manner++)
    for (unsigned start = EVENT_START_OK; start <= EVENT_START_BAD; start++)
      for (unsigned unborn = 0; unborn < 3; unborn++) {
        uint32_t facts = 0;
        do {
          world = (struct world){
              .manner = manner, .start_ends = start, .unborn = unborn, .facts = facts};
          bad += !ends_well(*spot, world);
          if (bad && quick) return bad;
          facts = (facts - mask) & mask;
        } while (facts);
      }
  return bad;
}

#endif
