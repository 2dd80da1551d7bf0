/* A service directory's definition: what its files say (doc/DESIGN.md section 3).
 *
 * Everything is read without blocking (a FIFO or device in place of a file does not hang us), a
 * value that is unreadable or malformed is told to the caller by name, with what was wrong and
 * what is used instead, and never keeps the service from being supervised.
 */

#ifndef LARES_SVDIR_H
#define LARES_SVDIR_H

#include <stdint.h>

#include <lares/clock.h>

enum svdir_type { TYPE_LONGRUN, TYPE_ONESHOT, TYPE_FORKING };
enum svdir_restart { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER };
enum svdir_kill_mode { KILL_TREE, KILL_GROUP, KILL_PROCESS };

/* Which executables are there. */
enum svdir_has {
  HAS_RUN = 1,
  HAS_START = 2,
  HAS_FINISH = 4, /* `finish`, or encore's `stop` */
  HAS_STOP = 8,   /* it is `stop` that is run as finish */
  HAS_CHECK = 16,
  HAS_CONDITION = 32,
  HAS_LOG = 64, /* a log/ directory */
  HAS_DOWN = 128,
  HAS_ESSENTIAL = 256,
  HAS_CONTROL = 512, /* a control/ directory */
  HAS_NEEDS = 1024,  /* a needs/ directory */
  HAS_AFTER = 2048,  /* an after/ directory */
  HAS_NEWPIDNS = 4096,
  HAS_KILLPG = 8192 /* flag-timeout-killpg */
};

#define SVDIR_DELAYS 32
struct svdir_delay {
  uint32_t ms;    /* 0 to 2^31 */
  uint16_t count; /* 1 to 65535 deaths it is good for */
};

/* The files that make a definition, but for `down`, log/ and control/: the newest change
 * (ctime) and a sum of names, changes and sizes, which another definition does not have. Not
 * the directory itself, in which supervise/ and temporary files come and go. */
struct svdir_age {
  struct stamp changed; /* 0 none */
  uint32_t sum;
};

struct svdir {
  uint32_t has;    /* enum svdir_has */
  uint8_t is_read; /* not only the defaults */
  uint8_t type, restart, kill_mode;
  uint8_t down_signal, reload_signal; /* signal numbers: TERM, HUP */
  uint8_t notify_sd;                  /* `notify` says sd */
  uint8_t has_pid_file;               /* `pid-file` names one, see svdir_pid_file */
  int16_t notification_fd;            /* -1 none */
  int16_t lock_fd;                    /* -1 none */
  uint32_t timeout_start, timeout_ready, timeout_kill, timeout_finish; /* ms; 0 none */
  uint32_t timeout_watchdog;                                           /* ms; 0 none */
  uint32_t restart_reset;                                              /* ms */
  uint32_t retry_failed;                                               /* ms; 0 never */
  uint32_t max_deaths, max_deaths_within;                              /* 0: none; ms */
  uint32_t max_death_tally, max_history;
  uint8_t delay_count;
  struct svdir_delay delays[SVDIR_DELAYS];
  struct svdir_age age;
};

/* A complaint: file is the name inside the service directory, wrong what is the matter, instead
 * what is used now. */
typedef void svdir_complain(void *context, char const *file, char const *wrong,
                            char const *instead);

/* The defaults of the design. */
extern void svdir_default(struct svdir *);
/* Read the directory `dir` ("." for the present one), quickly enough for each start of a
 * service and without allocation. *out holds what was read before, or the defaults: what a disk
 * that fails does not say stays as it is there, and what is listed for the first time is taken
 * for what it is to be. 1, or 0 with errno when the directory itself cannot be listed, or when
 * we are out of descriptors or memory (the files are not to blame, what was read before is the
 * better answer); then *out is unchanged. The complainer may be null. */
extern int svdir_read(struct svdir *out, char const *dir, svdir_complain *, void *context);

/* The names of the present directory, as last listed; to begin with all zero. */
struct svdir_names {
  uint64_t dev, ino;
  struct stamp changed;
  uint64_t seen;
  uint8_t settled; /* they are the same as long as dev, ino and changed are */
};
/* The same for the present directory, which is listed only when it has changed; only names are
 * taken as known. */
extern int svdir_read_here(struct svdir *out, struct svdir_names *, svdir_complain *,
                           void *context);

/* Only that age, of the definition that is there now; needs no file to be readable. 1, or 0
 * with errno when the directory cannot be listed. */
extern int svdir_age(struct svdir_age *, char const *dir);

/* The path in `pid-file` of the directory `dir`, relative to that unless absolute: 1, or 0 when
 * there is none now. It is not kept, being needed for moments only. */
#define SVDIR_PATH 1024
extern int svdir_pid_file(char path[SVDIR_PATH], char const *dir);

/* A name that means nothing in a service directory: the one that does and is nearly the same,
 * or 0. */
extern char const *svdir_meant(char const *name);

/* Milliseconds from a death to the next start after `early` consecutive early deaths (0: the
 * run was good): the entries of restart-delays laid end to end, the last for ever. */
extern uint32_t svdir_delay_ms(struct svdir const *, uint32_t early);

#endif
