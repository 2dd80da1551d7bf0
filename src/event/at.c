/* The subscriber's side for who waits for many services and keeps their directories open: one
 * descriptor for both ends, no path, so that a service is heard wherever its name leads by now.
 */

#include <skalibs/nonposix.h>
#include <lares/event.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "name.h"

#define ATTEMPTS 8

_Static_assert(EVENT_NAME > FIFO_NAME_LENGTH, "a name fits");

static int make(int dir, char name[FIFO_NAME_LENGTH + 2]) {
  for (unsigned i = 0; i < ATTEMPTS; i++) {
    fifo_name_make(name);
    if (!mkfifoat(dir, name, S_IRUSR | S_IWUSR)) return 1;
    if (errno != EEXIST) return 0;
  }
  return 0;
}

/* As event_subscribe: under a hidden name until it is open. */
static int subscribe(int dir, char name[EVENT_NAME]) {
  char hidden[FIFO_NAME_LENGTH + 2];
  int fd, error;

  if (!make(dir, hidden)) return -1;
  fd = openat(dir, hidden, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) goto remove;
  if (fchmod(fd, S_IRUSR | S_IWUSR | S_IWGRP | S_IWOTH)) goto close_fd;
  strcpy(name, hidden + 1);
  if (!renameat(dir, hidden, dir, name)) return fd;

close_fd:
  error = errno;
  close(fd);
  errno = error;
remove:
  error = errno;
  unlinkat(dir, hidden, 0);
  errno = error;
  return -1;
}

int event_subscribe_at(int at, char const *dir, char name[EVENT_NAME]) {
  int list = openat(at, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, error;

  name[0] = 0;
  if (list < 0) return -1;
  fd = subscribe(list, name);
  error = errno;
  close(list);
  errno = error;
  if (fd < 0) name[0] = 0;
  return fd;
}

void event_unsubscribe_at(int at, char const *dir, char const *name) {
  int list = name[0] ? openat(at, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

  if (list < 0) return;
  unlinkat(list, name, 0);
  close(list);
}
