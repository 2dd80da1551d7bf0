/* Opening current, and making it an archive. Each step can fail for want of space or
 * descriptors and be tried again, by this process or, after a kill, by the next one: current
 * gets the mode of a finished file, then its archive's name, then the oldest archives go, and
 * only then is there a new current to write to.
 */

#include <skalibs/nonposix.h>
#include "dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

#include <lares/killpoint.h>

#define LOGDIR_ENTRY(kind, name) {name, kind},
#define MODE_OPEN 0644   /* multilog's: being written, or left by a crash */
#define MODE_CLOSED 0744 /* complete */

int logdir_fail(struct logdir *dir, enum logdir_step step) {
  dir->step = step;
  return 0;
}

/* O_NOFOLLOW finds a link (ELOOP), writing and removing a directory, O_NONBLOCK a FIFO that
 * nobody reads. */
int logdir_fail_entry(struct logdir *dir, char const *name, enum logdir_step step) {
  static struct {
    char const *name;
    enum logdir_step kind;
  } const entries[] = {LOGDIR_ENTRIES(LOGDIR_ENTRY)};

  if (errno != ELOOP && errno != EISDIR && errno != ENXIO) return logdir_fail(dir, step);
  for (unsigned i = 0; i < sizeof entries / sizeof *entries; i++)
    if (!strcmp(name, entries[i].name)) step = entries[i].kind;
  return logdir_fail(dir, step);
}

/* Modes are a courtesy to the next run; some file systems have none. */
static int set_mode(int fd, mode_t mode) {
  return !fchmod(fd, mode) || (errno != EIO && errno != ENOSPC && errno != EDQUOT);
}

/* Since when current has had bytes, by the wall clock: since the file before it was finished,
 * or at least since it was last written to. */
static uint64_t begun(struct logdir const *dir, struct stat const *st) {
  if (dir->archives.count)
    return (dir->archives.last.tai - STAMP_EPOCH) * 1000000000u + dir->archives.last.nano;
  return (uint64_t)st->st_mtime * 1000000000u;
}

int logdir_open_current(struct logdir *dir) {
  struct stat st;
  int fd;

  if (!logdir_make_room(dir, 0)) return 0;
  KILL_POINT(PRUNED);
  fd = openat(dir->dirfd, "current",
              O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, MODE_OPEN);
  if (fd < 0) return logdir_fail_entry(dir, "current", LOGDIR_OPEN);
  if (fstat(fd, &st) < 0 || !set_mode(fd, MODE_OPEN)) goto close_current;
  if (!S_ISREG(st.st_mode)) {
    errno = ENXIO;
    goto close_current;
  }
  dir->fd = fd;
  dir->size = (uint64_t)st.st_size;
  dir->ino = st.st_ino;
  dir->rotate_due = DEADLINE_NEVER;
  if (dir->size) logdir_begin(dir, begun(dir, &st));
  KILL_POINT(OPENED);
  return 1;

close_current:
  fd_close(fd);
  return logdir_fail_entry(dir, "current", LOGDIR_OPEN);
}

int logdir_archive(struct logdir *dir, char const *name, char kind, uint64_t not_before) {
  struct archive archive = {.kind = kind};
  char to[ARCHIVE_NAME + 1];
  struct stat st;

  if (fstatat(dir->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT || logdir_fail(dir, LOGDIR_RENAME);
  archive.size = (uint64_t)st.st_size;
  archive.complete = (st.st_mode & S_IXUSR) != 0;
  archives_next(&dir->archives, not_before, &archive.stamp);
  archive_name(to, &archive);
  if (renameat(dir->dirfd, name, dir->dirfd, to) < 0)
    return errno == ENOENT || logdir_fail(dir, LOGDIR_RENAME);
  if (dir->action->age_s) {
    archive.seen_s = (uint32_t)(logsteady() / 1000000000u) + 1;
    dir->age_due = clock_now();
  }
  archives_add(&dir->archives, &archive);
  dir->worklist = 1;
  return 1;
}

int logdir_rotate(struct logdir *dir, uint64_t not_before) {
  if (dir->action->sync && !logdir_sync(dir)) return 0;
  if (dir->action->total && !logdir_make_room(dir, dir->size)) return 0;
  if (!set_mode(dir->fd, MODE_CLOSED)) return logdir_fail(dir, LOGDIR_RENAME);
  KILL_POINT(ROTATE);
  if (!logdir_archive(dir, "current", dir->action->processor ? 'u' : 's', not_before)) return 0;
  KILL_POINT(RENAMED);
  if (dir->action->sync && fsync(dir->dirfd) < 0 && errno == EIO)
    return logdir_fail(dir, LOGDIR_SYNC);
  close(dir->fd);
  dir->fd = -1;
  dir->rotate = 0;
  return logdir_open_current(dir);
}

void logdir_close(struct logdir *dir) {
  if (dir->fd >= 0) {
    if (dir->action->sync) (void)logdir_sync(dir);
    if (!dir->written) (void)!fchmod(dir->fd, MODE_CLOSED);
    close(dir->fd);
  }
  close(dir->lockfd);
  close(dir->dirfd);
  dir->fd = dir->lockfd = dir->dirfd = -1;
}

uint64_t logdir_behind(struct logdir const *dir, struct logbuf const *buf) {
  char const *data;

  return logbuf_rest(buf, &dir->record->place, &data);
}
