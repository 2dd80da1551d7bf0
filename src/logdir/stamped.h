/* Lines with a label in front of each: the inner loop of the log writer. There are two of it
 * from one source, and the better one that the processor has is taken; tests compare them.
 */

#ifndef LARES_LOGDIR_STAMPED_H
#define LARES_LOGDIR_STAMPED_H

#include <lares/logdir.h>

struct stamped {
  char const *in, *end; /* bytes, of which ENDS_BEYOND more can be read */
  char *out;            /* goes on behind limit for LOG_SLACK bytes */
  char const *limit;
  struct loglabel label; /* of the next line */
};

/* As many whole lines as fit between out and limit: in, out and label move. */
extern void stamped_put(struct stamped *);

extern void stamped_put_plain(struct stamped *);
#if defined __SSE2__ && defined __GNUC__ && defined __x86_64__
#define STAMPED_AVX2 1
extern int stamped_has_avx2(void);
extern void stamped_put_avx2(struct stamped *);
#endif

#endif
