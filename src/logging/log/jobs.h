/* Work on finished files: processors and compression, one file of a directory at a time. */

#ifndef LARES_LOG_JOBS_H
#define LARES_LOG_JOBS_H

#include <sys/types.h>

#include <lares/clock.h>
#include <lares/logdir.h>

#include "worker.h"

struct logger;

struct jobs {                 /* one directory's */
  pid_t pid;                  /* 0: no program runs */
  struct deadline late;       /* by then it has ended, or something keeps it */
  int rounds;                 /* so often it was late */
  struct work_report *report; /* owned, shared with the process between */
  char *packer;               /* owned: path of zstd or gzip, or 0 */
  enum archive_packing packing;
  int broken;   /* a program could not be started: said once */
  int ready;    /* it has ended well and what it made could not be put in place yet */
  int recalled; /* it was told to end: its file's turn comes again */
  uint32_t delay_ms;
  struct deadline retry;
  uint32_t told; /* unprocessed files said so far */
};

/* packer.c: finds what the action wants. 1, 0 with errno. */
extern int packer_find(struct logger const *, struct jobs *, struct logaction const *);
/* After the directories are open. */
extern void jobs_open(struct logger *);
/* What an action needs, kept or new. 1, 0 with errno. */
extern int jobs_prepare(struct logger const *, struct jobs *, struct logaction const *);
extern void jobs_free(struct jobs *);
/* Is there none that a change of the script has to wait for? Those that run are ended. */
extern int jobs_recall(struct logger *);
/* After that, with other words. */
extern void jobs_begin_anew(struct logger *);
/* Does what there is to do now: begins, ends, tries again. */
extern void jobs_work(struct logger *);
/* When to call jobs_work though no signal came. */
extern struct deadline jobs_due(struct logger const *);
/* At the end: waits for what runs or could run; after TERM only for processors that run, after
 * a second for nothing. */
extern void jobs_finish(struct logger *, void (*handle_signals)(struct logger *));

/* --- outcome.c --- */

/* A program could not be started, or its file not be put in place: said once, tried again. */
extern void outcome_unstarted(struct jobs *, struct logdir const *);
/* A program has ended: what it made takes its file's place, or it is said why not. */
extern void outcome_settle(struct jobs *, struct logdir *);
/* Files that were gone before the processor had them: told at once, and then when there are
 * twice as many. */
extern void outcome_say_unprocessed(struct jobs *, struct logdir const *);

#endif
