/* Chunks of lines that are selected or formatted, and of lines that are too long. */

#ifndef LARES_LOGDIR_LINES_H
#define LARES_LOGDIR_LINES_H

#include "dir.h"

/* The next lines, or the next piece of the line that the place is in. The place moves unless a
 * line begins that does not fit. */
extern void loglines_build(struct logchunk *, struct logtask const *, struct logwork const *);
/* The first piece of a line that begins at the place and does not fit as a whole. */
extern void loglines_piece(struct logchunk *, struct logtask const *, struct logwork const *);

#endif
