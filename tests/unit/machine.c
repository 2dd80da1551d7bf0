/* The state machine: its rules over all reachable records, events and facts; the early count;
 * the printed table. `machine --print` prints the table: doc/machine.txt is that.
 */

#include "machine_rulebook.h"
#include "tap.h"

static struct { uint32_t broken[MACHINE_RULE_COUNT]; } found;
static struct walk walk;

static void show(struct machine const *m) {
  fprintf(stderr, "%s want %s role %s stop %u flags %02x", machine_state_name(m->state),
          machine_want_name(m->want), machine_role_name(m->role), m->stop, m->flags);
}

static void show_step(unsigned event, uint32_t facts, machine_deeds deeds) {
#define NAME(name, text) text,
  static char const *const fact_names[] = {MACHINE_FACTS(NAME)};
  static char const *const deed_names[] = {MACHINE_DEEDS(NAME)};
#undef NAME
  fprintf(stderr, "\n#   %s (", machine_event_name(event));
  for (unsigned i = 0; i < FACT_BIT_COUNT; i++)
    if (facts & 1u << i) fprintf(stderr, " %s", fact_names[i]);
  fprintf(stderr, " ):");
  for (unsigned i = 0; i < DEED_BIT_COUNT; i++)
    if (deeds & 1ull << i) fprintf(stderr, " %s", deed_names[i]);
  fprintf(stderr, " -> ");
}

/* How the walk came to the broken step. */
static void show_way(uint32_t at, struct step const *last) {
  if (at) {
    struct reached const *here = &walk.reached[at];
    struct step step;
    spot_step(&step, &walk.reached[here->from].spot, here->event, here->facts);
    show_way(here->from, &step);
  } else {
    fprintf(stderr, "# ");
    show(&walk.reached[0].spot.m);
  }
  if (last) {
    show_step(last->event, last->facts, last->deeds);
    show(&last->after.m);
  }
}

static int look(void *context, struct step const *step, uint32_t at) {
  (void)context;
  for (unsigned i = 0; i < MACHINE_RULE_COUNT; i++)
    if (!machine_rules[i].holds(step) && !found.broken[i]++) {
      diag("broken: %s", machine_rules[i].text);
      show_way(at, step);
      fputc('\n', stderr);
    }
  return 1;
}

static void test_rules(void) {
  walk_take(&walk, look, 0);
  diag("%u spots, %llu steps", walk.count, (unsigned long long)walk.steps);
  for (unsigned i = 0; i < MACHINE_RULE_COUNT; i++)
    is_int(found.broken[i], 0, machine_rules[i].text);
}

/* A set of records, by the key of a spot which knows nothing else. */
static uint8_t seen[SPOT_KEYS];
static struct machine records[SPOT_KEYS];
static uint32_t record_count;

/* The early count apart. */
static int is_same(struct machine const *a, struct machine const *b) {
  return a->state == b->state && a->want == b->want && a->role == b->role &&
         a->stop == b->stop && a->flags == b->flags;
}

static void collect_records(void) {
  for (uint32_t i = 0; i < walk.count; i++) {
    struct spot spot = {.m = walk.reached[i].spot.m};
    if (seen[spot_key(&spot)]) continue;
    seen[spot_key(&spot)] = 1;
    records[record_count++] = spot.m;
  }
}

/* machine_plausible lets through what can be, and nothing that cannot. */
static void test_plausible(void) {
  struct machine m = MACHINE_ZERO;
  unsigned more = 0, beyond = 0;

  for (unsigned state = 0; state < 16; state++)
    for (unsigned rest = 0; rest < 1u << 12; rest++) {
      struct spot spot = {.m = {.state = (uint8_t)state,
                                .want = rest & 3,
                                .role = rest >> 2 & 7,
                                .stop = rest >> 5 & 3,
                                .flags = rest >> 7 & 31}};
      if (!machine_plausible(&spot.m) || seen[spot_key(&spot)]) continue;
      if (more++ < 20) {
        fprintf(stderr, "# plausible, but unreachable: ");
        show(&spot.m);
        fputc('\n', stderr);
      }
    }
  diag("%u reachable records", record_count);
  is_int(more, 0, "no unreachable record is plausible");
  for (unsigned field = 0; field < 5; field++)
    for (unsigned value = 0; value < 256; value++) {
      uint8_t *fields[] = {&m.state, &m.want, &m.role, &m.stop, &m.flags};
      static unsigned const bounds[] = {STATE_COUNT, 3, ROLE_COUNT, 4, 32};
      m = MACHINE_ZERO;
      *fields[field] = (uint8_t)value;
      beyond += value >= bounds[field] && machine_plausible(&m);
    }
  is_int(beyond, 0, "no field beyond its range is plausible");
}

/* Do the facts beside those of mask make a difference? */
static unsigned others_count(struct machine const *record, unsigned event, uint32_t facts,
                             uint32_t mask) {
  struct machine few = *record;
  machine_deeds deeds = machine_step(&few, event, facts);
  uint32_t others = FACTS_ALL & ~mask & ~(uint32_t)FACT_EARLY;
  unsigned differ = 0;

  for (unsigned i = 0; i <= FACT_BIT_COUNT; i++) {
    uint32_t more = i == FACT_BIT_COUNT ? others : others & 1u << i;
    struct machine many = *record;
    if (!more) continue;
    differ += machine_step(&many, event, facts | more) != deeds;
    differ += !is_same(&many, &few);
  }
  return differ;
}

/* The walk varies the facts a cell looks at; here the others are too, one by one and all. */
static void test_other_facts(void) {
  unsigned differ = 0;

  for (uint32_t i = 0; i < record_count; i++)
    for (unsigned event = 0; event < EVENT_COUNT; event++) {
      uint32_t mask = walk.seen[records[i].state][event], facts = 0;
      if (!machine_possible(&records[i], event)) continue;
      do {
        differ += others_count(&records[i], event, facts, mask);
        facts = (facts - mask) & mask;
      } while (facts);
    }
  is_int(differ, 0, "facts a cell does not look at make no difference");
}

/* The count of early deaths decides nothing; it grows, stays at its maximum and is reset. */
static void test_early(void) {
  static uint16_t const counts[] = {1, 7, MACHINE_EARLY_MAX - 1, MACHINE_EARLY_MAX};
  unsigned differ = 0, wrong = 0;

  for (uint32_t i = 0; i < record_count; i++)
    for (unsigned event = 0; event < EVENT_COUNT; event++) {
      uint32_t mask = walk.seen[records[i].state][event] | FACT_EARLY, facts = 0;
      int death = event == EVENT_RUN_DIED || event == EVENT_START_BAD;
      if (!machine_possible(&records[i], event)) continue;
      do {
        struct machine zero = records[i];
        machine_deeds deeds = machine_step(&zero, event, facts);
        uint16_t want = (deeds & DO_RESET) || !death || !(facts & FACT_EARLY) ? 0 : 1;
        wrong += zero.early != want;
        for (unsigned c = 0; c < sizeof counts / sizeof *counts; c++) {
          struct machine m = records[i];
          m.early = counts[c];
          differ += machine_step(&m, event, facts) != deeds;
          want = m.early;
          differ += !is_same(&m, &zero);
          if (deeds & DO_RESET || (death && !(facts & FACT_EARLY)))
            wrong += want != 0;
          else if (death)
            wrong += want != (counts[c] == MACHINE_EARLY_MAX ? counts[c] : counts[c] + 1);
          else
            wrong += want != counts[c];
        }
        facts = (facts - mask) & mask;
      } while (facts);
    }
  is_int(differ, 0, "the number of early deaths decides nothing");
  is_int(wrong, 0,
         "it grows with early deaths to its maximum and is forgotten after a good run");
}

struct text {
  char bytes[32768];
  size_t len;
};

static void put(void *context, char const *part) {
  struct text *text = context;
  size_t len = strlen(part);

  need(len < sizeof text->bytes - text->len);
  memcpy(text->bytes + text->len, part, len + 1);
  text->len += len;
}

static void test_golden(void) {
  static struct text now, golden;
  char const *source = getenv("LARES_SOURCE");
  char path[1024];
  FILE *file;

  snprintf(path, sizeof path, "%s/doc/machine.txt", source ? source : ".");
  need((file = fopen(path, "re")) != 0);
  golden.len = fread(golden.bytes, 1, sizeof golden.bytes, file);
  fclose(file);
  machine_print(put, &now);
  ok(now.len == golden.len && !memcmp(now.bytes, golden.bytes, now.len),
     "doc/machine.txt is the table (build/tests/unit/machine --print >doc/machine.txt)");
}

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "--print")) {
    static struct text text;
    machine_print(put, &text);
    return fputs(text.bytes, stdout) == EOF || fclose(stdout) == EOF;
  }
  walk_init(&walk);
  test_rules();
  collect_records();
  test_plausible();
  test_other_facts();
  test_early();
  test_golden();
  walk_free(&walk);
  return tap_done();
}
