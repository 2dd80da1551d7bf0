/* lares-svnotify: runs SCAN/.lares/notify for each change of state of each service of a scan
 * directory.
 *
 * watched.c  which services there are, and how far each has been told
 * run.c      the program, run and ended
 * svnotify.c the loop
 *
 * One program runs at a time for a service, a few for all. What waits is not kept in memory: it
 * is in the journals, and read one record at a time.
 */

#ifndef LARES_SVNOTIFY_H
#define LARES_SVNOTIFY_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <lares/follow.h>
#include <lares/report.h>

/* The working directory is the scan directory. */
#define HOOK ".lares/notify"
#define HOOK_LOCK ".lares/notify.lock"
#define RUNS ".lares/run" /* which services have supervisors: lares-svscan's records */

#define RUNS_MOST 4        /* programs at a time */
#define RETRY_MS 1000      /* after a program that could not be started */
#define OPEN_MS 50         /* a supervisor is about to make its directory; asked again ... */
#define OPEN_MOST_MS 60000 /* ... so long */
#define END_MS 3000        /* from being told to end to the end */

/* What the program is to be told. */
struct notice {
  uint8_t is_lost;
  struct history_record record;
  uint64_t first, last; /* lost */
};

struct watched {
  char *name;   /* owned: "web" or "web/log" */
  char *mark;   /* owned: what its record says, DEV:INO:PATH */
  char *path;   /* owned: of the service directory */
  char dir[32]; /* the same by a descriptor, so that it may be moved; */
  int fd;       /* owned, -1: path is used */
  struct follow follow;
  uint8_t is_open, is_listed;
  uint8_t more;                  /* there may be something to read */
  struct notice waiting[2];      /* a range that is lost, and the record behind it */
  uint8_t count;                 /* of them */
  uint64_t latest;               /* number in the state when last looked at */
  struct deadline look, give_up; /* of opening it, or reading what could not be read */
  pid_t pid;                     /* of the program that runs for it, 0 */
  struct deadline until;
};

struct notifier {
  struct watched **all; /* owned; by name */
  unsigned count, room;
  unsigned next; /* who is served next */
  unsigned running;
  uint32_t timeout_ms;
  struct rlimit files;  /* as we found it */
  struct stamp since;   /* the hook was put there; what happened before is not told */
  struct deadline hold; /* nothing is run before */
  struct deadline end;  /* nothing runs after */
  struct deadline list; /* what could not be listed is tried again */
  uint8_t ending, hook_gone, complained, unreadable, said_no_list, said_not_told;
};

/* watched.c */
extern void watched_list(struct notifier *);
/* The next thing to be told of it, in waiting: 1, or 0 when there is none just now. */
extern int watched_read(struct notifier *, struct watched *);
/* It has been told: remembered. */
extern void watched_told(struct notifier *, struct watched *);
extern void watched_try_open(struct notifier *, struct watched *);
extern void watched_remove_gone(struct notifier *);
extern void watched_forget_all(struct notifier *);

/* run.c */
extern void run_hook(struct notifier *, struct watched *);
extern void run_reap(struct notifier *);
extern void run_deadlines(struct notifier *, struct deadline now);

#endif
