/* From one file to the next. The rules:
 *
 *   - current is opened before the directory is listed. So when there is no archive later than
 *     those that were read, what was opened comes next; and when there is one, it is that.
 *   - A current that has become another is read to its end once more after that was seen: its
 *     logger has written all of it by then.
 *   - It then is one of the archives, and has to be known again lest it be read twice: by its
 *     number, and when it was compressed meanwhile by how it begins, or by stamps: what comes
 *     after it has later ones.
 */

#include <skalibs/nonposix.h>
#include "logtail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/strerr.h>

#define ATTEMPTS 1000 /* to open what was listed and gone by then */

int file_open_regular(int dirfd, char const *name) {
  int fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat st;

  if (fd < 0) return -1;
  if (!fstat(fd, &st)) {
    if (S_ISREG(st.st_mode)) return fd;
    errno = EINVAL;
  }
  fd_close(fd);
  return -1;
}

int file_start(struct source *s, int fd, char const *name, int is_current) {
  struct stat st;

  strcpy(s->file_name, name);
  if (fstat(fd, &st) < 0) {
    source_trouble(s);
    close(fd);
    return 0;
  }
  s->file_ino = st.st_ino;
  s->is_current = is_current;
  s->offset = 0;
  s->leaving = s->final = s->inside = 0;
  s->head_len = 0;
  s->start = s->end = s->scanned = 0;
  if (unpack_open(&s->file, fd)) return 1;
  if (!s->file.program && *name != '@') return (source_trouble(s), 0);
  s->failed = 1;
  if (s->file.program)
    strerr_warnwusys("run ", s->file.program, " to read ", s->path, "/", name);
  else
    strerr_warnwusys("read ", s->path, "/", name);
  return 0;
}

void file_end(struct source *s) {
  if (s->file.fd < 0) return;
  if (unpack_close(&s->file, s->final)) return;
  s->failed = 1;
  strerr_warnw(s->path, "/", s->file_name, ": ", s->file.program, " could not read all of it");
}

/* Whoever shortens current begins it anew, unless it is a logger that was killed: that writes
 * the same bytes once more. How the file begins tells. */
static int is_begun_anew(struct source *s, uint64_t size) {
  char head[sizeof s->head];
  unsigned want = size < s->head_len ? (unsigned)size : s->head_len;

  return pread(s->file.fd, head, want, 0) != (ssize_t)want || memcmp(head, s->head, want) != 0;
}

static void begin_anew(struct source *s) {
  if (lseek(s->file.fd, 0, SEEK_SET) < 0) return;
  s->offset = 0;
  s->head_len = 0;
  s->inside = 0;
  s->start = s->end = s->scanned = 0;
}

int file_is_finished(struct source *s) {
  struct stat st;

  if (!s->request->follow) s->stopping = s->is_current || s->file_ino == s->stop;
  if (*s->file_name == '@') return 1;
  if (!s->is_current || !s->request->follow || s->leaving) {
    known_remember(s);
    return 1;
  }
  if (!s->replaced) {
    /* Not there: somebody is about to make it, and may still write to the old one. */
    if (fstatat(s->dirfd, "current", &st, 0) < 0) {
      if (errno != ENOENT) source_trouble(s);
      return 0;
    }
    if (st.st_ino == s->file_ino) {
      if ((uint64_t)st.st_size >= s->offset || !is_begun_anew(s, (uint64_t)st.st_size))
        return 0;
      begin_anew(s);
      return -1;
    }
  }
  s->leaving = 1;
  return -1;
}

/* Not what was read just now under another name: while a logger gives a file its archive's name
 * it may have both. (A number alone proves nothing: it is given again.) */
static int is_new(struct source *s, int fd) {
  struct stat st, read_last;

  if (fd < 0) return 0;
  if (fstat(fd, &st) < 0) {
    source_trouble(s);
    return 0;
  }
  if (s->nameless && st.st_ino == s->nameless_ino) return !known_sample(s, fd);
  return st.st_ino != s->file_ino || *s->file_name != '@' ||
         fstatat(s->dirfd, s->file_name, &read_last, 0) < 0 || read_last.st_ino != st.st_ino;
}

/* 1: it is being read; 0: it cannot be, which was said, or it is gone, or has another name. */
static int start_archive(struct source *s, struct logfile const *file) {
  int fd = file_open_regular(s->dirfd, file->name);

  if (fd < 0 && errno == ENOENT) return 0;
  s->passed = file->stamp;
  if (fd >= 0) return file_start(s, fd, file->name, 0);
  s->failed = 1;
  strerr_warnwusys("open ", s->path, "/", file->name);
  return 0;
}

/* Is there no archive that was not there before? */
static int is_last(struct source *s) {
  struct logfiles files = {.all = 0};
  int is_none = logfiles_list(&files, s->dirfd, &s->passed) && !files.count;

  logfiles_free(&files);
  return is_none;
}

/* processed, which multilog links to an archive's name when previous is gone: it is of interest
 * only in between, and while it is incomplete (lares-log keeps the original until the other has
 * its name) not at all. */
static int is_without_a_name(struct source const *s, int fd) {
  struct stat st, named;

  return !fstat(fd, &st) && (st.st_mode & S_IXUSR) &&
         !fstatat(s->dirfd, "processed", &named, 0) && named.st_ino == st.st_ino &&
         named.st_nlink == 1;
}

int file_open_unfinished(struct source *s, struct logfiles const *files, char const **name) {
  int fd;

  *name = files->previous ? "previous" : files->processed && !s->nameless ? "processed" : 0;
  if (!*name) return (errno = 0, -1);
  fd = file_open_regular(s->dirfd, *name);
  if (fd < 0) return fd;
  if (is_new(s, fd) && (files->previous || is_without_a_name(s, fd))) return fd;
  close(fd);
  errno = is_last(s) ? 0 : ENOENT;
  return -1;
}

/* All that may change again as soon as it was seen, so that the whole is looked at once more.
 */
static int start_last(struct source *s, struct logfiles const *files, int *current) {
  char const *name;
  int fd = file_open_unfinished(s, files, &name);

  if (fd >= 0) {
    if (is_last(s)) return file_start(s, fd, name, 0);
    close(fd);
    return -1;
  }
  if (errno == ENOENT) return -1;
  if (errno && errno != EINVAL) source_trouble(s);
  if (s->retry || !is_new(s, *current)) return 0;
  fd = *current;
  *current = -1;
  return file_start(s, fd, "current", 1);
}

int file_next(struct source *s) {
  struct logfiles files = {.all = 0};
  int started = -1;

  if (s->dirfd < 0) return 0;
  for (unsigned i = 0; i < ATTEMPTS && started < 0; i++) {
    int current = file_open_regular(s->dirfd, "current");
    struct stamp before = s->passed;
    if (current < 0 && errno != ENOENT && errno != EINVAL) source_trouble(s);
    if (!logfiles_list(&files, s->dirfd, &s->passed)) {
      source_trouble(s);
      started = 0;
    } else {
      struct logfile const *next = known_drop(s, &files);
      if (next)
        started = start_archive(s, next) > 0 ? 1 : -1; /* or the one behind it */
      else if (!files.count)
        started = start_last(s, &files, &current);
    }
    if (current >= 0) close(current);
    if (stamp_compare(&before, &s->passed) != 0) i = 0;
  }
  logfiles_free(&files);
  if (started > 0) return 1;
  s->over = !s->request->follow;
  return 0;
}
