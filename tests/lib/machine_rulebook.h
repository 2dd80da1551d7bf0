/* All rules of the machine, with what they say. */

#ifndef MACHINE_RULEBOOK_H
#define MACHINE_RULEBOOK_H

#include "machine_conduct.h"
#include "machine_effects.h"

#define MACHINE_RULES(X)                                                                       \
  X(possible, "a possible event is never called impossible")                                   \
  X(one_process, "never two processes, and the record knows which one lives")                  \
  X(plausible, "every reachable record is plausible")                                          \
  X(one_death, "each death of run is published once")                                          \
  X(published, "each visible change is published, and nothing else")                           \
  X(armed_right, "each deadline is the one of the state entered")                              \
  X(not_stuck, "what has to end has a deadline or is being killed")                            \
  X(wanted, "a wanted service is down only because it is unwanted here")                       \
  X(leave, "leaving and upgrading touch nothing")                                              \
  X(gone, "the supervisor leaves when all is ended, and then")                                 \
  X(exit_wins, "exit wins over all that follows it")                                           \
  X(down_is_down, "told to be down, nothing but finish is started")                            \
  X(stops, "down and exit stop everything")                                                    \
  X(ends, "after a process has ended the design says where to be")                             \
  X(obeyed, "a command to run is obeyed, in a stop after it")                                  \
  X(background, "a run that goes into the background is up when one process is left")          \
  X(moments, "deadlines, needs and readiness lead where the design says")                      \
  X(signals, "signals go where they are meant to and nowhere else")                            \
  X(stop_kind, "a stop is of the kind that was asked for")                                     \
  X(flags, "flags tell of the present process and stop only")                                  \
  X(reset, "early deaths are forgotten when told to start")

static struct machine_rule {
  int (*holds)(struct step const *);
  char const *text;
} const machine_rules[] = {
#define MACHINE_RULE(name, text) {rule_##name, text},
    MACHINE_RULES(MACHINE_RULE)
#undef MACHINE_RULE
};
#define MACHINE_RULE_COUNT (sizeof machine_rules / sizeof *machine_rules)

#endif
