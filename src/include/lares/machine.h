/* The state machine of one service: a pure function (record, event, facts) -> (record, deeds).
 *
 * No system call, clock, allocation or output is behind this header. The supervisor turns what
 * happens into events, says with each event what is true just then (the facts), and carries out
 * the deeds; nothing else decides. The whole table is in src/machine/table.h, its printed form
 * in doc/machine.txt.
 */

#ifndef LARES_MACHINE_H
#define LARES_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* --- states: what status shows ---------------------------------------------------------- */

#define MACHINE_STATES(X)                                                                      \
  X(DOWN, "down")           /* not wanted, or not wanted here; nothing runs */                 \
  X(WAITING, "waiting")     /* wanted, needs are not met */                                    \
  X(STARTING, "starting")   /* `condition`, `start`, or `run` that is not ready yet */         \
  X(UP, "up")               /* `run` runs (and is ready, where readiness is declared) */       \
  X(STOPPING, "stopping")   /* told to end; the main process or what it left still lives */    \
  X(FINISHING, "finishing") /* `finish` runs */                                                \
  X(BACKOFF, "backoff")     /* to be started again at a known time */                          \
  X(FAILED, "failed")       /* given up, with a reason */                                      \
  X(DONE, "done")           /* ended well, not to be started again: what up is of a oneshot */

#define MACHINE_STATE_ENUM(name, text) STATE_##name,
enum machine_state { MACHINE_STATES(MACHINE_STATE_ENUM) STATE_COUNT };
#undef MACHINE_STATE_ENUM

/* --- events ----------------------------------------------------------------------------- */

#define MACHINE_EVENTS(X)                                                                      \
  X(BOOT, "boot")  /* a supervisor begins with nothing on record */                            \
  X(WANT_UP, "up") /* commands, from here ... */                                               \
  X(WANT_DOWN, "down")                                                                         \
  X(ONCE, "once")                                                                              \
  X(EXIT, "exit") /* stop, then leave */                                                       \
  X(RESTART, "restart")                                                                        \
  X(UNWANT, "unwant") /* want down, signal nothing */                                          \
  X(SIGNAL, "signal") /* any signal without a meaning of its own below */                      \
  X(PAUSE, "pause")                                                                            \
  X(CONTINUE, "continue")                                                                      \
  X(KILL, "kill")                                                                              \
  X(LEAVE, "leave")             /* leave at once, the service stays as it is */                \
  X(UPGRADE, "upgrade")         /* ... to here */                                              \
  X(START_OK, "start-ok")       /* `start` ended with 0 */                                     \
  X(START_BAD, "start-bad")     /* `start` ended otherwise */                                  \
  X(RUN_DIED, "run-died")       /* `run` was reaped */                                         \
  X(FINISH_DONE, "finish-done") /* `finish` was reaped */                                      \
  X(UNBORN, "unborn")           /* the process last asked for could not be made */             \
  X(READY, "ready")                                                                            \
  X(UNREADY, "unready")                                                                        \
  X(EMPTY, "empty") /* no descendant is left */                                                \
  X(NEEDS_MET, "needs-met")                                                                    \
  X(NEEDS_LOST, "needs-lost") /* a need goes down on purpose */                                \
  X(DEADLINE, "deadline")     /* the state's one deadline has passed */                        \
  /* of type forking; numbers of events are on disk, hence last */                             \
  X(FORKED, "forked")   /* `run` is in the background: another process is the main one */      \
  X(FORKING, "forking") /* the main process has ended well and left others: not there yet */   \
  X(MISFORKED, "misforked") /* `run` has failed and left others */                             \
  X(LAPSE, "lapse") /* `run` says that it ends, or is silent for longer than it may be */      \
  X(CONDITION_OK, "condition-ok") /* `condition` says that the service is wanted here now */   \
  X(CONDITION_NO, "condition-no") /* ... or that it is not; one that fails is START_BAD */

#define MACHINE_EVENT_ENUM(name, text) EVENT_##name,
enum machine_event { MACHINE_EVENTS(MACHINE_EVENT_ENUM) EVENT_COUNT };
#undef MACHINE_EVENT_ENUM

/* --- facts: true or not at the moment of the event -----------------------------------------
 */

#define MACHINE_FACTS(X)                                                                       \
  X(WANTED, "wanted")       /* BOOT: to be started by itself */                                \
  X(START, "start")         /* there is a `start` */                                           \
  X(SLOW, "slow")           /* `run` is not up by running: readiness declared, or a oneshot */ \
  X(ONESHOT, "oneshot")     /* what `run` has done stays done, until `finish` undoes it */     \
  X(NOTHING, "nothing")     /* a oneshot without `run`: nothing to be done */                  \
  X(FORKING, "forking")     /* `run` is to go into the background */                           \
  X(UNMET, "unmet")         /* needs are not met */                                            \
  X(CONDITION, "condition") /* there is a `condition` */                                       \
  X(FINISH, "finish")       /* there is a `finish` */                                          \
  X(REST, "rest")           /* descendants live that a stop has to end (kill-mode) */          \
  X(EARLY, "early")         /* the run that died was not a good one */                         \
  X(ENDED, "ended")         /* `restart` says that this death was the last */                  \
  X(SUCCESS, "success")     /* the death was a success */                                      \
  X(GIVEUP, "giveup")       /* `finish` said 125, or too many deaths */                        \
  X(LATER, "later")         /* the next start is not due yet */

/* --- the record's own conditions, guards beside the facts -----------------------------------
 */

#define MACHINE_CONDITIONS(X)                                                                  \
  X(IS_WANTED_UP, "want up")                                                                   \
  X(IS_WANTED_DOWN, "want down")                                                               \
  X(IS_WANTED_ONCE, "want once")                                                               \
  X(IS_LEAVING, "leaving")                                                                     \
  X(IS_OWED, "finish owed")                                                                    \
  X(IS_STOP_FULL, "stop full")                                                                 \
  X(IS_STOP_AGAIN, "stop again")                                                               \
  X(IS_KILLED, "killed")                                                                       \
  X(HAS_PROCESS, "process")

#define MACHINE_FACT_BIT(name, text) FACT_BIT_##name,
#define MACHINE_CONDITION_BIT(name, text) CONDITION_BIT_##name,
enum machine_condition_bit {
  MACHINE_FACTS(MACHINE_FACT_BIT) FACT_BIT_COUNT,
  CONDITION_BIT_BASE = FACT_BIT_COUNT - 1, /* conditions follow the facts in one word */
  MACHINE_CONDITIONS(MACHINE_CONDITION_BIT) CONDITION_BIT_COUNT
};
#define MACHINE_FACT_ENUM(name, text) FACT_##name = 1u << FACT_BIT_##name,
#define MACHINE_CONDITION_ENUM(name, text) name = 1u << CONDITION_BIT_##name,
enum machine_condition {
  MACHINE_FACTS(MACHINE_FACT_ENUM) MACHINE_CONDITIONS(MACHINE_CONDITION_ENUM)
};
#undef MACHINE_FACT_BIT
#undef MACHINE_CONDITION_BIT
#undef MACHINE_FACT_ENUM
#undef MACHINE_CONDITION_ENUM

/* --- deeds ------------------------------------------------------------------------------- */

/* The first group changes the record; the machine does that itself. The second group is for the
 * supervisor. An ARM sets the state's deadline; a state entered without one has none. While the
 * state stays the same a step without an ARM leaves the deadline as it is. */
#define MACHINE_DEEDS(X)                                                                       \
  X(WANT_UP, "want-up")                                                                        \
  X(WANT_DOWN, "want-down")                                                                    \
  X(WANT_ONCE, "want-once")                                                                    \
  X(LEAVING, "leaving")                                                                        \
  X(RESET, "reset")           /* forget the early deaths */                                    \
  X(STOP_FULL, "stop-full")   /* everything of the service has to go */                        \
  X(STOP_AGAIN, "stop-again") /* only the main process, to be started again */                 \
  X(STOP_LAPSE, "stop-lapse") /* only the main process, it took too long */                    \
  X(SPAWN_START, "spawn-start")                                                                \
  X(SPAWN_RUN, "spawn-run")                                                                    \
  X(SPAWN_FINISH, "spawn-finish")                                                              \
  X(SPAWN_CONDITION, "spawn-condition")                                                        \
  X(SEND, "send")               /* the event's signal, if it has one, to the process */        \
  X(SEND_DOWN, "send-down")     /* the down-signal and CONT to the process */                  \
  X(SEND_STOP, "send-stop")     /* STOP; the record notes the pause */                         \
  X(SEND_CONT, "send-cont")     /* CONT; the record forgets the pause */                       \
  X(SEND_KILL, "send-kill")     /* KILL to the process */                                      \
  X(REST_DOWN, "rest-down")     /* the down-signal and CONT to what the process left */        \
  X(REST_KILL, "rest-kill")     /* KILL to the process and every descendant, until none */     \
  X(ARM_START, "arm-start")     /* timeout-start: of `start`, `condition`, going to back */    \
  X(ARM_READY, "arm-ready")     /* timeout-ready */                                            \
  X(ARM_KILL, "arm-kill")       /* timeout-kill */                                             \
  X(ARM_FINISH, "arm-finish")   /* timeout-finish */                                           \
  X(ARM_BACKOFF, "arm-backoff") /* the next start by restart-delays */                         \
  X(ARM_RETRY, "arm-retry")     /* a moment, then ask for the process again */                 \
  X(ARM_FAILED, "arm-failed")   /* retry-failed */                                             \
  X(DEATH, "death")             /* publish the death of `run` */                               \
  X(GONE, "gone")               /* everything ended: leave */                                  \
  X(BUG, "bug")                 /* this event cannot come in this state */                     \
  X(PUBLISH, "publish")         /* added by the machine after each visible change */           \
  X(QUIT, "quit")               /* leave, the service stays */                                 \
  X(RENEW, "renew")             /* upgrade in place */

#define MACHINE_DEED_BIT(name, text) DEED_BIT_##name,
enum machine_deed_bit { MACHINE_DEEDS(MACHINE_DEED_BIT) DEED_BIT_COUNT };
#undef MACHINE_DEED_BIT
#define MACHINE_DEED_ENUM(name, text) DO_##name = 1ull << DEED_BIT_##name,
enum machine_deed { MACHINE_DEEDS(MACHINE_DEED_ENUM) DO_NONE = 0 };
#undef MACHINE_DEED_ENUM

/* A set of deeds. (Enumerators wider than int: gcc and clang have them, C23 too. The model in
 * tests/model knows the first 32.) */
typedef uint64_t machine_deeds;
#define MACHINE_SPAWNS (DO_SPAWN_CONDITION | DO_SPAWN_START | DO_SPAWN_RUN | DO_SPAWN_FINISH)
_Static_assert(DEED_BIT_COUNT <= 63, "deeds fit an enumerator");

/* --- the record --------------------------------------------------------------------------- */

enum machine_want { WANT_DOWN, WANT_UP, WANT_ONCE };
/* Numbers are on disk. */
enum machine_role { ROLE_NONE, ROLE_START, ROLE_RUN, ROLE_FINISH, ROLE_CONDITION, ROLE_COUNT };
enum machine_stop { STOP_NONE, STOP_FULL, STOP_AGAIN, STOP_LAPSE };
enum machine_flag {
  FLAG_PAUSED = 1,  /* the process was sent STOP by command */
  FLAG_LEAVING = 2, /* the supervisor leaves when the stop has ended */
  FLAG_READY = 4,   /* the running `run` has said that it is ready */
  FLAG_OWED = 8,    /* a death (or what a oneshot did) whose `finish` has not ended yet */
  FLAG_KILLED = 16  /* this stop has come to KILL for all */
};

struct machine {
  uint8_t state;  /* enum machine_state */
  uint8_t want;   /* enum machine_want */
  uint8_t role;   /* enum machine_role: which process lives */
  uint8_t stop;   /* enum machine_stop: what kind of stop is under way, only in stopping and
                     finishing */
  uint8_t flags;  /* enum machine_flag */
  uint16_t early; /* consecutive early deaths, stays at its maximum */
};

#define MACHINE_EARLY_MAX UINT16_MAX

#define MACHINE_ZERO ((struct machine){STATE_DOWN, WANT_DOWN, ROLE_NONE, STOP_NONE, 0, 0})

/* One step. facts: the FACT_ bits that hold. The deeds to carry out, in this order: signals,
 * spawns, deadline, publishing, leaving. */
extern machine_deeds machine_step(struct machine *, enum machine_event, uint32_t facts);

/* The early-death count as it will stand after a death. */
extern uint16_t machine_early_after(struct machine const *, int early);

/* Could this event come now, by the record alone? (A dead process cannot die.) */
extern int machine_possible(struct machine const *, enum machine_event);

/* A record read from disk may be anything: 1 if some sequence of events can lead to one like it
 * as far as its fields bind each other. */
extern int machine_plausible(struct machine const *);

extern char const *machine_state_name(unsigned state); /* "?" for no state */
extern char const *machine_event_name(unsigned event);
extern char const *machine_want_name(unsigned want);
extern char const *machine_role_name(unsigned role);

/* The whole table as text, a part per call of put. */
extern void machine_print(void (*put)(void *context, char const *text), void *context);

#endif
