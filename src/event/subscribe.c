/* The subscriber's side of a fifodir.
 *
 * The FIFO is made under a hidden name and gets its real one when both ends are open: a writer
 * removes what nobody reads, and must not meet ours in between.
 */

#include <lares/event.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/posixplz.h>
#include <skalibs/random.h>

#include <lares/path.h>

#include "name.h"

#define ATTEMPTS 8

void fifo_name_make(char name[FIFO_NAME_LENGTH + 2]) {
  struct stamp now;
  char *at = name;

  clock_stamp(&now);
  memcpy(at, "." FIFO_PREFIX, FIFO_PREFIX_LENGTH + 1);
  at += FIFO_PREFIX_LENGTH + 1;
  stamp_fmt(at, &now);
  at += STAMP_FMT;
  *at++ = ':';
  random_name(at, FIFO_RANDOM_LENGTH);
  at[FIFO_RANDOM_LENGTH] = 0;
}

/* The supervisor may be another user; others do not get past the directory. The umask is set
 * aside for the moment: a chmod would be one more write to the file system. */
static int fifo_make(char *path, size_t size, char const *dir) {
  char name[FIFO_NAME_LENGTH + 2];
  mode_t mask;
  int error;

  for (unsigned i = 0; i < ATTEMPTS; i++) {
    fifo_name_make(name);
    if (!path_join(path, size, dir, name)) return 0;
    mask = umask(0);
    error = mkfifo(path, S_IRUSR | S_IWUSR | S_IWGRP | S_IWOTH) < 0 ? errno : 0;
    umask(mask);
    if (!error) return 1;
    errno = error;
    if (error != EEXIST) return 0;
  }
  return 0;
}

int event_subscribe(struct event_subscription *sub, char const *dir) {
  char hidden[sizeof sub->path + 1];
  size_t dirlen = strlen(dir);
  int error;

  sub->read = sub->write = -1;
  sub->path[0] = 0;
  if (!fifo_make(hidden, sizeof hidden, dir)) return 0;
  sub->read = open(hidden, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (sub->read < 0) goto remove;
  sub->write = open(hidden, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (sub->write < 0) goto close_read;
  memcpy(sub->path, hidden, dirlen + 1);
  memcpy(sub->path + dirlen + 1, hidden + dirlen + 2, FIFO_NAME_LENGTH + 1);
  if (!rename(hidden, sub->path)) return 1;

  error = errno;
  close(sub->write);
  errno = error;
close_read:
  error = errno;
  close(sub->read);
  errno = error;
remove:
  unlink_void(hidden);
  sub->read = sub->write = -1;
  sub->path[0] = 0;
  return 0;
}

void event_unsubscribe(struct event_subscription *sub) {
  if (sub->path[0]) unlink_void(sub->path);
  if (sub->read >= 0) close(sub->read);
  if (sub->write >= 0) close(sub->write);
  sub->read = sub->write = -1;
  sub->path[0] = 0;
}

int event_drain(struct event_subscription *sub) {
  return event_drain_descriptor(sub->read);
}

int event_drain_descriptor(int fd) {
  char buf[64];
  int woken = 0;

  for (;;) {
    ssize_t got = read(fd, buf, sizeof buf);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return -1;
    if (got <= 0) return woken;
    woken = 1;
    if (got < (ssize_t)sizeof buf) return 1;
  }
}

int event_wait(struct event_subscription *sub, struct deadline until) {
  struct pollfd fd = {.fd = sub->read, .events = POLLIN};
  int ready = clock_poll(&fd, 1, until);

  return ready > 0 ? event_drain(sub) : ready;
}
