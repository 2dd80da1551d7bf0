/* Supervisors that run although we did not start them: a scanner before us did. They are found
 * by their locks and waited for through pidfds in one epoll instance (poll() would have to be
 * given all of them each time, and refuses more than RLIMIT_NOFILE). Where there are no pidfds,
 * or none is left, the lock is asked again every RETRY_MS. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#endif

#include <lares/killpoint.h>
#include <lares/status.h>

#define SPARE_FDS 8

/* Taking the lock shared for a moment cannot be mistaken for a supervisor: the record in it
 * names a dead process then, and whoever wants the lock tries again. */
static enum probe ask_lock(struct scan *s, char const *path, struct identity *who, int *pidfd) {
  enum probe probe = PROBE_FREE;
  struct identity_record r;
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

  *pidfd = -1;
  if (fd < 0) return is_shortage(errno) ? PROBE_FAILED : PROBE_FREE;
  if (fstat(fd, &st) < 0) {
    if (is_shortage(errno)) probe = PROBE_FAILED;
    goto close_fd;
  }
  if (!S_ISREG(st.st_mode) || !flock(fd, LOCK_SH | LOCK_NB)) goto close_fd;
  if (errno != EWOULDBLOCK) {
    if (is_shortage(errno)) probe = PROBE_FAILED;
    goto close_fd;
  }
  probe = PROBE_HELD;
  /* daemontools' lock says nothing; somebody holds it. */
  *who = (struct identity){.pid = 0};
  if (!identity_record_read(fd, &r) || r.state != IDENTITY_RUNNING) goto close_fd;
  *who = r.who;
  /* Its holder is dead: a child of it shares the lock that is not its program yet. The new
   * supervisor waits for that. */
  if (identity_prove(&s->abilities, &r.who, pidfd) == IDENTITY_GONE) probe = PROBE_FREE;

close_fd:
  close(fd);
  return probe;
}

#ifdef __linux__
static int wait_for_pidfd(struct scan *s, struct entry const *e, enum which which, int pidfd) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)e->number * 2 + which};

  if (s->epoll < 0) s->epoll = epoll_create1(EPOLL_CLOEXEC);
  return s->epoll >= 0 && !epoll_ctl(s->epoll, EPOLL_CTL_ADD, pidfd, &event);
}
#else
static int wait_for_pidfd(struct scan *s, struct entry const *e, enum which which, int pidfd) {
  (void)s;
  (void)e;
  (void)which;
  (void)pidfd;
  return 0;
}
#endif

/* Closing alone is not enough: a child that has not got past execve() has a descriptor of it,
 * too, and as long as that is open the end would be told again and again. */
void found_forget(struct scan const *s, struct slot *slot) {
  if (slot->pidfd < 0) return;
#ifdef __linux__
  if (s->epoll >= 0) (void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, slot->pidfd, 0);
#endif
  close(slot->pidfd);
  slot->pidfd = -1;
}

/* Some descriptors are left for looking at things: with none, nothing could be done any more
 * about a supervisor that has no pidfd. */
static int is_affordable(int fd) {
  struct rlimit most;

  return getrlimit(RLIMIT_NOFILE, &most) < 0 || (rlim_t)fd + SPARE_FDS < most.rlim_cur;
}

static void use_pidfd(struct scan *s, struct entry *e, enum which which, int pidfd) {
  struct slot *slot = &e->slot[which];

  slot->pidfd = pidfd;
  if (pidfd >= 0 && (!is_affordable(pidfd) || !wait_for_pidfd(s, e, which, pidfd)))
    found_forget(s, slot);
  slot->moment = DEADLINE_NEVER;
  if (slot->pidfd >= 0) return;
  slot->moment = deadline_add_ms(clock_now(), RETRY_MS);
  need_look(s, slot->moment);
}

void found_take(struct scan *s, struct entry *e, enum which which, int32_t pid, int pidfd) {
  char path[PATH_SIZE], number[REPORT_NUMBER];
  struct slot *slot = &e->slot[which];
  int32_t wstat;

  slot->pid = pid;
  if (pid) (void)pid_add(s, e, which, pid);
  if (pid && child_peek(pid, &wstat) >= 0) {
    if (pidfd >= 0) close(pidfd);
    slot->state = SLOT_RUNNING;
    slot->moment = (struct deadline){0};
    store_ask(s, e, which);
    return;
  }
  slot->state = SLOT_FOUND;
  slot->deaths = 0;
  use_pidfd(s, e, which, pidfd);
  store_ask(s, e, which);
  report_info("found supervisor of `", slot_name(e, which, path), "' running",
              pid ? ", pid " : "", pid ? report_number(number, pid) : "");
}

enum probe found_probe(struct scan *s, struct entry *e, enum which which) {
  char path[PATH_SIZE];
  struct identity who;
  enum probe probe;
  int pidfd;

  if (!slot_path(s, e, which, "supervise/lock", path))
    return is_shortage(errno) ? PROBE_FAILED : PROBE_FREE;
  probe = ask_lock(s, path, &who, &pidfd);
  if (probe == PROBE_FAILED && trouble(s, TROUBLE_PROBE))
    report_warning_errno("unable to see whether supervisors run already");
  if (probe != PROBE_HELD) return probe;
  KILL_POINT(SUPERVISOR_FOUND);
  found_take(s, e, which, who.pid, pidfd);
  return PROBE_HELD;
}

int found_dead(struct scan *s, struct entry *e, enum which which) {
  struct slot *slot = &e->slot[which];
  struct identity_record r;
  char path[PATH_SIZE];
  enum which other;
  int32_t wstat;
  int fd, ok;

  if (!slot_path(s, e, which, "supervise/lock", path)) return 0;
  fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return 0;
  ok = identity_record_read(fd, &r) && r.state == IDENTITY_RUNNING && r.who.pid > 0;
  close(fd);
  if (!ok || child_peek(r.who.pid, &wstat) != 1 || !orphan_is_ours(s, &r.who) ||
      pid_find(s, r.who.pid, &other) || !pid_add(s, e, which, r.who.pid))
    return 0;
  slot->pid = r.who.pid;
  slot->state = SLOT_RUNNING;
  slot->moment = (struct deadline){0};
  return 1;
}

/* Without a pidfd: does it still hold its lock? */
void found_look(struct scan *s, struct entry *e, enum which which) {
  struct slot *slot = &e->slot[which];
  enum probe probe = PROBE_FREE;
  char path[PATH_SIZE];
  struct identity who;
  int pidfd = -1;

  if (slot_path(s, e, which, "supervise/lock", path)) probe = ask_lock(s, path, &who, &pidfd);
  if (probe == PROBE_HELD && !slot->pid && who.pid) { /* it had not signed yet */
    found_take(s, e, which, who.pid, pidfd);
    return;
  }
  if (probe == PROBE_HELD && who.pid != slot->pid) {
    if (pidfd >= 0) close(pidfd);
    pidfd = -1;
    probe = PROBE_FREE; /* another one by now; it is found when we want to start ours */
  }
  if (probe == PROBE_FREE)
    slot_ended(s, e, which, WSTAT_UNKNOWN);
  else
    use_pidfd(s, e, which, pidfd);
}

#ifdef __linux__
void found_read(struct scan *s) {
  struct epoll_event events[16];
  int count = epoll_wait(s->epoll, events, sizeof events / sizeof *events, 0);

  for (int i = 0; i < count; i++) {
    uint64_t number = events[i].data.u64;
    enum which which = (enum which)(number % 2);
    struct entry *e = number / 2 < s->top ? s->table[number / 2] : 0;
    struct slot const *slot;
    struct pollfd ready;
    int count_ready;
    /* An earlier event of this batch may have ended the entry and reused its number. */
    if (!e) continue;
    slot = &e->slot[which];
    if (slot->state != SLOT_FOUND || slot->pidfd < 0) continue;
    ready = (struct pollfd){.fd = slot->pidfd, .events = POLLIN};
    count_ready = poll(&ready, 1, 0);
    if (count_ready < 0) loop_cannot_read(s, "the end of a supervisor");
    if (count_ready != 1) continue;
    slot_ended(s, e, which,
               identity_wstat(&(struct identity){.pid = slot->pid}, slot->pidfd, 0));
  }
}
#else
void found_read(struct scan *s) {
  (void)s;
}
#endif
