/* The names of s6's fifodirs: `ftrig1:` TAI64N `:` six characters. A hidden name (a dot in
 * front) is one of a FIFO that is not ready to be written to. */

#ifndef LARES_EVENT_NAME_H
#define LARES_EVENT_NAME_H

#include <lares/clock.h>

#define FIFO_PREFIX "ftrig1:"
#define FIFO_PREFIX_LENGTH (sizeof FIFO_PREFIX - 1)
#define FIFO_RANDOM_LENGTH 6
#define FIFO_NAME_LENGTH (FIFO_PREFIX_LENGTH + STAMP_FMT + 1 + FIFO_RANDOM_LENGTH)

/* A new hidden name. */
extern void fifo_name_make(char name[FIFO_NAME_LENGTH + 2]);

#endif
