/* What is not a directory: standard output and standard error, and status files. Their place in
 * the input is kept in the buffer too; what was handed to the stream and not taken by its
 * reader is lost with the process.
 */

#ifndef LARES_LOG_STREAM_H
#define LARES_LOG_STREAM_H

#include <lares/logdir.h>

struct stream {
  struct logaction const *action; /* borrowed */
  struct logrecord *record;       /* borrowed from the logbuf */
  struct stream *next;            /* borrowed: a later action for the same descriptor */
  int joined;                     /* it is such a later one: the first does the work */
  struct logdrops *drops;         /* the same */
  int fd;                         /* owned when it is not 1 or 2 */
  int is_socket;
  int ask;        /* the description is shared: poll() before each write */
  int in_line;    /* what was dropped began within a line */
  int closed;     /* nobody reads it any more */
  char *pending;  /* owned: what was not taken yet */
  size_t at, len; /* of pending: taken, there */
};

/* 1; 0 with errno. The buffer must be there; number tells streams of a script apart. */
extern int stream_open(struct stream *, struct logaction const *, struct logbuf *,
                       unsigned number);
/* Other words for it, between two calls of stream_work: it is joined anew. */
extern void stream_renew(struct stream *, struct logaction const *);
extern void stream_close(struct stream *);
/* If an earlier stream goes to the same descriptor, that one writes for both, so that each line
 * comes out for all actions before the next line does. */
extern void stream_join(struct stream *, struct stream *earlier);
/* Hands on everything that is ready. 1; 0 with errno, EAGAIN while its reader is slow. */
extern int stream_work(struct stream *, struct logwork const *);
/* Gives up what is ready; it is counted, and told when there is room. */
extern void stream_drop(struct stream *, struct logwork const *);
extern char const *stream_name(struct stream const *);

#endif
