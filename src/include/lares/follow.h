/* Following services: subscribed to their changes first, then reading state and journal, so
 * that nothing is missed (doc/man/lares-events.7). For clients that wait or listen; never for
 * what supervises.
 *
 * A wake-up only says: look. Who looks reads the journal from where it stood; whoever was slow
 * reads it all the same, and is told which numbers were overwritten meanwhile.
 */

#ifndef LARES_FOLLOW_H
#define LARES_FOLLOW_H

#include <poll.h>
#include <stdint.h>
#include <sys/types.h>

#include <lares/clock.h>
#include <lares/event.h>
#include <lares/status.h>

#define FOLLOW_LOOK_MS 20    /* how often to look where nobody wakes us */
#define FOLLOW_RETRY_MS 200  /* after a journal could not be read */
#define FOLLOW_GONE_MS 1000  /* and where there is no supervisor */
#define FOLLOW_GRACE_MS 5000 /* a supervisor that died is succeeded within this */

struct follow {
  char const *dir; /* borrowed */
  struct event_subscription events;
  int ok;        /* owned, -1: supervise/ok, whose POLLERR tells of the supervisor's end */
  int kept;      /* owned, -1: the journal that was read last (follow_keep) */
  uint8_t keeps; /* it is kept open */
  struct history_place place;
  dev_t device; /* of the journal that was read last */
  ino_t inode;  /* 0: none */
};

/* Subscribe and open what tells of the supervisor's end. Neither need be possible: then it is
 * looked at by time (follow_deadline). 1; or 0 with errno, nothing open: ENOENT when there is
 * no supervise/ at all. */
extern int follow_open(struct follow *, char const *dir);
/* From now on the journal is kept open: a service may be taken away with its directory, and its
 * end is still to be told. (One descriptor more.) */
extern void follow_keep(struct follow *);
extern void follow_close(struct follow *);
/* A service takes four descriptors: as many as the hard limit allows. Not for who runs
 * programs, to which the limit would be handed down. */
extern void follow_many(void);
/* Of a dir in which there is nothing to follow: what is wrong with it itself, 0 nothing. */
extern char const *follow_absent(char const *dir);
/* Anew what is missing: a supervisor has begun, or supervise/ is another. */
extern void follow_renew(struct follow *);
/* Two descriptors for poll(). */
extern void follow_watch(struct follow const *, struct pollfd fds[2]);
/* What poll() said: 1 when it is to be looked at. Wake-ups are read away. A supervisor that has
 * ended closes `ok`, which is -1 then. */
extern int follow_woken(struct follow *, struct pollfd const fds[2]);
/* When to look without having been woken, counted from now. */
extern struct deadline follow_deadline(struct follow const *);

/* The state as it is, a record that is being written waited for: 1, or 0 with errno. */
extern int follow_state(struct follow const *, struct state_record *);

enum follow_what {
  FOLLOW_RECORD, /* record is the next */
  FOLLOW_LOST,   /* the numbers first to last were overwritten, or never written */
  FOLLOW_ANEW    /* another journal: numbers begin anew; last: of the old one, the last seen */
};
struct follow_news {
  enum follow_what what;
  struct history_record const *record;
  uint64_t first, last;
};
/* Everything since the last reading, in order, until each returns 0. latest: sequence of the
 * state, UINT64_MAX when that is not known. 1, or 0 with errno (ENOENT: there is no journal).
 */
extern int follow_read(struct follow *, uint64_t latest,
                       int (*each)(void *context, struct follow_news const *), void *context);
/* The lowest and the highest number that are there; 0 and 0 for none. 1, or 0 with errno. */
extern int follow_span(struct follow const *, uint64_t *lowest, uint64_t *highest);

/* --- waiting for states (goal.c, await.c)
 * ------------------------------------------------ */

enum goal_kind {
  GOAL_DOWN,          /* no process of the service but finish */
  GOAL_REALLY_DOWN,   /* at rest: down, failed, done; but a oneshot that is done is up */
  GOAL_UP,            /* run lives, or a oneshot is done */
  GOAL_READY,         /* up in the machine's sense: ready where readiness is declared */
  GOAL_RESTART,       /* run has been started since */
  GOAL_RESTART_READY, /* and is ready */
  GOAL_STATES         /* in one of `states` */
};
struct goal {
  uint8_t kind;    /* enum goal_kind */
  uint8_t patient; /* somebody is about to do something: what it was at first is no answer */
  uint16_t states; /* bits 1 << enum machine_state */
};
/* The options of programs that wait: u U d D r R, and s with names of states and commas between
 * them. 1; 0 when it is none of them; -1 when argument is wrong, *wrong then says which word.
 */
extern int goal_option(struct goal *, int letter, char const *argument, char const **wrong);
/* "ready", "down or failed" ... in buf. */
extern char const *goal_describe(char buf[STATUS_TEXT], struct goal const *);
/* A state as one sees it who has waited since before it: started, run was started since then.
 * marks: enum state_mark. */
extern int goal_is_reached(struct goal const *, struct machine const *, unsigned marks,
                           int started);
/* Can it not come by itself any more? fresh: something has changed since the waiting began. */
extern int goal_is_missed(struct goal const *, struct state_record const *, int fresh);

enum await_outcome {
  AWAIT_UNDECIDED,
  AWAIT_REACHED,
  AWAIT_MISSED,       /* it is at rest elsewhere, or given up: it will not come by itself */
  AWAIT_UNSUPERVISED, /* no supervisor, or it has left */
  AWAIT_FAILED        /* errno in error */
};

/* A service that is waited for. */
struct await {
  struct follow follow;
  struct goal const *goal; /* borrowed */
  struct state_record before, now;
  struct machine last; /* of the record of the journal read last */
  uint8_t outcome;     /* enum await_outcome */
  uint8_t gone;        /* its supervisor has ended */
  uint8_t started;     /* run was started since `before` */
  int error;
  char const *absent;    /* what is wrong with the directory itself, 0 */
  struct deadline grace; /* gone: until when a successor is awaited */
  struct deadline look;  /* to be looked at then, DEADLINE_NEVER when woken */
};

/* Subscribes, and looks for the first time. */
extern void await_open(struct await *, char const *dir, struct goal const *);
extern void await_close(struct await *);
/* What poll() said of the descriptors of follow_watch, or the time, sets the outcome. */
extern void await_happened(struct await *, struct pollfd const fds[2], struct deadline now);
/* What it is, and why the waiting is over: "it is failed (finish gave up), not ready". */
#define AWAIT_TEXT 512
extern char const *await_describe(char buf[AWAIT_TEXT], struct await const *);

struct await_all {
  struct await *each; /* count of them, opened */
  struct pollfd *fds; /* room for 2 * count + 1 */
  unsigned count;
  uint8_t any;           /* one will do */
  struct deadline until; /* at most so long */
  int signals;           /* the self-pipe, -1 */
  int signal;            /* the one that stopped it */
};
enum await_end {
  AWAIT_ALL_REACHED, /* or any */
  AWAIT_HOPELESS,    /* one, or with `any` each, is decided otherwise */
  AWAIT_TIME,        /* is over */
  AWAIT_STOPPED,     /* by a signal */
  AWAIT_NO_POLL      /* errno */
};
/* Room for count services, INT, TERM, HUP and CHLD caught (signals), and all opened. 1, or 0
 * with errno. */
extern int await_begin(struct await_all *, char const *const *dirs, unsigned count,
                       struct goal const *);
extern enum await_end await_all(struct await_all *);
/* Is it decided already that it cannot end well? */
extern int await_is_hopeless(struct await_all const *);
/* The exit code; to be asked before await_finish. */
extern int await_code(struct await_all const *, enum await_end);
/* Is this one to be spoken of, when waiting has come to that end? */
extern int await_is_telling(struct await const *, enum await_end);
extern void await_finish(struct await_all *);

/* --- programs that wait (command.c)
 * ------------------------------------------------------ */

/* u U d D r R s: of the goal; a, o: all or any; t, T: milliseconds; h and --help: the help. The
 * index of the first word behind them; ends the program for wrong usage. */
extern int await_options(struct await_all *, struct goal *, int argc, char const *const *argv,
                         char const *usage, char const *help);
/* Waits, says on standard error what did not come, and finishes. The exit code; a signal that
 * stopped it ends the program. */
extern int await_and_tell(struct await_all *);

#endif
