/* The scanner's upgrade in place: what the old image and the new one keep about
 * it, and what they do; and the control FIFO. */

#ifndef LARES_SVSCAN_UPGRADE_H
#define LARES_SVSCAN_UPGRADE_H

#include <stdint.h>

#include <lares/clock.h>

#define PROBE_MS 10000    /* the new program must have answered by then */
#define TELL_BATCH 16     /* so many entries are told to upgrade at once */
#define TELL_MS 20        /* between two batches */
#define TELL_AGAIN_MS 100 /* before those that had not begun yet are asked again */
#define TELL_ROUNDS 100   /* so many times */

struct upgrade {
  struct deadline probe_until; /* of the probe that runs */
  struct deadline tell_at;     /* the next batch */
  uint32_t tell_next;          /* its first number in the table */
  int32_t probe;               /* process that tries the new program, 0 */
  int probe_error;             /* errno of its exec, 0 */
  uint8_t again;               /* asked for once more while a probe runs */
  uint8_t late;                /* the probe was killed for taking too long */
  uint8_t due;                 /* the program is good: become it */
  uint8_t probing;             /* we are the probe */
  uint8_t resumed;             /* we are what an upgrade made */
  uint8_t quiet;               /* what keeps us from beginning was said before */
  uint8_t untold, rounds;      /* of telling: some had not begun; so many have been made */
  char program[4096];
};

struct scan;

/* control.c */
extern void control_begin(struct scan *);
extern int control_intact(struct scan const *);
extern void control_read(struct scan *);

/* upgrade.c */
extern void upgrade_begin(struct scan *);
extern void upgrade_deadline(struct scan *, struct deadline now);
/* Was it the probe? */
extern int upgrade_reaped(struct scan *, int32_t pid, int32_t wstat);
extern void upgrade_become(struct scan *);

/* probe.c: the exit code */
extern int upgrade_done(void);
extern int upgrade_probe(struct scan *);

/* begin.c: what keeps us from beginning ends us with a message; after an upgrade, with a tree
 * to look after, it is said, and we begin again in a moment. The arguments say what is
 * impossible, errno why. */
#define cannot_begin(s, ...)                                                                   \
  do {                                                                                         \
    if (!(s)->upgrade.resumed) strerr_diefusys(EXIT_SYSTEM, __VA_ARGS__);                      \
    if (!(s)->upgrade.quiet) strerr_warnwusys(__VA_ARGS__, ", trying again");                  \
    begin_again(s);                                                                            \
  } while (0)
extern void begin_again(struct scan *) __attribute__((noreturn));

/* resume.c */
extern void resume_descriptors(struct scan *, char const *given);
extern void resume_begin(struct scan *);
/* A supervisor was found that may have been started before the upgrade. */
extern void resume_tell_late(struct scan *);
extern void resume_tell(struct scan *, struct deadline now);

#endif
