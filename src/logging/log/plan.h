/* What the log writer is to do: the words of the command line and of the configs, and the
 * script that they come to.
 */

#ifndef LARES_LOG_PLAN_H
#define LARES_LOG_PLAN_H

#include <lares/logscript.h>

struct plan {
  struct logscript script;
  struct logpattern *patterns; /* owned */
  char const **words;          /* owned: the array; texts are those of texts or of argv */
  unsigned *lines;             /* owned: for each word its line in a config, or 0 */
  int count;
  char **texts; /* owned: the configs */
  unsigned text_count;
};

struct plan_fault { /* why there is none */
  int code;         /* enum exitcode */
  int missing;      /* a word is: the usage helps */
  char text[1000];
};

/* Reads the configs of the directories among the words. 0 with fault set: no plan. */
extern struct plan *plan_load(int argc, char const *const *argv, struct plan_fault *);
#define PLAN_WHERE 600

/* The word of that index, and where it stands, as messages begin with it. */
extern void plan_where(struct plan const *, int index, char where[PLAN_WHERE]);
/* Do both say the same? */
extern int plan_is_same(struct plan const *, struct plan const *);
extern void plan_free(struct plan *);

#endif
