/* The value files of a service directory: one list, from which the reader takes name, range and
 * default, and against which tests/unit/svdir.c holds the table in lares-servicedir(5).
 */

#ifndef LARES_SVDIR_VALUES_H
#define LARES_SVDIR_VALUES_H

#include <stddef.h>
#include <stdint.h>

#include <lares/svdir.h>

/* Longest value file, the newline included. */
#define SVDIR_VALUE_MAX 1023

/* What a value looks like, and as what it is kept. */
enum value_kind {
  VALUE_NUMBER, /* uint32_t */
  VALUE_FD,     /* int16_t */
  VALUE_WORD,   /* uint8_t: which of the words */
  VALUE_SIGNAL, /* uint8_t */
  VALUE_PATH,   /* uint8_t: there is one */
  VALUE_DELAYS,
  VALUE_DEATHS
};

#define MS_MOST 2147483647u    /* 2^31 - 1: what poll() and s6 can count */
#define DELAY_MOST 2147483648u /* of an entry of restart-delays */
#define DEATHS_MOST 4096u      /* s6's bound for its death tally */
#define HISTORY_FEWEST 64u     /* HISTORY_LEAST of status.h, a library we do not use */
#define SIGNAL_MOST 64u

/* file, kind, field, least, most, words or form, unit, default, source of the convention.
 * The order is the order of reading: `type` decides over two defaults, see value_default(). */
#define SVDIR_VALUES(X)                                                                        \
  X("type", WORD, type, 0, 0, "longrun|oneshot|forking", "word", "longrun", "s6-rc")           \
  X("restart", WORD, restart, 0, 0, "always|on-failure|never", "word", "always", "systemd")    \
  X("restart-delays", DELAYS, delays, 0, DELAY_MOST, "MS[*COUNT]...", "ms",                    \
    "0 1000*30 2000 4000 8000 15000", "lares")                                                 \
  X("restart-reset", NUMBER, restart_reset, 0, MS_MOST, 0, "ms", "1000", "lares")              \
  X("max-deaths", DEATHS, max_deaths, 1, DEATHS_MOST, "N MS", "deaths, ms", "none", "lares")   \
  X("retry-failed", NUMBER, retry_failed, 0, MS_MOST, 0, "ms", "0", "lares")                   \
  X("max-death-tally", NUMBER, max_death_tally, 0, DEATHS_MOST, 0, "deaths", "100", "s6")      \
  X("max-history", NUMBER, max_history, HISTORY_FEWEST, 1048576, 0, "records", "1024",         \
    "lares")                                                                                   \
  X("pid-file", PATH, has_pid_file, 0, 0, "a path", "path", "none", "systemd")                 \
  X("notification-fd", FD, notification_fd, 3, INT16_MAX, 0, "descriptor", "none", "s6")       \
  X("lock-fd", FD, lock_fd, 3, INT16_MAX, 0, "descriptor", "none", "s6")                       \
  X("notify", WORD, notify_sd, 0, 0, "none|sd", "word", "none", "systemd")                     \
  X("down-signal", SIGNAL, down_signal, 1, SIGNAL_MOST, 0, "signal", "TERM", "s6")             \
  X("reload-signal", SIGNAL, reload_signal, 1, SIGNAL_MOST, 0, "signal", "HUP", "systemd")     \
  X("kill-mode", WORD, kill_mode, 0, 0, "tree|group|process", "word", "tree", "systemd")       \
  X("timeout-start", NUMBER, timeout_start, 0, MS_MOST, 0, "ms", "0", "systemd")               \
  X("timeout-ready", NUMBER, timeout_ready, 0, MS_MOST, 0, "ms", "0", "s6-rc")                 \
  X("timeout-watchdog", NUMBER, timeout_watchdog, 0, MS_MOST, 0, "ms", "0", "systemd")         \
  X("timeout-kill", NUMBER, timeout_kill, 0, MS_MOST, 0, "ms", "10000", "s6")                  \
  X("timeout-finish", NUMBER, timeout_finish, 0, MS_MOST, 0, "ms", "5000", "s6")

struct value_row {
  char const *file;
  char const *words; /* of VALUE_WORD, separated by |; of lists the form, for the manual */
  char const *unit;
  char const *standard; /* the default, as it would stand in the file */
  char const *source;
  uint32_t least, most;
  uint16_t offset; /* of the field in struct svdir */
  uint8_t kind;    /* enum value_kind */
};

#define SVDIR_VALUE_NAME(file, kind, field, ...) ROW_##field,
enum value_row_name { SVDIR_VALUES(SVDIR_VALUE_NAME) VALUE_ROW_COUNT };
#undef SVDIR_VALUE_NAME
extern struct value_row const svdir_values[VALUE_ROW_COUNT];

/* ENTRY_PROGRAM: a file that somebody may execute. Without an x bit it is as if it were not
 * there; that we could not execute it for another reason is found out when it is tried. */
enum entry_kind { ENTRY_FILE, ENTRY_PROGRAM, ENTRY_DIRECTORY, ENTRY_ANY };
/* A file which matters by being there. */
struct mark_row {
  char const *file;
  uint32_t has; /* enum svdir_has */
  uint8_t kind; /* enum entry_kind */
};
enum { MARK_COUNT = 14 };
extern struct mark_row const svdir_marks[MARK_COUNT];
_Static_assert(VALUE_ROW_COUNT + MARK_COUNT <= 64, "all known names fit one word");

/* Names that are there, as a word; bit i: svdir_values[i], behind them the marks. */
/* A directory to list, or -1 with errno. */
extern int names_open(char const *dir);
/* What of the known names it has: 1, or 0 with errno. */
extern int names_list(int dir, uint64_t *seen);
/* Make sure that *names holds for the present directory: 1, or 0 with errno. */
extern int names_here(struct svdir_names *names);

/* What is wrong with a file, as text. Cut off when it does not fit. */
#define WRONG_MAX 160
struct wrong {
  size_t len;
  char text[WRONG_MAX];
};
/* Set the text: strings ended by a null pointer. Returns 0, the answer of who complains. */
extern int wrong_set(struct wrong *, char const *const *parts);
#define WRONG(wrong, ...) wrong_set((wrong), (char const *const[]){__VA_ARGS__, 0})

/* Put what text (len bytes, blanks around it already removed, a NUL behind) says into its
 * field of *out: 1, or 0 with *wrong and *out unchanged. */
extern int value_scan(struct svdir *out, struct value_row const *, char const *text, size_t len,
                      struct wrong *);

/* Take the row's field over from another definition. */
extern void value_keep(struct svdir *out, struct value_row const *, struct svdir const *from);

/* When a file was changed last, and how long it is; changed.tai 0: nobody knows. */
struct file_age {
  struct stamp changed;
  uint64_t size;
};
/* A value file's content and age. */
struct value_text {
  char bytes[SVDIR_VALUE_MAX + 1];
  char *start; /* the value in it, a NUL behind */
  size_t len;
  struct file_age age; /* also of one that is bad */
};
enum value_outcome {
  VALUE_THERE,
  VALUE_ABSENT,   /* it is not there (any more) */
  VALUE_BAD,      /* *wrong says why */
  VALUE_LOST,     /* the disk does not say; *wrong says why */
  VALUE_EXHAUSTED /* errno: we are out of descriptors or memory, the file is not to blame */
};
/* Read the file `name` of the directory dir without ever blocking. */
extern enum value_outcome value_load(struct value_text *, int dir, char const *name,
                                     struct wrong *);
/* Is `name` in dir there, and what is expected there? Never opens it. The age also of what is
 * not expected. */
extern enum value_outcome entry_check(int dir, char const *name, enum entry_kind,
                                      struct file_age *, struct wrong *);
/* Count a file in; of one whose age is not known nothing. */
extern void age_note(struct svdir_age *, char const *file, struct file_age const *);
/* The age alone; 0 when it cannot be looked at. */
extern int file_age_get(int dir, char const *name, struct file_age *);

#endif
