/* The writer's side of a fifodir: whoever has a FIFO in it is told.
 *
 * Nothing is allocated and nothing blocks: a supervisor short of memory still wakes its
 * subscribers. Other people may be allowed to make files in the directory, so a name is opened
 * only in s6's form, never through a link, and written to only when it is a FIFO.
 */

#include <skalibs/nonposix.h>
#include <lares/event.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

#include <lares/path.h>

#include "name.h"

/* How long a subscriber may take between making its FIFO and giving it its name. */
#define HIDDEN_SECONDS 60

static int is_subscriber(char const *name) {
  return !strncmp(name, FIFO_PREFIX, FIFO_PREFIX_LENGTH) && strlen(name) == FIFO_NAME_LENGTH;
}

/* The hidden name of a subscriber that was killed before it gave its FIFO the real one. */
static int is_abandoned(char const *name) {
  struct stamp made, now;

  if (name[0] != '.' || !is_subscriber(name + 1)) return 0;
  if (!stamp_scan(name + 1 + FIFO_PREFIX_LENGTH, &made)) return 0;
  clock_stamp(&now);
  return stamp_seconds(&made, &now) >= HIDDEN_SECONDS;
}

static void wake_one(int dir, char const *name, char const *letters, size_t len) {
  struct stat st;
  int hidden = name[0] == '.';
  int fd = openat(dir, name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);

  if (fd < 0) {
    if (errno == ENXIO && !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISFIFO(st.st_mode))
      unlinkat(dir, name, 0);
    return;
  }
  if (!hidden && !fstat(fd, &st) && S_ISFIFO(st.st_mode))
    if (fd_write(fd, letters, len) < 0 && errno == EPIPE) unlinkat(dir, name, 0);
  close(fd);
}

struct wake {
  int dir;
  char const *letters;
  size_t len;
};

static void consider(void *context, char const *name) {
  struct wake const *wake = context;

  if (is_subscriber(name) || is_abandoned(name))
    wake_one(wake->dir, name, wake->letters, wake->len);
}

int event_wake(char const *dir, char const *letters, size_t len) {
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), good, error;
  struct wake wake = {.dir = fd, .letters = letters, .len = len};

  if (fd < 0) return 0;
  good = path_each_name(fd, consider, &wake);
  error = errno;
  close(fd);
  errno = error;
  return good;
}

int event_directory(char const *dir) {
  struct stat st;

  if (!mkdir(dir, S_IRWXU)) return !chmod(dir, EVENT_MODE);
  if (errno != EEXIST || lstat(dir, &st)) return 0;
  if (!S_ISDIR(st.st_mode)) return (errno = ENOTDIR, 0);
  if (st.st_uid != geteuid()) return (errno = EPERM, 0);
  return 1;
}
