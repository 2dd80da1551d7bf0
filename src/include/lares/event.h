/* Waking those who wait for a service: a fifodir in s6's form (a directory, mode 03730, in
 * which each subscriber makes a FIFO `ftrig1:@TAI64N:random`). What happened is read from
 * `history`; the letters are s6's, so that its clients (s6-svwait) understand them too: s the
 * supervisor begins, u up, U ready, d run died, D really down, O will not be up again by
 *   itself, x the supervisor leaves. Lares adds: . any other change.
 */

#ifndef LARES_EVENT_H
#define LARES_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include <lares/clock.h>

/* Who owns the directory and its group may subscribe; others cannot even see the names. */
#define EVENT_MODE 03730

/* Make the directory, or find it there (its mode is left as it is then): 1, or 0 with errno
 * (ENOTDIR: something else has the name, EPERM: it is somebody else's). */
extern int event_directory(char const *dir);
/* Write the letters to every subscriber; FIFOs nobody reads any more are removed. Never blocks
 * nor allocates; a subscriber whose FIFO is full misses the letters, not the event: it is in
 * the journal. Descriptors are opened O_NOFOLLOW and must be FIFOs with names of s6's form. The
 * caller does not let SIGPIPE kill it. 1, or 0 with errno when the directory itself cannot be
 * read. */
extern int event_wake(char const *dir, char const *letters, size_t len);

struct event_subscription {
  int read, write; /* owned, -1: both ends, so that the FIFO never reports EOF */
  char path[1024]; /* "" when there is none */
};
/* Subscribe: 1, or 0 with errno and both descriptors -1. Remember to unsubscribe, also when
 * killed by a signal that can be caught; a left-over FIFO is removed by the next wake-up. */
extern int event_subscribe(struct event_subscription *, char const *dir);
/* Also for one that was never subscribed, when path is "" and the descriptors are -1. */
extern void event_unsubscribe(struct event_subscription *);

#define EVENT_NAME 48 /* room for a subscriber's name in a fifodir */
/* The same for who has many: in the directory `dir` below the one behind the descriptor `at`,
 * with one descriptor for both ends: that, owned by the caller, and the name; or -1 with errno.
 */
extern int event_subscribe_at(int at, char const *dir, char name[EVENT_NAME]);
extern void event_unsubscribe_at(int at, char const *dir, char const *name);
/* Read all letters away from such a descriptor: as event_drain. */
extern int event_drain_descriptor(int fd);
/* Wait for a wake-up until the deadline: 1 woken (all letters read away), 0 time out, -1 errno
 */
extern int event_wait(struct event_subscription *, struct deadline);
/* Read all letters away: 1 there were some, 0 none, -1 errno. For who polls read itself. */
extern int event_drain(struct event_subscription *);

#endif
