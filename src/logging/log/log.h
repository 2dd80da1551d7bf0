/* The log writer's own state, made in main and passed on. */

#ifndef LARES_LOG_H
#define LARES_LOG_H

#include <lares/clock.h>
#include <poll.h>

#include <lares/logdir.h>

#include "deputy.h"
#include "jobs.h"
#include "plan.h"
#include "stream.h"

struct target {
  struct logaction const *action; /* borrowed */
  struct logdir dir;              /* which of the two: action->kind */
  struct stream stream;
  int lagging;   /* it lacks something that others may have had */
  int failing;   /* the disk refuses: said once, tried again at retry */
  int waiting;   /* the reader of the stream is slow: it is asked when it can take more */
  int dropped;   /* something, since it fails */
  int unremoved; /* errno that was said of a file that is too old */
  struct deadline since, retry;
};

struct logger {
  int argc;
  char const *const *argv; /* of main */
  struct plan *plan;       /* owned */
  struct plan *next;       /* owned, or 0: takes its place as soon as it can, see renew.c */
  int begun;               /* the point of no return: messages are reports */
  int mute;                /* standard output was closed when we started */
  struct logbuf buf;
  struct logwork work;
  struct target targets[LOG_ACTIONS_MAX];
  int timed; /* a directory has something to do at a time */
  struct jobs jobs[LOG_ACTIONS_MAX];
  int working; /* one of them has programs to run */
  int hurry;   /* a second TERM: wait for no program */
  struct deputy deputy;
  int signals;      /* owned: selfpipe */
  int eager;        /* read without asking poll() */
  int unblocked;    /* descriptor 0 is a description of our own that does not block */
  unsigned flooded; /* so often the last reads got all there was room for */
  int roomy;        /* the buffer was made larger, or cannot be */
  int grown;        /* the pipe was made larger, or cannot be */
  int gathers;      /* it may, see gather.c */
  int gathered;     /* what is read next is what has come together until gather */
  struct deadline gather;
  struct deadline right_behind; /* of the last input */
  int ended;                    /* end of input seen */
  int leaving;                  /* TERM: take what is there, then exit */
  int give_up;                  /* a second TERM while the disk refuses */
  int64_t allowed;              /* leaving: bytes that were there when it came */
  int unreadable;               /* a read failed: said once, tried again at look */
  struct deadline look;
  int deaf; /* signals could not be read: said once */
};

/* Descriptor 0 becomes a non-blocking description of our own where it is a pipe. */
extern void input_prepare(struct logger *);
/* Keep the pipe open ourselves, if we are to. Signals are caught by then. */
extern void input_hold(struct logger *);
/* After all was written: a larger buffer, if the input is a flood. May wait for a disk. */
extern void input_grow(struct logger *);
/* Bytes waiting in descriptor 0, 0 if that is not known. */
extern int64_t input_waiting(void);
/* Reads once, if that does not block. */
extern void input_read(struct logger *);

/* Whether input may be let come together; after each read; and whether to wait, to *until. */
extern void gather_prepare(struct logger *);
extern void gather_read(struct logger *, size_t got);
extern int gather_waits(struct logger const *, struct deadline *until);

#define say_warning(logger, ...)                                                               \
  do                                                                                           \
    if ((logger)->begun)                                                                       \
      report_warning(__VA_ARGS__);                                                             \
    else                                                                                       \
      strerr_warnw(__VA_ARGS__);                                                               \
  while (0)

/* What the limits of numbers and of the process make of a plan's numbers, said where it does;
 * and the words and the lines that lead nowhere. */
extern void limit_plan(struct logger const *, struct plan *);

/* Opens directories and streams, or ends the program. The buffer must be there. */
extern void output_open(struct logger *);
/* Its place in the input, and what else the buffer knows of it. */
extern struct logrecord *output_record(struct target const *);
/* For an action of the plan: how many before it are of its kind. */
extern unsigned output_number(struct plan const *, unsigned which);
/* What was dropped for who is gone. */
extern void output_say_untold(struct logger const *, struct logdrops);
/* Streams that go to the same descriptor take turns. */
extern void output_join(struct target *, unsigned count);
/* The action has had everything that was read, or may drop what it has not had. */
extern int output_settled(struct logger const *, unsigned which);
/* Gives every action what is there; 1 when more may be read. */
extern int output_write(struct logger *);
/* What a deputy has dropped is told by all actions. 1 if there was something: they have
 * something to write. */
extern int output_skip(struct logger *);
/* Does one lack something that must not be dropped? */
extern int output_held(struct logger const *);
/* When to call output_write though nothing was read. */
extern struct deadline output_due(struct logger const *);
/* The streams that are waited for: how many of fds were set. */
extern unsigned output_poll(struct logger const *, struct pollfd fds[LOG_ACTIONS_MAX]);
extern void output_rotate(struct logger *);
extern uint64_t output_behind(struct logger const *);
/* Told to end, we leave it behind: says which action lacks most. */
extern void output_say_behind(struct logger const *);
/* At the end: what may be dropped is, unless the buffer keeps it. */
extern void output_close(struct logger *);

/* HUP: reads the configs again. */
extern void renew_read(struct logger *);
/* Lets the new plan hold if the moment has come: 1 if something has changed. */
extern int renew_work(struct logger *);
/* At the end it is too late. */
extern void renew_forget(struct logger *);

#endif
