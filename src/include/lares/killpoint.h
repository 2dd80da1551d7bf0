/* Kill points: places at which a test build dies, or kills its parent, when it is told to
 * (tests/chaos/point.c). In every other build they are nothing.
 *
 * One list: the enumerator, and in words where it stands. The tests read it, too. */

#ifndef LARES_KILLPOINT_H
#define LARES_KILLPOINT_H

/* clang-format off */
#define KILL_POINTS(X)                                                                         \
  X(FORK, "before vfork")                                                                      \
  X(SIGN_IN, "in the child, before its record")                                                \
  X(SIGNED_IN, "in the child, after its record")                                               \
  X(EXEC, "in the child, before exec")                                                         \
  X(BORN, "in the service, after exec")                                                        \
  X(FORKED, "in the parent, after vfork")                                                      \
  X(PEEKED, "a child's death: seen")                                                           \
  X(RECORDED, "a child's death: recorded")                                                     \
  X(REAPED, "a child's death: reaped")                                                         \
  X(ADOPTED_PEEKED, "an adopted one's death: seen")                                            \
  X(ADOPTED_RECORDED, "an adopted one's death: recorded")                                      \
  X(ADOPTED_REAPED, "an adopted one's death: forgotten")                                       \
  X(LAUNCHED, "forking: the launcher's end recorded")                                          \
  X(LEFT, "forking: the launcher reaped, nobody chosen")                                       \
  X(CHOSEN, "forking: the main process recorded")                                              \
  X(LOCKED, "supervise: has the lock")                                                         \
  X(FOUND, "supervise: has proven that the process on record lives")                           \
  X(RESUMED, "supervise: has taken over")                                                      \
  X(SENT, "signals sent, before a start")                                                      \
  X(JOURNAL, "before the journal")                                                             \
  X(JOURNALLED, "after the journal, before the state")                                         \
  X(STATED, "after the state")                                                                 \
  X(SPARE, "status: the spare file written")                                                   \
  X(EXCHANGED, "status: the files exchanged")                                                  \
  X(WOKEN, "after the wake-up")                                                                \
  X(PROBE, "upgrade: asked for, before the probe")                                             \
  X(PROBING, "upgrade: in the probe")                                                          \
  X(PROBED, "upgrade: after the probe")                                                        \
  X(RENEW, "upgrade: before exec")                                                             \
  X(RENEWED, "upgrade: after exec, before taking over")                                        \
  X(TAKEN_OVER, "upgrade: descriptors taken over")                                             \
  X(RUN_RECORD, "svscan: before the run record")                                               \
  X(RUN_RECORDED, "svscan: after the run record")                                              \
  X(SUPERVISOR_REAPED, "svscan: a supervisor reaped")                                          \
  X(SUPERVISOR_FOUND, "svscan: a running supervisor found")                                    \
  X(NOTE, "svscan: an orphan's death seen, before the note")                                   \
  X(NOTED, "svscan: after the note, before the reap")                                          \
  X(ORPHAN_REAPED, "svscan: after the reap, before the poke")                                  \
  X(POKED, "svscan: after the poke")                                                           \
  X(READ, "log: lines read, not counted")                                                      \
  X(COUNTED, "log: lines counted")                                                             \
  X(ANNOUNCED, "log: a chunk announced")                                                       \
  X(TORN, "log: half a chunk written")                                                         \
  X(WRITTEN, "log: a chunk written")                                                           \
  X(COMMITTED, "log: a chunk committed")                                                       \
  X(TURN, "log: the rest copied to the other half")                                            \
  X(TURNED, "log: halves switched")                                                            \
  X(CLEARED, "log: the old half cleared")                                                      \
  X(ENLARGED, "log flood: the buffer's file made larger")                                      \
  X(GROWN, "log flood: and its halves")                                                        \
  X(ROTATE, "log: a full file's mode set")                                                     \
  X(RENAMED, "log: a full file renamed")                                                       \
  X(PRUNED, "log: old files removed")                                                          \
  X(OPENED, "log: a new file opened")                                                          \
  X(DROP, "log drop: what is dropped announced")                                               \
  X(DROPPED, "log drop: what is dropped counted")                                              \
  X(RETREAT, "log drop: half a chunk taken back")                                              \
  X(SCRIPT_OPENED, "log script: what an action of the new script writes to is open")           \
  X(SCRIPT, "log script: before the new one holds")                                            \
  X(SCRIPT_HOLDS, "log script: the new one holds")                                             \
  X(WORK, "log work: a finished file opened for a program")                                    \
  X(WORKED, "log work: what a program made of it named")                                       \
  X(STATE_KEPT, "log work: a processor's new state kept")                                      \
  X(REPLACED, "log work: the file removed of which it was made")
/* clang-format on */

#ifdef LARES_KILL_POINTS
#define KILL_POINT_ENUMERATOR(name, where) POINT_##name,
enum kill_point { KILL_POINTS(KILL_POINT_ENUMERATOR) POINT_COUNT };
extern void kill_point(enum kill_point);
#define KILL_POINT(name) kill_point(POINT_##name)
#define KILL_POINT_IF(adopted, name) kill_point((adopted) ? POINT_ADOPTED_##name : POINT_##name)
#else
#define KILL_POINT(name) ((void)0)
#define KILL_POINT_IF(adopted, name) ((void)0)
#endif

#endif
