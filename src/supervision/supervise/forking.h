/* Daemons that go into the background: what forking.c, left.c and pidfile.c offer. */

#ifndef LARES_SUPERVISE_FORKING_H
#define LARES_SUPERVISE_FORKING_H

#include <stdint.h>
#include <sys/types.h>

#include <lares/child.h>
#include <lares/clock.h>
#include <lares/report.h>
#include <lares/status.h>
#include <lares/svdir.h>

struct supervisor;

/* Where a daemon is that goes into the background (forking.c). */
enum forking { FORKING_NOT, FORKING_LAUNCHING, FORKING_LEFT, FORKING_SETTLED };

#define FORKING_QUIET_MS 100 /* alone for so long: it will not fork and end once more */

/* What is read of a pid file, and what is wrong with it. */
struct pid_file {
  char path[SVDIR_PATH];
  char const *wrong, *detail; /* two parts of one text, the number between them */
  char number[REPORT_NUMBER];
  struct stamp changed;
  uid_t owner;
  pid_t pid;
};

/* forking.c: from a start, or from `child`; 1 when the end of a process is not the service's;
 * no main process is chosen yet, and everybody who may become it gets the signals. */
extern void forking_born(struct supervisor *, struct child_plan const *);
extern void forking_resume(struct supervisor *, struct identity_record const *);
/* What runs was started by a supervisor that died; not by ourselves, before we became another
 * program. */
extern int came_after_another(struct supervisor const *);
extern int forking_goes_on(struct supervisor *, int32_t wstat);
extern int forking_is_unsettled(struct supervisor const *);
extern void forking_signal(struct supervisor *, int sig);
extern struct launch forking_launch(struct supervisor const *);
extern void forking_settle(struct supervisor *, struct child const *);
/* The main process is in place: tell the machine. */
extern void forking_tell(struct supervisor *);
/* While the main process is there: which is its process group? */
extern void forking_find_group(struct supervisor *);
/* left.c: begin to look; look; look for the last time: 1 when it is settled, however late. */
extern void forking_look_first(struct supervisor *);
extern void forking_look(struct supervisor *);
extern int forking_in_time(struct supervisor *);
/* The process that the pid file names, if it is one of ours: 1 with *main, or 0. */
extern int forking_named(struct supervisor *, struct child *main, struct pid_file *);
/* pidfile.c: 1 with pid, changed and owner; 0 with wrong and detail. */
extern int pid_file_read(struct pid_file *);
extern int pid_file_is_trusted(struct pid_file const *, struct stamp const *launched);

#endif
