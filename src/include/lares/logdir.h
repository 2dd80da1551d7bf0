/* Log directories: the input buffer and the bounded files.
 *
 * Lines are read into one half of a logbuf. Each directory of the script then takes what it has
 * not yet had, on its own, in chunks: a chunk is built (stamps, selection), announced in the
 * directory's record (intent), written and committed. A chunk never crosses a file's end and
 * can be built again byte for byte, so that a write that failed half way goes on where it
 * stopped. When all directories have had everything, the beginning of the next line is carried
 * to the other half.
 *
 * The bound: at any instant the files of a directory that are ours (current, archives, and what
 * a crashed multilog left) have together at most count times limit bytes.
 */

#ifndef LARES_LOGDIR_H
#define LARES_LOGDIR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <lares/clock.h>
#include <lares/logscript.h>

/* --- label.c: stamps in front of lines --- */

#define LOG_LABEL_MAX (STAMP_FMT + 1 + STAMP_ISO + 1)

struct loglabel {
  char text[64];   /* LOG_LABEL_MAX used */
  size_t len;      /* 0 without stamps; the blank after each stamp is counted */
  unsigned moving; /* index of the digit that differs from line to line */
  uint64_t ns;     /* since 1970 */
  int tai, iso;
};

extern void loglabel_start(struct loglabel *, int tai, int iso, uint64_t ns);
/* Used by loglabel_put at each sixteenth nanosecond. */
extern void loglabel_carry(struct loglabel *);

/* Writes len bytes, and at most 64. The moving digit goes to the copy only: read back from a
 * text just changed, it would hold the copy up. */
static inline void loglabel_show(struct loglabel const *label, char *out) {
  memcpy(out, label->text, 32);
  if (label->len > 32) memcpy(out + 32, label->text + 32, 32);
  out[label->moving] = "0123456789abcdef"[label->ns & 15];
}

/* One nanosecond later. */
static inline void loglabel_next(struct loglabel *label) {
  if (!(++label->ns & 15)) loglabel_carry(label);
}

static inline void loglabel_put(struct loglabel *label, char *out) {
  loglabel_show(label, out);
  loglabel_next(label);
}

extern uint64_t lognow(void); /* nanoseconds since 1970 */
extern void lognow_stamp(struct stamp *, uint64_t ns);

/* --- buffer.c: what was read and not yet written everywhere --- */

struct logplace {
  uint64_t offset; /* bytes of the whole input before it */
  uint64_t line;   /* ends of lines of the whole input before it; kept only with stamps */
  uint64_t inside; /* enum log_inside */
};

enum log_inside {
  LOG_LINE_START, /* the line before was selected, or nothing depends on it */
  LOG_LINE_SELECTED,
  LOG_LINE_SKIPPED,
  LOG_LINE_CUT,      /* in a selected line of which no more is wanted, or that is dropped */
  LOG_RECORD_SKIPPED /* a line starts; the one before was not selected, and c holds */
};

static inline int log_in_line(uint64_t inside) {
  return inside != LOG_LINE_START && inside != LOG_RECORD_SKIPPED;
}

enum log_intent { LOG_INTENT_NONE, LOG_INTENT_CHUNK, LOG_INTENT_NOTICE, LOG_INTENT_DROP };

struct logdrops {
  uint64_t lines, bytes; /* as they would have been written */
};

struct logrecord { /* one directory, see buffer.c */
  uint64_t dev, ino;
  struct logplace place; /* all before it is in the files */
  struct logplace next;  /* with intent: place when the chunk has been written */
  uint64_t base;         /* with intent: size of current before the chunk */
  uint64_t length;       /* with intent: bytes of the chunk; of a drop, the record that tells */
  uint64_t intent;       /* enum log_intent */
};

/* Stores intent, after all that was stored before it. */
extern void logrecord_set(struct logrecord *, uint64_t intent);
/* The announced chunk is written: next becomes the place. */
extern void logrecord_settle(struct logrecord *);
/* It is another directory's; what is announced was not written. */
extern void logrecord_move(struct logrecord *, uint64_t dev, uint64_t ino);

struct logbuf_head;

struct logbuf {
  struct logbuf_head *head; /* mapped */
  size_t map_size, capacity;
  size_t map_most;       /* what is mapped, beyond the file's end, too */
  int fd;                /* borrowed: the file, when shared */
  int shared;            /* others see it after our death: bytes past the end are kept zero */
  uint32_t claimed;      /* bit i: record i belongs to a directory of this process */
  struct logplace start; /* where a directory without a record begins */
  size_t ready;          /* bytes of the active half that directories may take */
  int carried;           /* the active half begins inside a line */
  size_t waiting;        /* bytes that can be read at once, at least; shared only */
  uint64_t now;          /* the clock after the last read */
};

#define LOGBUF_DEFAULT (4096 + 2 * 65536) /* the size of a file for logbuf_map */
#define LOGBUF_GROWN (4096 + 2 * 262144)  /* and of one that logbuf_grow has enlarged */

/* Own memory, lost with the process. */
extern int logbuf_anonymous(struct logbuf *);
/* A file of at least 16 KiB that was made zero and preallocated when new. What an earlier
 * process left in it is found and kept. 0 with EPROTO: written by something else. */
extern int logbuf_map(struct logbuf *, int fd);
extern void logbuf_reset(struct logbuf *); /* forgets what the file holds */
/* Between two reads: makes a file of the usual size, or more, and its halves larger, so that a
 * read gets more. Smaller files were somebody's choice and stay. 0: not now, ask again after
 * the next turn; 1: it is done, was done before, or cannot be. */
extern int logbuf_grow(struct logbuf *);
/* The record of the directory, an earlier process's if there is one (found = 1), or 0 with
 * E2BIG. After all directories were asked for, logbuf_forget drops the records of others:
 * what they had dropped and had not told yet. */
extern struct logrecord *logbuf_record(struct logbuf *, uint64_t dev, uint64_t ino, int *found);
extern struct logdrops logbuf_forget(struct logbuf *);
/* Later on: a new directory begins with what not every other one has had; and an old one goes.
 */
extern void logbuf_find_start(struct logbuf *);
extern struct logdrops logbuf_drop_record(struct logbuf *, struct logrecord *);
/* What its action has dropped and not told yet. */
extern struct logdrops *logbuf_drops(struct logbuf const *, struct logrecord const *);
/* All before next is dropped: so much more that the second record's action has to tell, which
 * is counted once, also when we are killed. */
extern void logbuf_drop(struct logbuf *, struct logrecord *, struct logrecord const *,
                        struct logplace const *next, struct logdrops const *);
/* Can no more be read before everybody has had something? */
extern int logbuf_full(struct logbuf const *);
/* Is the reader to hold a writing end of its pipe (lares/logpipe.h)? 1: it is, and says so; 0:
 * it must not. logbuf_release: it does not after all. */
extern int logbuf_hold(struct logbuf *);
extern void logbuf_release(struct logbuf *);

/* One read() of at most that many bytes: their number, 0 at the end of input, -1. There must be
 * room (logbuf_turn makes it). */
extern ssize_t logbuf_read(struct logbuf *, int fd, size_t most);
/* Something else was done since the last read. */
extern void logbuf_forget_waiting(struct logbuf *);
/* Are there so many ends of lines in the `got` bytes that were read last? */
extern int logbuf_has_lines(struct logbuf const *, size_t got, size_t lines);
/* Ends the last line if it has no end. */
extern void logbuf_finish_line(struct logbuf *);
/* After logbuf_map and the opening of the directories: goes on with what was left. */
extern void logbuf_resume(struct logbuf *);
/* Is it in the middle of a line? */
extern int logbuf_in_line(struct logbuf const *);
/* The bytes that this place has not had and may have: whole lines, or anything when the buffer
 * is full of one line. */
extern size_t logbuf_rest(struct logbuf const *, struct logplace const *, char const **);
/* Every directory has had everything and stands at this place: makes room. */
extern void logbuf_turn(struct logbuf *, struct logplace const *);
/* The stamp of the line at a place. */
extern uint64_t logbuf_stamp(struct logbuf const *, struct logplace const *);

/* --- skip.c: what a deputy read and dropped because we could not read --- */

/* One read() of the deputy: as logbuf_read. So much has to be there. */
extern ssize_t logskip_read(struct logbuf *, int fd, size_t most);
extern int logskip_inside(struct logbuf const *); /* it has stopped within a line */
extern int logskip_any(struct logbuf const *);
/* The deputy is no more, and may not have come to count: see to it. Is the input within a line
 * that is cut? */
extern int logskip_recover(struct logbuf *);
/* All actions have had what is there: the beginning of a line that is left goes, too, and all
 * of it is added to what the records of these bits (logbuf_bit) have dropped. The bytes. */
extern uint64_t logskip_settle(struct logbuf *, uint32_t records);
extern uint32_t logbuf_bit(struct logbuf const *, struct logrecord const *);

/* --- archive.c: the finished files, oldest first --- */

#define ARCHIVE_NAME (STAMP_FMT + 6) /* "@" 24 digits ".s" or ".u" and ".zst"; no NUL */

enum archive_packing { ARCHIVE_PLAIN, ARCHIVE_GZIP, ARCHIVE_ZSTD };

struct archive {
  struct stamp stamp;
  uint64_t size;
  enum archive_packing packing;
  char kind;         /* 's' or 'u' */
  uint8_t complete;  /* 'u': not cut by a crash, a processor may have it */
  uint8_t tries;     /* so often a program has failed with it */
  uint8_t overflows; /* so often it wrote more than there was room for */
  uint8_t torn;      /* compressed: it may end within a line */
  uint32_t mtime_s;  /* when it was listed: last written to, since 1970 */
  uint32_t seen_s;   /* or when we finished it, by the clock that nobody sets; else 0 */
};

struct archives {
  struct archive *ring; /* owned; room for capacity */
  uint32_t capacity, first, count;
  uint64_t total;
  struct stamp last; /* the highest name ever seen */
};

extern void archive_name(char out[ARCHIVE_NAME + 1], struct archive const *);
/* 1 if the name is one of an archive. */
extern int archive_parse(char const *name, struct archive *);
/* Lists what the directory has, of two of one stamp the one that was made later, and removes
 * the oldest until at most keep are left. */
extern int archives_load(struct archives *, int dirfd, uint32_t capacity, uint32_t keep);
/* Removes the oldest until there are at most keep with at most total bytes. */
extern int archives_prune(struct archives *, int dirfd, uint32_t keep, uint64_t total);
/* The oldest has index 0. */
extern struct archive *archives_at(struct archives const *, uint32_t index);
extern struct archive *archives_find(struct archives const *, struct stamp const *); /* or 0 */
extern int archives_remove_oldest(struct archives *, int dirfd); /* there must be one */
/* A name later than now, not_before and every name seen. */
extern void archives_next(struct archives *, uint64_t not_before, struct stamp *);
extern void archives_add(struct archives *, struct archive const *);

/* --- age.c: when a file is so old that it is to go --- */

#define LOG_TRUST_S                                                                            \
  3600 /* the wall clock is believed when it has run so long without a step                    \
        */

/* wall: ns since 1970; steady: ns by a clock that nobody sets, which runs in a suspend too. */
struct logage {
  int looked, believes;
  int64_t seen;     /* wall less steady, when last looked at */
  int64_t believed; /* the same, of the time that is believed */
  uint64_t since;   /* steady: it has been as seen since then */
};

extern uint64_t logsteady(void);
extern void logage_look(struct logage *, uint64_t wall, uint64_t steady, uint64_t trust);
/* How long until the file is that old for all clocks; 0: it is. */
extern uint64_t logage_left(struct logage const *, struct archive const *, uint64_t wall,
                            uint64_t steady, uint64_t age);

/* --- dir.c, rotate.c, write.c: one directory --- */

/* What has to be a regular file in a directory, or not be there; a step of its own each. */
#define LOGDIR_ENTRIES(X)                                                                      \
  X(LOGDIR_LOCK_KIND, "lock")                                                                  \
  X(LOGDIR_CURRENT_KIND, "current")                                                            \
  X(LOGDIR_PREVIOUS_KIND, "previous")                                                          \
  X(LOGDIR_PROCESSED_KIND, "processed")                                                        \
  X(LOGDIR_STATE_KIND, "state")                                                                \
  X(LOGDIR_NEWSTATE_KIND, "newstate")                                                          \
  X(LOGDIR_COMPRESSED_KIND, "compressed")                                                      \
  X(LOGDIR_BLOCKED_KIND, "blocked")

#define LOGDIR_STEP(step, name) step,

enum logdir_step {
  LOGDIR_NONE,
  LOGDIR_MAKE,
  LOGDIR_OPEN_DIR,
  LOGDIR_LOCK,
  LOGDIR_LIST,
  LOGDIR_ENTRIES(LOGDIR_STEP) /* it is there and no regular file */
  LOGDIR_RECOVER,
  LOGDIR_PRUNE,
  LOGDIR_OPEN,
  LOGDIR_RENAME,
  LOGDIR_WRITE,
  LOGDIR_SYNC
};

/* Work on a finished file: job.c. */
struct logjob {
  int active;
  int packing;               /* it is compressed; else processed */
  int in, out;               /* owned, -1: the file and what comes of it */
  int state, newstate;       /* owned, -1: of a processor */
  uint64_t room, state_room; /* most bytes of out and newstate */
  struct stamp stamp;        /* of the file */
  unsigned tries;            /* before this one, with the same file */
  int cancelled;             /* there was no room for it after all */
  int named;                 /* out has its name, the file is still there, too */
  int misplaced;             /* somebody has put what was written elsewhere */
  enum archive_packing made;
};

struct logdir {
  char const *path;  /* borrowed */
  int dirfd, lockfd; /* owned */
  int fd;            /* owned: current, -1 while there is none */
  uint64_t ino;      /* of current */
  uint64_t size;     /* of current, what a chunk wrote so far not counted */
  uint64_t limit;
  uint32_t count;
  struct logaction const *action; /* borrowed */
  struct archives archives;
  struct logrecord *record; /* borrowed from the logbuf */
  size_t written;           /* bytes of the announced chunk that are in current */
  int rotate;               /* as soon as no chunk is half written */
  int dirty;                /* written to since it was last on the disk; kept with y alone */
  int sync;                 /* it is to be on the disk now */
  int in_line;              /* the files end within a line; kept while a notice is written */
  int renewed;              /* other words hold: their bound is to be restored */
  struct deadline sync_due, rotate_due, age_due;
  struct logage age;     /* A */
  int expire;            /* old files are to go now */
  int unremoved;         /* errno: one could not be removed, which is tried again */
  int remade;            /* the directory was removed, this is another */
  uint64_t checked;      /* when current was last seen in its place, as buf->now */
  enum logdir_step step; /* what failed */
  struct logjob job;
  int worklist;         /* there may be files to be worked on */
  uint64_t reserved;    /* bytes that a job may write */
  uint64_t state_size;  /* of a processor's state */
  uint32_t unprocessed; /* files that were removed before a processor had them */
  int state_dropped;    /* state was larger than it may be */
};

struct logwork { /* what all directories of a script share */
  struct logbuf *buf;
  struct logscript const *script;
  char const *service; /* for JSON; borrowed, or 0 */
  char *chunk;         /* owned; LOG_CHUNK + LOG_SLACK bytes */
};

#define LOG_CHUNK (288 * 1024)
#define LOG_SLACK 6144 /* blind copies and patterns look beyond */

extern char const *logdir_step_text(enum logdir_step);
extern int logdir_is_kind(enum logdir_step); /* then the text says all, errno nothing */

/* Makes the directory if it is missing, locks it, restores the bound and sees to what an
 * earlier run left. 1; 0 with errno and step, nothing left open. The buffer must be there. */
extern int logdir_open(struct logdir *, struct logaction const *, struct logbuf *);
/* The same for who must not wait a moment for a lock. */
extern int logdir_open_at_once(struct logdir *, struct logaction const *, struct logbuf *);
/* Writes everything that is ready. 1; 0 with errno and step: nothing is lost, call again. */
extern int logdir_work(struct logdir *, struct logwork *);
/* Bytes that the directory has yet to take. */
extern uint64_t logdir_behind(struct logdir const *, struct logbuf const *);
/* When there is something to do without input (R, y with a time), and seeing to it: what is due
 * is done by the next logdir_work. */
extern struct deadline logdir_due(struct logdir const *);
extern void logdir_tick(struct logdir *, struct deadline now);
/* A: removes what is too old by these clocks, and knows when the next one is. 0 with errno: not
 * all could be removed. */
extern int logdir_expire(struct logdir *, uint64_t wall, uint64_t steady);
/* o: takes a chunk back that was written in part, so that more can be read meanwhile; and gives
 * up everything that is ready, which is counted and told as soon as there is room. */
extern void logdir_retreat(struct logdir *, struct logwork const *);
extern void logdir_drop(struct logdir *, struct logwork const *);
extern void logdir_close(struct logdir *); /* marks current as cleanly closed */

/* --- renew.c: other words for an open directory, between two calls of logdir_work --- */

/* Takes a chunk back that was written in part. 1, or 0 with errno and step. */
extern int logdir_take_back(struct logdir *);
/* Room for what the action may have. 1, or 0 with errno and step. */
extern int logdir_reserve(struct logdir *, struct logaction const *);
/* After both: from now on the directory obeys this action. Its bound is restored by the next
 * logdir_work, before that writes anything. No program may run. Cannot fail. */
extern void logdir_renew(struct logdir *, struct logaction const *);

/* --- for who writes elsewhere than to a directory --- */

/* The next lines, or the next line (single), for the action that has had what is before the
 * place: their bytes in work->chunk or in the buffer, and the place behind them. 0 when there
 * is nothing. */
extern int logwork_next(struct logwork const *, struct logaction const *, int single,
                        struct logplace *, char const **data, size_t *len);
/* Drops all of them; the second record's action tells it. */
extern void logwork_drop(struct logwork const *, struct logaction const *, struct logrecord *,
                         struct logrecord const *);
/* Counts what there is more of a line that was dropped in part. 1 if the line goes on: what was
 * dropped is to be told when it is over. */
extern int logwork_skip(struct logwork const *, struct logaction const *, struct logrecord *,
                        struct logrecord const *);
/* Tells in the action's format what was dropped: its length in work->chunk, at most
 * LOG_SIZE_MIN. in_line: a line that is there in part is ended first. */
extern size_t logwork_notice(struct logwork const *, struct logaction const *,
                             struct logplace const *, struct logdrops const *, int in_line);

/* --- job.c: work on finished files, of which the bound knows --- */

#define LOGJOB_TRIES 5

enum logjob_begun { LOGJOB_NOTHING, LOGJOB_BEGUN, LOGJOB_FAILED };
/* Opens the oldest file that is to be worked on and what that is to write: job, which is active
 * then. LOGJOB_FAILED: errno. */
extern enum logjob_begun logjob_begin(struct logdir *, int packing);
/* Puts what the program made in the file's place. 1; 0 with errno, ECANCELED: it had to give
 * way, or is misplaced; otherwise call again, or logjob_failed. */
extern int logjob_commit(struct logdir *, enum archive_packing made);
/* The program could not be started. */
extern void logjob_postpone(struct logdir *);
/* The program failed. What becomes of the file? */
enum logjob_after { LOGJOB_AGAIN, LOGJOB_KEPT, LOGJOB_GONE };
extern enum logjob_after logjob_failed(struct logdir *);
/* Has it written as much as there is room for? */
extern int logjob_is_full(struct logdir const *);

#endif
