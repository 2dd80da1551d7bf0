/* needs/ and after/, and those who need us: what these files offer:
 *
 * needs.c  the list of them, and how that stands
 * need.c   one of them: where it is, and what its state says
 * enrol.c  its knowing of us
 * await.c  waiting for them, and going when they go
 * cycle.c  whether they need us
 * hold.c   those who need us go first
 *
 * No one plans. A service that needs X subscribes to X's wake-ups, registers in X's
 * supervise/dependents/ and reads X's state, in this order; it starts when X is ready and knows
 * that it is needed (MARK_NEEDED), and goes when X says that it goes on purpose
 * (MARK_DELIBERATE). X says so on record before it reads the registrations, and signals its own
 * process when none is left (MARK_HELD meanwhile). Each registration is noted in the
 * dependent's own supervise/needs/ before it is made and until it has been withdrawn, so that
 * whoever comes after a killed supervisor knows what there may be.
 */

#ifndef LARES_SUPERVISE_NEEDS_H
#define LARES_SUPERVISE_NEEDS_H

#include <stdint.h>

#include <lares/clock.h>
#include <lares/event.h>
#include <lares/machine.h>
#include <lares/path.h>
#include <lares/status.h>

struct supervisor;

#define NEEDS_MOST 64
#define DIR_RECORDED "supervise/needs"
#define DIR_DEPENDENTS "supervise/dependents"
#define POKE_NEEDED "&"            /* to a supervisor's control FIFO: look at your dependents */
#define NEEDS_LASTING_MS 300       /* of a wait, until it is looked into */
#define NEEDS_TEXT (TEXT_MOST + 1) /* what is waited for, in words */

/* Bits: one service may stand in both directories. */
enum need_kind { NEED_READY = 1, NEED_ORDER = 2 };

/* A service that we need, or are to start after. */
struct need {
  uint64_t dev, ino; /* of its supervise/ */
  int dir, events;   /* owned, -1: that directory, and our FIFO in its event/ */
  uint8_t kind;      /* 0: this place is free */
  uint8_t found;     /* kind, as the directories say now */
  uint8_t stand;     /* enum status_need */
  uint8_t lost;      /* it goes on purpose, or has gone */
  uint8_t recorded, registered;
  uint8_t cyclic; /* it needs us, too: refused; of an order, ignored */
  uint8_t torn;   /* so often in a row its state did not add up */
  uint8_t woken;  /* since its state was read */
  char fifo[EVENT_NAME];
  char name[PATH_NAME_MAX + 1];
};

struct needs {
  struct need *list; /* borrowed; who needs nothing never touches that memory */
  char const *scan;  /* the directory in which names are looked up, 0 none */
  int epoll;         /* owned, -1: wakes when a need does */
  int arrivals;      /* owned, -1: our FIFO in the scanner's event/ */
  uint8_t top;       /* places used up to */
  uint8_t woken, lost;
  uint8_t state; /* of ours, at the last look */
  uint8_t fresh; /* all has just been found to be there */
  uint8_t said_unable;
  uint8_t unread;           /* the directories could not be read for the start that waits */
  uint8_t unknown;          /* nor what the supervisor before us has noted */
  uint32_t definition;      /* the sum of the definition when the directories were read */
  uint32_t said, shown;     /* the sums of what was said last, and put into `text` */
  struct deadline look_at;  /* nobody may wake us: look again */
  struct deadline walk_at;  /* a wait that lasts: is it for ourselves? */
  struct deadline patience; /* for the order after somebody who does not begin */
  char arrivals_name[EVENT_NAME];
};

/* Those who need us, at a stop. */
struct hold {
  uint8_t look;
  uint8_t releasing;       /* a oneshot that is done, to be undone now */
  uint32_t seen;           /* the sum of what they were last */
  struct deadline changed; /* when that was */
  struct deadline next;
};

/* needs.c */
extern void needs_begin(struct supervisor *);
/* Read the directories and ask all: 1 when a start may take place now. */
extern int needs_are_met(struct supervisor *);
/* Its place in the list, a new one if need be; 0 when there are too many. */
extern struct need *needs_place(struct supervisor *, char const *name);
extern void needs_judge_cycle(struct supervisor *, struct need *);
extern void needs_find_cycles(struct supervisor *);
extern void needs_sum_up(struct supervisor *);
extern uint32_t needs_sum_of(char const *text);
/* How the first that is not there stands, of those that do not come by themselves if there are
 * some; and all of them in words. */
extern unsigned needs_stand(struct supervisor const *);
extern void needs_describe(struct supervisor *, char text[NEEDS_TEXT]);
/* Put that where svstat finds it: 1 when it has changed. */
extern int needs_show_wait(struct supervisor *);
/* enrol.c: what the supervisor before us was registered for; the state is known. */
extern void needs_recall(struct supervisor *);
/* await.c */
/* At each turn of the loop. */
extern void needs_step(struct supervisor *);
extern struct deadline needs_deadline(struct supervisor const *);
/* We leave, or nothing is to run: nobody has to wait for us. */
extern void needs_drop(struct supervisor *);
/* Does the state, as the machine has left it, tell others to go? Sets the mark. */
extern void needs_mark(struct supervisor *);

/* need.c */
extern char const *need_own_name(struct supervisor const *);
/* Is it where it was? Opens it, subscribes and registers as far as that can be: its stand. */
extern void need_find(struct supervisor *, struct need *);
/* Read its state. to_start: 1 when it has to be alive, too. */
extern void need_look(struct supervisor *, struct need *, int to_start);
extern int need_is_hopeless(unsigned stand);
/* Withdraw, and wake it: it may be waiting for that. */
extern void need_withdraw(struct supervisor *, struct need *);
/* Withdraw, and forget it. */
extern void need_drop(struct supervisor *, struct need *);
extern void need_enrol(struct supervisor *, struct need *);
extern void need_leave_place(struct supervisor const *, struct need *);
/* Closes what our epoll instance listens to. */
extern void needs_deafen(struct supervisor const *, int fd);
/* Say what is impossible (errno), and try again in a moment. */
extern void need_unable(struct supervisor *, char const *what, char const *name);

/* cycle.c: does `name` need us, by the links there are now (kind: by which)? 1 with the way in
 * words. */
extern int cycle_find(struct supervisor *, struct need const *, char text[NEEDS_TEXT]);

/* Is it waiting in a stop, directly or by way of others, for us? */
extern int cycle_waits(struct supervisor *, char const *name);

/* hold.c */
/* The scanner has noted that everything stops, or this service, which has vanished. */
extern int hold_is_to_go(struct supervisor const *);
/* Others need us: a poke came; or a supervisor begins. */
extern void hold_told(struct supervisor *);
extern void hold_recall(struct supervisor *);
/* A stop that the one before us had begun. */
extern void hold_go_on(struct supervisor *);
/* Which of these deeds are for later, because others are to go first. */
extern machine_deeds hold_back(struct supervisor *, struct machine const *before,
                               machine_deeds deeds);
/* 1 when this event is for later, because a oneshot is done and others are to go first. */
extern int hold_done(struct supervisor *, enum machine_event);
extern void hold_step(struct supervisor *);
extern struct deadline hold_deadline(struct supervisor const *);

#endif
