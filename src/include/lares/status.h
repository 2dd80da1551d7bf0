/* What a supervisor keeps in supervise/: the identity record (child, exit, lock), the state
 * record (state), texts (text), the journal (history) and the classic 20 bytes (status).
 *
 * All of ours are big-endian, have a fixed size, a version byte and a checksum; the offsets
 * stand above the pack functions. A reader accepts exactly that size and version, or nothing: a
 * record is a claim, only the lock tells whether a supervisor lives.
 */

#ifndef LARES_STATUS_H
#define LARES_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include <lares/clock.h>
#include <lares/machine.h>

/* --- who a process is -----------------------------------------------------------------------
 */

struct identity {
  int32_t pid;    /* 0: nobody */
  uint64_t inode; /* of its pidfd in pidfs (Linux 6.9), unique until the next boot; 0 unknown */
  uint64_t start; /* field 22 of /proc/PID/stat; 0 unknown. Known when inode is not */
  uint64_t boot;  /* the kernel's boot, or this life of a container; 0 unknown */
};

#define WSTAT_UNKNOWN (-1)

/* Forking: a `run` that is to go into the background and has not got there; wstat, once it is
 * known, is how the process itself ended, which was to leave the daemon. */
enum identity_state { IDENTITY_NONE, IDENTITY_RUNNING, IDENTITY_EXITED, IDENTITY_FORKING };

/* What a record that was refused with EPROTONOSUPPORT still tells: every version of it has the
 * boot at the same place. Is it of this boot, so that what it speaks of may live? */
extern int status_of_boot(int fd, uint64_t boot);
/* A record whose space was reserved and that was never written is all zeros (looked for in 256
 * bytes, the longest), or empty: that is no damage. */
extern int status_is_blank(int fd);
/* Why a file of supervise/ cannot be used, in words; error as reading it left it. */
extern char const *status_trouble(int error);

/* One running instance and how it ended; in `child` written by the instance itself before it
 * becomes the service, in `exit` by the scanner or lares-init, in `lock` by the holder about
 * itself. */
struct identity_record {
  uint8_t state; /* enum identity_state */
  uint8_t role;  /* enum machine_role */
  struct identity who;
  int32_t wstat;         /* as wait() gives it, or WSTAT_UNKNOWN */
  struct stamp started;  /* wall clock */
  struct deadline began; /* the same moment on the monotonic clock */
};

#define IDENTITY_RECORD_SIZE 64
extern void identity_record_pack(char out[IDENTITY_RECORD_SIZE],
                                 struct identity_record const *);
/* 1, or 0 with errno EPROTO (not such a record, damaged) or EPROTONOSUPPORT (newer version). */
extern int identity_record_unpack(char const in[IDENTITY_RECORD_SIZE],
                                  struct identity_record *);
/* pread/pwrite at offset 0 of fd. Reading an empty file gives IDENTITY_NONE and 1. */
extern int identity_record_read(int fd, struct identity_record *);
extern int identity_record_write(int fd, struct identity_record const *);
/* `child`, 192 bytes: the instance whose record is there has ended; its end stays readable when
 * the next instance has written its own record. */
#define IDENTITY_CHILD_SIZE (3 * IDENTITY_RECORD_SIZE)
extern int identity_record_end(int fd, struct identity_record const *);
extern int identity_record_last_end(int fd, struct identity_record *);
/* `exit`, 128 bytes: the note of each who may leave one has a place of its own. One of them may
 * come to write what it has read long before, behind the other's note of the next instance. */
enum identity_writer { IDENTITY_BY_SCANNER, IDENTITY_BY_INIT, IDENTITY_WRITERS };
extern int identity_note_write(int fd, enum identity_writer, struct identity_record const *);
extern int identity_note_read(int fd, enum identity_writer, struct identity_record *);
/* The main process of a daemon that has gone into the background, and the forking record of the
 * one that launched it. */
extern int identity_record_settle(int fd, struct identity_record const *main,
                                  struct identity_record const *launcher);
/* Who launched the instance of this record: 1, or 0 when it is no such daemon's. */
extern int identity_record_launcher(int fd, struct identity_record const *main,
                                    struct identity_record *launcher);
extern int identity_equal(struct identity const *, struct identity const *);

/* --- why a service is where it is -------------------------------------------------------- */

/* name, text with the meaning of the detail. The order is part of the format: append only. */
#define STATUS_REASONS(X)                                                                      \
  X(NONE, "")                                                                                  \
  X(COMMAND, "told to")  /* detail: the control letter */                                      \
  X(EXITED, "exited")    /* detail: exit code */                                               \
  X(KILLED, "killed by") /* detail: signal number */                                           \
  X(UNKNOWN_DEATH, "ended, nobody saw how")                                                    \
  X(NO_RUN, "no run file")                                                                     \
  X(NO_EXEC, "unable to execute run") /* detail: errno */                                      \
  X(NO_FORK, "unable to fork")        /* detail: errno */                                      \
  X(START_FAILED, "start failed")     /* detail: exit code, 128 + signal */                    \
  X(START_TIMEOUT, "start took too long")                                                      \
  X(READY_TIMEOUT, "not ready in time")                                                        \
  X(GAVE_UP, "finish gave up")                                                                 \
  X(TOO_MANY_DEATHS, "too many deaths") /* detail: their number */                             \
  X(CONDITION, "condition not met")     /* detail: its exit code */                            \
  X(NEEDS, "needs not met")             /* detail: enum status_need, of the first of them */   \
  X(DOWN_FILE, "normally down")                                                                \
  X(REST, "unable to give the logger what was left for it") /* detail: errno */                \
  X(FORK_TIMEOUT, "not in the background in time")                                             \
  X(WATCHDOG, "no sign of life in time")                                                       \
  X(ENDING, "said that it ends")                                                               \
  X(CONDITION_FAILED, "condition failed") /* detail: exit code, 128 + signal */                \
  X(CONDITION_TIMEOUT, "condition took too long")

#define STATUS_REASON_ENUM(name, text) REASON_##name,
enum status_reason { STATUS_REASONS(STATUS_REASON_ENUM) REASON_COUNT };
#undef STATUS_REASON_ENUM
extern char const *status_reason_text(unsigned reason); /* "?" for none of them */
/* There is no run, or it cannot be executed: what is told as up with it never was. */
extern int status_reason_is_unrunnable(unsigned reason);

/* How a service stands that another one needs, in words behind its name. Append only, too. */
#define STATUS_NEEDS(X)                                                                        \
  X(MET, "is ready")                                                                           \
  X(MISSING, "is missing")                                                                     \
  X(UNSUPERVISED, "is not supervised")                                                         \
  X(UNKNOWN, "cannot be asked")                                                                \
  X(UNAWARE, "does not answer") /* does not know yet that it is needed */                      \
  X(DOWN, "is down")                                                                           \
  X(WAITING, "is waiting")                                                                     \
  X(STARTING, "is starting")                                                                   \
  X(STOPPING, "is stopping")                                                                   \
  X(BACKOFF, "is in backoff")                                                                  \
  X(FAILED, "has failed")                                                                      \
  X(CYCLE, "needs this one, too")                                                              \
  X(STUCK, "is waiting in vain") /* for what does not come by itself */

#define STATUS_NEED_ENUM(name, text) NEED_##name,
enum status_need { STATUS_NEEDS(STATUS_NEED_ENUM) NEED_COUNT };
#undef STATUS_NEED_ENUM
extern char const *status_need_text(unsigned need); /* "?" for none of them */

/* Its name as programs show it to programs: too-many-deaths; "unknown" for none of them. */
#define STATUS_REASON_NAME 32
extern char const *status_reason_name(char buf[STATUS_REASON_NAME], unsigned reason);
/* The reason with its detail, and how a process ended, in words: "killed by SIGSEGV". Both
 * write to buf and return it. */
#define STATUS_TEXT 128
extern char const *status_reason_describe(char buf[STATUS_TEXT], unsigned reason,
                                          uint32_t detail);
/* The same of a service whose directory can be looked at: of a run that could not be executed
 * also which interpreter is missing, unless run was changed since `at` (0: that is no matter).
 */
extern char const *status_reason_explain(char buf[STATUS_TEXT], char const *dir,
                                         unsigned reason, uint32_t detail,
                                         struct stamp const *at);
extern char const *status_wstat_describe(char buf[STATUS_TEXT], int32_t wstat);

/* --- the full record ---------------------------------------------------------------------- */

enum state_mark {
  MARK_ADOPTED = 1,       /* the process is not our child: found alive by a new supervisor */
  MARK_TERMED = 2,        /* TERM was sent to the present process (runit's byte 18) */
  MARK_NORMALLY_DOWN = 4, /* there is a `down` file */
  MARK_NOTIFIES = 8,      /* readiness is declared */
  MARK_HAS_LOG = 16,      /* output goes to a logger */
  MARK_IS_LOG = 32,       /* this is a logger */
  MARK_LEFT = 64,         /* the supervisor left after `x`, nothing runs */
  MARK_BLANK = 128,       /* the first supervisor begins, nothing has happened yet */
  MARK_ORPHANED = 256, /* adopted once: what it left may be no descendant of the supervisor */
  MARK_NEEDED = 512,   /* it knows that others need it: supervise/dependents/ */
  MARK_HELD = 1024,    /* a stop that waits for those; nothing has been signalled yet */
  MARK_DELIBERATE = 2048, /* going down or down on purpose: who needs it has to go, too */
  MARK_ONESHOT = 4096,    /* a oneshot: done is its being up */
  MARK_SAID_READY = 8192, /* on its way into the background it has said that it is ready */
  MARK_OVER = 16384,      /* ended for good: what essential is about */
  MARK_SAID_LOST = 32768  /* that last records of `history` are lost was said */
};

#define STATE_PENDING 24
struct state_record {
  struct machine machine;
  uint16_t marks; /* enum state_mark */
  uint8_t reason; /* enum status_reason */
  uint32_t detail;
  int32_t pid;        /* of the process of machine.role, 0 none */
  int32_t last_wstat; /* of the last `run` that ended; meaningful when deaths > 0 */
  uint32_t rest;      /* descendants left beside the main process, as far as known */
  uint64_t boot;      /* this and the next two with pid: a struct identity, a second copy */
  uint64_t inode;     /* of what `child` says, for the case that that file is damaged */
  uint64_t start;
  uint64_t sequence;        /* number of the last record in `history`; 0 none yet */
  uint64_t starts;          /* times `run` was started */
  uint64_t deaths;          /* times it ended */
  struct stamp since;       /* the state was entered */
  struct stamp changed;     /* last start or death: the classic status' time */
  struct stamp ready;       /* became ready; meaningful with FLAG_READY */
  struct stamp last_exit;   /* of that last `run`; meaningful when deaths > 0 */
  struct stamp defined;     /* newest change of the definition that runs */
  uint32_t definition;      /* and its sum (svdir_age), 0 unknown */
  struct deadline deadline; /* of the state, DEADLINE_NEVER for none */
  struct deadline died;     /* of the last `run` */
  struct deadline began;    /* of the present `run`; once it is ready, when it became so */
  int32_t awaited;          /* a process that a stop waits for, 0; that and `rest` others, */
  char awaited_name[16];    /* ... or rest in all when it is not the main process */
  uint32_t unattributed;    /* seen at the last stop, left alone: they may be this service's */
  struct deadline drain;    /* a logger was told to leave and works off what is left: until
                               when; DEADLINE_NEVER without a limit, 0 when that is not so */
  char pending[STATE_PENDING]; /* letters that wait for a script of the first (control/C), a
                                  zero behind them; 128 added: to the group */
  char custom;                 /* a stop whose signal a script decides about: d, r or x; 0 */
  int32_t group;               /* process group of the last `run`, 0 unknown */
  int32_t session;             /* of the last `run` or adopted process, 0 unknown */
  int32_t reaper;              /* whose child the adopted process was, 0 */
  uint64_t until;              /* such a process was in the session then (process_clock), 0 */
};

#define STATE_RECORD_SIZE 256
extern void state_record_pack(char out[STATE_RECORD_SIZE], struct state_record const *);
/* 1, or 0 with errno. Of a version before, what was not in it is zero. */
extern int state_record_unpack(char const in[STATE_RECORD_SIZE], struct state_record *);
/* Read DIR/supervise/state: 1, or 0 with errno (ENOENT: not a lares supervisor's; EPROTO;
 * EPROTONOSUPPORT). dir "." for the current directory. */
extern int state_record_load(char const *dir, struct state_record *);
/* By `read`, which answers as these do, again and again for a second while that says EPROTO: a
 * record that is being written this instant does not add up, the next reading does; one that
 * has never been written is of a supervisor that is about to begin. For clients: it waits. */
extern int state_record_settled(int (*read)(void const *context, struct state_record *),
                                void const *context, struct state_record *);
/* The same of DIR/supervise/state. */
extern int state_record_load_settled(char const *dir, struct state_record *);
/* When the next start is due (backoff, failed with a retry) as a stamp: 1, or 0 for never. */
extern int state_record_next(struct state_record const *, struct stamp *);

/* --- texts -------------------------------------------------------------------------------- */

#define TEXT_MOST 255 /* bytes */
struct text_record {
  uint64_t boot;
  uint64_t start;              /* of which start of `run` (state.starts) the next two are */
  uint32_t watchdog;           /* milliseconds it has asked for, TEXT_WATCHDOG_; */
  char status[TEXT_MOST + 1];  /* what it shows as its status */
  char waiting[TEXT_MOST + 1]; /* in the state waiting: for what */
};
#define TEXT_WATCHDOG_UNASKED 0u
#define TEXT_WATCHDOG_NONE UINT32_MAX

/* What may stand in these: one line of UTF-8 that a terminal takes for text, cut off between
 * two characters. What is not becomes a blank or `?'; behind it out is zero. */
extern void text_clean(char out[TEXT_MOST + 1], char const *text, size_t len);
/* Bytes of the well-formed UTF-8 character that text begins with, 0 for none. */
extern unsigned text_character(char const *text, size_t len);

#define TEXT_RECORD_SIZE 576
extern void text_record_pack(char out[TEXT_RECORD_SIZE], struct text_record const *);
/* 1, or 0 with errno. */
extern int text_record_unpack(char const in[TEXT_RECORD_SIZE], struct text_record *);
extern int text_record_read(int fd, struct text_record *);
extern int text_record_write(int fd, struct text_record const *);
/* Read DIR/supervise/text, as state_record_load. */
extern int text_record_load(char const *dir, struct text_record *);

/* --- the classic 20 bytes --------------------------------------------------------------------
 */

struct classic_status {
  struct stamp changed;
  uint32_t pid;
  uint8_t paused;
  uint8_t want; /* 'u', 'd', or 0 (DJB's once) */
  uint8_t got_term;
  uint8_t process; /* 0 down, 1 run, 2 finish */
};

#define CLASSIC_STATUS_SIZE 20
#define CLASSIC_STATUS_DJB_SIZE 18
extern void classic_status_from_state(struct classic_status *, struct state_record const *);
extern void classic_status_pack(char out[CLASSIC_STATUS_SIZE], struct classic_status const *);
/* len 18 (daemontools: the last two fields are derived from pid) or at least 20. 1 or 0 EPROTO
 */
extern int classic_status_unpack(char const *in, size_t len, struct classic_status *);
/* Put the packed status in place of file's content; spare is a second file beside it, which may
 * stay. 1, or 0 with errno and file as it was. */
extern int classic_status_replace(char const *file, char const *spare,
                                  char const bytes[CLASSIC_STATUS_SIZE]);
/* Read DIR/supervise/status: 1, or 0 with errno. */
extern int classic_status_load(char const *dir, struct classic_status *);

/* --- the journal ------------------------------------------------------------------------ */

struct history_record {
  uint64_t sequence; /* 1, 2, 3 ... without gaps as long as the directory lives */
  struct stamp at;
  struct machine machine; /* after the change */
  uint8_t event;          /* enum machine_event that led to it */
  uint8_t reason;         /* enum status_reason */
  uint32_t detail;
  int32_t pid;
  struct deadline moment; /* the same on the monotonic clock; 0 unknown */
  int32_t wstat;          /* EVENT_RUN_DIED, EVENT_START_BAD, EVENT_FINISH_DONE; else 0 */
};

#define HISTORY_RECORD_SIZE 64
#define HISTORY_DEFAULT 1024 /* records kept, max-history */
#define HISTORY_LEAST 64     /* the file grows by this many at a time */
#define HISTORY_MOST 1048576 /* what a file has behind them is not looked at */
extern void history_record_pack(char out[HISTORY_RECORD_SIZE], struct history_record const *);
extern int history_record_unpack(char const in[HISTORY_RECORD_SIZE], struct history_record *);

/* The one writer, the supervisor. The file is a plain array of records used as a ring; each
 * record bears its own number, so that no header has to be kept in step with them. It grows a
 * page ahead of need up to `most` records; when the disk is full it wraps early instead. A file
 * that is longer, from when `most` was more, keeps its length: readers go by it. */
#define HISTORY_OWED 4
struct history_owed {
  uint32_t slot;
  char packed[HISTORY_RECORD_SIZE];
};
struct history_writer {
  int fd; /* owned, -1 */
  uint32_t most, slots, next;
  uint64_t sequence;
  uint32_t owed_count; /* records that the disk has not taken yet */
  struct history_owed owed[HISTORY_OWED];
};
/* How many records there is a place for: also before the disk has had room for the first. */
static inline uint32_t history_ring(struct history_writer const *w) {
  return w->slots ? w->slots : HISTORY_LEAST;
}
/* Opens or makes the file and finds its last record (*last; sequence 0 when there is none). 1,
 * or 0 with errno (EPROTO: no regular file; EPROTONOSUPPORT: a newer lares wrote there). */
extern int history_open(struct history_writer *, char const *file, uint32_t most,
                        struct history_record *last);
/* Numbers the record and writes it: 1, or 0 with errno when it is kept for history_flush. */
extern int history_append(struct history_writer *, struct history_record *);
/* How many deaths (of `run`, failed `start`s) there were since a moment, counted up to enough,
 * back to the last boot, command to start, or failure; those told to end by a stop apart.
 * successes: exits with 0 count, too. errno is 0, or says why not all could be read. */
extern unsigned history_deaths(struct history_writer const *, struct deadline since,
                               unsigned enough, int successes);
/* Writes what was kept: 1 when nothing is left, or 0 with errno. */
extern int history_flush(struct history_writer *);

/* Reader: calls each for all records numbered above `after`, in order, until it returns 0.
 * 1, or 0 with errno. *lost: how many numbers after `after` were overwritten before they could
 * be read. */
extern int history_read(int fd, uint64_t after, uint64_t *lost,
                        int (*each)(void *context, struct history_record const *),
                        void *context);

/* The same for a reader that comes again and again: it finds what is new without looking at the
 * whole ring. seen: the number it read last, or that before the first it wants; a number that
 * is missing between seen + 1 and the next record's was overwritten, or never reached the disk.
 */
struct history_place {
  uint64_t seen;
  struct stamp at; /* of the record seen */
  uint32_t slot;   /* where it stood */
  uint8_t known;   /* these two are set */
};
enum history_outcome {
  HISTORY_FAILED, /* errno */
  HISTORY_READ,   /* all there is, or each has said that it is enough */
  HISTORY_ANEW    /* another journal: the numbers are lower than the one seen, or that is of
                     another time. The place is at its beginning, nothing was read */
};
/* latest: the number of a record which is known to be there (of the state); UINT64_MAX to look
 * at everything once more when nothing new is found. *place moves after each call of each. */
extern enum history_outcome
history_read_on(int fd, struct history_place *place, uint64_t latest,
                int (*each)(void *context, struct history_record const *), void *context);

/* How far lares-svnotify has told of a service's changes: in DIR/supervise/told. It is there
 * only while there is a hook. */
struct told {
  uint64_t inode; /* of the journal */
  uint64_t sequence;
};
#define TOLD_SIZE 32
extern void told_pack(char out[TOLD_SIZE], struct told const *);
extern int told_unpack(char const in[TOLD_SIZE], struct told *);
/* 1, or 0 with errno (ENOENT: nothing was told yet). */
extern int told_load(char const *dir, struct told *);
extern int told_save(char const *dir, struct told const *);
extern int told_forget(char const *dir);

#endif
