/* The script of a log writer: its words as on the command line of multilog and s6-log, what
 * they come to for each action, and the patterns that select lines. No system call is made
 * here.
 */

#ifndef LARES_LOGSCRIPT_H
#define LARES_LOGSCRIPT_H

#include <stddef.h>
#include <stdint.h>

/* --- the words: letter, what follows it, and its help line --- */

#define LOG_WORDS(X)                                                                           \
  X("t", "", "TAI64N label in front of each line")                                             \
  X("T", "", "ISO 8601 time in front of each line")                                            \
  X("p", "PREFIX", "PREFIX and a blank in front of each line")                                 \
  X("j", "[STREAM]", "lines as JSON, STREAM in the member \"stream\" (stdout)")                \
  X("a", "", "leave out ANSI escape sequences")                                                \
  X("x", "", "the actions that follow write lines as they are")                                \
  X("-", "PATTERN", "leave out matching lines; * is any string without the next character")    \
  X("+", "PATTERN", "take matching lines in again")                                            \
  X("E", "", "the patterns that follow are POSIX extended regular expressions")                \
  X("M", "", "the patterns that follow are multilog's again")                                  \
  X("f", "", "select what no action before has taken, and nothing else")                       \
  X("F", "", "select nothing")                                                                 \
  X("c", "", "lines that begin with a blank or tab go where the line before them goes")        \
  X("s", "SIZE", "most bytes of a file (99999)")                                               \
  X("n", "NUM", "most files of a directory, current included (10)")                            \
  X("S", "TOTAL", "most bytes of a directory's archives (0: NUM less one times SIZE)")         \
  X("l", "BYTES", "a file ends at a line's end when it has SIZE less BYTES (0)")               \
  X("R", "SECONDS", "a file ends at that age (0: at any)")                                     \
  X("A", "SECONDS", "a finished file is removed at that age (0: at none)")                     \
  X("r", "MS", "how long to wait when writing has failed (1000)")                              \
  X("!", "PROGRAM", "shell command that finished files go through (none)")                     \
  X("z", "[PROGRAM]", "compress finished files with zstd or gzip; z- does not")                \
  X("b", "", "what cannot be written makes the writer of the pipe wait")                       \
  X("o", "", "what cannot be written is dropped and counted")                                  \
  X("y", "[r|n|MS]", "to the disk after each read, at a file's end, never, or after MS")       \
  X("1", "", "action: lines to standard output")                                               \
  X("2", "", "action: lines to standard error")                                                \
  X("e", "", "action: 200 bytes of each line to standard error")                               \
  X("=", "FILE", "action: FILE holds 1000 bytes of the last line")

/* What stands in a directory's config and nowhere else: the word of svlogd that is taken, and
 * those that are refused, with what is said about them. */

#define LOG_CONFIG_WORDS(X) X("t", "SECONDS", "svlogd's: as RSECONDS")

#define LOG_CONFIG_REFUSED(X)                                                                  \
  X("N", "nNUM and STOTAL: svlogd's NMIN is not there, room is made before a file grows")      \
  X("e", "e alone: for svlogd's ePATTERN the words F, +PATTERN, 2 and +* on lines of their "   \
         "own, before all others")                                                             \
  X("E", "E alone: svlogd's EPATTERN is not there")                                            \
  X("u", "no svlogd's uADDRESS: lines are not sent by UDP")                                    \
  X("U", "no svlogd's UADDRESS: lines are not sent by UDP")

/* --- regex.c: POSIX extended regular expressions, in fixed memory and linear time --- */

#define LOGREGEX_STEPS 1000
#define LOGREGEX_SETS 128

struct logregex_step {
  uint8_t op;
  uint16_t next, other;
};

struct logregex {
  uint16_t count, set_count;
  struct logregex_step steps[LOGREGEX_STEPS];
  uint8_t sets[LOGREGEX_SETS][32];
};

/* 0, or what is expected where the text is wrong. */
extern char const *logregex_compile(struct logregex *, char const *text);
/* Does it match somewhere in the line? */
extern int logregex_match(struct logregex const *, char const *line, size_t len);

/* --- script.c --- */

#define LOG_ACTIONS_MAX 24
#define LOG_SIZE_MIN 4096ull
#define LOG_SIZE_MAX (1ull << 40)
#define LOG_COUNT_MIN 2ull
#define LOG_COUNT_MAX 1000000ull
#define LOG_RETRY_MIN 10ull
#define LOG_TIME_MAX 1000000000ull /* seconds, milliseconds */
#define LOG_PREFIX_MAX 255
#define LOG_STREAM_MAX 64
#define LOG_MOVED_MAX 8

enum log_pattern_kind {
  LOG_PATTERN_MINUS,
  LOG_PATTERN_PLUS,
  LOG_PATTERN_REST,   /* f */
  LOG_PATTERN_NONE,   /* F */
  LOG_PATTERN_ACTION, /* here an action takes what is selected: for f */
  LOG_PATTERN_SCOPE,  /* here the words of a config begin */
  LOG_PATTERN_LEAVE   /* here they end: what was selected before is again */
};

struct logpattern {
  enum log_pattern_kind kind;
  char const *text;       /* of + and - */
  int bare;               /* it does not see the stamps: of a config, or an expression */
  struct logregex *regex; /* owned: text as an expression, or 0 */
};

enum log_action_kind {
  LOG_TO_DIR,
  LOG_TO_STDOUT,
  LOG_TO_STDERR,
  LOG_TO_ALERT, /* e */
  LOG_TO_STATUS /* = */
};

struct logformat {
  int tai, iso;       /* t, T */
  int strip;          /* a */
  char const *prefix; /* p: borrowed, or 0 */
  char const *stream; /* j: borrowed, or 0 when lines are not JSON */
};

enum log_sync { LOG_SYNC_NEVER, LOG_SYNC_END, LOG_SYNC_READ, LOG_SYNC_AFTER };

/* What the words before an action came to. All texts are borrowed from the words. */
struct logaction {
  enum log_action_kind kind;
  char const *path; /* of a directory or a status file */
  struct logformat format;
  unsigned patterns;     /* so many of the script's patterns decide; 0: every line */
  int records;           /* c */
  int drop;              /* o */
  uint32_t retry_ms;     /* r */
  uint32_t count;        /* n: most files, current included */
  uint64_t size;         /* s: most bytes of one file */
  uint64_t total;        /* S: most bytes of archives, or 0 */
  uint64_t tolerance;    /* l: at most half of size */
  uint32_t period_s;     /* R: or 0 */
  uint32_t age_s;        /* A: or 0 */
  char const *processor; /* !: or 0 */
  char const *compress;  /* z: "zstd", "gzip", "" for the first of them that is there, or 0 */
  enum log_sync sync;    /* y */
  uint32_t sync_ms;      /* of LOG_SYNC_AFTER */
};

struct logmoved { /* a number that was out of range */
  int index;      /* of the word */
  uint64_t used;  /* in its place */
};

struct logscript {
  int tai, iso; /* stamps before the first pattern and action: patterns see them */
  struct logpattern *patterns; /* borrowed */
  unsigned pattern_count;
  unsigned action_count;
  int regexes; /* one of the patterns is an expression */
  struct logaction actions[LOG_ACTIONS_MAX];
  struct logmoved moved[LOG_MOVED_MAX]; /* the first of them */
  unsigned moved_count;
  int last; /* the index of the last action's word: those behind it hold for nothing */
};

struct logscript_error {
  int index; /* of the word, from 0; the number of words when something is missing */
  char const *expected;
};

/* lines: for each word its line in a config, or 0 when it stands on the command line; a null
 * pointer for 0 everywhere. The words of a config stand before its directory. patterns: room
 * for as many as there are words, with lines for twice as many. 1, or 0 with error set. */
extern int logscript_parse(struct logscript *, struct logpattern *patterns,
                           char const *const *words, unsigned const *lines, int count,
                           struct logscript_error *);

/* What the patterns own. */
extern void logscript_free(struct logscript *);

/* --- config.c: the text of a config, a word a line --- */

#define LOG_CONFIG_MAX 65536 /* bytes of the text */
#define LOG_CONFIG_WORDS_MAX 1000

struct logconfig_error {
  unsigned line;
  char const *expected;
};

/* Ends each word in the text by a NUL; there is room for one byte more. words and lines have
 * room for LOG_CONFIG_WORDS_MAX. The number of words, or -1 with error set. */
extern int logconfig_words(char *text, size_t len, char const **words, unsigned *lines,
                           struct logconfig_error *);

/* --- match.c: patterns --- */

#define LOG_REGEX_MAX 4096 /* bytes of a line that expressions look at */

#define LOG_MATCH_MAX 1000 /* bytes of a line, stamp included, that patterns look at */

extern int logmatch(char const *pattern, char const *line, size_t len);
/* Every line is selected until a pattern says otherwise. stamps: so many bytes of the line were
 * put in front of it. */
extern int logmatch_select(struct logpattern const *, unsigned count, char const *line,
                           size_t len, size_t stamps);

#endif
