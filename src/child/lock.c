/* R1: the lock. flock() belongs to the open file description, which a vforked child shares
 * until it has become its program: whoever gets the lock knows that no half-started child is
 * left. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 10

static int sign(struct child_abilities const *a, int fd) {
  struct identity_record self = {
      .state = IDENTITY_RUNNING, .wstat = WSTAT_UNKNOWN, .began = clock_now()};

  clock_stamp(&self.started);
  return identity_of(a, getpid(), &self.who) && identity_record_write(fd, &self);
}

enum lock_outcome lock_take(struct child_abilities const *a, char const *file, int *fd,
                            struct identity *holder) {
  enum lock_outcome outcome = LOCK_FAILED;
  struct stat st;
  int lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

  *fd = -1;
  if (lock < 0) return LOCK_FAILED;
  if (fstat(lock, &st) < 0) goto close_lock;
  if (!S_ISREG(st.st_mode)) {
    errno = EPROTO;
    goto close_lock;
  }
  if (!flock(lock, LOCK_EX | LOCK_NB)) {
    /* Unsigned (a full disk) it still keeps others out; they only cannot name us. */
    (void)sign(a, lock);
    *fd = lock;
    return LOCK_TAKEN;
  }
  if (errno == EWOULDBLOCK) {
    struct identity_record r;
    int pidfd = -1;
    /* An unreadable record is taken for a living holder: daemontools' lock is an empty file. */
    if (!identity_record_read(lock, &r) || r.state != IDENTITY_RUNNING) {
      outcome = LOCK_HELD;
      r.who = (struct identity){.pid = 0};
    } else
      outcome = identity_prove(a, &r.who, &pidfd) == IDENTITY_GONE ? LOCK_IN_FLIGHT : LOCK_HELD;
    if (pidfd >= 0) close(pidfd);
    *holder = r.who;
  }

close_lock : {
  int saved = errno;
  close(lock);
  errno = saved;
  return outcome;
}
}

int lock_await_end(struct child_abilities const *a, struct identity const *holder,
                   unsigned most_ms) {
  struct deadline until = deadline_add_ms(clock_now(), most_ms);

  while (holder->pid) {
    struct pollfd end = {.fd = -1, .events = POLLIN};
    if (identity_prove(a, holder, &end.fd) == IDENTITY_GONE) return 1;
    if (end.fd >= 0) {
      int ended = clock_poll(&end, 1, until) > 0;
      close(end.fd);
      return ended;
    }
    if (deadline_passed(until, clock_now())) return 0;
    clock_pause(LOOK_MS);
  }
  return 0;
}
