/* The table's types and its storage, shared by the step and the printer. */

#ifndef LARES_MACHINE_RULES_H
#define LARES_MACHINE_RULES_H

#include <lares/machine.h>

#include "table.h"

/* Where a cell or a line leads: a state, SAME, or a decision. */
enum machine_next {
#define NEXT_STATE(name, text) NEXT_##name,
  MACHINE_STATES(NEXT_STATE)
#undef NEXT_STATE
      NEXT_SAME,
  NEXT_DECISION_BASE = NEXT_SAME, /* so that the next enumerator is the first decision */
#define NEXT_DECISION(name, text) NEXT_##name,
  MACHINE_DECISIONS(NEXT_DECISION)
#undef NEXT_DECISION
      NEXT_COUNT
};

#define NEXT_DECISION_FIRST (NEXT_SAME + 1)

struct machine_cell {
  machine_deeds deeds;
  uint8_t next;
};

/* Taken when all bits of must hold. */
struct machine_line {
  uint32_t must;
  machine_deeds deeds;
  uint8_t decision;
  uint8_t next;
};

/* tests/unit/machine_mutants.c plants faults in a table of its own and defines this as nothing.
 */
#ifndef MACHINE_CONST
#define MACHINE_CONST const
#endif
extern struct machine_cell MACHINE_CONST machine_cells[STATE_COUNT][EVENT_COUNT];
extern struct machine_line MACHINE_CONST machine_lines[];
extern unsigned const machine_line_count;

#endif
