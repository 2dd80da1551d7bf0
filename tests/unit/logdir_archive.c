/* Archives: names, listing among files of others, pruning, names that rise whatever the clock
 * says; and opening a directory in the states that an earlier run, multilog or a user left.
 */

#include <lares/logdir.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char base[] = "/tmp/lares-archive.XXXXXX";
static int dirfd_of_base;

static void put(char const *name, size_t size, mode_t mode) {
  static char data[20000];
  int fd = openat(dirfd_of_base, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

  need(fd >= 0);
  need(write(fd, data, size) == (ssize_t)size);
  need(!fchmod(fd, mode));
  close(fd);
}

static int there(char const *name) {
  struct stat st;

  return !fstatat(dirfd_of_base, name, &st, AT_SYMLINK_NOFOLLOW);
}

/* How many files have this ending; the last one's mode. */
static unsigned ending(char const *end, mode_t *mode) {
  DIR *dir = opendir(base);
  struct dirent *entry;
  unsigned count = 0;

  need(dir);
  while ((entry = readdir(dir))) {
    size_t len = strlen(entry->d_name), tail = strlen(end);
    struct stat st;
    if (entry->d_name[0] != '@' || len < tail || strcmp(entry->d_name + len - tail, end))
      continue;
    count++;
    if (mode && !fstatat(dirfd_of_base, entry->d_name, &st, 0)) *mode = st.st_mode & 07777;
  }
  closedir(dir);
  return count;
}

static void empty(void) {
  DIR *dir = opendir(base);
  struct dirent *entry;

  need(dir);
  while ((entry = readdir(dir)))
    if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
      if (unlinkat(dirfd_of_base, entry->d_name, 0))
        unlinkat(dirfd_of_base, entry->d_name, AT_REMOVEDIR);
  closedir(dir);
}

#define ONE "@400000006b00209900000001.s"
#define TWO "@400000006b00209900000002.u"
#define THREE "@400000006b00209900000003.s"

static void test_names(void) {
  static char const *const bad[] = {"",
                                    "@",
                                    "current",
                                    "@400000006b0020990000000.s",
                                    "@400000006b00209900000001",
                                    "@400000006b00209900000001.t",
                                    "@400000006b00209900000001.s.xz",
                                    "@400000006b00209900000001.gz",
                                    "@400000006b00209900000001.s.zst.gz",
                                    "@400000006b0020990000000g.s",
                                    "@400000006b002099FFFFFFFF.s",
                                    "@400000006b002099ffffffff.s",
                                    "x400000006b00209900000001.s",
                                    "@400000006b00209900000001,s"};
  struct archive archive;
  char name[ARCHIVE_NAME + 1];

  ok(archive_parse(TWO, &archive), "a name");
  is_int(archive.kind, 'u', "its kind");
  is_int(archive.stamp.nano, 2, "its time");
  archive_name(name, &archive);
  is_str(name, TWO, "and back");
  for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
    if (!ok(!archive_parse(bad[i], &archive), "no archive")) diag("%s", bad[i]);
}

static void test_packed_names(void) {
  static char const *const good[] = {"@400000006b00209900000001.s.gz",
                                     "@400000006b00209900000001.u.zst"};
  struct archive archive;
  char name[ARCHIVE_NAME + 1];

  for (unsigned i = 0; i < 2; i++) {
    ok(archive_parse(good[i], &archive), "a compressed one");
    is_int(archive.packing, i ? ARCHIVE_ZSTD : ARCHIVE_GZIP, "how");
    archive_name(name, &archive);
    is_str(name, good[i], "and back");
  }
}

/* A log writer that was killed while it put what a program had made in a file's place. */
static void test_pairs(void) {
  struct archives archives;

  put("@400000006b00209900000001.u", 10, 0744);
  put("@400000006b00209900000001.s", 7, 0744);
  put("@400000006b00209900000002.s", 20, 0744);
  put("@400000006b00209900000002.s.zst", 5, 0744);
  put("@400000006b00209900000003.u", 30, 0744);
  put("state", 1, 0644);
  put("newstate", 2, 0644);
  need(archives_load(&archives, dirfd_of_base, 5, 5));
  is_int(archives.count, 3, "two names of one file are one archive");
  is_int(archives.total, 42, "that which was made");
  ok(!there("@400000006b00209900000001.u"), "what was processed goes");
  ok(!there("@400000006b00209900000002.s"), "what was compressed goes");
  ok(!there("newstate"), "the new state is the state");
  is_int(archives_at(&archives, 0)->kind, 's', "the oldest is processed");
  is_int(archives_at(&archives, 2)->complete, 1, "the newest is complete and is not");
  ok(archives_find(&archives, &archives_at(&archives, 1)->stamp) == archives_at(&archives, 1),
     "found by its stamp");
  free(archives.ring);
  empty();
}

static void test_list(void) {
  struct archives archives;
  struct stamp next, again;

  put(THREE, 30, 0644);
  put(ONE, 10, 0744);
  put(TWO, 20, 0644);
  put("notes", 500, 0644);
  put("@400000006b00209900000000.s.xz", 500, 0644);
  need(!mkdirat(dirfd_of_base, "@400000006b00209900000000.s", 0700));
  need(archives_load(&archives, dirfd_of_base, 5, 5));
  is_int(archives.count, 3, "three archives, the others are not ours");
  is_int(archives.total, 60, "their size");
  is_int(archives.ring[0].size, 10, "the oldest first");
  ok(archives_prune(&archives, dirfd_of_base, 5, 60), "within the bound");
  is_int(archives.count, 3, "nothing goes");
  ok(archives_prune(&archives, dirfd_of_base, 5, 59), "one byte less");
  ok(!there(ONE) && there(TWO), "the oldest goes");
  need(!unlinkat(dirfd_of_base, TWO, 0));
  ok(archives_prune(&archives, dirfd_of_base, 1, 60), "one that somebody took");
  is_int(archives.total, 30, "counts no more");
  archives_next(&archives, 0, &next);
  ok(stamp_compare(&next, &archives.last) > 0, "a name later than the last");
  archives.last.tai = UINT64_C(0x4000000100000000);
  archives.last.nano = 999999999;
  archives_next(&archives, 0, &next);
  ok(next.tai == UINT64_C(0x4000000100000001) && !next.nano,
     "also when the clock is behind it");
  archives.last.tai = 0;
  archives_next(&archives, UINT64_C(5000000000000000000), &again);
  is_int(again.tai, STAMP_EPOCH + 5000000000u, "never before the lines");
  free(archives.ring);
  need(archives_load(&archives, dirfd_of_base, 5, 0));
  ok(!archives.count && !there(THREE), "none may be kept");
  ok(there("notes") && there("@400000006b00209900000000.s.xz"), "others' files are left alone");
  free(archives.ring);
  empty();
}

static struct logbuf buf;

static int open_log(struct logdir *dir, uint64_t size, uint32_t count) {
  struct logaction wanted = {.path = base, .size = size, .count = count};

  logbuf_reset(&buf); /* as a new process without a shared buffer */
  return logdir_open(dir, &wanted, &buf);
}

static void close_log(struct logdir *dir) {
  logdir_close(dir);
  free(dir->archives.ring);
}

static mode_t mode_of(char const *name) {
  struct stat st;

  return fstatat(dirfd_of_base, name, &st, 0) ? 0 : st.st_mode & 07777;
}

static void test_open(void) {
  struct logdir dir, second;
  mode_t mode = 0;

  ok(open_log(&dir, 4096, 3), "an empty directory");
  is_int(mode_of("current"), 0644, "current is being written");
  is_int(mode_of("lock"), 0600, "lock");
  errno = 0;
  ok(!open_log(&second, 4096, 3) && second.step == LOGDIR_LOCK && errno == EWOULDBLOCK,
     "only one writer at a time");
  close_log(&dir);
  is_int(mode_of("current"), 0744, "current is closed");
  put("current", 100, 0744);
  ok(open_log(&dir, 4096, 3) && dir.size == 100 && !ending(".u", 0), "a clean current goes on");
  close_log(&dir);
  put("current", 0, 0644);
  ok(open_log(&dir, 4096, 3) && !ending(".u", 0), "an empty one is no archive");
  close_log(&dir);
  put("current", 100, 0644);
  ok(open_log(&dir, 4096, 3) && !dir.size && ending(".u", &mode) == 1,
     "one from a crash is .u");
  is_int(mode, 0644, "with its mode");
  close_log(&dir);
  put("current", 5000, 0744);
  ok(open_log(&dir, 4096, 3) && ending(".s", &mode) == 1, "one that is too long now is .s");
  is_int(mode, 0744, "with the mode of a finished file");
  close_log(&dir);
  empty();
}

static void test_bound(void) {
  struct logdir dir;

  put(ONE, 10000, 0744);
  put(TWO, 4096, 0744);
  put(THREE, 4096, 0744);
  put("current", 4096, 0744);
  ok(open_log(&dir, 4096, 3), "size and number smaller than before");
  ok(!there(ONE) && there(TWO) && there(THREE), "the oldest is gone before anything is read");
  close_log(&dir);
  ok(open_log(&dir, 4096, 2) && !there(TWO) && there(THREE), "and again");
  close_log(&dir);
  put(THREE, 4097, 0744);
  ok(open_log(&dir, 4096, 2) && !there(THREE), "one file larger than all may be");
  close_log(&dir);
  empty();
}

static void test_multilog(void) {
  struct logdir dir;

  put("current", 10, 0644);
  put("previous", 20, 0744);
  put("processed", 30, 0644);
  put("state", 40, 0644);
  ok(open_log(&dir, 4096, 9), "a multilog that died while it processed");
  ok(!there("processed") && !there("previous") && ending(".u", 0) == 2, "keeps what it read");
  ok(there("state"), "and its state");
  close_log(&dir);
  empty();
  put("previous", 20, 0744);
  put("processed", 30, 0744);
  ok(open_log(&dir, 4096, 9), "one that died after it");
  ok(!there("processed") && !there("previous") && ending(".s", 0) == 1, "keeps the result");
  is_int(dir.archives.total, 30, "which counts");
  close_log(&dir);
  empty();
}

static void test_refused(void) {
  struct logdir dir;

  need(!mkdirat(dirfd_of_base, "current", 0700));
  ok(!open_log(&dir, 4096, 3) && errno, "current is a directory");
  need(!unlinkat(dirfd_of_base, "current", AT_REMOVEDIR));
  need(!symlinkat("/nowhere/else", dirfd_of_base, "current"));
  ok(!open_log(&dir, 4096, 3) && !there("/nowhere/else"), "current is a link");
  empty();
  need(!mkfifoat(dirfd_of_base, "current", 0600));
  ok(!open_log(&dir, 4096, 3), "current is a FIFO");
  empty();
}

int main(void) {
  need(mkdtemp(base));
  dirfd_of_base = open(base, O_RDONLY | O_DIRECTORY);
  need(dirfd_of_base >= 0 && logbuf_anonymous(&buf));
  test_names();
  test_packed_names();
  test_pairs();
  test_list();
  test_open();
  test_bound();
  test_multilog();
  test_refused();
  close(dirfd_of_base);
  ok(!rmdir(base), "nothing is left over");
  return tap_done();
}
