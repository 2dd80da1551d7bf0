/* The state machine: a stop always ends, leaving always ends, from every spot the walk reaches
 * (whatever commands came before); and long random lives keep the rules. */

#include "machine_rulebook.h"
#include "machine_ends.h"
#include "tap.h"

#include <time.h>

static struct walk walk;

static int go_on(void *context, struct step const *step, uint32_t at) {
  (void)context;
  (void)step;
  (void)at;
  return 1;
}

static void test_ends(void) {
  unsigned bad = 0, endings = 0, leavings = 0;

  for (uint32_t i = 0; i < walk.count; i++) {
    struct spot const *spot = &walk.reached[i].spot;
    if (!is_ending(&spot->m)) continue;
    endings++;
    leavings += has_flag(&spot->m, FLAG_LEAVING);
    if (ends_badly(spot, 1) && !bad++)
      diag("does not end: %s role %s stop %u flags %02x armed %u",
           machine_state_name(spot->m.state), machine_role_name(spot->m.role), spot->m.stop,
           spot->m.flags, spot->armed);
  }
  diag("%u spots in a stop, %u of them leaving", endings, leavings);
  ok(endings > 50 && leavings > 10, "there is something to end");
  is_int(bad, 0, "a stop ends in every world, leaving too");
}

/* What ends_badly has to notice: a stop nobody can end. */
static void test_can_fail(void) {
  struct spot spot = {.m = {.state = STATE_STOPPING, .role = ROLE_RUN, .stop = STOP_FULL}};

  ok(ends_badly(&spot, 1), "a stop without a deadline is noticed");
  spot.armed = 1;
  ok(!ends_badly(&spot, 0), "and one with a deadline is good");
}

/* From x in any spot: GONE within the steps, and nothing is started on the way. */
static void test_exit(void) {
  unsigned bad = 0;

  for (uint32_t i = 0; i < walk.count; i++) {
    for (uint32_t facts = 0; facts <= FACTS_ALL; facts++) {
      struct step step;
      spot_step(&step, &walk.reached[i].spot, EVENT_EXIT, facts);
      if (step.deeds & DO_GONE) continue;
      for (unsigned manner = 0; manner < WORLD_MANNERS; manner++)
        bad += !ends_well(
            step.after,
            (struct world){.manner = manner, .start_ends = EVENT_START_OK, .facts = facts});
    }
  }
  is_int(bad, 0, "exit ends in GONE from everywhere");
}

static uint64_t random_state;

static uint32_t random_word(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 16);
}

/* Lives of any events and facts, all of the facts varied, the early count kept. */
static void test_random(void) {
  char const *seed = getenv("LARES_SEED");
  struct spot spot = {.m = MACHINE_ZERO};
  struct machine counted = MACHINE_ZERO;
  unsigned broken = 0, unknown = 0, differ = 0;

  random_state = seed ? strtoull(seed, 0, 10) : (uint64_t)time(0) * 2654435761u;
  if (!random_state) random_state = 1; /* from which it would never get away */
  diag("LARES_SEED=%llu", (unsigned long long)random_state);
  for (unsigned i = 0; i < 1000000; i++) {
    unsigned event = random_word() % EVENT_COUNT;
    uint32_t facts = random_word() & FACTS_ALL;
    struct step step;
    if (random_word() % 4096 == 0 ||
        (spot.m.state == STATE_DOWN && has_flag(&spot.m, FLAG_LEAVING)))
      counted = (spot = (struct spot){.m = MACHINE_ZERO}).m; /* a new supervisor */
    if (!machine_possible(&spot.m, event)) continue;
    spot_step(&step, &spot, event, facts);
    differ += machine_step(&counted, event, facts) != step.deeds;
    for (unsigned rule = 0; rule < MACHINE_RULE_COUNT; rule++)
      if (!machine_rules[rule].holds(&step) && !broken++)
        diag("broken at step %u: %s", i, machine_rules[rule].text);
    unknown += !walk.known[spot_key(&step.after)];
    spot = step.after;
    differ += !machine_plausible(&counted) || counted.state != spot.m.state;
  }
  is_int(broken, 0, "random lives break no rule");
  is_int(unknown, 0, "and reach no spot which the walk does not know");
  is_int(differ, 0, "with a count of early deaths nothing differs");
}

int main(void) {
  walk_init(&walk);
  walk_take(&walk, go_on, 0);
  test_ends();
  test_can_fail();
  test_exit();
  test_random();
  walk_free(&walk);
  return tap_done();
}
