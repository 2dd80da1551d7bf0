/* Where a directory is begun: at so many lines from its end, at a time, or at its beginning.
 * Lines of plain files are counted from the end if all are wanted; otherwise whole files are
 * read, the latest first, until there are enough lines. */

#include <skalibs/nonposix.h>
#include "logtail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#define NEAR (1 << 20) /* bytes that are read faster than a place in them is found */

#define ROTATIONS 8 /* at most between opening current and listing */

struct directory { /* as it was found, in the order of the files */
  struct logfiles archives;
  int current; /* owned, -1 */
};

static void position(struct source *s, uint64_t offset) {
  if (lseek(s->file.fd, (off_t)offset, SEEK_SET) < 0) return;
  s->offset = offset;
  s->start = s->end = s->scanned = 0;
  s->inside = 0;
  s->head_len = 0;
  if (offset) { /* for is_begun_anew() */
    ssize_t got = pread(s->file.fd, s->head, sizeof s->head, 0);
    s->head_len = got > 0 ? (unsigned)got : 0;
  }
}

/* Where the last `need` lines begin: 1; or 0: the file has so many less, which is subtracted.
 */
static int find_from_end(struct source *s, uint64_t *need, uint64_t *offset) {
  struct stat st;
  uint64_t at, newlines = 0, lines;
  int is_partial;
  char last = '\n';

  if (fstat(s->file.fd, &st) < 0) return 0;
  at = (uint64_t)st.st_size;
  if (at) (void)!pread(s->file.fd, &last, 1, (off_t)at - 1);
  is_partial = last != '\n' && !s->request->follow;
  while (at) {
    size_t part = at < s->size ? (size_t)at : s->size;
    char *end = s->buf + part, *newline;
    if (pread(s->file.fd, s->buf, part, (off_t)(at - part)) != (ssize_t)part) return 0;
    while ((newline = memrchr(s->buf, '\n', (size_t)(end - s->buf)))) {
      if (++newlines + is_partial > *need) {
        *offset = at - part + (uint64_t)(newline - s->buf) + 1;
        *need = 0;
        return 1;
      }
      end = newline;
    }
    at -= part;
  }
  lines = newlines + is_partial;
  *offset = 0;
  *need -= lines;
  return !*need && lines;
}

static uint64_t count_lines(struct source *s) {
  uint64_t count = 0;

  s->counting = 1;
  for (;;) {
    while (source_take(s))
      count += s->line.begins;
    if (s->final) break;
    if (source_fill(s) <= 0) s->final = 1;
  }
  s->counting = 0;
  return count;
}

static void forget(struct source *s) {
  s->dropping = s->request->has_since;
  s->labelled = 0;
  s->reader.len = 0;
}

/* Takes the descriptor. 1: the lines begin in it, and it is being read; 0: before it. */
static int begin_in(struct source *s, int fd, char const *name, int is_current,
                    uint64_t *need) {
  struct request const *q = s->request;
  int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  uint64_t offset, found;

  if (!file_start(s, fd, name, is_current)) goto close_again;
  if (!s->file.pid && !q->selection.count && !q->has_since && !q->has_until) {
    int here = find_from_end(s, need, &offset);
    close(again);
    if (here)
      position(s, offset);
    else
      file_end(s);
    return here;
  }
  forget(s);
  found = count_lines(s);
  file_end(s);
  forget(s);
  if (found < *need) {
    *need -= found;
    goto close_again;
  }
  if (lseek(again, 0, SEEK_SET) < 0 || !file_start(s, again, name, is_current)) return 0;
  s->skip = found - *need;
  *need = 0;
  return 1;

close_again:
  if (again >= 0) close(again);
  return 0;
}

/* The latest first. 1: begun; 0: all of them are wanted, from `passed' on. */
static int begin_last(struct source *s, struct directory *d) {
  struct request const *q = s->request;
  uint64_t need = q->last;
  uint32_t i = d->archives.count;
  char const *unfinished;
  int fd = d->current;

  d->current = -1;
  if (i) s->passed = d->archives.all[i - 1].stamp;
  if (fd >= 0 && begin_in(s, fd, "current", 1, &need)) return 1;
  if (!need) return 1; /* none, and there is no current */
  fd = file_open_unfinished(s, &d->archives, &unfinished);
  if (fd >= 0 && begin_in(s, fd, unfinished, 0, &need)) return 1;
  while (i--) {
    struct logfile const *file = &d->archives.all[i];
    s->passed = file->stamp;
    if (q->has_since && stamp_compare(&file->stamp, &q->since) < 0) return 0;
    fd = file_open_regular(s->dirfd, file->name);
    if (fd >= 0 && begin_in(s, fd, file->name, 0, &need)) return 1;
  }
  s->passed = (struct stamp){0, 0};
  return 0;
}

/* The label of the first line that begins behind an offset, and where it begins: 1, or 0. */
static int label_behind(struct source *s, uint64_t offset, struct stamp *t, uint64_t *at) {
  ssize_t got = pread(s->file.fd, s->buf, s->size, (off_t)offset);
  char *line = s->buf, *end = s->buf + (got > 0 ? got : 0);
  struct label_reader reader = {.len = 0};
  struct label label;

  while ((line = memchr(line, '\n', (size_t)(end - line)))) {
    char *next = ++line < end ? memchr(line, '\n', (size_t)(end - line)) : 0;
    if (!next) return 0;
    if (!label_scan(&reader, &label, line, (size_t)(next - line))) continue;
    *t = label.at;
    *at = offset + (uint64_t)(line - s->buf);
    return 1;
  }
  return 0;
}

/* Before the first line that is not too early; not far before it if the file is plain. */
static void approach(struct source *s) {
  uint64_t low = 0, high, at;
  struct stamp t;
  struct stat st;

  if (s->file.pid || fstat(s->file.fd, &st) < 0) return;
  high = (uint64_t)st.st_size;
  while (high - low > NEAR) {
    uint64_t middle = low + (high - low) / 2;
    if (!label_behind(s, middle, &t, &at)) break;
    if (stamp_compare(&t, &s->request->since) < 0)
      low = at;
    else
      high = middle;
  }
  position(s, low);
}

static void begin_since(struct source *s, struct directory *d) {
  for (uint32_t i = 0; i < d->archives.count; i++) {
    if (stamp_compare(&d->archives.all[i].stamp, &s->request->since) >= 0) break;
    s->passed = d->archives.all[i].stamp;
  }
  if (file_next(s)) approach(s);
}

/* What was opened as current may be an archive by the time of the listing: that one, and what
 * came after it, is not before it. */
static void cut_off(struct source *s, struct directory *d) {
  struct stat st;
  uint32_t const last = d->archives.count;

  if (d->current < 0 || fstat(d->current, &st) < 0) return;
  s->stop = st.st_ino;
  for (uint32_t i = last; i && last - i < ROTATIONS; i--)
    if (!fstatat(s->dirfd, d->archives.all[i - 1].name, &st, 0) && st.st_ino == s->stop)
      d->archives.count = i - 1;
}

int source_begin(struct source *s, int whole) {
  struct request const *q = s->request;
  struct directory d = {.archives = {.all = 0}};
  struct stamp none = {0, 0};
  int error;

  if (!source_open_dir(s)) return 0;
  s->dirty = 1;
  if (whole) return 1;
  d.current = file_open_regular(s->dirfd, "current");
  if (!logfiles_list(&d.archives, s->dirfd, &none)) {
    error = errno;
    if (d.current >= 0) close(d.current);
    logfiles_free(&d.archives);
    return (errno = error, 0);
  }
  cut_off(s, &d);
  s->dropping = q->has_since;
  if (q->has_last)
    begin_last(s, &d);
  else if (q->has_since)
    begin_since(s, &d);
  if (d.current >= 0) close(d.current);
  logfiles_free(&d.archives);
  return 1;
}
