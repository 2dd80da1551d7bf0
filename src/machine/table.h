/* The table: rows are states, columns are events, a cell is (state, event, deeds, next).
 *
 * next is a state, SAME, or a decision (below): an ordered list of guarded lines, the first
 * whose guard holds counts. The cells are an X-macro list, so that src/machine/machine.c can
 * expand them to the table, to one enumerator a cell (a cell given twice does not compile) and
 * to a static assertion of their number (a missing one does not compile either).
 *
 * Read a row as: "in this state, when this happens, do this and be there". NEVER marks what the
 * record excludes (tests/unit/machine.c proves over all reachable records that it does).
 */

#ifndef LARES_MACHINE_TABLE_H
#define LARES_MACHINE_TABLE_H

/* What every state answers alike. */
#define NOTHING(state, event, C) C(state, event, DO_NONE, SAME)
#define NEVER(state, event, C) C(state, event, DO_BUG, SAME)
#define LEAVING_CELLS(state, C)                                                                \
  C(state, LEAVE, DO_QUIT, SAME)                                                               \
  C(state, UPGRADE, DO_RENEW, SAME)
#define FORK_NEVER_CELLS(state, C)                                                             \
  NEVER(state, FORKED, C)                                                                      \
  NEVER(state, FORKING, C)                                                                     \
  NEVER(state, MISFORKED, C)                                                                   \
  NEVER(state, LAPSE, C)
#define CONDITION_NEVER_CELLS(state, C)                                                        \
  NEVER(state, CONDITION_OK, C)                                                                \
  NEVER(state, CONDITION_NO, C)
/* Without a process: signals find nobody. */
#define NO_PROCESS_CELLS(state, C)                                                             \
  NOTHING(state, SIGNAL, C)                                                                    \
  NOTHING(state, PAUSE, C)                                                                     \
  NOTHING(state, CONTINUE, C)                                                                  \
  NOTHING(state, KILL, C)                                                                      \
  NEVER(state, START_OK, C)                                                                    \
  NEVER(state, START_BAD, C)                                                                   \
  NEVER(state, RUN_DIED, C)                                                                    \
  NEVER(state, FINISH_DONE, C)                                                                 \
  NEVER(state, UNBORN, C)                                                                      \
  NOTHING(state, READY, C)                                                                     \
  NOTHING(state, UNREADY, C)                                                                   \
  NOTHING(state, EMPTY, C)                                                                     \
  FORK_NEVER_CELLS(state, C)                                                                   \
  CONDITION_NEVER_CELLS(state, C)
/* With `start` or `run` alive and not told to end. */
#define RUNNING_CELLS(state, C)                                                                \
  C(state, WANT_UP, DO_WANT_UP, SAME)                                                          \
  C(state, WANT_DOWN, DO_WANT_DOWN | DO_STOP_FULL | DO_SEND_DOWN | DO_ARM_KILL, STOPPING)      \
  C(state, ONCE, DO_WANT_ONCE, SAME)                                                           \
  C(state, EXIT, DO_LEAVING | DO_WANT_DOWN | DO_STOP_FULL | DO_SEND_DOWN | DO_ARM_KILL,        \
    STOPPING)                                                                                  \
  C(state, RESTART, DO_RESET | DO_STOP_AGAIN | DO_SEND_DOWN | DO_ARM_KILL, STOPPING)           \
  C(state, UNWANT, DO_WANT_DOWN, SAME)                                                         \
  C(state, SIGNAL, DO_SEND, SAME)                                                              \
  C(state, PAUSE, DO_SEND_STOP, SAME)                                                          \
  C(state, CONTINUE, DO_SEND_CONT, SAME)                                                       \
  C(state, KILL, DO_SEND_KILL, SAME)                                                           \
  C(state, RUN_DIED, DO_DEATH, DEAD)                                                           \
  NEVER(state, FINISH_DONE, C)                                                                 \
  C(state, UNBORN, DO_NONE, STILLBORN)                                                         \
  NOTHING(state, EMPTY, C)                                                                     \
  NOTHING(state, NEEDS_MET, C)                                                                 \
  C(state, NEEDS_LOST, DO_STOP_FULL | DO_SEND_DOWN | DO_ARM_KILL, STOPPING)                    \
  C(state, FORKING, DO_ARM_START, STARTING)                                                    \
  C(state, MISFORKED, DO_STOP_LAPSE | DO_SEND_DOWN | DO_ARM_KILL, STOPPING)                    \
  C(state, LAPSE, DO_STOP_LAPSE | DO_SEND | DO_SEND_CONT | DO_ARM_KILL, STOPPING)
/* At rest, given up or waiting for a moment: a command to run is obeyed at once. */
#define AT_REST_CELLS(state, C)                                                                \
  NOTHING(state, BOOT, C)                                                                      \
  C(state, UNWANT, DO_WANT_DOWN, DOWN)                                                         \
  NO_PROCESS_CELLS(state, C)                                                                   \
  LEAVING_CELLS(state, C)
#define RESTING_CELLS(state, C)                                                                \
  AT_REST_CELLS(state, C)                                                                      \
  C(state, WANT_UP, DO_WANT_UP | DO_RESET, BEGIN)                                              \
  C(state, WANT_DOWN, DO_WANT_DOWN, HALT)                                                      \
  C(state, ONCE, DO_WANT_ONCE | DO_RESET, BEGIN)                                               \
  C(state, EXIT, DO_LEAVING | DO_WANT_DOWN, HALT)                                              \
  NOTHING(state, NEEDS_LOST, C)

#define MACHINE_CELLS(C)                                                                       \
  /* down */                                                                                   \
  C(DOWN, BOOT, DO_NONE, ORIGIN)                                                               \
  C(DOWN, WANT_UP, DO_WANT_UP | DO_RESET, BEGIN)                                               \
  C(DOWN, WANT_DOWN, DO_WANT_DOWN, HALT)                                                       \
  C(DOWN, ONCE, DO_WANT_ONCE | DO_RESET, BEGIN)                                                \
  C(DOWN, EXIT, DO_LEAVING | DO_WANT_DOWN, HALT)                                               \
  NOTHING(DOWN, RESTART, C)                                                                    \
  C(DOWN, UNWANT, DO_WANT_DOWN, SAME)                                                          \
  NO_PROCESS_CELLS(DOWN, C)                                                                    \
  NOTHING(DOWN, NEEDS_MET, C)                                                                  \
  NOTHING(DOWN, NEEDS_LOST, C)                                                                 \
  NOTHING(DOWN, DEADLINE, C)                                                                   \
  LEAVING_CELLS(DOWN, C)                                                                       \
  /* waiting */                                                                                \
  RESTING_CELLS(WAITING, C)                                                                    \
  NOTHING(WAITING, RESTART, C)                                                                 \
  C(WAITING, NEEDS_MET, DO_NONE, BEGIN)                                                        \
  C(WAITING, DEADLINE, DO_NONE, BEGIN)                                                         \
  /* starting */                                                                               \
  NOTHING(STARTING, BOOT, C)                                                                   \
  RUNNING_CELLS(STARTING, C)                                                                   \
  C(STARTING, START_OK, DO_NONE, PROCEED)                                                      \
  C(STARTING, START_BAD, DO_NONE, SETTLE)                                                      \
  C(STARTING, CONDITION_OK, DO_NONE, PERMITTED)                                                \
  C(STARTING, CONDITION_NO, DO_NONE, DOWN)                                                     \
  C(STARTING, READY, DO_NONE, UP)                                                              \
  C(STARTING, FORKED, DO_NONE, BACKGROUND)                                                     \
  NOTHING(STARTING, UNREADY, C)                                                                \
  C(STARTING, DEADLINE, DO_STOP_LAPSE | DO_SEND_DOWN | DO_ARM_KILL, STOPPING)                  \
  LEAVING_CELLS(STARTING, C)                                                                   \
  /* up */                                                                                     \
  NOTHING(UP, BOOT, C)                                                                         \
  RUNNING_CELLS(UP, C)                                                                         \
  NEVER(UP, START_OK, C)                                                                       \
  NEVER(UP, START_BAD, C)                                                                      \
  CONDITION_NEVER_CELLS(UP, C)                                                                 \
  NOTHING(UP, READY, C)                                                                        \
  NOTHING(UP, UNREADY, C)                                                                      \
  NOTHING(UP, DEADLINE, C)                                                                     \
  NOTHING(UP, FORKED, C)                                                                       \
  LEAVING_CELLS(UP, C)                                                                         \
  /* stopping: without a process, what it left is being ended */                               \
  NOTHING(STOPPING, BOOT, C)                                                                   \
  C(STOPPING, WANT_UP, DO_WANT_UP | DO_RESET | DO_STOP_AGAIN, SAME)                            \
  C(STOPPING, WANT_DOWN, DO_WANT_DOWN | DO_SEND_DOWN, WIDEN)                                   \
  C(STOPPING, ONCE, DO_WANT_ONCE | DO_RESET | DO_STOP_AGAIN, SAME)                             \
  C(STOPPING, EXIT, DO_LEAVING | DO_WANT_DOWN | DO_SEND_DOWN, WIDEN)                           \
  C(STOPPING, RESTART, DO_RESET | DO_STOP_AGAIN, SAME)                                         \
  C(STOPPING, UNWANT, DO_WANT_DOWN, SAME)                                                      \
  C(STOPPING, SIGNAL, DO_SEND, SAME)                                                           \
  NOTHING(STOPPING, PAUSE, C)                                                                  \
  C(STOPPING, CONTINUE, DO_SEND_CONT, SAME)                                                    \
  C(STOPPING, KILL, DO_SEND_KILL, SAME)                                                        \
  C(STOPPING, START_OK, DO_NONE, DEAD)                                                         \
  C(STOPPING, START_BAD, DO_NONE, DEAD)                                                        \
  C(STOPPING, CONDITION_OK, DO_NONE, DEAD)                                                     \
  C(STOPPING, CONDITION_NO, DO_NONE, DEAD)                                                     \
  C(STOPPING, RUN_DIED, DO_DEATH, DEAD)                                                        \
  NEVER(STOPPING, FINISH_DONE, C)                                                              \
  NEVER(STOPPING, UNBORN, C)                                                                   \
  NOTHING(STOPPING, READY, C)                                                                  \
  NOTHING(STOPPING, UNREADY, C)                                                                \
  C(STOPPING, EMPTY, DO_NONE, EMPTIED)                                                         \
  NOTHING(STOPPING, NEEDS_MET, C)                                                              \
  C(STOPPING, NEEDS_LOST, DO_NONE, WIDEN)                                                      \
  C(STOPPING, DEADLINE, DO_NONE, OVERDUE)                                                      \
  NOTHING(STOPPING, FORKED, C)                                                                 \
  NOTHING(STOPPING, FORKING, C)                                                                \
  NOTHING(STOPPING, MISFORKED, C)                                                              \
  NOTHING(STOPPING, LAPSE, C)                                                                  \
  LEAVING_CELLS(STOPPING, C)                                                                   \
  /* finishing: without a process, it could not be made and is asked for again */              \
  NOTHING(FINISHING, BOOT, C)                                                                  \
  C(FINISHING, WANT_UP, DO_WANT_UP | DO_RESET | DO_STOP_AGAIN, SAME)                           \
  C(FINISHING, WANT_DOWN, DO_WANT_DOWN | DO_STOP_FULL, SAME)                                   \
  C(FINISHING, ONCE, DO_WANT_ONCE | DO_RESET | DO_STOP_AGAIN, SAME)                            \
  C(FINISHING, EXIT, DO_LEAVING | DO_WANT_DOWN | DO_STOP_FULL, SAME)                           \
  C(FINISHING, RESTART, DO_RESET | DO_STOP_AGAIN, SAME)                                        \
  C(FINISHING, UNWANT, DO_WANT_DOWN, SAME)                                                     \
  NOTHING(FINISHING, SIGNAL, C)                                                                \
  NOTHING(FINISHING, PAUSE, C)                                                                 \
  NOTHING(FINISHING, CONTINUE, C)                                                              \
  C(FINISHING, KILL, DO_SEND_KILL, SAME)                                                       \
  NEVER(FINISHING, START_OK, C)                                                                \
  NEVER(FINISHING, START_BAD, C)                                                               \
  NEVER(FINISHING, RUN_DIED, C)                                                                \
  C(FINISHING, FINISH_DONE, DO_NONE, FINISHED)                                                 \
  C(FINISHING, UNBORN, DO_ARM_RETRY, SAME)                                                     \
  NOTHING(FINISHING, READY, C)                                                                 \
  NOTHING(FINISHING, UNREADY, C)                                                               \
  NOTHING(FINISHING, EMPTY, C)                                                                 \
  NOTHING(FINISHING, NEEDS_MET, C)                                                             \
  NOTHING(FINISHING, NEEDS_LOST, C)                                                            \
  C(FINISHING, DEADLINE, DO_NONE, OVERTIME)                                                    \
  FORK_NEVER_CELLS(FINISHING, C)                                                               \
  CONDITION_NEVER_CELLS(FINISHING, C)                                                          \
  LEAVING_CELLS(FINISHING, C)                                                                  \
  /* backoff */                                                                                \
  RESTING_CELLS(BACKOFF, C)                                                                    \
  C(BACKOFF, RESTART, DO_RESET, BEGIN)                                                         \
  NOTHING(BACKOFF, NEEDS_MET, C)                                                               \
  C(BACKOFF, DEADLINE, DO_NONE, BEGIN)                                                         \
  /* failed */                                                                                 \
  RESTING_CELLS(FAILED, C)                                                                     \
  C(FAILED, RESTART, DO_RESET, BEGIN)                                                          \
  NOTHING(FAILED, NEEDS_MET, C)                                                                \
  C(FAILED, DEADLINE, DO_RESET, BEGIN)                                                         \
  /* done: a oneshot is up in it, and has to be brought down from it */                        \
  AT_REST_CELLS(DONE, C)                                                                       \
  C(DONE, WANT_UP, DO_WANT_UP, ALREADY)                                                        \
  C(DONE, WANT_DOWN, DO_WANT_DOWN, UNDO)                                                       \
  C(DONE, ONCE, DO_WANT_ONCE | DO_RESET, REDO)                                                 \
  C(DONE, EXIT, DO_LEAVING | DO_WANT_DOWN, UNDO)                                               \
  C(DONE, RESTART, DO_RESET, REDO)                                                             \
  NOTHING(DONE, NEEDS_MET, C)                                                                  \
  C(DONE, NEEDS_LOST, DO_NONE, BEREFT)                                                         \
  NOTHING(DONE, DEADLINE, C)

/* The decisions, each a list of lines (decision, all that must hold, deeds, next).
 * The last line of each holds always. */
#define MACHINE_DECISIONS(D)                                                                   \
  D(ORIGIN, "first of all")                                                                    \
  D(BEGIN, "to be started")                                                                    \
  D(PERMITTED, "`condition` has nothing against it")                                           \
  D(PROCEED, "`start` went well, or there is none")                                            \
  D(BACKGROUND, "one process is left in the background")                                       \
  D(STILLBORN, "no process could be made")                                                     \
  D(DEAD, "the main process is dead")                                                          \
  D(FINISHED, "`finish` is over")                                                              \
  D(EMPTIED, "no descendant is left")                                                          \
  D(OVERDUE, "timeout-kill has passed")                                                        \
  D(WIDEN, "a stop of the main process becomes one of everything")                             \
  D(OVERTIME, "timeout-finish has passed, or `finish` is due again")                           \
  D(ALREADY, "told to be up when done")                                                        \
  D(REDO, "to be done again")                                                                  \
  D(UNDO, "what is done is to be undone")                                                      \
  D(BEREFT, "a need of what is done goes down")                                                \
  D(HALT, "to be stopped while no process lives")                                              \
  D(SETTLE, "where to be after a life")

#define MACHINE_LINES(L)                                                                       \
  L(ORIGIN, FACT_WANTED, DO_WANT_UP, BEGIN)                                                    \
  L(ORIGIN, 0, DO_NONE, DOWN)                                                                  \
                                                                                               \
  L(BEGIN, IS_LEAVING, DO_GONE, DOWN)                                                          \
  L(BEGIN, FACT_UNMET, DO_NONE, WAITING)                                                       \
  L(BEGIN, FACT_CONDITION, DO_SPAWN_CONDITION | DO_ARM_START, STARTING)                        \
  L(BEGIN, 0, DO_NONE, PERMITTED)                                                              \
                                                                                               \
  L(PERMITTED, IS_WANTED_DOWN, DO_NONE, HALT)                                                  \
  L(PERMITTED, FACT_START, DO_SPAWN_START | DO_ARM_START, STARTING)                            \
  L(PERMITTED, 0, DO_NONE, PROCEED)                                                            \
                                                                                               \
  L(PROCEED, IS_WANTED_DOWN, DO_NONE, HALT)                                                    \
  L(PROCEED, FACT_NOTHING, DO_WANT_UP, DONE)                                                   \
  L(PROCEED, FACT_FORKING, DO_SPAWN_RUN | DO_ARM_START, STARTING)                              \
  L(PROCEED, FACT_SLOW, DO_SPAWN_RUN | DO_ARM_READY, STARTING)                                 \
  L(PROCEED, 0, DO_SPAWN_RUN, UP)                                                              \
                                                                                               \
  L(BACKGROUND, FACT_SLOW, DO_ARM_READY, SAME)                                                 \
  L(BACKGROUND, 0, DO_NONE, UP)                                                                \
                                                                                               \
  L(STILLBORN, IS_WANTED_DOWN, DO_NONE, HALT)                                                  \
  L(STILLBORN, 0, DO_ARM_RETRY, BACKOFF)                                                       \
                                                                                               \
  L(DEAD, FACT_REST | IS_STOP_FULL | IS_KILLED, DO_REST_KILL, STOPPING)                        \
  L(DEAD, FACT_REST | IS_STOP_FULL, DO_REST_DOWN, STOPPING)                                    \
  L(DEAD, IS_STOP_FULL | IS_OWED | FACT_FINISH, DO_SPAWN_FINISH | DO_ARM_FINISH, FINISHING)    \
  L(DEAD, IS_STOP_AGAIN | IS_OWED | FACT_FINISH, DO_SPAWN_FINISH | DO_ARM_FINISH, FINISHING)   \
  L(DEAD, IS_WANTED_DOWN | IS_OWED | FACT_FINISH, DO_SPAWN_FINISH | DO_ARM_FINISH, FINISHING)  \
  L(DEAD, FACT_ONESHOT | FACT_ENDED | FACT_SUCCESS, DO_NONE, SETTLE)                           \
  L(DEAD, IS_OWED | FACT_FINISH, DO_SPAWN_FINISH | DO_ARM_FINISH, FINISHING)                   \
  L(DEAD, 0, DO_NONE, SETTLE)                                                                  \
                                                                                               \
  L(FINISHED, FACT_REST | IS_STOP_FULL | IS_KILLED, DO_REST_KILL, STOPPING)                    \
  L(FINISHED, FACT_REST | IS_STOP_FULL, DO_REST_DOWN | DO_ARM_KILL, STOPPING)                  \
  L(FINISHED, 0, DO_NONE, SETTLE)                                                              \
                                                                                               \
  L(EMPTIED, HAS_PROCESS, DO_NONE, SAME)                                                       \
  L(EMPTIED, IS_OWED | FACT_FINISH, DO_SPAWN_FINISH | DO_ARM_FINISH, FINISHING)                \
  L(EMPTIED, 0, DO_NONE, SETTLE)                                                               \
                                                                                               \
  L(OVERDUE, IS_STOP_FULL, DO_REST_KILL, SAME)                                                 \
  L(OVERDUE, 0, DO_SEND_KILL, SAME)                                                            \
                                                                                               \
  L(WIDEN, IS_STOP_FULL, DO_NONE, SAME)                                                        \
  L(WIDEN, 0, DO_STOP_FULL | DO_ARM_KILL, SAME)                                                \
                                                                                               \
  L(OVERTIME, HAS_PROCESS, DO_SEND_KILL, SAME)                                                 \
  L(OVERTIME, 0, DO_SPAWN_FINISH | DO_ARM_FINISH, FINISHING)                                   \
                                                                                               \
  L(ALREADY, FACT_ONESHOT, DO_NONE, SAME)                                                      \
  L(ALREADY, 0, DO_RESET, BEGIN)                                                               \
                                                                                               \
  L(REDO, FACT_ONESHOT | FACT_FINISH, DO_STOP_AGAIN | DO_SPAWN_FINISH | DO_ARM_FINISH,         \
    FINISHING)                                                                                 \
  L(REDO, 0, DO_NONE, BEGIN)                                                                   \
                                                                                               \
  L(UNDO, FACT_ONESHOT | FACT_FINISH, DO_STOP_FULL | DO_SPAWN_FINISH | DO_ARM_FINISH,          \
    FINISHING)                                                                                 \
  L(UNDO, 0, DO_NONE, HALT)                                                                    \
                                                                                               \
  L(BEREFT, FACT_ONESHOT | FACT_FINISH, DO_STOP_FULL | DO_SPAWN_FINISH | DO_ARM_FINISH,        \
    FINISHING)                                                                                 \
  L(BEREFT, FACT_ONESHOT, DO_NONE, BEGIN)                                                      \
  L(BEREFT, 0, DO_NONE, SAME)                                                                  \
                                                                                               \
  L(HALT, FACT_REST, DO_STOP_FULL | DO_REST_DOWN | DO_ARM_KILL, STOPPING)                      \
  L(HALT, IS_LEAVING, DO_GONE, DOWN)                                                           \
  L(HALT, 0, DO_NONE, DOWN)                                                                    \
                                                                                               \
  L(SETTLE, IS_LEAVING, DO_GONE, DOWN)                                                         \
  L(SETTLE, IS_WANTED_DOWN, DO_NONE, DOWN)                                                     \
  L(SETTLE, FACT_GIVEUP, DO_ARM_FAILED, FAILED)                                                \
  L(SETTLE, IS_STOP_FULL, DO_NONE, BEGIN)                                                      \
  L(SETTLE, IS_STOP_AGAIN, DO_NONE, BEGIN)                                                     \
  L(SETTLE, FACT_ONESHOT | FACT_ENDED | FACT_SUCCESS, DO_WANT_UP, DONE)                        \
  L(SETTLE, IS_WANTED_ONCE, DO_WANT_DOWN, DOWN)                                                \
  L(SETTLE, FACT_ENDED | FACT_SUCCESS, DO_NONE, DONE)                                          \
  L(SETTLE, FACT_ENDED, DO_ARM_FAILED, FAILED)                                                 \
  L(SETTLE, FACT_LATER, DO_ARM_BACKOFF, BACKOFF)                                               \
  L(SETTLE, 0, DO_NONE, BEGIN)

#endif
