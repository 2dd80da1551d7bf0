/* Which of the names that mean something does a service directory have?
 *
 * A directory's own change time (ctime) tells whether its names are still the same, and asking
 * for it costs a tenth of listing it: at a restart that is a twentieth of the whole, the pages
 * of the kernel that list a directory being cold by then. Only the names are taken as known;
 * what the files say is read anew each time.
 *
 * The clock of ctime ticks (1 to 10 ms on Linux, 2 s on FAT), and a name that came after the
 * listing, in the same tick, would not show. So a listing is good for later only when the last
 * change was long over (SETTLED) by then.
 */

#include <skalibs/nonposix.h> /* a timespec in struct stat, on every system */

#include "values.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/path.h>

#define SETTLED 4 /* s */

static void note_name(void *context, char const *name) {
  uint64_t *seen = context;

  for (unsigned i = 0; i < VALUE_ROW_COUNT; i++)
    if (!strcmp(name, svdir_values[i].file)) *seen |= 1ull << i;
  for (unsigned i = 0; i < MARK_COUNT; i++)
    if (!strcmp(name, svdir_marks[i].file)) *seen |= 1ull << (VALUE_ROW_COUNT + i);
}

int names_open(char const *dir) {
  int fd;

  do
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
  while (fd < 0 && errno == EINTR);
  return fd;
}

int names_list(int dir, uint64_t *seen) {
  *seen = 0;
  return path_each_name(dir, note_name, seen);
}

/* Before the listing, so that what comes meanwhile makes it another one. */
static int look(struct svdir_names *names) {
  struct stat st;

  if (stat(".", &st) < 0) return 0;
  names->dev = (uint64_t)st.st_dev;
  names->ino = (uint64_t)st.st_ino;
  stamp_from_timespec(&names->changed, &st.st_ctim);
  return 1;
}

int names_here(struct svdir_names *names) {
  struct svdir_names now = {.settled = 0};
  struct stamp listed;
  int known = look(&now), dir, good, error;

  if (known && names->settled && names->dev == now.dev && names->ino == now.ino &&
      !stamp_compare(&names->changed, &now.changed))
    return 1;
  clock_stamp(&listed);
  dir = names_open(".");
  if (dir < 0) return 0;
  good = names_list(dir, &now.seen);
  error = errno;
  close(dir);
  now.settled = known && stamp_seconds(&now.changed, &listed) >= SETTLED;
  if (good) *names = now;
  errno = error;
  return good;
}
