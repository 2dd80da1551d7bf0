/* The lines of one log directory. Blocks of files come into the buffer, lines are taken out of
 * it where they stand. A line that is longer than the buffer comes in parts. */

#include <skalibs/nonposix.h>
#include "logtail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>
#include <skalibs/strerr.h>

struct source *source_new(struct request const *request, char const *path, char const *name,
                          size_t size) {
  struct source *s = calloc(1, sizeof *s);

  if (!s) return 0;
  s->request = request;
  s->path = strdup(path);
  s->name = strdup(name);
  s->buf = malloc(size + 1); /* one byte for selection_takes() */
  s->size = size;
  s->dirfd = s->file.fd = -1;
  if (s->path && s->name && s->buf && (!request->json || source_front(s))) return s;
  source_free(s);
  return 0;
}

void source_free(struct source *s) {
  int error = errno;

  file_end(s);
  if (s->dirfd >= 0) close(s->dirfd);
  free(s->path);
  free(s->name);
  free(s->buf);
  free(s->front);
  free(s);
  errno = error;
}

int source_open_dir(struct source *s) {
  struct stat st;
  int fd = open(s->path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);

  if (fd < 0) return 0;
  if (fstat(fd, &st) < 0) {
    fd_close(fd);
    return 0;
  }
  if (s->dirfd >= 0) close(s->dirfd);
  s->dirfd = fd;
  s->dev = st.st_dev;
  s->ino = st.st_ino;
  s->replaced = s->nameless = 0;
  s->passed = (struct stamp){0, 0};
  return 1;
}

int source_look(struct source *s) {
  struct stat st;

  if (stat(s->path, &st) < 0) return errno == ENOENT || errno == ENOTDIR;
  if (!S_ISDIR(st.st_mode)) return 1;
  s->replaced = s->dirfd < 0 || st.st_dev != s->dev || st.st_ino != s->ino;
  if (s->replaced) s->dirty = 1;
  return 1;
}

static void keep_head(struct source *s, size_t got) {
  size_t want = sizeof s->head - s->head_len;

  if (s->offset != s->head_len || !want) return;
  if (want > got) want = got;
  memcpy(s->head + s->head_len, s->buf + s->end, want);
  s->head_len += (unsigned)want;
}

int source_fill(struct source *s) {
  ssize_t got;

  if (s->start) {
    memmove(s->buf, s->buf + s->start, s->end - s->start);
    s->end -= s->start;
    s->start = 0;
  }
  got = fd_read(s->file.fd, s->buf + s->end, s->size - s->end);
  if (got <= 0) return (int)got;
  keep_head(s, (size_t)got);
  s->offset += (uint64_t)got;
  s->end += (size_t)got;
  return 1;
}

/* Lines without a stamp belong to the one before them. */
static int choose(struct source *s, int is_block) {
  struct request const *q = s->request;
  struct line *line = &s->line;
  size_t text;

  line->label.len = 0;
  if (is_block) return 1;
  line->stamped = label_scan(&s->reader, &line->label, line->text, line->len);
  if (line->stamped) {
    s->at = line->label.at;
    s->labelled = 1;
  }
  if (s->dropping && s->labelled) {
    if (!line->stamped || stamp_compare(&s->at, &q->since) < 0) return 0;
    s->dropping = 0;
  }
  if (q->has_until && s->labelled && stamp_compare(&s->at, &q->until) > 0) return 0;
  text = line->label.len;
  if (text && text < line->len) text++;
  if (q->selection.count &&
      !selection_takes(&q->selection, line->text + text, line->len - text))
    return 0;
  return s->skip ? (s->skip--, 0) : 1;
}

int source_take(struct source *s) {
  while (s->start < s->end) {
    int is_block = s->request->plain && !s->dropping && !s->skip && !s->inside && !s->counting;
    char *at = s->buf + s->start, *newline;
    size_t left = s->end - s->start;
    newline =
        is_block ? memrchr(at, '\n', left) : memchr(at + s->scanned, '\n', left - s->scanned);
    s->scanned = 0;
    if (!newline && !s->final && left < s->size) {
      if (!is_block) s->scanned = left;
      return 0;
    }
    s->line = (struct line){.text = at,
                            .len = newline ? (size_t)(newline - at) : left,
                            .begins = !s->inside,
                            .ends = newline || s->final,
                            .newline = newline != 0};
    s->start += s->line.len + (newline != 0);
    s->inside = !s->line.ends;
    if (s->line.begins) s->chosen = choose(s, is_block);
    if (s->chosen) return 1;
  }
  return 0;
}

void source_trouble(struct source *s) {
  s->failed = s->retry = 1;
  if (!s->troubled) strerr_warnwusys("read ", s->path);
  s->troubled = 1;
}

/* What may grow is tried again; of an archive nothing more is to be had. */
static int say_unreadable(struct source *s) {
  if (s->request->follow && *s->file_name != '@') return (source_trouble(s), 0);
  s->failed = 1;
  strerr_warnwusys("read ", s->path, "/", s->file_name);
  return 1;
}

/* The bytes in the buffer are used up, but for the beginning of a line. 1: there is more. */
static int more(struct source *s) {
  int got, finished;

  if (s->file.fd < 0) return file_next(s);
  if (s->final) {
    file_end(s);
    if (s->stopping) return (s->over = 1, 0);
    return file_next(s);
  }
  got = source_fill(s);
  if (got > 0) return (s->troubled = 0, 1);
  finished = got < 0 ? say_unreadable(s) : file_is_finished(s);
  if (finished > 0) s->final = 1;
  return finished != 0;
}

int source_next(struct source *s) {
  while (!source_take(s))
    if (s->over || !more(s)) return 0;
  return 1;
}
