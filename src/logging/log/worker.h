/* A program that works on a finished file: started, bounded, and ended with all it has started,
 * by a process of its own between it and the log writer, which therefore never waits.
 */

#ifndef LARES_LOG_WORKER_H
#define LARES_LOG_WORKER_H

#include <stdint.h>
#include <sys/types.h>

enum work_outcome {
  WORK_NONE, /* it was killed */
  WORK_DONE,
  WORK_ENDED,     /* it ended with wstat, which is not 0 */
  WORK_HAUNTED,   /* it left a process that does not die */
  WORK_LATE,      /* it took longer than it may */
  WORK_STATE,     /* the new state is larger than it may be */
  WORK_UNFLUSHED, /* what it made could not be put on the disk: error */
  WORK_UNSTARTED  /* error */
};

struct work_report { /* in memory that both share */
  enum work_outcome outcome;
  int error, wstat;
};

struct work_order {
  char const *const *argv; /* the program by path */
  int dir;                 /* where it runs */
  int in, out;             /* its descriptors 0 and 1 */
  int state, newstate;     /* 4 and 5, or -1 */
  uint64_t room, state_room;
  uint32_t most_ms;
  struct work_report *report;
};

/* The pid of the process in between, which ends when all is over, or at TERM; -1 with errno. */
extern pid_t work_start(struct work_order const *);
/* Tells it to end, though it may be stopped. */
extern void work_end(pid_t);
/* It should have ended. If it is stopped it goes on, and what it has started is killed unless
 * this is the first of rounds; after WORK_ROUNDS it is killed itself. A slow disk is waited
 * for.
 */
#define WORK_ROUNDS 10
extern void work_mend(pid_t, int rounds);

#endif
