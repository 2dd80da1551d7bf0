/* A current (or previous) that was read to its end becomes an archive sooner or later, under a
 * name that is not known beforehand, perhaps compressed or rewritten by a program, and must not
 * be read again then. */

#include <skalibs/nonposix.h>
#include "logtail.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

int known_sample(struct source const *s, int fd) {
  char sample[HEAD_SIZE];
  ssize_t got = pread(fd, sample, sizeof sample, 0);

  if (got < 0) return 1; /* nothing is proven */
  return got >= (ssize_t)s->sample_len && !memcmp(sample, s->sample, s->sample_len);
}

/* It is the file by its number; or begins as that did (a program has compressed it); or has
 * lines that are older than the last one read (a program has rewritten it). */
static int is_the_same(struct source const *s, struct logfile const *file) {
  char sample[HEAD_SIZE], *end;
  struct label_reader reader = {.len = 0};
  struct label label;
  struct unpacked content;
  struct stat st;
  size_t got;
  int fd;

  if (!fstatat(s->dirfd, file->name, &st, 0) && st.st_ino == s->nameless_ino) return 1;
  fd = file_open_regular(s->dirfd, file->name);
  if (fd < 0 || !unpack_open(&content, fd)) return 0;
  got = allread(content.fd, sample, sizeof sample);
  unpack_close(&content, 0);
  if (!got) return 0;
  if (got == s->sample_len && !memcmp(sample, s->sample, got)) return 1;
  end = memchr(sample, '\n', got);
  return label_scan(&reader, &label, sample, end ? (size_t)(end - sample) : got) &&
         stamp_compare(&label.at, &s->last_at) < 0;
}

struct logfile const *known_drop(struct source *s, struct logfiles const *files) {
  struct logfile const *first = files->all;

  if (!files->count) return 0;
  if (!s->nameless) return first;
  if (!is_the_same(s, first)) return first;
  s->nameless = 0;
  s->passed = first->stamp;
  return files->count > 1 ? first + 1 : 0;
}

/* The one before it has its name by now: a logger does not rotate twice at a time. */
void known_remember(struct source *s) {
  struct logfiles files = {.all = 0};
  ssize_t got;

  if (s->nameless && logfiles_list(&files, s->dirfd, &s->passed)) known_drop(s, &files);
  logfiles_free(&files);
  got = pread(s->file.fd, s->sample, sizeof s->sample, 0);
  s->sample_len = got > 0 ? (unsigned)got : 0;
  s->nameless = 1;
  s->nameless_ino = s->file_ino;
  s->last_at = s->labelled ? s->at : (struct stamp){0, 0};
}
