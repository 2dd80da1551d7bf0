/* lares-svscanctl: what its files share. The working directory is the scan directory. */

#ifndef LARES_SVSCANCTL_H
#define LARES_SVSCANCTL_H

#include <stddef.h>
#include <stdint.h>

#include <lares/clock.h>

#define LOCK ".lares/lock"
#define CONTROL ".lares/control"
#define REFUSED ".lares/refused"
#define BINDIR ".lares/bindir"
#define NEXT_BINDIR ".lares/bindir.next"
#define EVENTS ".lares/event"
#define NOTE ".lares/program" /* a link to it, made anew by a scanner that begins */
#define LOOK_MS 50            /* between two looks while waiting */
#define BEGIN_MS 2000         /* until a scanner that has just begun reads what it is told */
#define PATH_SIZE 4096

/* --- look.c --- */

/* Is the lock held? *pid: its holder, 0 when the file does not say. errno is EACCES when that
 * cannot be known, else 0. */
extern int look_at_lock(char const *file, int32_t *pid);
/* Calls each for every supervisor of the scan directory: name ("web", "web/log") and pid.
 * *closed: so many directories we may not look into. 1, or 0 with errno. */
extern int look_at_supervisors(void (*each)(void *context, char const *name, int32_t pid),
                               void *context, unsigned *closed);
/* Does pid run that file? */
extern int look_runs(int32_t pid, char const *path);
/* Does pid run the file bindir/program? Without bindir: the one that is now at the path it was
 * started from. */
extern int look_is_new(int32_t pid, char const *bindir, char const *program);

/* --- bereft.c --- */

/* Processes that hold the files of a supervise/ that was taken away. */
struct bereft {
  int32_t *list; /* owned */
  size_t count;
};
extern void bereft_read(struct bereft *);
/* The one that supervises this directory ("web", "web/log"), or 0. */
extern int32_t bereft_find(struct bereft const *, char const *name);

/* --- tell.c --- */

/* Ends the program unless a scanner runs here that can do what the letter asks for; scandir is
 * the name to say. */
extern void tell_find_scanner(char const *scandir, char letter);
/* Write a letter to the scanner's control FIFO. Ends the program where that is impossible. */
extern void tell_scanner(char letter);
/* Wait until the scan lock is free; EXIT_DONE or EXIT_TIMEOUT. For a stop that takes long it is
 * said what holds it up. */
extern int tell_wait_gone(struct deadline until, int is_stop);
/* After a stop: EXIT_DONE, or EXIT_NO and a message when supervisors are left. */
extern int tell_left_behind(void);

/* --- rescan.c, list.c: the exit code --- */

/* Tell the scanner, and wait until it has looked, and everything that can run is supervised,
 * and nothing else. */
extern int rescan(struct deadline until);
extern int list_entries(void);

/* --- check.c --- */

/* Of the service directories here, or of the one that this is; scandir is its name to say. */
extern int check_entries(char const *scandir);

/* --- upgrade.c --- */

/* bindir: absolute, or 0. The exit code. */
extern int upgrade_tree(char const *bindir, struct deadline until);

#endif
