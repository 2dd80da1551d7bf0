/* The deputy: a process that reads standard input in the log writer's place, and drops it,
 * while that is kept for long by a slow disk. deputy.c.
 */

#ifndef LARES_LOG_DEPUTY_H
#define LARES_LOG_DEPUTY_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include <lares/clock.h>

enum deputy_owner { DEPUTY_REST, DEPUTY_BUSY, DEPUTY_TAKEN };

struct deputy_words {
  _Atomic uint32_t owner; /* enum deputy_owner: at rest, busy with disks, the deputy reads */
  _Atomic uint32_t turns; /* so often the log writer has become busy */
};

struct deputy {
  struct deputy_words *words; /* owned, shared by both; 0: there is to be none */
  pid_t pid;                  /* 0: there is none */
  int ask, answer;            /* owned, -1: to give back; given back */
  struct deadline again;      /* when to try for another */
  struct deadline quiet;      /* nothing is said of drops before */
  int broken;                 /* it could not be had: said once */
};

struct logger;

/* There is to be one, if all actions may drop and the input is a pipe: deputy_mend starts it.
 */
extern void deputy_open(struct logger *);
/* Around what may take its time on a disk. Behind deputy_leave nobody else reads. */
extern void deputy_enter(struct logger *);
extern void deputy_leave(struct logger *);
/* It may have died, or it is time for another. */
extern void deputy_mend(struct logger *);
extern struct deadline deputy_due(struct logger const *);
/* Another script holds. */
extern void deputy_renew(struct logger *);
/* No more of it: nobody waits for us who is to be spared. */
extern void deputy_end(struct logger *);
/* Says what was dropped, now and then. */
extern void deputy_say(struct logger *, uint64_t bytes);

#endif
