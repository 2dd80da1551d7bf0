/* What one directory does with lines: build a chunk, announce it, write it, commit it. A write
 * that failed half way goes on behind what has been written.
 */

#include <skalibs/nonposix.h>
#include "dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

#include <lares/killpoint.h>

static void announce(struct logdir *dir, struct logchunk const *chunk) {
  struct logrecord *record = dir->record;

  record->next = chunk->next;
  record->base = dir->size;
  record->length = chunk->len;
  logrecord_set(record, chunk->notice ? LOG_INTENT_NOTICE : LOG_INTENT_CHUNK);
}

static void commit(struct logdir *dir, struct logchunk const *chunk, struct logbuf const *buf) {
  if (chunk->notice) *logbuf_drops(buf, dir->record) = (struct logdrops){.lines = 0};
  logrecord_settle(dir->record);
  if (!dir->size) logdir_begin(dir, 0);
  dir->size += chunk->len;
  dir->written = 0;
  if (dir->action->sync) logdir_touch(dir);
}

static int write_chunk(struct logdir *dir, struct logchunk const *chunk,
                       struct logbuf const *buf) {
  if (!dir->written) announce(dir, chunk);
  KILL_POINT(ANNOUNCED);
  while (dir->written < chunk->len) {
    ssize_t wrote = fd_write(dir->fd, chunk->data + dir->written, chunk->len - dir->written);
    if (wrote <= 0) {
      if (!wrote) errno = ENOSPC;
      return logdir_fail(dir, LOGDIR_WRITE);
    }
    dir->written += (size_t)wrote;
  }
  KILL_POINT(WRITTEN);
  commit(dir, chunk, buf);
  KILL_POINT(COMMITTED);
  return 1;
}

/* Somebody may have removed or renamed current. Looking costs less than a microsecond, once a
 * second, and when it could not be written: a deleted file keeps a disk full. */
static void check_current(struct logdir *dir, uint64_t now) {
  struct stat st;

  if (dir->fd < 0 || (dir->checked && now - dir->checked < 1000000000u)) return;
  dir->checked = now;
  if (!fstatat(dir->dirfd, "current", &st, AT_SYMLINK_NOFOLLOW)) {
    if (st.st_ino == dir->ino) return;
  } else if (errno != ENOENT)
    return;
  if (!logdir_take_back(dir)) return;
  close(dir->fd);
  dir->fd = -1;
}

int logdir_is_torn(int fd, uint64_t size) {
  char last = '\n';

  return size && pread(fd, &last, 1, (off_t)size - 1) == 1 && last != '\n';
}

/* The line before a notice may be there in part: of a long one, or because it could not be
 * taken back. Of a file that was compressed before our time nobody knows: rather a line with
 * nothing in it than one with two in it. JSON has no lines in part. */
static int ends_in_line(struct logdir const *dir) {
  struct archives const *archives = &dir->archives;
  char name[ARCHIVE_NAME + 1] = "current";
  uint64_t size = dir->size;
  int fd, torn;

  if (!size && archives->count) {
    struct archive const *newest = archives_at(archives, archives->count - 1);
    if (newest->packing != ARCHIVE_PLAIN) return newest->torn && !dir->action->format.stream;
    archive_name(name, newest);
    size = newest->size;
  }
  if (!size) return 0;
  fd = openat(dir->dirfd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return 0;
  torn = logdir_is_torn(fd, size);
  close(fd);
  return torn;
}

static void build_notice(struct logdir const *dir, struct logchunk *chunk,
                         struct logwork const *work, struct logdrops const *drops) {
  struct logplace const *place = &dir->record->place;

  *chunk = (struct logchunk){.data = work->chunk, .next = *place, .notice = 1};
  chunk->len = logwork_notice(work, dir->action, place, drops, dir->in_line);
  chunk->full = dir->size && chunk->len > dir->limit - dir->size;
}

int logdir_build(struct logdir const *dir, struct logchunk *chunk, struct logwork const *work) {
  struct logdrops const *drops = logbuf_drops(work->buf, dir->record);
  uint64_t half = dir->limit / 2, tolerance = dir->action->tolerance;
  uint64_t begin = dir->limit - (tolerance < half ? tolerance : half);
  struct logtask task = {.action = dir->action,
                         .place = &dir->record->place,
                         .room = dir->limit - dir->size,
                         .begin = begin > dir->size ? begin - dir->size : 0,
                         .empty = !dir->size};

  if (drops->bytes) return (build_notice(dir, chunk, work, drops), 1);
  return logchunk_build(chunk, &task, work);
}

int logwork_next(struct logwork const *work, struct logaction const *action, int single,
                 struct logplace *place, char const **data, size_t *len) {
  struct logtask task = {.action = action,
                         .place = place,
                         .room = LOG_CHUNK,
                         .begin = LOG_SIZE_MAX,
                         .empty = 1,
                         .single = single};
  struct logchunk chunk;

  if (!logchunk_build(&chunk, &task, work)) return 0;
  *place = chunk.next;
  *data = chunk.data;
  *len = chunk.len;
  return 1;
}

static int write_all(struct logdir *dir, struct logwork *work) {
  struct logchunk chunk;

  if (dir->renewed && !logdir_fit(dir)) return 0;
  /* An old file that cannot be removed is no reason to hold lines up. */
  if (dir->expire && !logdir_expire(dir, lognow(), logsteady())) dir->unremoved = errno;
  for (;;) {
    check_current(dir, work->buf->now);
    if (dir->fd < 0 && !logdir_open_current(dir)) return 0;
    if (!dir->written && (dir->rotate || dir->size > dir->limit)) {
      if (dir->size && !logdir_rotate(dir, logbuf_stamp(work->buf, &dir->record->place)))
        return 0;
      dir->rotate = 0;
    }
    if (!dir->written) {
      if (logwork_skip(work, dir->action, dir->record, dir->record))
        return !dir->sync || logdir_sync(dir);
      if (logbuf_drops(work->buf, dir->record)->bytes) dir->in_line = ends_in_line(dir);
    }
    if (!logdir_build(dir, &chunk, work)) return !dir->sync || logdir_sync(dir);
    if (chunk.full)
      dir->rotate = 1;
    else if (!write_chunk(dir, &chunk, work->buf))
      return 0;
  }
}

/* In a directory that was removed nothing can be made any more, which is how we come to know.
 */
int logdir_work(struct logdir *dir, struct logwork *work) {
  if (write_all(dir, work)) return 1;
  dir->checked = 0;
  if ((errno != ENOENT && errno != ESTALE) || dir->step != LOGDIR_OPEN || dir->written)
    return 0;
  return logdir_anew(dir, work->buf) && write_all(dir, work);
}
