/* lares-init: what its files share.
 *
 * As pid 1 of a container or pid namespace its end is the end of everything, so it does as
 * little as can be: it starts lares-svscan, starts it again when it dies, hands signals on, and
 * reaps. After the start nothing is allocated, and nothing that fails ends it.
 *
 * The working directory is the scan directory, as the scanner's is.
 */

#ifndef LARES_INIT_H
#define LARES_INIT_H

#include <stdint.h>

#include <lares/child.h>
#include <lares/clock.h>

#define PATH_SIZE 4096
#define ARGUMENTS 12
#define RETRY_MS 1000    /* after a failed system call */
#define RUN_LONG_MS 1000 /* a scanner that lived this long had a good run */
#define ASK_MS 10        /* until a scanner that has hardly begun is looked at again */
#define ASK_MOST_MS 2000 /* so long, then it is signalled all the same */

#define RECORDS ".lares/run"
#define CONTROL ".lares/control"
#define BINDIR ".lares/bindir"

struct init {
  struct child_abilities abilities;
  char const *path;        /* of the scan directory, absolute */
  char const *bindir;      /* -b, absolute; 0 */
  char const *keep, *ms;   /* -k; the argument of -T; 0 */
  char const *definitions; /* -d, absolute; 0 */
  char const *cgroup;      /* -g, absolute; 0 */
  char beside[PATH_SIZE];  /* lares-svscan where we are ourselves; "" unknown */
  struct deadline due;     /* a scanner is to be started; never while one runs */
  struct deadline ask;     /* whether the scanner listens by now; never when nothing waits */
  struct deadline began;   /* the present scanner */
  int32_t scanner;         /* our child, 0 */
  uint32_t waiting;        /* signals it is still to get: bits, by index in forwarded[] */
  unsigned deaths;         /* in a row, each soon after the start */
  int dir;                 /* owned: the scan directory */
  int signals;             /* the self-pipe */
  int code;                /* to exit with */
  uint8_t first;           /* we are pid 1 */
  uint8_t listens;         /* the scanner handles signals */
  uint8_t been_up;         /* some scanner has had a good run */
  uint8_t stopping;        /* it was told to stop everything */
  uint8_t over;            /* so are we */
  uint8_t deaf;            /* signals could not be read: said once */
  uint8_t unstartable, unnoted; /* trouble that was reported and is not over */
};

/* scanner.c */
extern void scanner_start(struct init *);
/* It has ended, as wait() gives it, and was reaped. */
extern void scanner_ended(struct init *, int32_t wstat);

/* signals.c */
/* The self-pipe's descriptor, or -1 with errno. */
extern int signals_begin(void);
extern void signals_read(struct init *);
/* What waits is sent if the scanner listens. */
extern void signals_deliver(struct init *);
/* The next scanner is to stop everything, if this one was. */
extern void signals_stop_again(struct init *);

/* orphans.c */
extern void orphans_reap(struct init *);
/* How many entries of the scan directory have supervisors, as far as the scanner noted it. */
extern unsigned orphans_supervised(void);
/* Stand where the path of the scan directory leads, if it leads anywhere. */
extern void orphans_follow_directory(struct init *);

#endif
