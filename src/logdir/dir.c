/* Opening a log directory: lock it, settle what an earlier run left, restore the bound.
 *
 * What an earlier run can have left, besides archives: a current of mode 0744 (closed cleanly:
 * go on with it), one of another mode (a crash: it becomes @....u), and previous or processed
 * from a multilog that died while it rotated. With an input buffer that outlived the crash,
 * nothing of current was lost and it goes on, once a chunk that was on its way is complete or
 * taken back.
 */

#include <skalibs/nonposix.h>
#include "dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_TRIES 20
#define LOCK_PAUSE_MS 10

#define LOGDIR_ENTRY_TEXT(step, name) name " is no regular file in ",

char const *logdir_step_text(enum logdir_step step) {
  static char const *const text[] = {
      "nothing failed in ",
      "unable to create directory ",
      "unable to open directory ",
      "unable to lock directory ",
      "unable to list directory ",
      LOGDIR_ENTRIES(LOGDIR_ENTRY_TEXT) "unable to recover what an earlier run left in ",
      "unable to remove the oldest file in ",
      "unable to open current in ",
      "unable to rename a file in ",
      "unable to write to current in ",
      "unable to flush current to disk in "};

  return text[step];
}

int logdir_is_kind(enum logdir_step step) {
  return step >= LOGDIR_LOCK_KIND && step <= LOGDIR_BLOCKED_KIND;
}

static int open_dir(struct logdir *dir) {
  dir->dirfd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir->dirfd < 0 && errno == ENOENT) {
    if (mkdir(dir->path, 0700) < 0 && errno != EEXIST) return logdir_fail(dir, LOGDIR_MAKE);
    dir->dirfd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  return dir->dirfd >= 0 || logdir_fail(dir, LOGDIR_OPEN_DIR);
}

/* A log writer that was killed while it started a program on a finished file can have left the
 * lock with that for a moment. */
static int lock_dir(struct logdir *dir, int most_tries) {
  struct stat st;

  dir->lockfd =
      openat(dir->dirfd, "lock",
             O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (dir->lockfd < 0) return logdir_fail_entry(dir, "lock", LOGDIR_LOCK);
  if (fstat(dir->lockfd, &st) < 0) return logdir_fail(dir, LOGDIR_LOCK);
  if (!S_ISREG(st.st_mode)) return (errno = ENXIO, logdir_fail_entry(dir, "lock", LOGDIR_LOCK));
  for (int tries = 0; flock(dir->lockfd, LOCK_EX | LOCK_NB) < 0; tries++) {
    if (errno != EWOULDBLOCK || tries == most_tries) return logdir_fail(dir, LOGDIR_LOCK);
    clock_pause(LOCK_PAUSE_MS);
  }
  return 1;
}

/* The chunk that was announced is in current as a whole, or is taken back and built again. */
static int settle_chunk(struct logdir *dir, struct logbuf const *buf, struct stat const *st) {
  struct logrecord *record = dir->record;
  uint64_t size = (uint64_t)st->st_size;

  if (!record->intent) return 1;
  if (size == record->base + record->length) {
    if (record->intent == LOG_INTENT_NOTICE)
      *logbuf_drops(buf, record) = (struct logdrops){.lines = 0};
    logrecord_settle(record);
    return 1;
  }
  if (size > record->base) {
    int fd = openat(dir->dirfd, "current", O_WRONLY | O_NOFOLLOW | O_CLOEXEC), failed;
    if (fd < 0) return 0;
    failed = ftruncate(fd, (off_t)record->base);
    close(fd);
    if (failed) return 0;
  }
  logrecord_set(record, 0);
  return 1;
}

static int settle_current(struct logdir *dir, struct logbuf const *buf, int resumed) {
  struct stat st;

  if (fstatat(dir->dirfd, "current", &st, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno != ENOENT) return 0;
    st.st_size = 0;
    return settle_chunk(dir, buf, &st);
  }
  if (!S_ISREG(st.st_mode))
    return (errno = ENXIO, logdir_fail_entry(dir, "current", LOGDIR_RECOVER));
  if (resumed) return settle_chunk(dir, buf, &st);
  if (st.st_mode & S_IXUSR || !st.st_size) return 1;
  return logdir_archive(dir, "current", 'u', 0);
}

/* multilog's rules: a complete processed makes previous superfluous; otherwise it is the other
 * way round. */
static int settle_multilog(struct logdir *dir) {
  struct stat st;

  if (!fstatat(dir->dirfd, "processed", &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode)) {
    int complete = st.st_mode & S_IXUSR;
    char const *other = complete ? "previous" : "processed";
    if (unlinkat(dir->dirfd, other, 0) < 0 && errno != ENOENT)
      return logdir_fail_entry(dir, other, LOGDIR_RECOVER);
    if (complete) return logdir_archive(dir, "processed", 's', 0);
  }
  if (!fstatat(dir->dirfd, "previous", &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
    return logdir_archive(dir, "previous", 'u', 0);
  return 1;
}

static int find_record(struct logdir *dir, struct logbuf *buf, int *found) {
  struct stat st;

  if (fstat(dir->dirfd, &st) < 0) return logdir_fail(dir, LOGDIR_OPEN_DIR);
  dir->record = logbuf_record(buf, (uint64_t)st.st_dev, (uint64_t)st.st_ino, found);
  return dir->record || logdir_fail(dir, LOGDIR_RECOVER);
}

static int open_all(struct logdir *dir, struct logaction const *wanted, struct logbuf *buf,
                    int lock_tries, struct logrecord *kept) {
  int resumed = 0, saved;

  *dir = (struct logdir){.path = wanted->path,
                         .dirfd = -1,
                         .lockfd = -1,
                         .fd = -1,
                         .limit = logdir_limit(wanted),
                         .count = wanted->count,
                         .worklist = 1,
                         .job = {.in = -1, .out = -1, .state = -1, .newstate = -1},
                         .action = wanted,

                         .sync_due = DEADLINE_NEVER,
                         .rotate_due = DEADLINE_NEVER,
                         .age_due = DEADLINE_NEVER,
                         .expire = wanted->age_s != 0};
  if (!open_dir(dir) || !lock_dir(dir, lock_tries)) goto close_dir;
  dir->record = kept;
  if (!kept && !find_record(dir, buf, &resumed)) goto close_dir;
  /* Three more than there may be: until they are pruned, what is recovered counts too. */
  if (!archives_load(&dir->archives, dir->dirfd, dir->count + 3, dir->count - 1)) {
    logdir_fail(dir, LOGDIR_LIST);
    goto close_dir;
  }
  if (!settle_multilog(dir) || !logjob_settle(dir) || !settle_current(dir, buf, resumed)) {
    if (!logdir_is_kind(dir->step)) logdir_fail(dir, LOGDIR_RECOVER);
    goto free_archives;
  }
  if (!logdir_open_current(dir)) goto free_archives;
  if (dir->size > dir->limit && !logdir_rotate(dir, 0)) goto free_archives;
  return 1;

free_archives:
  free(dir->archives.ring);
close_dir:
  saved = errno;
  if (dir->fd >= 0) close(dir->fd);
  if (dir->lockfd >= 0) close(dir->lockfd);
  if (dir->dirfd >= 0) close(dir->dirfd);
  errno = saved;
  return 0;
}

int logdir_open(struct logdir *dir, struct logaction const *wanted, struct logbuf *buf) {
  return open_all(dir, wanted, buf, LOCK_TRIES, 0);
}

int logdir_open_at_once(struct logdir *dir, struct logaction const *wanted,
                        struct logbuf *buf) {
  return open_all(dir, wanted, buf, 0, 0);
}

/* --- one that was removed --- */

static void take_place(struct logdir *dir, struct logdir *fresh) {
  struct stamp const *last = &dir->archives.last;

  fresh->age = dir->age;
  fresh->unprocessed = dir->unprocessed;
  fresh->remade = 1;
  if (stamp_compare(last, &fresh->archives.last) > 0) fresh->archives.last = *last;
  free(dir->archives.ring);
  if (dir->fd >= 0) close(dir->fd);
  close(dir->lockfd);
  close(dir->dirfd);
  *dir = *fresh;
}

/* That nothing can be made in it says that it was removed; how many links it has does not, on
 * file systems that are made of several (overlayfs). */
static int is_in_place(struct logdir const *dir) {
  struct stat ours, there;

  return !stat(dir->path, &there) && !fstat(dir->dirfd, &ours) && there.st_ino == ours.st_ino &&
         there.st_dev == ours.st_dev;
}

/* The files are gone with it, and the work on one of them has to end first. Killed before its
 * record moves, its successor finds a directory that is new to the buffer, which begins with
 * what this one has not had at the latest. */
int logdir_anew(struct logdir *dir, struct logbuf *buf) {
  struct logdir fresh;
  struct stat st;

  if (is_in_place(dir)) return (errno = ENOENT, 0);
  dir->archives.count = 0;
  dir->archives.total = dir->state_size = 0;
  if (dir->job.active) {
    (void)logjob_cancel(dir);
    return (errno = ENOENT, 0);
  }
  if (!open_all(&fresh, dir->action, buf, 0, dir->record)) return logdir_fail(dir, fresh.step);
  if (fstat(fresh.dirfd, &st) < 0) {
    int saved = errno;
    free(fresh.archives.ring);
    logdir_close(&fresh);
    return (errno = saved, logdir_fail(dir, LOGDIR_OPEN_DIR));
  }
  logrecord_move(dir->record, (uint64_t)st.st_dev, (uint64_t)st.st_ino);
  take_place(dir, &fresh);
  return 1;
}
