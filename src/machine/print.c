/* Names, and the table as text: the same lists expanded once more, so that what is printed is
 * what runs. */

#include <lares/machine.h>

#include "rules.h"

#define TEXT(name, text) text,
static char const *const state_names[] = {MACHINE_STATES(TEXT)};
static char const *const event_names[] = {MACHINE_EVENTS(TEXT)};
static char const *const condition_names[] = {MACHINE_FACTS(TEXT) MACHINE_CONDITIONS(TEXT)};
static char const *const deed_names[] = {MACHINE_DEEDS(TEXT)};
static char const *const decision_texts[] = {MACHINE_DECISIONS(TEXT)};
#undef TEXT
#define WORD(name, text) #name,
static char const *const decision_names[] = {MACHINE_DECISIONS(WORD)};
#undef WORD

char const *machine_state_name(unsigned state) {
  return state < STATE_COUNT ? state_names[state] : "?";
}

char const *machine_event_name(unsigned event) {
  return event < EVENT_COUNT ? event_names[event] : "?";
}

char const *machine_want_name(unsigned want) {
  static char const *const names[] = {"down", "up", "once"};

  return want <= WANT_ONCE ? names[want] : "?";
}

char const *machine_role_name(unsigned role) {
  static char const *const names[] = {"none", "start", "run", "finish", "condition"};

  return role < ROLE_COUNT ? names[role] : "?";
}

static char const *next_name(unsigned next) {
  if (next < STATE_COUNT) return state_names[next];
  return next == NEXT_SAME ? "same" : decision_names[next - NEXT_DECISION_FIRST];
}

struct out {
  void (*put)(void *context, char const *text);
  void *context;
};

static void put(struct out const *out, char const *text) {
  out->put(out->context, text);
}

static void put_set(struct out const *out, uint64_t set, char const *const *names,
                    unsigned count) {
  char const *separator = "";

  for (unsigned i = 0; i < count; i++)
    if (set & 1ull << i) {
      put(out, separator);
      put(out, names[i]);
      separator = ", ";
    }
}

static void put_state(struct out const *out, unsigned state) {
  put(out, "\n");
  put(out, state_names[state]);
  put(out, "\n");
  for (unsigned event = 0; event < EVENT_COUNT; event++) {
    struct machine_cell const *cell = &machine_cells[state][event];
    if (cell->deeds & DO_BUG || (!cell->deeds && cell->next == NEXT_SAME)) continue;
    put(out, "  ");
    put(out, event_names[event]);
    put(out, " -> ");
    put(out, next_name(cell->next));
    if (cell->deeds) put(out, ": ");
    put_set(out, cell->deeds, deed_names, DEED_BIT_COUNT);
    put(out, "\n");
  }
  put(out, "  impossible: ");
  {
    char const *separator = "";
    for (unsigned event = 0; event < EVENT_COUNT; event++)
      if (machine_cells[state][event].deeds & DO_BUG) {
        put(out, separator);
        put(out, event_names[event]);
        separator = ", ";
      }
    if (!*separator) put(out, "none");
  }
  put(out, "\n");
}

static void put_decision(struct out const *out, unsigned decision) {
  put(out, "\n");
  put(out, decision_names[decision]);
  put(out, " (");
  put(out, decision_texts[decision]);
  put(out, ")\n");
  for (unsigned i = 0; i < machine_line_count; i++) {
    struct machine_line const *line = &machine_lines[i];
    if (line->decision != NEXT_DECISION_FIRST + decision) continue;
    put(out, line->must ? "  if " : "  else");
    put_set(out, line->must, condition_names, CONDITION_BIT_COUNT);
    put(out, " -> ");
    put(out, next_name(line->next));
    if (line->deeds) put(out, ": ");
    put_set(out, line->deeds, deed_names, DEED_BIT_COUNT);
    put(out, "\n");
  }
}

void machine_print(void (*put_text)(void *context, char const *text), void *context) {
  struct out out = {.put = put_text, .context = context};

  put(&out, "Made from src/machine/table.h by build/tests/unit/machine --print.\n"
            "In each state: event -> next state (or DECISION): deeds. What is not named is\n"
            "ignored there. A decision takes the first line whose conditions all hold.\n");
  for (unsigned state = 0; state < STATE_COUNT; state++)
    put_state(&out, state);
  for (unsigned decision = 0; decision < NEXT_COUNT - NEXT_DECISION_FIRST; decision++)
    put_decision(&out, decision);
}
