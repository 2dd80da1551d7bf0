/* What a log directory and a LARES_LOGBUF file may hold when lares-log starts: anything. It
 * must not crash or hang, touch no file of others, be within the bound once it is open, and
 * then lose nothing of what it reads. Input: setup (1), files (each: name, kind, size (2))
 * ended by a name of 255, then patches of the buffer: offset (2), length (1), bytes. */

#include <skalibs/nonposix.h>
#include <lares/logdir.h>

#include <sys/stat.h>

#define FUZZ_WORDS "LARESLB1",
#include "fuzz.h"
#include "fuzz_log.h"

static struct logger logger;

static char const *const names[] = {"current",
                                    "previous",
                                    "processed",
                                    "state",
                                    "newstate",
                                    "lock",
                                    "notes",
                                    "@400000006b00209900000001.s",
                                    "@400000006b00209900000001.u",
                                    "@400000006b00209900000002.s",
                                    "@400000006b0020993b9ac9ff.s",
                                    "@400000007fffffff3b9ac9ff.u",
                                    "@7fffffffffffffff3b9ac9ff.s",
                                    "@ffffffffffffffff3b9ac9ff.s",
                                    "@ffffffffffffffff00000000.u",
                                    "@000000000000000000000000.s",
                                    "@400000006b00209900000001",
                                    "@400000006b00209900000001.s.gz",
                                    "@400000006b002099ffffffff.s",
                                    ".hidden"};
#define NAMES (sizeof names / sizeof *names)

/* Ours to rename and remove. */
static int is_ours(char const *name, mode_t mode) {
  if (!strcmp(name, "previous") || !strcmp(name, "processed")) return 1; /* multilog's */
  /* A processor's: what it left behind may become the other. */
  if (!strcmp(name, "state") || !strcmp(name, "newstate")) return 1;
  return is_log(name) && S_ISREG(mode);
}

/* Files of others as they were made. */
static struct stat made[NAMES];

static int make_one(char const *name, uint8_t kind, off_t size) {
  int fd;

  switch (kind & 15) {
  case 0:
    return !mkdirat(logger.folder, name, 0700);
  case 1:
    return !symlinkat("notes", logger.folder, name);
  case 2:
    return !mkfifoat(logger.folder, name, 0600);
  default:
    fd = openat(logger.folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return 0;
    need(!ftruncate(fd, size) && !fchmod(fd, kind & 16 ? 0744 : 0644));
    close(fd);
    return 1;
  }
}

static void make_files(struct fuzz_input *in) {
  memset(made, 0, sizeof made);
  while (in->left) {
    uint8_t which = fuzz_byte(in), kind;
    if (which == 255) break;
    which %= NAMES;
    kind = fuzz_byte(in);
    if (make_one(names[which], kind, (off_t)fuzz_number(in, 2)))
      need(!fstatat(logger.folder, names[which], made + which, AT_SYMLINK_NOFOLLOW));
  }
}

/* The head's first words and a record of this directory, as they ought to be, so that the rest
 * is looked at. */
static void make_right(void) {
  uint64_t head[] = {0, (16384 - 4096) / 2 / 64 * 64 - 64};
  struct stat st;
  uint64_t who[2];

  need(!fstat(logger.folder, &st));
  memcpy(head, "LARESLB1", 8);
  who[0] = st.st_dev;
  who[1] = st.st_ino;
  need(pwrite(logger.file, head, sizeof head, 0) == sizeof head);
  need(pwrite(logger.file, who, sizeof who, 104) == sizeof who);
}

static void make_buffer(struct fuzz_input *in, int right) {
  while (in->left) {
    uint8_t const *bytes;
    off_t at = (off_t)(fuzz_number(in, 2) % 16384);
    size_t len = fuzz_take(in, fuzz_byte(in), &bytes);
    if (len > (size_t)(16384 - at)) len = (size_t)(16384 - at);
    need(pwrite(logger.file, bytes, len, at) == (ssize_t)len);
  }
  if (right) make_right();
}

static void check_others(void) {
  struct stat st;

  for (unsigned i = 0; i < NAMES; i++) {
    if (!made[i].st_ino || is_ours(names[i], made[i].st_mode)) continue;
    fuzz_check(!fstatat(logger.folder, names[i], &st, AT_SYMLINK_NOFOLLOW) &&
                   st.st_ino == made[i].st_ino && st.st_size == made[i].st_size &&
                   st.st_mode == made[i].st_mode,
               "a file of others is as it was");
  }
}

/* What is fed now is the end of what is there, whatever was there before. */
static void feed_lines(unsigned count) {
  static char fed[65536], got[1 << 20];
  static int ends[2];
  size_t len = 0, total;

  if (!ends[1]) need(!pipe(ends));
  fed[len++] = '\n';
  for (unsigned i = 0; i < count; i++)
    len += (size_t)sprintf(fed + len, "line %u of those that are fed\n", i);
  need(write(ends[1], fed, len) == (ssize_t)len);
  for (int waiting = 1;;) {
    logger_work(&logger);
    fuzz_check(logger_bounded(&logger), "within the bound");
    need(!ioctl(ends[0], FIONREAD, &waiting));
    if (!waiting) break;
    fuzz_check(logbuf_read(&logger.buf, ends[0], 4000) > 0, "there is room in the buffer");
  }
  fuzz_check(!logdir_behind(&logger.dir, &logger.buf), "nothing is held back");
  total = logger_read(&logger, got, sizeof got);
  if (len > logger.limit) return;
  fuzz_check(total + 1 >= len && !memcmp(got + total - (len - 1), fed + 1, len - 1),
             "what was fed is there");
}

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
  struct fuzz_input in = {data, size};
  uint8_t setup = fuzz_byte(&in);
  int opened;

  logger_setup(&logger, setup & 1, 2 + (setup >> 4), 4096);
  make_files(&in);
  if (logger.shared) make_buffer(&in, setup & 2);
  logger.script.tai = 0;
  opened = logger_try(&logger);
  check_others();
  if (opened) {
    fuzz_check(logger_bounded(&logger), "within the bound");
    feed_lines(setup & 4 ? 100 : 900);
    check_others();
    logger_stop(&logger, setup & 8);
    fuzz_check(logger_try(&logger), "it can be opened again");
    logger_stop(&logger, 0);
  }
  logger_remove(&logger);
  return 0;
}
