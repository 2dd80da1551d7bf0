/* What the files about one directory need of each other: each is 1, or 0 with errno and step,
 * to be called again.
 */

#ifndef LARES_LOGDIR_DIR_H
#define LARES_LOGDIR_DIR_H

#include <lares/logdir.h>

struct logchunk {
  char const *data;
  size_t len;
  struct logplace next;
  int full;   /* nothing fits: begin a new file */
  int notice; /* it tells what was dropped */
};

struct logtask {
  struct logaction const *action;
  struct logplace const *place;
  uint64_t room;  /* bytes that fit */
  uint64_t begin; /* no line begins when so many of them are used */
  int empty;      /* a new file would have no more room */
  int single;     /* one line at a time */
};

/* What the task is to take lines from. */
extern size_t logtask_rest(struct logtask const *, struct logbuf const *, char const **);
/* What an action is to write next; 0 when there is nothing. */
extern int logchunk_build(struct logchunk *, struct logtask const *, struct logwork const *);

/* The same for a directory, with what it has to tell. */
extern int logdir_build(struct logdir const *, struct logchunk *, struct logwork const *);
/* Sets step; 0. */
extern int logdir_fail(struct logdir *, enum logdir_step);
/* The same after a call for an entry: its own step when that is no file. */
extern int logdir_fail_entry(struct logdir *, char const *name, enum logdir_step);
/* If the directory itself was removed: what has its path now takes its place, made if there is
 * none, with its place in the input. Otherwise ENOENT. */
extern int logdir_anew(struct logdir *, struct logbuf *);
/* Does a file of that size end within a line? */
extern int logdir_is_torn(int fd, uint64_t size);
/* Removes what is too much and opens current. */
extern int logdir_open_current(struct logdir *);
/* Makes a file of that name an archive; nothing if there is none. */
extern int logdir_archive(struct logdir *, char const *name, char kind, uint64_t not_before);
/* current gets its first bytes, or has had them since that wall clock (0: now). */
extern void logdir_begin(struct logdir *, uint64_t since);
/* current was written to, and is to be on the disk some time. */
extern void logdir_touch(struct logdir *);
extern int logdir_sync(struct logdir *);
/* Makes current an archive and opens a new one. */
extern int logdir_rotate(struct logdir *, uint64_t not_before);

/* --- renew.c --- */

/* After logdir_renew: the new bound holds. */
extern int logdir_fit(struct logdir *);

/* --- bound.c --- */

/* Most bytes of a file. */
extern uint64_t logdir_limit(struct logaction const *);
/* Most bytes of everything but current; of a processor's state. */
extern uint64_t logdir_budget(struct logdir const *);
extern uint64_t logdir_state_most(struct logdir const *);
/* Removes the oldest archives until there is room for an archive of so many bytes more and all
 * that is reserved. */
extern int logdir_make_room(struct logdir *, uint64_t added);
extern int logdir_measure_state(struct logdir *);
/* There must be one. */
extern int logdir_remove_oldest(struct logdir *);

/* --- job.c --- */

/* Is it yet to go through a processor? */
extern int logjob_pending(struct logdir const *, struct archive const *);
/* Takes back what it has written, and the room. */
extern int logjob_cancel(struct logdir *);
/* At the start: removes what another's program was writing. */
extern int logjob_settle(struct logdir *);

#endif
