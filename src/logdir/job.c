/* Work on a finished file, as far as the directory is concerned: which file is next, room and
 * files for what comes of it, putting that in the file's place. Who runs the program does not
 * matter here.
 *
 * A file that is to go through a processor is called @TAI64N.u and has the mode of a complete
 * file. The output goes to processed, the new state to newstate. To rename processed to
 * @TAI64N.s is what makes them count: who finds both names lacks only what follows, the new
 * state's renaming and the removal of the .u, and who finds no .s begins anew with the old
 * state. In the same way compressed becomes @TAI64N.s.zst, and then the original is removed.
 */

#include <skalibs/nonposix.h>
#include "dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/killpoint.h>

#define ROOM_MORE 512 /* a short file may become a little longer */
#define BLOCKED "blocked"

int logjob_pending(struct logdir const *dir, struct archive const *archive) {
  return dir->action->processor && archive->kind == 'u' && archive->complete &&
         archive->packing == ARCHIVE_PLAIN;
}

static int wanted(struct logdir const *dir, struct archive const *archive, int packing) {
  if (archive->tries >= LOGJOB_TRIES) return 0;
  if (!packing) return logjob_pending(dir, archive);
  return archive->packing == ARCHIVE_PLAIN && archive->size > 1 &&
         !logjob_pending(dir, archive);
}

/* Whatever rewrites lines makes them a little longer at most. One that wrote more gets more. */
static uint64_t usual_need(struct archive const *archive, int packing) {
  if (packing) return archive->size / 2;
  return archive->size * (1 + archive->overflows) + archive->size / 8 + ROOM_MORE;
}

/* The oldest file for which there is room when all older ones are gone, which they are only if
 * that is not free now; as a last resort the newest file with less room. How much there is for
 * its output goes to the job. */
static struct archive *next_file(struct logdir *dir, struct logjob *job) {
  uint64_t budget = logdir_budget(dir), free_bytes, older = 0,
           used = dir->archives.total + dir->state_size + job->state_room;

  free_bytes = used < budget ? budget - used : 0;
  for (uint32_t i = 0; i < dir->archives.count; i++) {
    struct archive *archive = archives_at(&dir->archives, i);
    uint64_t need = usual_need(archive, job->packing);
    if (wanted(dir, archive, job->packing)) {
      int last = i + 1 == dir->archives.count;
      uint64_t room = older + budget > used ? older + budget - used : 0;
      job->room = room < need ? room : need;
      if (job->packing && free_bytes >= archive->size) job->room = archive->size - 1;
      if (job->room && (last || room >= need)) return archive;
      if (last) archive->tries = LOGJOB_TRIES;
    }
    older += archive->size;
  }
  return 0;
}

static int open_output(struct logdir *dir, char const *name) {
  if (unlinkat(dir->dirfd, name, 0) < 0 && errno != ENOENT) {
    (void)logdir_fail_entry(dir, name, LOGDIR_NONE);
    return -1;
  }
  return openat(dir->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
}

static int open_state(struct logdir *dir) {
  struct stat st;
  int fd = openat(dir->dirfd, "state", O_RDONLY | O_CREAT | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC,
                  0644);

  if (fd >= 0) {
    if (!fstat(fd, &st) && S_ISREG(st.st_mode)) return fd;
    close(fd);
    errno = ENXIO;
  }
  (void)logdir_fail_entry(dir, "state", LOGDIR_NONE);
  return -1;
}

static void close_files(struct logjob *job) {
  int *fds[] = {&job->in, &job->out, &job->state, &job->newstate};

  for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++) {
    if (*fds[i] >= 0) close(*fds[i]);
    *fds[i] = -1;
  }
}

static int open_files(struct logdir *dir, struct archive const *archive) {
  struct logjob *job = &dir->job;
  char name[ARCHIVE_NAME + 1];

  archive_name(name, archive);
  job->in = openat(dir->dirfd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  job->out = job->in < 0 ? -1 : open_output(dir, job->packing ? "compressed" : "processed");
  if (job->out < 0) return 0;
  if (job->packing) return 1;
  job->state = open_state(dir);
  job->newstate = job->state < 0 ? -1 : open_output(dir, "newstate");
  return job->newstate >= 0;
}

enum logjob_begun logjob_begin(struct logdir *dir, int packing) {
  struct logjob *job = &dir->job;
  struct archive *archive;
  int saved;

  *job = (struct logjob){.packing = packing,
                         .in = -1,
                         .out = -1,
                         .state = -1,
                         .newstate = -1,
                         .state_room = packing ? 0 : logdir_state_most(dir)};
  dir->step = LOGDIR_NONE;
  archive = next_file(dir, job);
  if (!archive) return LOGJOB_NOTHING;
  job->stamp = archive->stamp;
  job->tries = archive->tries;
  dir->reserved = job->room + job->state_room;
  if (logdir_make_room(dir, 0) && open_files(dir, archive)) {
    job->active = 1;
    KILL_POINT(WORK);
    return LOGJOB_BEGUN;
  }
  saved = errno;
  (void)logjob_cancel(dir);
  errno = saved;
  if (errno != ENOENT) return LOGJOB_FAILED;
  /* Somebody has taken the file. */
  archive = archives_find(&dir->archives, &job->stamp);
  if (archive) archive->tries = LOGJOB_TRIES;
  return LOGJOB_NOTHING;
}

static int forget_file(struct logdir *dir, char const *name) {
  return !unlinkat(dir->dirfd, name, 0) || errno == ENOENT ||
         logdir_fail_entry(dir, name, LOGDIR_PRUNE);
}

static int forget_files(struct logdir *dir) {
  return forget_file(dir, "processed") && forget_file(dir, "newstate") &&
         forget_file(dir, "compressed") && forget_file(dir, BLOCKED);
}

/* A program that makes its file anew when that is gone would have room that was given away
 * already. It finds a FIFO, which takes none, and to open which is to wait for its end. */
static void block(struct logdir *dir, char const *name) {
  (void)unlinkat(dir->dirfd, BLOCKED, 0);
  if (!mkfifoat(dir->dirfd, BLOCKED, 0)) (void)renameat(dir->dirfd, BLOCKED, dir->dirfd, name);
}

/* The room is free when the files are gone; they may still be written to where no name leads.
 * What stands in their place goes when the program has ended. */
int logjob_cancel(struct logdir *dir) {
  close_files(&dir->job);
  dir->job.cancelled = dir->job.active;
  if (!forget_files(dir)) return 0;
  if (dir->job.active) {
    block(dir, dir->job.packing ? "compressed" : "processed");
    if (!dir->job.packing) block(dir, "newstate");
  }
  dir->reserved = 0;
  return 1;
}

void logjob_postpone(struct logdir *dir) {
  dir->job.active = 0;
  (void)logjob_cancel(dir);
}

int logjob_is_full(struct logdir const *dir) {
  struct stat st;

  return dir->job.out >= 0 && !fstat(dir->job.out, &st) &&
         (uint64_t)st.st_size >= dir->job.room;
}

enum logjob_after logjob_failed(struct logdir *dir) {
  struct archive *archive = archives_find(&dir->archives, &dir->job.stamp);

  if (archive && logjob_is_full(dir)) archive->overflows++;
  logjob_postpone(dir);
  dir->job.cancelled = 0;
  if (!archive) return LOGJOB_GONE;
  return ++archive->tries < LOGJOB_TRIES ? LOGJOB_AGAIN : LOGJOB_KEPT;
}

/* What a program was writing when its log writer died is worth nothing. */
int logjob_settle(struct logdir *dir) {
  return forget_files(dir) && logdir_measure_state(dir);
}

static int finish_state(struct logdir *dir) {
  struct stat st;

  if (renameat(dir->dirfd, "newstate", dir->dirfd, "state") < 0 && errno != ENOENT) return 0;
  if (fstatat(dir->dirfd, "state", &st, AT_SYMLINK_NOFOLLOW) < 0) st.st_size = 0;
  dir->state_size = (uint64_t)st.st_size;
  KILL_POINT(STATE_KEPT);
  return 1;
}

/* Programs run in the directory and can rename or replace there what they were given to write;
 * what the bound knows, and what was flushed, is behind our descriptors. */
static int in_place(struct logdir const *dir, char const *name, int fd) {
  struct stat found, ours;

  if (fstatat(dir->dirfd, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : -1;
  if (fstat(fd, &ours) < 0) return -1;
  return found.st_ino == ours.st_ino && found.st_dev == ours.st_dev;
}

static int look_for_output(struct logdir *dir) {
  struct logjob *job = &dir->job;
  int found = in_place(dir, job->packing ? "compressed" : "processed", job->out);

  if (found > 0 && !job->packing) found = in_place(dir, "newstate", job->newstate);
  if (found) return found > 0;
  job->misplaced = 1;
  return (errno = ECANCELED, 0);
}

static int give_name(struct logdir *dir, char const *to) {
  char const *name = dir->job.packing ? "compressed" : "processed";

  if (!look_for_output(dir) || renameat(dir->dirfd, name, dir->dirfd, to) < 0) return 0;
  dir->job.named = 1;
  (void)!fchmod(dir->job.out, 0744);
  KILL_POINT(WORKED);
  return 1;
}

static int replace(struct logdir *dir, struct archive *archive, struct stat const *st) {
  struct archive made = *archive;
  char from[ARCHIVE_NAME + 1], to[ARCHIVE_NAME + 1];

  archive_name(from, archive);
  if (dir->job.packing) {
    made.packing = dir->job.made;
    made.torn = (uint8_t)logdir_is_torn(dir->job.in, archive->size);
  } else
    made.kind = 's';
  made.size = (uint64_t)st->st_size;
  made.complete = 1;
  made.tries = 0;
  archive_name(to, &made);
  if (!dir->job.named && !give_name(dir, to)) return 0;
  if (!dir->job.packing && !finish_state(dir)) return 0;
  if (unlinkat(dir->dirfd, from, 0) < 0 && errno != ENOENT) return 0;
  KILL_POINT(REPLACED);
  dir->archives.total = dir->archives.total - archive->size + made.size;
  *archive = made;
  return 1;
}

int logjob_commit(struct logdir *dir, enum archive_packing made) {
  struct archive *archive = archives_find(&dir->archives, &dir->job.stamp);
  struct stat st;

  dir->step = LOGDIR_NONE;
  if (dir->job.cancelled || !archive) return (errno = ECANCELED, 0);
  dir->job.made = made;
  if (fstat(dir->job.out, &st) < 0 || !replace(dir, archive, &st)) return 0;
  close_files(&dir->job);
  dir->job.active = dir->job.named = 0;
  dir->reserved = 0;
  return 1;
}
