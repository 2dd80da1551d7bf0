/* logtail: what its files share.
 *
 * A place is what was named on the command line: a log directory, a service, a directory of
 * services. It leads to sources, one for each log directory. A source gives one line after the
 * other, from one file after the other; the merger takes the earliest of all; the printer shows
 * it. Of each source there is one buffer, one open file and at most one line that waits to be
 * shown, so memory depends on the number of sources alone.
 */

#ifndef LARES_LOGTAIL_H
#define LARES_LOGTAIL_H

#include <poll.h>
#include <regex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <lares/clock.h>
#include <lares/logread.h>

/* --- select.c: which lines --- */

struct pattern {
  regex_t regex;
  char const *literal; /* nothing special in it: looked for without the regex; or null */
  size_t len;
  int exclude;
};
struct selection {
  struct pattern *all; /* owned */
  unsigned count, wanting;
  int flags; /* REG_ICASE */
};

/* 1, or 0 with what is wrong in error. */
extern int selection_add(struct selection *, char const *text, int exclude, char *error,
                         size_t size);
extern void selection_free(struct selection *);
/* The byte behind the line is changed for a moment. */
extern int selection_takes(struct selection const *, char *line, size_t len);

/* --- options.c --- */

enum stamp_form { STAMPS_AUTO, STAMPS_KEEP, STAMPS_NONE, STAMPS_LOCAL, STAMPS_ISO, STAMPS_UTC };
enum when { WHEN_AUTO, WHEN_ALWAYS, WHEN_NEVER };

struct request {
  int follow, awaits;  /* -f, and -F: what is missing is waited for */
  int all, json, scan; /* -a -j -s */
  int raw;             /* -r */
  enum when prefix, color;
  enum stamp_form stamps;
  int has_last, has_since, has_until;
  uint64_t last; /* -n */
  struct stamp since, until;
  struct selection selection;
  /* What follows from these and from standard output. */
  int plain; /* lines go through as they are: whole blocks of them */
  int clean; /* no byte that a terminal would take for a command */
};

/* The index of the first directory; ends the program for wrong usage. */
extern int options_parse(struct request *, int argc, char const *const *argv);

/* --- source.c, file.c, known.c, begin.c: the lines of one log directory --- */

#define HEAD_SIZE 1024

struct line {
  char *text; /* in the source's buffer */
  size_t len; /* without its newline; with `plain' several lines may be in it */
  struct label label;
  int stamped;      /* its time is known: label.at */
  int begins, ends; /* 0: it is so long that it comes in parts */
  int newline;      /* there is one behind it in the buffer */
};

struct source {
  struct request const *request; /* borrowed */
  char *path, *name;             /* owned */
  unsigned number;               /* from 0, in the order they were named */
  int dirfd;                     /* owned; -1: not there yet */
  dev_t dev;
  ino_t ino;
  int replaced; /* path leads to another directory now */
  int over;     /* there is nothing more to come */
  int dirty;    /* something has happened in the directory */
  int troubled; /* that it cannot be read was said */
  int retry;    /* just now: to be tried again */
  int failed;   /* something could not be read: the exit code */

  struct unpacked file;
  char file_name[LOGFILE_NAME];
  ino_t file_ino;
  int is_current;
  uint64_t offset; /* bytes of the file read */
  int leaving;     /* current is another: what comes to the end now is complete */
  int final;       /* all of the file is in the buffer */
  ino_t stop;      /* not following: at the end of this file all is over, */
  int stopping;    /* and that it is */
  char head[64];   /* how the file begins */
  unsigned head_len;

  struct stamp passed;  /* archives with names up to this one are done */
  int nameless;         /* the file read last has no archive's name yet, or we do not know it */
  ino_t nameless_ino;   /* its number, */
  struct stamp last_at; /* its last label, */
  char sample[HEAD_SIZE]; /* and how it begins */
  unsigned sample_len;

  char *buf; /* owned */
  size_t size, start, end, scanned;
  int inside, chosen; /* in the middle of a line that is shown or not */
  struct label_reader reader;
  struct stamp at; /* of the last label */
  int labelled;    /* there was one */
  int dropping;    /* lines before `since' are left out */
  uint64_t skip;   /* so many selected lines are left out */
  int counting;    /* lines are counted one by one, not shown */
  struct line line;

  char *front; /* owned; JSON: what stands before the time, or null */
  size_t front_len;
};

extern struct source *source_new(struct request const *, char const *path, char const *name,
                                 size_t size);
extern void source_free(struct source *);
/* The next line is in s->line: 1; or 0: none now, or for ever (over). */
extern int source_next(struct source *);
/* Where the directory's path leads to was changed, perhaps. 0: that cannot be told just now. */
extern int source_look(struct source *);
/* Opens the directory if it is there: 1, or 0 with errno. */
extern int source_open_dir(struct source *);
/* Opens it, and finds where to begin. whole: at its very beginning. 1, or 0 with errno. */
extern int source_begin(struct source *, int whole);

/* Something failed, errno: said once, and tried again later. */
extern void source_trouble(struct source *);
/* For begin.c. */
extern int source_take(struct source *); /* a line of what is in the buffer */
extern int source_fill(struct source *); /* 1: there is more; 0: no; -1: errno */
/* file.c: takes the descriptor of the file of that name. 1, or 0, which is said. */
extern int file_start(struct source *, int fd, char const *name, int is_current);
extern void file_end(struct source *);
extern int file_open_regular(int dirfd, char const *name); /* -1 and errno */
/* The file that was read to its end has no more to come: 1; it may grow: 0; -1: read again. */
extern int file_is_finished(struct source *);
/* What a logger's program is at work on: previous, or what it has made of that. -1 if there is
 * none, or the file read last is it; with ENOENT if it has just changed. */
extern int file_open_unfinished(struct source *, struct logfiles const *, char const **name);
/* Opens the next: 1, or 0. */
extern int file_next(struct source *);
/* known.c: the file that was read to its end, still open, is to be known again. */
extern void known_remember(struct source *);
/* Does the file begin as that one, as far as one can tell? */
extern int known_sample(struct source const *, int fd);
/* The first of the archives that is not that one, or null. */
extern struct logfile const *known_drop(struct source *, struct logfiles const *);

/* --- places.c: what was named --- */

struct watch;

struct place {
  char const *path; /* borrowed */
  int scan;         /* of services */
  int found;        /* it has led to a source */
};
struct tail {
  struct request request;
  struct place *places; /* owned */
  unsigned place_count;
  struct source **sources; /* owned */
  unsigned source_count, source_room;
  size_t buffer;       /* bytes of each source */
  int begun;           /* sources that come now are new: shown from their beginning */
  int look;            /* something may have come or gone */
  int look_again;      /* what could not be looked at just now */
  int code;            /* to exit with */
  struct watch *watch; /* owned; null unless following */
};

/* Adds the sources that a place leads to and that are not known yet: their number. */
extern unsigned place_resolve(struct tail *, struct place *);

/* --- watch.c: being told of changes --- */

extern int watch_begin(struct tail *);
/* Lines and names of a source's directory. */
extern void watch_files(struct tail *, struct source *);
/* What appears in, and vanishes from, a directory on the way to a source. */
extern void watch_path(struct tail *, char const *dir);
/* The directory above that path, and those above until there is one. */
extern void watch_above(struct tail *, char const *path);
/* Until something has happened: sources are dirty then, or `look` is set. 0: nobody reads our
 * output any more. */
extern int watch_wait(struct tail *);

/* --- merge.c: the earliest line of all --- */

struct merger {
  struct source **heap; /* owned */
  unsigned count, room;
};

/* A source that has a line. 1, or 0 with errno. */
extern int merger_add(struct merger *, struct source *);
/* The source with the earliest line, or null. */
extern struct source *merger_first(struct merger const *);
/* Its line is done; has_line: it has another one. */
extern void merger_next(struct merger *, int has_line);

/* --- print.c --- */

struct printer;
extern struct printer *printer_new(struct tail const *);
extern void print_line(struct printer *, struct source const *);
extern void printer_flush(struct printer *);
/* Makes the front of a new source. 1, or 0 with errno. */
extern int source_front(struct source *);

#endif
