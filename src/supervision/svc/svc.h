/* svc: what was asked for, and the services it was asked of. */

#ifndef LARES_SVC_H
#define LARES_SVC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <lares/clock.h>
#include <lares/event.h>
#include <lares/status.h>

/* --- what was asked for (options.c) ------------------------------------------------------- */

/* The letter behind -w is the value. */
enum svc_wait {
  WAIT_NOT = 0,
  WAIT_DOWN = 'd',
  WAIT_REALLY_DOWN = 'D',
  WAIT_UP = 'u',
  WAIT_READY = 'U',
  WAIT_RESTART = 'r',
  WAIT_RESTART_READY = 'R'
};

#define SVC_LETTERS 64
struct svc_order {
  char letters[SVC_LETTERS]; /* in the order of the options */
  size_t len;
  enum svc_wait wait;
  struct deadline until;
  int want;     /* enum machine_want after the letters, -1: they leave it alone */
  int leave;    /* the supervisor is to leave */
  int restarts; /* r is among them */
  int modified; /* + or = is among them: what comes after one is no duplicate */
};

/* Ends the program for wrong usage and for --help. The index of the first directory. */
extern int options_parse(struct svc_order *, int argc, char const *const *argv);
extern int order_is_for_up(struct svc_order const *);
/* "down", "ready" ...: what is waited for. */
extern char const *order_goal(struct svc_order const *);

/* --- judging (judge.c): pure
 * ------------------------------------------------------------------
 */

enum verdict { UNDECIDED, REACHED, MISSED };

/* A service as seen since just before the letters were written. */
struct progress {
  struct machine machine;
  uint64_t starts, deaths; /* of `run`, since then */
  uint8_t reason;          /* enum status_reason */
  uint8_t fresh;           /* something has changed since then */
  uint8_t settled;         /* the letters have been seen to count; once set, it stays */
  uint8_t notifies;        /* readiness is declared */
  uint8_t oneshot;         /* done is its being up */
};

extern enum verdict judge(struct svc_order const *, struct progress *);
/* Can what is waited for not come, because the letters do nothing here? */
extern int is_hopeless(struct svc_order const *, struct progress const *before);
/* The progress is brought up to date with the next record of the journal. */
extern void progress_add(struct progress *, struct history_record const *);

/* --- services (target.c)
 * ----------------------------------------------------------------------
 */

struct target {
  char const *dir;
  int control; /* owned, -1 */
  int state;   /* owned, -1: supervise/state */
  struct event_subscription events;
  struct state_record before, now;
  struct progress progress;
  uint64_t seen; /* number of the last record of the journal that was judged */
  int foreign;   /* another suite's supervisor: only supervise/status is there */
  struct classic_status classic_before, classic_now;
  int gone;              /* the supervisor has left or died; its successor is waited for ... */
  struct deadline grace; /* ... until then */
  struct deadline look;  /* to be looked at by itself then; DEADLINE_NEVER when woken */
  int done;
  int code; /* enum exitcode, once done */
};

/* A supervisor that died is succeeded by its scanner's next one within this. */
#define GRACE_MS 5000
/* Opens the control FIFO and reads the state. */
extern void target_open(struct target *, char const *dir);
extern void target_send(struct target *, struct svc_order const *);
/* Subscribes to the wake-ups, and looks. */
extern void target_follow(struct target *, struct svc_order const *);
/* Look at it and decide if possible. */
extern void target_look(struct target *, struct svc_order const *);
/* Does supervise/status, too, tell what it was found to be? */
extern int target_is_shown(struct target const *);
extern void target_timeout(struct target *, struct svc_order const *);
extern void target_close(struct target *);

/* --- other suites (foreign.c)
 * -----------------------------------------------------------------
 */

struct foreign_kind {
  char const *name;
  char const *letters; /* what it knows */
};
/* Who supervises dir? 0: lares. *status is left alone then. */
extern struct foreign_kind const *foreign_kind_of(char const *dir);
/* Ends the program unless each of the directories' supervisors knows each letter. */
extern void foreign_check(char const *const *dirs, struct svc_order const *);
extern enum verdict foreign_judge(struct svc_order const *, struct target const *);

/* --- waiting (wait.c)
 * ------------------------------------------------------------------------- */

/* Sends and waits for all; the exit code. */
extern int wait_for_all(char const *const *dirs, unsigned count, struct svc_order const *);

/* A service that could not be controlled, said by errno. */
extern void warn_uncontrolled(char const *dir);
/* The same as exit code. */
extern int code_uncontrolled(void);

#endif
