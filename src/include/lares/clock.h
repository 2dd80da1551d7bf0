/* The two kinds of time, which do not mix.
 *
 * A deadline is a moment of CLOCK_MONOTONIC in nanoseconds: it does not move when the wall
 * clock is set, and means the same in every process until the next boot, so that it can be
 * handed on through a file. (skalibs' tain stopwatch is anchored in one process, hence our
 * own.)
 *
 * A stamp is a moment of the wall clock as TAI64N label with DJB's offset: seconds are
 * 2^62 + 10 + Unix time. skalibs' wall clock adds its leap second table, which every reader of
 * daemontools' and runit's files would show as 27 seconds in the future; never use it for
 * files.
 */

#ifndef LARES_CLOCK_H
#define LARES_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <time.h>

struct deadline {
  int64_t ns;
};

#define DEADLINE_NEVER ((struct deadline){.ns = INT64_MAX})

struct stamp {
  uint64_t tai;  /* 2^62 + 10 + seconds since 1970 */
  uint32_t nano; /* 0 to 999999999 */
};

#define STAMP_EPOCH 4611686018427387914ull /* the label of 1970-01-01 00:00:00 UTC */
#define STAMP_PACK 12                      /* bytes of a packed TAI64N label */
#define STAMP_FMT 25                       /* characters of one as text, '@' included, no NUL */
#define STAMP_ISO 24                       /* characters of 2026-11-20T10:00:00.123Z, no NUL */

/* Now, as deadline and as stamp. Neither can fail. */
extern struct deadline clock_now(void);
extern void clock_stamp(struct stamp *out);

/* t + ms milliseconds; stays DEADLINE_NEVER instead of overflowing. */
extern struct deadline deadline_add_ms(struct deadline t, uint64_t ms);
extern struct deadline deadline_earlier(struct deadline a, struct deadline b);
extern int deadline_passed(struct deadline t, struct deadline now);

/* poll() until a descriptor is ready or the deadline has really passed: restarts after EINTR
 * and never returns 0 early. The number of ready descriptors, 0, or -1 with errno: for want of
 * kernel memory, and some milliseconds later, so that who asks again burns no processor. */
extern int clock_poll(struct pollfd *fds, nfds_t count, struct deadline until);

/* For who cannot even wait for events, so as not to ask again at once. */
extern void clock_pause(unsigned ms);
extern void clock_pause_until(struct deadline);

/* 12 bytes: seconds big-endian 8, nanoseconds big-endian 4 (TAI64N, cr.yp.to/libtai). */
extern void stamp_pack(char out[STAMP_PACK], struct stamp const *);
extern void stamp_unpack(char const in[STAMP_PACK], struct stamp *);
/* "@" and 24 hexadecimal digits. */
extern void stamp_fmt(char out[STAMP_FMT], struct stamp const *);
/* Reads what stamp_fmt writes: 1, or 0 if the 25 characters are no label. */
extern int stamp_scan(char const in[STAMP_FMT], struct stamp *);
/* 2026-11-20T10:00:00.123Z; years outside 0 to 9999 are clamped. */
extern void stamp_iso(char out[STAMP_ISO], struct stamp const *);
extern void stamp_from_timespec(struct stamp *, struct timespec const *);
/* Whole seconds from since to now, 0 when the clock was set back in between. */
extern uint64_t stamp_seconds(struct stamp const *since, struct stamp const *now);
extern int stamp_compare(struct stamp const *a, struct stamp const *b);

#endif
