/* svstat: what is known of one service directory, the three ways to say it, and which
 * directories are asked. */

#ifndef LARES_SVSTAT_H
#define LARES_SVSTAT_H

#include <stdint.h>

#include <lares/clock.h>
#include <lares/status.h>
#include <lares/svdir.h>

enum report_kind {
  REPORT_GOOD,        /* classic is there; state too when has_state */
  REPORT_NOT_RUNNING, /* no supervisor */
  REPORT_FAILED       /* what could not be asked, and why */
};

#define OUTPUT_SIZE 2048
struct report {
  char const *dir;
  enum report_kind kind;
  char const *what; /* "unable to chdir" */
  char const *why;  /* "Permission denied", "bad format" */
  int is_broken;    /* a link that cannot be followed stands for it */
  int supervised;
  int normally_up;
  int has_state;
  int is_newer; /* there is a state, of a lares newer than we are */
  int size;     /* of supervise/status: who wrote it */
  struct classic_status classic;
  struct state_record state;
  struct text_record texts; /* with has_state: those that hold just now, the others empty */
  int is_logger;            /* it has a buffer that we may read: dropped is known */
  int is_scandir;           /* not a service's: somebody meant -s */
  uint64_t dropped[2];      /* lines and bytes of the log */
  struct svdir_age age;     /* of the definition that is there now */
  int age_known;
  char output[OUTPUT_SIZE]; /* what it said last, lines; of what failed or is in backoff */
  struct stamp now;
  struct deadline moment; /* the same on the monotonic clock */
};

/* Leaves the program in dir, or where it was when that fails. */
extern void report_gather(struct report *, char const *dir);

/* Is the service up in the classic line's sense? */
extern int report_is_up(struct report const *);
/* Milliseconds until a deadline of a record of this boot, 0 when it has passed. */
extern uint64_t report_ms_until(struct report const *, struct deadline);

/* Letters that wait for scripts of control/, the first for the one that runs; "" for none. */
extern char const *report_letters(char buf[STATE_PENDING + 2], struct report const *);

/* Was the definition changed since what runs was started? -1 when nothing runs or nobody knows.
 */
extern int report_outdated(struct report const *);
/* What --failed asks for: a service that has failed, or one that nobody supervises though its
 * supervisor was not told to leave; a link that leads nowhere is one, too. */
extern int report_is_failed(struct report const *);

extern void print_text(struct report const *);

/* Every field, or the one that is wanted. */
enum form_kind { FORM_JSON, FORM_FIELD, FORM_LOOKUP };
struct form {
  enum form_kind kind;
  int started;        /* JSON: a field stands there already */
  char const *wanted; /* else, its name, len bytes of it */
  unsigned len;
  int found; /* there is such a field */
};
extern void print_all(struct form *, struct report const *);
/* Null pointers and what is not known are null. A name is a word that need not be UTF-8. */
extern void form_word(struct form *, char const *name, char const *value);
extern void form_name(struct form *, char const *name, char const *value);
extern void form_truth(struct form *, char const *name, int known, int value);
extern void form_flag(struct form *, char const *name, int value);
extern void form_number(struct form *, char const *name, int known, int64_t value);
extern void form_count(struct form *, char const *name, uint64_t value);
extern void form_stamp(struct form *, char const *name, struct stamp const *);
/* An object as a value; -o does not know what is in it. */
extern void form_open(struct form *, char const *name);
extern void form_close(struct form *);

/* -o: s6's fields, and all of the above. The fields are checked once, before anything is
 * printed: the name of the first one that is none, as pointer and length, or 0. */
extern char const *fields_check(char const *list, unsigned *len);
extern void print_fields(struct report const *, char const *list);

/* output.c: so many lines of the end of its log, of the directory that we are in; as text below
 * the line. */
extern void output_gather(struct report *, unsigned lines);
extern void print_output(struct report const *);

/* --- scandir.c --- */

/* Does the directory hold services, rather than being one? */
extern int is_scan_directory(char const *dir);
/* Calls each for every service of a scan directory and its logger, by name. 1, or 0 with errno.
 */
extern int each_service(char const *dir, void (*each)(void *context, char const *dir),
                        void *context);

/* To standard output, through one buffer. */
extern void put(char const *text);
extern void put_bytes(char const *bytes, unsigned len);
extern void put_number(int64_t);
extern void put_unsigned(uint64_t);

#endif
