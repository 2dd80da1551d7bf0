/* Reading log directories: stamps in front of lines, as text for people, times that people
 * type, the files of a directory in their order, and compressed ones. For clients that show
 * logs; the log writer has lares/logdir.h.
 */

#ifndef LARES_LOGREAD_H
#define LARES_LOGREAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <lares/clock.h>

/* --- label.c: what loggers put in front of lines --- */

/* Lines of one file mostly have the second of the line before: that much is kept. All zero to
 * begin with. */
struct label_reader {
  char second[32]; /* as it stood in the last line */
  unsigned len;    /* of it, 0: nothing yet */
  uint64_t tai;
};

struct label {
  struct stamp at;
  unsigned len; /* of all stamps, without the blank behind them; 0: the line begins with none */
};

/* TAI64N (multilog, lares-log t), ISO 8601 in UTC (lares-log T, svlogd -tt and -ttt), in local
 * time with a blank in the middle (s6-log T), and the first followed by one of the others. A
 * label ends in a blank or the line. 1 if there is one; else 0, and len is 0. The time in a
 * JSON line of lares-log j is told too: 1, and len is 0. */
extern int label_scan(struct label_reader *, struct label *, char const *line, size_t len);

/* --- local.c: stamps for people --- */

#define TIME_TEXT 80 /* most bytes of one */

enum time_form {
  TIME_AS_LOCAL, /* 2026-11-20 11:00:00.123456789, as tai64nlocal of daemontools */
  TIME_AS_ISO,   /* 2026-11-20T11:00:00.123456789+01:00 */
  TIME_AS_UTC    /* 2026-11-20T10:00:00.123456789Z */
};

/* All zero but for the form. */
struct time_writer {
  enum time_form form;
  int known;       /* text is of this second */
  uint64_t tai;    /* the second written last */
  unsigned len;    /* of what stands in text before the fraction */
  unsigned offset; /* of what stands behind it, in `behind` */
  char text[48], behind[8];
};

/* The number of bytes written, none of them a NUL; 0 for a time that localtime() cannot tell.
 */
extern unsigned time_write(struct time_writer *, char out[TIME_TEXT], struct stamp const *);

/* --- moment.c: times as they are typed --- */

/* @TAI64N; 2026-11-29 with or without a time of day, that with or without seconds and a
 * fraction of them, T or a blank or _ in between, behind it Z, +01:00 or nothing for local
 * time; 10:00, of today; now, today, yesterday; 10m or 1h30m: so long before now (s m h d w).
 * 1, or 0 if it is none of them. */
extern int moment_scan(struct stamp *, char const *text, struct stamp const *now);
#define MOMENT_EXPECTED                                                                        \
  "a time is expected: 10m or 1h30m before now, 10:00 of today, 2026-11-29, "                  \
  "2026-11-29T10:00:00 (local; with Z behind it UTC), or @ and a TAI64N label"

/* --- date.c: what these have in common --- */

/* Seconds since 1970 of a date of the Gregorian calendar in UTC. */
extern int64_t date_seconds(int64_t year, unsigned month, unsigned day, unsigned seconds);
/* The same in local time; an hour that is there twice is either. 1, or 0. */
extern int date_local_seconds(int64_t *out, int64_t year, unsigned month, unsigned day,
                              unsigned seconds);
struct date {
  int64_t year;
  unsigned month, day, seconds; /* of the day */
  uint32_t nano;
};
/* "2026-11-29", separator, "10:00:00" and a fraction if there is one: bytes read, or 0. */
extern unsigned date_scan(struct date *, char const *text, size_t len, char const *separators);
/* So many decimal digits: 1 and their value, or 0. */
extern int date_digits(char const *text, unsigned count, unsigned *value);

/* --- names.c: the files of a directory --- */

#define LOGFILE_NAME 32

struct logfile {
  struct stamp stamp; /* of its name: an archive's; zero for the others */
  char name[LOGFILE_NAME];
};
struct logfiles {
  struct logfile *all; /* owned; archives, oldest first */
  uint32_t count, room;
  /* A logger has a program at work: from previous it makes processed, which gets an archive's
   * name when previous is removed. */
  int previous, processed;
};

/* Is it the name of an archive: @TAI64N.s or .u, with or without .gz, .zst, .xz, .bz2 behind
 * it? */
extern int logfile_parse(struct logfile *, char const *name);
/* The archives with a later name than that. Where there are several of one stamp, one of them
 * is on its way to be the other: the first in order of their names is taken. 1, or 0 with
 * errno. */
extern int logfiles_list(struct logfiles *, int dirfd, struct stamp const *after);
extern void logfiles_free(struct logfiles *);
/* Does the directory look as if a logger had written to it: has it current or an archive? -1
 * with errno: that cannot be told. */
extern int logfiles_any(char const *dir);

/* --- unpack.c: compressed or not --- */

struct unpacked {
  int fd;    /* owned, -1 */
  pid_t pid; /* of the program, 0 */
  char const *program;
};

/* Takes the descriptor of a file, and gives one to read its content from: the same, or that of
 * a pipe from zstd, gzip, xz or bzip2, by the file's first bytes. 1; or 0 with errno, the
 * descriptor closed and program naming what could not be run, if that is it. */
extern int unpack_open(struct unpacked *, int fd);
/* Closes it. finished: it was read to its end. 0 if the program says that something was wrong
 * then. */
extern int unpack_close(struct unpacked *, int finished);

#endif
