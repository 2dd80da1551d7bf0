/* Who keeps a log pipe open: two words that a log supervisor and lares-log share in the head of
 * `buf` (src/logdir/buffer.h), native byte order, 8 bytes each.
 *
 * A logger that reads the end of its pipe ends. Outside a stop that is wrong: both supervisors
 * may be dead for a moment while the service ends, and what the next service writes would go
 * with the pipe if that too had nobody left who holds it. So lares-log holds a writing end
 * itself while it is told to keep the pipe; at a stop it is told not to, and gets TERM in place
 * of the end that it cannot see.
 *
 * keep    written by the supervisor: 1 before a logger is started, 0 when a drain begins
 * holds   written by the logger: 1 before it opens its writing end; 0 by the supervisor before
 *         each start
 *
 * The supervisor stores keep and then loads holds, the logger stores holds and then loads keep:
 * whichever comes second sees the other's, so that there never is a logger which holds the pipe
 * and was not told.
 */

#ifndef LARES_LOGPIPE_H
#define LARES_LOGPIPE_H

#include <stdint.h>

struct logpipe_words {
  uint64_t keep, holds;
};

/* Where they are in `buf`. */
#define LOGPIPE_WORDS_AT 2408

/* For who reads the file: its first 8 bytes, and two words, the lines and bytes that its
 * loggers have dropped since it was made. */
#define LOGBUF_MAGIC "LARESLB1"
#define LOGBUF_DROPPED_AT 2808

#endif
