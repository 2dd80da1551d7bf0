/* lares-svscan: what its files share.
 *
 * An entry is a name in the scan directory; it has two slots, one for the supervisor of the
 * service and one for that of its log/. Whatever happens (a death, a change of the directory, a
 * deadline) ends in slot_ or entry_ functions; the loop only distributes. Nothing is kept that
 * a new scanner could not find again: supervisors by their locks, the rest in .lares/.
 *
 * The working directory is the scan directory, so that it may be moved and every path is short.
 */

#ifndef LARES_SVSCAN_H
#define LARES_SVSCAN_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <lares/channel.h>
#include <lares/child.h>
#include <lares/clock.h>
#include <lares/report.h>
#include <lares/shortage.h>

#include "definition.h"
#include "entry.h"
#include "index.h"
#include "upgrade.h"

#define SETTLE_MS 200   /* a copied directory must have been quiet for this long */
#define FRESH_MS 50     /* and the name of a new link must have stayed */
#define AWAY_MS 200     /* a definition must have been away for this long to be gone */
#define RETRY_MS 1000   /* after a failed system call */
#define NO_POLL_MS 100  /* and after one that we wait by */
#define POLL_MS 5000    /* between two looks where changes are not reported */
#define FIRST_ASK_MS 10 /* until a supervisor just started is looked at again */
#define FIRST_ASKS 200  /* so many times, then it is signalled all the same */
#define START_BATCH 64  /* so many starts, then signals are looked at */
#define MOST_DEATHS                                                                            \
  35 /* in a row, each soon after the start, then a stop goes on without it                    \
      */
#define RUN_LONG_MS 1000       /* a supervisor that lived this long had a good run */
#define PATH_SIZE 4096         /* of every path put together here */
#define BINDIR ".lares/bindir" /* names the directory of the programs, since an upgrade */
#define NEXT_BINDIR ".lares/bindir.next" /* of those to upgrade to */
#define REFUSED ".lares/refused"         /* a link: why there was no upgrade */
#define UNTAKEN ".lares/untaken"         /* the same from the probe to us */
#define SCRIPTS 8 /* signal scripts known by pid; more are reaped as strangers */

/* What is reported once and, when it is over, may be reported anew. */
enum trouble {
  TROUBLE_LIST = 1,
  TROUBLE_WATCH = 2,
  TROUBLE_MEMORY = 4,
  TROUBLE_START = 8,
  TROUBLE_EXEC = 16,
  TROUBLE_HOME = 32,
  TROUBLE_PROBE = 64,
  TROUBLE_POLL = 128,
  TROUBLE_NOTE = 256,
  TROUBLE_LOOK = 512,
  TROUBLE_CONTROL = 1024,
  TROUBLE_READ = 2048,
  TROUBLE_BUILD = 4096,
  TROUBLE_HOOK = 8192,
  TROUBLE_STORE = 16384,
  TROUBLE_TELL = 32768
};

struct hook {
  struct deadline moment; /* when to start it again, or to kill it */
  struct deadline started;
  int32_t pid;
  int pipe; /* owned, -1: its standard input */
  uint8_t deaths, ending;
};

struct scan {
  struct child_abilities abilities;
  struct entry **table; /* owned; holes are null */
  uint32_t size, top;   /* allocated, used up to */
  uint32_t hole;        /* no hole below this number */
  uint32_t living;      /* entries with supervisors, or to have some */
  uint32_t unsure;      /* slots with SLOT_UNSURE */
  struct index by_name, by_inode, by_pid;
  struct deadline next;      /* earliest moment of any slot; never too late */
  struct deadline rescan_at; /* a full scan is due */
  struct deadline hold;      /* nothing is started before */
  struct deadline kill_at, give_up_at;
  struct deadline ping_at; /* a sign of life is due, every ping_ms */
  uint32_t ping_ms;
  char const *path;   /* of the scan directory as given, absolute */
  char const *bindir; /* -b, absolute; 0 */
  char const *given;  /* -g, absolute; 0 */
  char const *cgroup; /* in which services get cgroups of their own; 0 */
  char const *const *envp, *const *argv;
  char const **one_more;     /* in envp: a variable for one supervisor, 0 */
  char supervise[PATH_SIZE]; /* the program, absolute, its links not resolved */
  struct rlimit files;       /* as we found it */
  uint64_t dev, ino;         /* of the scan directory */
  uint32_t stop_ms;          /* -T, 0 none */
  uint32_t troubles;         /* enum trouble */
  uint16_t idle_hooks;       /* bits, of path_hook(): said not to be executable */
  uint32_t unbuilt;          /* TROUBLE_BUILD: hash of the name that cannot be built, 0 none */
  int signals;               /* the self-pipe */
  int lock;                  /* owned, -1 */
  struct definitions definitions;
  int store; /* owned, -1: see store.c */
  struct channel control;
  struct upgrade upgrade;
  struct hook hook;
  int inotify;      /* owned, -1 */
  int watch;        /* inotify's number for the scan directory, -1 */
  int epoll;        /* owned, -1; pidfds of supervisors found running */
  uint8_t keep;     /* -k */
  uint8_t has_home; /* .lares/ is usable */
  uint8_t unfound;  /* not every record in it could be looked at */
  uint8_t unlisted; /* nor every name in the scan directory */
  uint8_t asked;    /* to look at everything, and who has asked is not told yet */
  uint8_t unseen;   /* some of them could not, just now */
  uint8_t put_off;  /* a stop that waits for that: how often it has been tried */
  uint8_t polls;    /* changes are looked for every POLL_MS */
  uint8_t lost;     /* the scan directory is not there any more */
  uint8_t new_name; /* scan_new_name is at work */
  uint8_t arrived;  /* something was taken up: who waits for it is to be told */
  uint8_t essentials_seen;
  uint8_t essential; /* the stop is for a service that ended: the code is its */
  uint8_t announced; /* that what was there at the start has been started */
  uint8_t stopping, leave, killed, limited; /* limited: `files` is not what we have */
  int code;                                 /* to exit with */
  int32_t scripts[SCRIPTS];                 /* signal scripts that run, 0 */
};

/* table.c */
extern struct entry *entry_new(struct scan *, char const *name, uint64_t dev, uint64_t ino,
                               enum entry_phase);
extern void entry_free(struct scan *, struct entry *);
extern struct entry *entry_find(struct scan const *, char const *name);
/* Take its name away, so that another entry may bear it. */
extern void entry_unname(struct scan *, struct entry *);
/* The entry that has this directory, aliases not counted. */
extern struct entry *entry_of_inode(struct scan const *, uint64_t dev, uint64_t ino);
/* An entry with this phase that has this directory. */
extern struct entry *entry_alias_of(struct scan const *, uint64_t dev, uint64_t ino);
extern int pid_add(struct scan *, struct entry *, enum which, int32_t pid);
extern void pid_remove(struct scan *, struct entry *, enum which, int32_t pid);
extern struct entry *pid_find(struct scan const *, int32_t pid, enum which *);

/* names.c */
struct verdict {
  uint64_t dev, ino;
  int reason;  /* errno, 0 for a directory, ENOENT for nothing at all */
  int is_link; /* or what it is is not known */
};
extern void name_judge(char const *name, struct verdict *);
/* Say why it is no service. */
extern void name_report(char const *name, int reason);

/* trouble.c */
/* May this trouble be reported? Then it counts as reported until trouble_over. errno is kept.
 */
extern int trouble(struct scan *, enum trouble);
extern void trouble_over(struct scan *, enum trouble);
/* After a failure, errno: look at everything again when that may have passed, sooner what is a
 * matter of moments. */
extern void try_again(struct scan *);
extern void need_look(struct scan *, struct deadline);

/* loop.c */
extern void loop_run(struct scan *);
/* QUIT, or told so: not for pid 1. */
extern void loop_leave(struct scan *);
/* A read() has failed; errno says why. */
extern void loop_cannot_read(struct scan *, char const *what);
/* resumed: every signal is blocked, and those that came meanwhile count. */
extern int loop_start(void);

/* scan.c */
extern void scan_all(struct scan *);
extern void scan_name(struct scan *, char const *name);
/* The same of a name that has just been made, which may be about to be renamed. */
extern void scan_new_name(struct scan *, char const *name);
extern void scan_rescan(struct scan *);
/* A full scan at that time, or in so many milliseconds, unless one is due earlier. */
extern void scan_at(struct scan *, struct deadline when);
extern void scan_later(struct scan *, uint32_t ms);

/* settle.c */
extern void settle_begin(struct scan *, struct entry *);
/* The same in FRESH_MS. */
extern void settle_later(struct scan *, struct entry *);
extern void settle_look(struct scan *, struct entry *);
extern void settle_look_log(struct scan *, struct entry *);
/* Watch again what it needs to be told of. */
extern void settle_watch(struct scan *, struct entry *);
/* Something changed in its directory, or in log/. */
extern void settle_touched(struct scan *, struct entry *, int watch, char const *name);

/* watch.c */
extern void watch_start(struct scan *);
extern void watch_all(struct scan *);
/* Changes there may go unreported: then everything is looked at every POLL_MS. */
extern void watch_check_remote(struct scan *, char const *path);
extern void watch_end(struct scan *);
/* Watch a directory: its number, or -1. */
extern int watch_add(struct scan *, char const *path);
/* Watch only for what appears in it. */
extern int watch_add_appearing(struct scan *, char const *path);
/* Only what appears in it is of interest from now on. */
extern void watch_reduce(struct scan *, char const *path, int watch);
extern void watch_target(struct scan *, struct entry *);
/* Stop watching, unless it serves somebody else. */
extern void watch_drop(struct scan *, int *watch);

/* changes.c */
extern void watch_read(struct scan *);

/* slot.c */
extern void slot_start(struct scan *, struct entry *, enum which);
/* Its supervisor is no more; wstat or WSTAT_UNKNOWN. The entry may be gone afterwards. */
extern void slot_ended(struct scan *, struct entry *, enum which, int32_t wstat);
extern int slot_busy(struct slot const *);
/* A deadline of the slot has passed. The entry may be gone afterwards. */
extern void slot_due(struct scan *, struct entry *, enum which);
/* Being stopped, and no supervisor of it runs: has one something to do still? */
extern int slot_is_owed(struct scan *, struct entry *, enum which);
/* The service's or log's directory and, below it, a file. 1, or 0 with errno. */
extern int slot_path(struct scan const *, struct entry const *, enum which, char const *file,
                     char buf[PATH_SIZE]);
extern char const *slot_name(struct entry const *, enum which, char buf[PATH_SIZE]);

/* moved.c */
/* Does its name lead to another directory, or nowhere? Then it is ENTRY_VANISHED from now on,
 * and a scan is due, which stops it. -1: that cannot be told now. */
extern int moved_look(struct scan *, struct entry *);
/* slot_path, of a directory that has vanished also when it was moved. 1, or 0 with errno. */
extern int moved_path(struct scan *, struct entry *, enum which, char buf[PATH_SIZE]);
/* The same for what is done with it from now on, if a supervisor of it has died. */
extern void moved_search(struct scan *, struct entry *);
/* Is its supervisor in what has taken its name? -1: that cannot be told now. */
extern int moved_is_astray(struct scan *, struct entry *, enum which);
/* Is something of it left where nobody finds it? *pid: what, 0 when that is not known. */
extern int moved_is_lost(struct entry const *, int32_t *pid);

/* found.c */
enum probe { PROBE_FREE, PROBE_HELD, PROBE_FAILED };
extern enum probe found_probe(struct scan *, struct entry *, enum which);
/* That supervisor is its from now on. The pidfd is taken, -1 none. */
extern void found_take(struct scan *, struct entry *, enum which, int32_t pid, int pidfd);
/* Its supervisor has ended, as our child, and was not reaped: taken for the slot's again. */
extern int found_dead(struct scan *, struct entry *, enum which);
extern void found_read(struct scan *);
extern void found_look(struct scan *, struct entry *, enum which);
extern void found_forget(struct scan const *, struct slot *);

/* outside.c */
/* It has no log/: does a supervisor of its logger run in one that was taken away? 1: it is the
 * slot's now. -1: that cannot be told. */
extern int outside_find(struct scan *, struct entry *);

/* orphan.c */
extern void orphan_reap_all(struct scan *);
/* The supervisor of this slot died: does what it left belong to us? */
extern void orphan_expect(struct scan *, struct entry *, enum which);
extern void orphan_forget(struct scan *, struct entry *, enum which);
/* Our child, a zombie included, and the one that signed in. */
extern int orphan_is_ours(struct scan const *, struct identity const *);
/* Does a process of the service live though its supervisor does not? */
extern int orphan_lives(struct scan *, struct entry *, enum which);

/* stop.c */
/* The name leads elsewhere or nowhere: stop it, or with -k let it be. */
extern void entry_vanished(struct scan *, struct entry *);
extern void entry_stop(struct scan *, struct entry *);
/* Next step of an entry being stopped or kept. It may be gone afterwards. */
extern void entry_advance(struct scan *, struct entry *);
extern void slot_ask(struct scan *, struct entry *, enum which);
/* Does its supervisor hold `ok` open, and so its control FIFO and signals? 1 also where there
 * is no path to ask. */
extern int slot_listens(struct scan *, struct entry *, enum which);
extern void stop_begin(struct scan *);
extern void stop_deadlines(struct scan *, struct deadline now);
/* Write to its control FIFO. */
extern void slot_poke(struct scan *, struct entry *, enum which, char const *letters);

/* essential.c */
/* Has an essential service ended for good? Then everything is stopped. */
extern void essential_look(struct scan *);
/* Look, in so many milliseconds. */
extern void essential_later(struct scan *, unsigned ms);

/* logpipe.c */
extern void logpipe_hold(struct scan *, struct entry *);
extern void logpipe_let_go(struct entry *);
/* Being stopped, and no supervisor of the logger runs: has one something to do still? died: it
 * was killed at its work. */
extern int logpipe_is_owed(struct scan *, struct entry *, int died);

/* home.c */
#define HOME_RUN ".lares/run"
/* 1, or 0: another scanner has the directory (*holder its pid), or it cannot be used (*holder
 * 0; that is said, and no reason not to go on). */
extern int home_open(struct scan *, int32_t *holder);
/* From then on we can be told things. */
extern void home_listen(struct scan *);
/* .lares is that of another user's scanner. */
extern int home_is_foreign(uid_t *owner);
/* Tell those who had us look at everything, if all has been looked at. */
extern void home_tell_rescan(struct scan *);
/* Tell those who wait for what was missing. */
extern void home_tell_arrival(struct scan *);
extern int home_intact(struct scan const *);
extern void home_record(struct scan *, struct entry *);
/* It has been moved there. 1, or 0 with errno. */
extern int home_record_at(struct entry *, char const *path);
extern void home_unrecord(struct scan *, struct entry *);
/* Where a recorded directory was; 1 only if it still is there. */
extern int home_recorded_path(struct entry const *, char buf[PATH_SIZE]);
extern void home_find_vanished(struct scan *);
/* The same of a name that leads to something new, if there may be such. 1: that cannot be told
 * now, and is tried again. */
extern int home_find_moved(struct scan *, char const *name);
/* Supervisors run in a directory that was built and is not defined any more, and that nobody
 * noted: stop them. 0 when there are none. */
extern int home_stop_undefined(struct scan *, char const *name, uint64_t dev, uint64_t ino);
extern void home_stopping(struct scan *);
extern int home_was_stopping(struct scan *);
extern void home_stopped(void);
/* We end with a code that lares-init would take for a failure of ours: it is a service's. */
extern void home_ended(struct scan const *);

/* going.c */
/* A supervisor is told to go because its directory has vanished; was it, by whichever scanner;
 * it has ended. */
extern void going_note(struct scan *, struct entry const *, enum which);
/* 1 or 0; -1: that cannot be told now. */
extern int going_was_told(struct scan const *, struct entry const *, enum which);
extern void going_forget(struct entry const *, enum which);
/* A name in run/ with a dot before: no such note, or of one that has gone, it is removed. */
extern void going_check(struct scan const *, char const *name);

/* store.c */
extern void store_begin(struct scan *);
extern int store_intact(struct scan const *);
extern void store_read(struct scan *);
extern void store_drop(struct slot *);
/* A supervisor was found, by whoever it was started: it is to give what it has. */
extern void store_ask(struct scan *, struct entry *, enum which);
/* Over the exec of an upgrade, and back. */
extern void store_keep(struct scan const *, int keep);
extern void store_resume(struct scan *);

/* delegated.c */
/* Find out in which cgroup services get their own: -g, or the one that we are in if it was
 * delegated to us; 0 for none. Dies of a -g that cannot be used, unless it has to go on. */
extern char const *delegated_cgroup(char const *given, int must_go_on);

/* lost.c */
/* Is the scan directory still what its path leads to? Sets or clears `lost`. */
extern void lost_check(struct scan *);
/* Nothing is in the directory that a scan would take, or it cannot be listed. */
extern int lost_is_empty(char const *path);

/* notify.c: telling whoever set NOTIFY_SOCKET, if anybody did. */
extern void notify_begin(struct scan *);
extern void notify_ready(struct scan *);
extern void notify_reloading(struct scan *);
extern void notify_stopping(struct scan *);
extern void notify_end(struct scan *);
extern void notify_alive(struct scan *, struct deadline now);

/* hook.c */
/* Start lares-svnotify if .lares/notify is there. */
extern void hook_look(struct scan *);
/* A supervisor was started, or is no more: there may be other services to be told of. */
extern void hook_tell(struct scan *);
/* Was it that? */
extern int hook_reaped(struct scan *, int32_t pid, int32_t wstat);
extern void hook_deadline(struct scan *, struct deadline now);
/* At the end of a stop: let it tell what is left to tell. 1 while it is to be waited for. */
extern int hook_ends(struct scan *);

/* script.c */
/* Say which of the programs that we would run are there and cannot be, unless that was said. */
extern void script_look(struct scan *);
extern int script_run(struct scan *, int sig);
/* Become .lares/NAME, if it is there. */
extern void script_become(struct scan *, char const *name);
/* Was it one of ours? */
extern int script_reaped(struct scan *, int32_t pid);

/* program.c */
/* Find lares-supervise; asked in the scan directory. 1, or 0 with errno and nothing changed. */
extern int program_find(struct scan *);
/* It could not be executed: it may be elsewhere by now. */
extern void program_find_again(struct scan *);
/* Say in .lares which it is. */
extern void program_note(struct scan *);

/* spawn.c */
/* 1 with *pid, or 0 with errno: no process was made. *failed: errno of its exec, 0. */
extern int spawn_program(struct scan *, char const *file, char const *const *argv, int32_t *pid,
                         int *failed);
/* The same with a descriptor of ours that it gets as `to`, -1 none. */
extern int spawn_giving(struct scan *, char const *file, char const *const *argv, int to,
                        int give, int32_t *pid, int *failed);
extern char const *const *spawn_environment(struct scan *);
extern void spawn_raise_limit(struct scan *);
extern void spawn_restore_limit(struct scan const *);

#endif
