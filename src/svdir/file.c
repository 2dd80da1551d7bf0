/* Looking at the files of a service directory: nothing here waits, whatever stands in place of
 * a file, and nothing is allocated. */

#include <skalibs/nonposix.h> /* a timespec in struct stat, on every system */

#include "values.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

#include <lares/shortage.h>

int wrong_set(struct wrong *wrong, char const *const *parts) {
  wrong->len = 0;
  for (; *parts; parts++) {
    size_t len = strlen(*parts), room = WRONG_MAX - 1 - wrong->len;
    if (len > room) len = room;
    memcpy(wrong->text + wrong->len, *parts, len);
    wrong->len += len;
  }
  wrong->text[wrong->len] = 0;
  return 0;
}

static char const *kind_name(mode_t mode) {
  if (S_ISDIR(mode)) return "is a directory";
  if (S_ISFIFO(mode)) return "is a FIFO";
  if (S_ISSOCK(mode)) return "is a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "is a device";
  return "is a file";
}

/* The file may be as good as ever: it is the disk, or the machine that it is on. */
static int is_of_disk(int error) {
  return error == EIO || error == ESTALE || error == ETIMEDOUT || error == EBUSY ||
         error == ENOLCK;
}

static enum value_outcome failed(int error, char const *what, struct wrong *wrong) {
  if (is_shortage(error) && !is_of_disk(error)) return VALUE_EXHAUSTED;
  WRONG(wrong, what, strerror(error));
  return is_of_disk(error) ? VALUE_LOST : VALUE_BAD;
}

/* After ENOENT: was it removed since the directory was read, or is it a link to nowhere? */
static enum value_outcome dangling_or_absent(int dir, char const *name, struct wrong *wrong) {
  struct stat st;

  if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return VALUE_ABSENT;
  WRONG(wrong, "is a link to something which does not exist");
  return VALUE_BAD;
}

static void age_of(struct file_age *age, struct stat const *st) {
  stamp_from_timespec(&age->changed, &st->st_ctim);
  age->size = (uint64_t)st->st_size;
}

int file_age_get(int dir, char const *name, struct file_age *age) {
  struct stat st;

  *age = (struct file_age){.size = 0};
  if (fstatat(dir, name, &st, 0) < 0) return 0;
  age_of(age, &st);
  return 1;
}

enum value_outcome entry_check(int dir, char const *name, enum entry_kind kind,
                               struct file_age *age, struct wrong *wrong) {
  struct stat st;
  int is_file = kind == ENTRY_FILE || kind == ENTRY_PROGRAM;

  *age = (struct file_age){.size = 0};
  if (fstatat(dir, name, &st, 0) < 0) {
    if (errno == ENOENT) return dangling_or_absent(dir, name, wrong);
    return failed(errno, "cannot be looked at: ", wrong);
  }
  age_of(age, &st);
  if ((is_file && !S_ISREG(st.st_mode)) || (kind == ENTRY_DIRECTORY && !S_ISDIR(st.st_mode))) {
    WRONG(wrong, kind_name(st.st_mode), is_file ? ", a file" : ", a directory", " is expected");
    return VALUE_BAD;
  }
  if (kind == ENTRY_PROGRAM && !(st.st_mode & 0111)) {
    WRONG(wrong, "is not executable");
    return VALUE_BAD;
  }
  return VALUE_THERE;
}

/* Strips blanks around the value; what is inside has to be one line without NUL. */
static int trim(struct value_text *text, size_t len, struct wrong *wrong) {
  char *start = text->bytes, *end = start + len;

  if (memchr(start, 0, len)) return WRONG(wrong, "contains a NUL byte");
  while (start < end && strchr(" \t\r\n", *start))
    start++;
  while (start < end && strchr(" \t\r\n", end[-1]))
    end--;
  if (start == end) return WRONG(wrong, "is empty");
  if (memchr(start, '\n', (size_t)(end - start))) return WRONG(wrong, "has more than one line");
  *end = 0;
  text->start = start;
  text->len = (size_t)(end - start);
  return 1;
}

static enum value_outcome load_open(struct value_text *text, int fd, struct wrong *wrong) {
  struct stat st;
  size_t len;

  if (fstat(fd, &st) < 0) return failed(errno, "cannot be looked at: ", wrong);
  age_of(&text->age, &st);
  if (!S_ISREG(st.st_mode)) {
    WRONG(wrong, kind_name(st.st_mode), ", a file is expected");
    return VALUE_BAD;
  }
  errno = 0; /* allread leaves it alone at the end of the file */
  len = allread(fd, text->bytes, sizeof text->bytes);
  if (len == sizeof text->bytes) {
    WRONG(wrong, "is longer than 1023 bytes");
    return VALUE_BAD;
  }
  if (errno && errno != EINTR) /* which was tried again */
    return failed(errno, "cannot be read: ", wrong);
  return trim(text, len, wrong) ? VALUE_THERE : VALUE_BAD;
}

enum value_outcome value_load(struct value_text *text, int dir, char const *name,
                              struct wrong *wrong) {
  enum value_outcome outcome = VALUE_BAD;
  int error, fd;

  text->age = (struct file_age){.size = 0};
  do /* O_NONBLOCK: a FIFO without a writer, or a device which is not there yet */
    fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    if (errno == ENOENT) return dangling_or_absent(dir, name, wrong);
    if (errno == ENXIO) /* what open says of a socket */
      WRONG(wrong, "is a socket or a device without a driver, a file is expected");
    else
      outcome = failed(errno, "cannot be opened: ", wrong);
    error = errno;
    if (outcome != VALUE_EXHAUSTED) (void)file_age_get(dir, name, &text->age);
    errno = error;
    return outcome;
  }
  outcome = load_open(text, fd, wrong);
  error = errno;
  close(fd);
  errno = error;
  return outcome;
}
