/* One service that this one needs: where it is, our FIFO in its event/, and what its state
 * says. Everything goes through a descriptor of its supervise/, so that it is heard to the end
 * also when its name has been taken from the scan directory. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#endif

#include <lares/report.h>

#include "supervise.h"

#define TRIES 20 /* a record that is being written does not add up */
#define TORN_MS 20
#define TORN_MOST 50

char const *need_own_name(struct supervisor const *s) {
  char const *slash = strrchr(s->name, '/');

  return slash ? slash + 1 : s->name;
}

static void look_again(struct supervisor *s) {
  s->needs.look_at = deadline_earlier(s->needs.look_at, deadline_add_ms(clock_now(), RETRY_MS));
}

/* Once, until it works again: what is impossible makes us slower or less orderly, no more. */
void need_unable(struct supervisor *s, char const *what, char const *name) {
  if (!s->needs.said_unable)
    report_warning_errno("unable to ", what, " ", name, ", trying again");
  s->needs.said_unable = 1;
  look_again(s);
}

/* Closing alone is not enough: a child that has not got past execve() has a descriptor of it,
 * too, and as long as that is open it would wake us. */
void needs_deafen(struct supervisor const *s, int fd) {
#ifdef __linux__
  if (s->needs.epoll >= 0) (void)epoll_ctl(s->needs.epoll, EPOLL_CTL_DEL, fd, 0);
#else
  (void)s;
#endif
  close(fd);
}

/* --- where it is -----------------------------------------------------------------------------
 */

static void forget_place(struct supervisor const *s, struct need *n) {
  if (n->events >= 0) needs_deafen(s, n->events);
  if (n->dir >= 0) close(n->dir);
  n->events = n->dir = -1;
  n->fifo[0] = 0;
  n->registered = 0;
}

void need_leave_place(struct supervisor const *s, struct need *n) {
  if (n->dir >= 0) event_unsubscribe_at(n->dir, "event", n->fifo);
  forget_place(s, n);
}

/* Or another one has just done it. */
static int make_directory(int at, char const *name, mode_t mode) {
  if (mkdirat(at, name, 0700) < 0) return errno == EEXIST;
  return !fchmodat(at, name, mode, 0);
}

/* Its supervisor may not have begun yet; that makes what is missing, and finds ours. */
static int open_place(int service) {
  int dir = openat(service, "supervise", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat st;

  if (dir < 0 && errno == ENOENT && make_directory(service, "supervise", 0700))
    dir = openat(service, "supervise", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return -1;
  if (!fstat(dir, &st) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)))
    return dir;
  close(dir);
  errno = EACCES;
  return -1;
}

static int open_service(struct supervisor const *s, char const *name) {
  int scan = open(s->needs.scan, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir, error;

  if (scan < 0) return -1;
  dir = openat(scan, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
  error = errno;
  close(scan);
  errno = error;
  return dir;
}

/* -1 with the stand. */
static int open_now(struct supervisor *s, struct need *n) {
  int service, dir;

  n->stand = NEED_MISSING;
  if (!s->needs.scan) return -1;
  service = open_service(s, n->name);
  if (service < 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return -1;
    n->stand = NEED_UNKNOWN;
    need_unable(s, "look at", n->name);
    return -1;
  }
  dir = open_place(service);
  if (dir < 0) {
    n->stand = errno == ENOENT ? NEED_UNSUPERVISED : NEED_UNKNOWN;
    need_unable(s, "use supervise/ of", n->name);
  }
  close(service);
  return dir;
}

static void subscribe(struct supervisor *s, struct need *n) {
#ifdef __linux__
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)(n - s->needs.list)};

  if (n->events >= 0) return;
  n->events = event_subscribe_at(n->dir, "event", n->fifo);
  if (n->events < 0 && errno == ENOENT && make_directory(n->dir, "event", EVENT_MODE))
    n->events = event_subscribe_at(n->dir, "event", n->fifo);
  if (n->events >= 0 && s->needs.epoll < 0) s->needs.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (n->events >= 0 && s->needs.epoll >= 0 &&
      !epoll_ctl(s->needs.epoll, EPOLL_CTL_ADD, n->events, &event))
    return;
  need_unable(s, "listen to", n->name);
  if (n->events < 0) return;
  event_unsubscribe_at(n->dir, "event", n->fifo); /* it would be taken for one that wakes us */
  close(n->events);
  n->events = -1;
#else
  (void)n;
  look_again(s); /* nobody wakes us */
#endif
}

/* --- asking it ------------------------------------------------------------------------------
 */

void need_find(struct supervisor *s, struct need *n) {
  int dir = open_now(s, n);
  struct stat st;

  if (dir >= 0 && fstat(dir, &st) < 0) {
    n->stand = NEED_UNKNOWN;
    need_unable(s, "look at", n->name);
    close(dir);
    dir = -1;
  }
  if (dir < 0) {
    if (n->dir >= 0) need_withdraw(s, n);
    need_leave_place(s, n);
    if (n->kind == NEED_ORDER) n->stand = NEED_MET; /* not about to be there */
    return;
  }
  if (n->dir >= 0 && n->dev == (uint64_t)st.st_dev && n->ino == (uint64_t)st.st_ino)
    close(dir);
  else {
    if (n->dir >= 0) need_withdraw(s, n);
    need_leave_place(s, n);
    n->dir = dir;
    n->dev = st.st_dev;
    n->ino = st.st_ino;
  }
  subscribe(s, n);
}

/* 1, or 0 with errno. */
static int read_state(int dir, struct state_record *r) {
  char packed[STATE_RECORD_SIZE];
  int fd = openat(dir, "state", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC), good = 0;

  if (fd < 0) return 0;
  for (unsigned i = 0; i < TRIES && !good; i++) {
    ssize_t got = pread(fd, packed, sizeof packed, 0);
    if (got != sizeof packed)
      errno = got < 0 ? errno : got ? EPROTO : ENOENT;
    else
      good = state_record_unpack(packed, r);
    if (errno != EPROTO) break;
  }
  {
    int error = errno;
    close(fd);
    errno = error;
  }
  return good;
}

static int is_alive(struct supervisor *s, struct need const *n) {
  int fd = openat(n->dir, "ok", O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

  if (fd >= 0)
    close(fd);
  else if (errno != ENXIO && errno != ENOENT)
    need_unable(s, "look at", n->name);
  return fd >= 0;
}

/* Somebody has to do something before it comes. */
int need_is_hopeless(unsigned stand) {
  return stand == NEED_DOWN || stand == NEED_FAILED || stand == NEED_MISSING ||
         stand == NEED_CYCLE || stand == NEED_STUCK;
}

/* What its record says of it; nothing, when its supervisor has not begun in this boot. */
static unsigned stand_of(struct supervisor const *s, struct state_record const *r) {
  static uint8_t const stands[STATE_COUNT] = {
      [STATE_DOWN] = NEED_DOWN,         [STATE_WAITING] = NEED_WAITING,
      [STATE_STARTING] = NEED_STARTING, [STATE_UP] = NEED_MET,
      [STATE_STOPPING] = NEED_STOPPING, [STATE_FINISHING] = NEED_STOPPING,
      [STATE_BACKOFF] = NEED_BACKOFF,   [STATE_FAILED] = NEED_FAILED,
      [STATE_DONE] = NEED_MET};

  if (r->boot != s->abilities.boot || r->marks & MARK_BLANK) return NEED_UNSUPERVISED;
  if (r->machine.state == STATE_WAITING && need_is_hopeless(r->detail)) return NEED_STUCK;
  return stands[r->machine.state];
}

/* For the order alone: only what is about to be there is waited for. */
static int is_coming(struct supervisor const *s, struct need const *n,
                     struct state_record const *r) {
  if (n->cyclic || n->lost) return 0;
  switch (n->stand) {
  case NEED_UNSUPERVISED:
    return !deadline_passed(s->needs.patience, clock_now());
  case NEED_STOPPING:
    return r->machine.want != WANT_DOWN;
  default:
    return n->stand == NEED_WAITING || n->stand == NEED_STARTING;
  }
}

/* Torn, it is being written, by somebody who does not get on: what was known goes on to hold.
 */
static void cannot_read(struct supervisor *s, struct need *n) {
  n->stand = errno == ENOENT ? NEED_UNSUPERVISED : NEED_UNKNOWN;
  if (errno == ENOENT) return;
  if (errno != EPROTO || n->torn == TORN_MOST) {
    need_unable(s, "read the state of", n->name);
    return;
  }
  n->torn++;
  s->needs.look_at = deadline_earlier(s->needs.look_at, deadline_add_ms(clock_now(), TORN_MS));
}

static void judge(struct supervisor *s, struct need *n, int to_start) {
  struct state_record r = {.marks = 0};

  if (!read_state(n->dir, &r)) {
    cannot_read(s, n);
  } else {
    n->lost = n->torn = 0;
    n->stand = (uint8_t)stand_of(s, &r);
    if (n->stand != NEED_UNSUPERVISED) n->lost = !!(r.marks & (MARK_DELIBERATE | MARK_LEFT));
    if (to_start && n->stand == NEED_MET && !is_alive(s, n)) n->stand = NEED_UNSUPERVISED;
  }
  if (n->lost && n->stand == NEED_MET) n->stand = NEED_STOPPING; /* a oneshot to be undone */
  if (!(n->kind & NEED_READY)) {
    if (!is_coming(s, n, &r)) n->stand = NEED_MET;
    n->lost = 0;
  } else if (n->stand == NEED_MET && n->registered && !(r.marks & MARK_NEEDED)) {
    n->stand = NEED_UNAWARE;
    (void)channel_poke_at(n->dir, "control", POKE_NEEDED);
  }
}

/* Registered before its state is read: what it does after that reading we are told of. One that
 * goes is left alone: it waits for nobody who does not run. */
void need_look(struct supervisor *s, struct need *n, int to_start) {
  if (n->dir < 0) return;
  if ((!n->registered || n->recorded != n->kind) && !n->lost) need_enrol(s, n);
  judge(s, n, to_start);
  if (n->registered || n->lost) return;
  need_enrol(s, n); /* it went, and has come back */
  if (n->registered) judge(s, n, to_start);
}
