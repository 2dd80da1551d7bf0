/* Processes: proving who one is, starting the service's, learning their end, ending a tree.
 *
 * A pid is only ever signalled while it is known to be ours: an unreaped child, or a process
 * whose pidfd we hold. Rules R1 to R3 of doc/DESIGN.md section 8 live here.
 */

#ifndef LARES_CHILD_H
#define LARES_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include <lares/clock.h>
#include <lares/status.h>

/* --- identity ------------------------------------------------------------------------------
 */

/* What this kernel offers, asked once at the start of a program. */
struct child_abilities {
  uint64_t boot; /* of this boot, or life of a container; 0 when it cannot be read */
  uint8_t pidfd; /* pidfd_open works (Linux 5.3) */
  uint8_t pidfs; /* and its inode identifies a process (Linux 6.9) */
};
/* 1, or 0 with errno when it could not be learnt just now: whoever went on as if there were
 * nothing would not recognise what others have recorded, and start it twice. */
extern int child_probe_abilities(struct child_abilities *);
/* The same as text, for a program that a program starts: sixteen hexadecimal digits of the
 * boot, then pidfd and pidfs, each 0 or 1. It holds as long as neither leaves its pid
 * namespace. */
#define ABILITIES_LENGTH 18
#define ABILITIES_VARIABLE "LARES_KERNEL"
/* What a scanner calls a service ("web", "web/log") that its supervisor finds by a path alone.
 */
#define ENTRY_VARIABLE "LARES_ENTRY"
extern void child_abilities_text(char text[ABILITIES_LENGTH + 1],
                                 struct child_abilities const *);
extern int child_abilities_scan(char const *text, struct child_abilities *); /* 1, or 0 */

/* Who is pid? 1, or 0 with errno (ESRCH: nobody). pid may be the caller itself. */
extern int identity_of(struct child_abilities const *, pid_t pid, struct identity *);

/* The caller, who may have become pid 1 of a namespace just now: as it is seen outside. */
extern int identity_of_self(struct child_abilities const *, struct identity *);

enum identity_proof {
  IDENTITY_LIVES, /* *pidfd is its pidfd, close-on-exec, owned by the caller; -1 without pidfds
                   */
  IDENTITY_GONE,
  IDENTITY_UNPROVABLE /* errno says why; with a pid that answers it must be taken for alive */
};
/* A zombie lives in this sense where there are pidfds: its own is readable at once. */
extern enum identity_proof identity_prove(struct child_abilities const *,
                                          struct identity const *, int *pidfd);

/* What LARES_ID says in a service's environment: `BOOT-INSTANCE-SERVICE`, three hexadecimal
 * numbers of 16 digits. An instance is known by the inode of its pidfd, or its start time; a
 * service by the file that its supervisor locks, as two services may have one name. */
struct service_id {
  uint64_t boot, instance, service;
};
#define SERVICE_ID_LENGTH 50
#define SERVICE_ID_SERVICE 34 /* where in the text the service stands */
/* The service whose lock that is: 1, or 0 with errno. */
extern int service_of_lock(int lock, uint64_t *service);
/* The instance that this process is. */
extern uint64_t service_instance(struct identity const *);
/* 16 digits. */
extern void service_id_number(char *at, uint64_t);
/* 1, or 0: that is no such text. */
extern int service_id_scan(char const *text, struct service_id *);

/* How a process that is not our child ended, in the order of reference/feasibility.md section
 * 1: PIDFD_GET_INFO, /proc/PID/stat of a zombie, PIDFD_GET_INFO again, then the note file.
 * Never waits. WSTAT_UNKNOWN when none of them knows (yet). note: the file `exit`, or 0. */
extern int32_t identity_wstat(struct identity const *, int pidfd, char const *note);

/* --- the lock ---------------------------------------------------------------------------- */

enum lock_outcome { LOCK_TAKEN, LOCK_HELD, LOCK_IN_FLIGHT, LOCK_FAILED };
/* flock file (made 0600 when missing) and sign it. *fd: close-on-exec, owned; -1 unless taken.
 * LOCK_HELD: *holder is alive. LOCK_IN_FLIGHT: the holder is dead and only a child of its that
 * has not become its program yet still shares the lock; try again soon. LOCK_FAILED: errno. */
extern enum lock_outcome lock_take(struct child_abilities const *, char const *file, int *fd,
                                   struct identity *holder);
/* The holder may have been killed just now, and have its lock until it has died: 1 when it has
 * ended (a zombie has), 0 when it lives on so long, or nobody knows who it is. */
extern int lock_await_end(struct child_abilities const *, struct identity const *holder,
                          unsigned most_ms);

/* --- one process ----------------------------------------------------------------------------
 */

/* A process of ours or adopted. Only child_reap and child_forget clear it. */
struct child {
  struct identity who; /* pid 0: none */
  int pidfd;           /* owned; -1 when it is our own child */
};
#define CHILD_NONE ((struct child){.who = {.pid = 0}, .pidfd = -1})

/* Send a signal: 1, or 0 with errno (ESRCH: it is gone, or there is none). One that is not our
 * child and has no pidfd is proven by its start time first. */
extern int child_signal(struct child const *, int sig);
/* To its process group (a group of its own, whose leader it is). */
extern int child_signal_group(struct child const *, int sig);
/* The same of one that need not lead it; never to a group of our own session (EPERM). */
extern int child_signal_group_of(struct child const *, int sig);
/* Has our own child ended? 1 with *wstat, left unreaped; 0 not; -1 with errno (ECHILD). */
extern int child_peek(pid_t pid, int32_t *wstat);
/* The same of any child of ours: 1 with *pid and *wstat, 0 nobody has ended, -1 there is none.
 */
extern int child_peek_any(pid_t *pid, int32_t *wstat);
/* Reap what child_peek saw. */
extern void child_reap(pid_t pid);
extern void child_forget(struct child *);

/* --- the note ------------------------------------------------------------------------------
 */

/* R4: whoever inherits the process of a dead supervisor leaves how it ended in `exit`, before
 * it reaps it, for the supervisor that comes next. DIR is the directory of a service or logger.
 */

/* What DIR/supervise/child says, if a process is on record there: 1, or 0 with errno. */
extern int note_read_child(char const *dir, struct identity_record *);
/* Our child, a zombie included, and the one that signed in as who. */
extern int note_is_ours(struct child_abilities const *, struct identity const *who);
/* The process that signed in there lives (a zombie included), whoever its parent is. */
extern int note_lives(struct child_abilities const *, char const *dir);

enum note { NOTE_LEFT, NOTE_NOT_ITS, NOTE_FAILED };
/* NOTE_NOT_ITS: pid is not what is on record there as running. NOTE_FAILED: errno. pid is ours
 * and not reaped yet. */
extern enum note note_leave(struct child_abilities const *, char const *dir,
                            enum identity_writer, pid_t pid, int32_t wstat);

/* --- starting -------------------------------------------------------------------------------
 */

/* Milliseconds until a scanner or supervisor of ours is started again: deaths in a row, each
 * soon after the start, 1 and up; wstat of the last or WSTAT_UNKNOWN. */
extern uint32_t child_restart_delay(unsigned deaths, int32_t wstat);

#define CHILD_FDS 8
struct child_open {
  int to;           /* descriptor in the child */
  int from;         /* descriptor of ours to copy, borrowed; -1: open path */
  int flags;        /* of open() */
  char const *path; /* opened afresh in the child */
};

struct child_plan {
  /* in */
  struct child_abilities const *abilities;
  char const *file;
  char const *const *argv;
  char const *const *envp;
  int record;      /* fd of `child`, in which the child signs in; -1: none */
  uint8_t role;    /* enum machine_role */
  uint8_t forking; /* it is to go into the background: it signs in so */
  int cgroup; /* open directory of the cgroup that the child is to be in, borrowed; 0: none */
  char *id; /* a SERVICE_ID in a string of envp, where the child writes boot and instance; 0 */
  struct child_open fds[CHILD_FDS];
  unsigned fd_count;
  char
      *pid_text; /* in a string of envp, where the child writes its pid, PID_FMT + 1 bytes; 0 */
  uint8_t newpidns;     /* the first of a pid namespace of its own; who.pid is that outside */
  uint8_t dies_with_us; /* it gets KILL when we die; never a service */
  int drop;     /* a descriptor of ours that the child has closed when child_start returns; 0 */
  pid_t parent; /* whom it dies with, set by child_start */
  /* out, written by the child through the shared memory of vfork */
  struct identity who;
  struct deadline began;
  struct stamp started;
  int failed;     /* errno of what kept it from becoming the program, 0 */
  char const *at; /* what failed: "open", "exec" ... */
  int unrecorded; /* errno when it could not sign in (EINTR: killed before), else 0: the parent
                   * must */
  int unjoined;   /* errno when it is not in its cgroup, 0 */
  int unspaced;   /* errno when it has no namespace of its own, 0 */
};
/* vfork, sign in, session of its own, descriptors, empty signal mask, exec. The caller has all
 * signals it cares for blocked and none ignored. The pid, or -1 with errno when there is no
 * child; with plan->failed the child exists and is about to end with 126 or 127. */
extern pid_t child_start(struct child_plan *);

/* --- descendants ------------------------------------------------------------------------ */

/* Become subreaper: what the service leaves behind comes to us. 1, or 0 (not on this system).
 */
extern int tree_adopt_orphans(void);
/* Can descendants be seen at all? 1, or 0 with errno (ENOSYS: no, /proc is not there, or that
 * of another pid namespace). */
extern int tree_is_visible(void);
/* Our descendants. Only processes seen as children of ours or of theirs are signalled, by their
 * pids: killpg() would hit strangers once a group has ended and its number is another's. */
#define TREE_EXCEPT 6
struct tree_search {
  /* in */
  pid_t except[TREE_EXCEPT];   /* these and their descendants are not meant, 0 none */
  pid_t group;                 /* only those in this process group, 0 all */
  int sig;                     /* 0: they are only counted */
  struct cgroup const *unless; /* those in it get KILL and no other signal; 0 */
  uint8_t shallow; /* only children of ours; whom a dead process leaves becomes one */
  /* out */
  unsigned found;  /* zombies count until they are reaped */
  pid_t first;     /* one of them, 0 */
  uint8_t unknown; /* our children cannot be listed just now: there may be some */
};
extern void tree_search(struct tree_search *);
/* Signal all descendants of pid, which is a child of ours. */
extern void tree_signal_below(pid_t pid, int sig);
/* A cgroup (v2) of a service below a directory that was delegated to us. */
struct cgroup {
  int dir;        /* owned, -1 none */
  int events;     /* owned: cgroup.events; POLLPRI when the last one ends */
  char name[192]; /* in the delegated directory */
};
#define CGROUP_NONE ((struct cgroup){.dir = -1, .events = -1})
/* Is path in a cgroup2 file system? 1, or 0 with errno (ENOTSUP: another one). */
extern int cgroup_is(char const *path);
/* Make it, or find it made, below parent: 1, or 0 with errno. service, number: of LARES_ID. */
extern int cgroup_open(struct cgroup *, char const *parent, char const *service,
                       uint64_t number);
extern void cgroup_close(struct cgroup *);
/* Does anybody live in it or below? 1, 0, or -1 with errno (ENODEV: it was removed). Reading it
 * is what makes the next change be told. */
extern int cgroup_is_populated(struct cgroup const *);
extern int cgroup_has(struct cgroup const *, pid_t);
/* In that of any service? */
extern int cgroup_has_claimed(pid_t);
/* Move the caller into it: 1, or 0 with errno. It makes all processors agree first. */
extern int cgroup_join(int dir);
/* KILL to all in it and below, and to what they are forking: 1, or 0 with errno (ENOENT: before
 * Linux 5.14). */
extern int cgroup_kill(struct cgroup const *);
/* Those in it and below, as tree_search; except means these alone, not what they have forked.
 */
extern void cgroup_search(struct cgroup const *, struct tree_search *);
/* Close and remove it, with what cgroups are below: 1, or 0 with errno (EBUSY: it is in use).
 */
extern int cgroup_remove(struct cgroup *, char const *parent);

/* What an adopted process leaves behind is no descendant of ours but a child of whoever reaps
 * for its dead supervisor. It is the service's if it says so itself, by the LARES_ID in its
 * environment; if it is of the session that the process had made; or if it descends from one
 * that is. The pidfd is opened first, then the proof looked at, then the signal sent through
 * the pidfd. Ourselves and our ancestors are never meant. */
struct stray_search {
  /* in */
  struct service_id id; /* instance 0: of any instance of the service */
  pid_t reaper;   /* to whom they go, as far as it is known: only its reaping is unrest then;
                     looked at besides our ancestors; 0 */
  pid_t session;  /* proof, too: of this session ... */
  uint64_t until; /* ... and begun not later (field 22 of stat): it may be another's now */
  pid_t group;    /* only those in this process group, 0 all */
  pid_t except;   /* this one and its descendants are not meant, 0 none */
  int sig;        /* 0: they are only counted */
  struct cgroup const *cgroup; /* proof, too: in this one; these get KILL and no other signal,
                                  they have had it. 0: services have no cgroups */
  /* out */
  unsigned found;    /* that live, zombies not counted */
  unsigned unmarked; /* children of our scanner that no evidence gives to any service */
  pid_t first;       /* one of those found, 0 */
  int pidfd;         /* its pidfd, owned by the caller; -1 */
  uint8_t restless;  /* there was coming and going: nothing found means nothing */
  uint8_t unknown;   /* nor does it if descriptors or memory were short */
};
extern void strays_search(struct stray_search *);
/* A pidfd, to be told of its end: -1 with errno (ESRCH: it has ended). */
extern int process_watch(pid_t);
/* Now, in the clock ticks of field 22 of stat. */
extern uint64_t process_clock(void);
/* The parent of a process, 0 when it cannot be told; the name of its program, "" likewise. */
extern pid_t process_parent(pid_t);
/* Is there no such process, or only what its parent has not reaped? */
extern int process_has_ended(pid_t);
/* Does somebody live in this process group? 1 also where that cannot be seen. */
extern int process_group_lives(pid_t group);
#define PROCESS_NAME 16
extern void process_name(pid_t, char name[PROCESS_NAME]);
/* Does a process say that it is of this service (and instance, if that is not 0)? For somebody
 * who holds its pidfd, or knows in another way that the pid is still whose it was. */
enum stray_mark { STRAY_UNMARKED, STRAY_MATCHES, STRAY_OTHERS, STRAY_UNREADABLE };
extern enum stray_mark stray_mark_of(pid_t, struct service_id const *);

/* --- who speaks for a service ----------------------------------------------------------------
 *
 * Is a process part of this start of a service? The main process and all below it are, who is
 * of its session, who bears the start's id in the environment, and who is in the service's
 * cgroup without bearing another's. One that has ended is known as long as it is not reaped. */

struct membership {
  pid_t main;                  /* 0 none */
  struct service_id id;        /* of this start */
  struct cgroup const *cgroup; /* 0 none */
};
extern int process_is_of(pid_t, struct membership const *);
/* The same of one that lives, which is to become the main process: *child is it, its pidfd
 * owned by the caller, -1 for a child of ours. */
extern int process_take(struct child_abilities const *, pid_t, struct membership const *,
                        struct child *);

/* --- what a launcher leaves in the background ------------------------------------------------
 *
 * What has come out of one start of a service, when the process started is no more: children of
 * ours that bear its id in their environment or, where a program has wiped that, were made
 * after it. When the launcher was another supervisor's child they are children of an ancestor
 * of ours (the scanner, or who gets orphans without one), and only the id counts. */

struct launch {
  struct child_abilities const *abilities;
  struct identity who; /* the launcher */
  uint64_t service;    /* whose, see struct service_id */
  pid_t except;        /* a child of ours that is none of it, 0 */
  int elsewhere;       /* look among the children of our ancestors, too */
};
struct launch_rest {
  unsigned count;
  unsigned ended; /* children of ours that wait to be reaped: whom they have left just now, we
                     may not have seen */
  pid_t pid;      /* one of them */
};
extern struct launch_rest launch_rest(struct launch const *);
/* To each of them, and to what those under us have below them. */
extern void launch_signal(struct launch const *, int sig);

enum launch_trust {
  LAUNCH_ID,    /* who is not below us has to bear the id */
  LAUNCH_SILENT /* or may have wiped its environment: somebody we trust has named it */
};
/* Is pid, living, one of them or below one? Then *main is it, its pidfd owned by the caller, -1
 * for a child of ours. */
extern int launch_has(struct launch const *, pid_t pid, enum launch_trust, struct child *main);

/* --- signals of who has children ---------------------------------------------------------- */

enum signals_how {
  SIGNALS_ALL = 1, /* catch whatever could end us, too; what means nothing is to be dropped */
  SIGNALS_DEFAULT = 2 /* all dispositions are default already */
};
/* Listen, by skalibs' self-pipe, for SIGCHLD and those of `kept`, of which none that comes
 * meanwhile is lost. All dispositions are made default first, so that a child has only its mask
 * to empty. (Started with SIGCHLD ignored, we would never hear of a death.) The descriptor to
 * poll, or -1 with errno. */
extern int signals_listen(int const *kept, unsigned count, unsigned how);
/* Pid 1 cannot leave: the kernel kills everything below it. What it is told by QUIT (nginx's
 * images) or PWR (LXC) is to stop: TERM, of any other signal itself. */
extern int signals_for_pid1(int sig);

#endif
