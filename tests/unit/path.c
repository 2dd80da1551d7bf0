/* Paths and names: lengths at their limits, names a service must not bear. */

#include <lares/path.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static void test_join(void) {
  char buf[8] = "before";

  ok(path_join(buf, sizeof buf, "ab", "cd"), "joins what fits");
  is_str(buf, "ab/cd", "with one slash");
  ok(path_join(buf, sizeof buf, "abc", "def"), "fits to the last byte");
  is_str(buf, "abc/def", "and is whole");
  errno = 0;
  ok(!path_join(buf, sizeof buf, "abc", "defg"), "one byte too many fails");
  is_int(errno, ENAMETOOLONG, "with ENAMETOOLONG");
  is_str(buf, "abc/def", "and leaves the buffer alone");
  ok(!path_join(buf, sizeof buf, "abcdefgh", ""), "the folder alone is too long");
  ok(!path_join(buf, sizeof buf, "", "abcdefgh"), "the name alone is too long");
  ok(!path_join(buf, 0, "", ""), "an empty buffer holds nothing");
  ok(!path_join(buf, 1, "", ""), "one byte does not hold a slash and a NUL");
  ok(path_join(buf, 2, "", ""), "two bytes do");
  is_str(buf, "/", "which are the slash");
}

static void test_every_size(void) {
  char buf[64], guard[64];
  unsigned wrong = 0;

  memset(guard, '#', sizeof guard);
  for (size_t size = 0; size <= 12; size++) {
    memcpy(buf, guard, sizeof buf);
    int fits = path_join(buf, size, "abcd", "efghi");
    if (fits != (size >= 11)) wrong++;
    if (memcmp(buf + (fits ? 11 : 0), guard, sizeof buf - (fits ? 11 : 0))) wrong++;
  }
  is_int(wrong, 0, "no size writes past what it says");
}

static void test_names(void) {
  static char const *const good[] = {"a",   "web", "web@1",       "a.b",
                                     "a b", "-x",  "caf\xc3\xa9", "~"};
  static char const *const bad[] = {"",   ".",    "..",   ".git",  "a/b", "/",      "a\nb",
                                    "\n", "a\tb", "\x7f", "a\x01", "a/",  ".hidden"};
  char name[258];

  for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
    ok(path_is_service_name(good[i]), "a name");
  for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
    if (!ok(!path_is_service_name(bad[i]), "not a name")) diag("case %u", i);
  memset(name, 'n', sizeof name);
  name[255] = 0;
  ok(path_is_service_name(name), "255 bytes are a name");
  name[255] = 'n';
  name[256] = 0;
  ok(!path_is_service_name(name), "256 bytes are none");
}

static void test_base(void) {
  static struct {
    char const *path, *base;
  } const cases[] = {{"/service/web", "web"},
                     {"web", "web"},
                     {"/service/web/", "web"},
                     {"web///", "web"},
                     {"/", "/"},
                     {"///", "/"},
                     {"", ""},
                     {".", "."},
                     {"a/..", ".."}};

  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t len = 99;
    char const *base = path_base(cases[i].path, &len);
    is_mem(base, len, cases[i].base, strlen(cases[i].base), cases[i].path);
  }
}

static void write_line(char const *file, char const *text, mode_t mode) {
  int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

  if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0) diag("no file");
  close(fd);
}

static void test_own_line(void) {
  char file[256], buf[8];
  char const *tmp = getenv("TMPDIR");

  snprintf(file, sizeof file, "%s/path-line.%ld", tmp ? tmp : "/tmp", (long)getpid());
  ok(!path_own_line(buf, sizeof buf, file) && errno == ENOENT, "no file, no line");
  write_line(file, "/a/b\nrest", 0644);
  ok(path_own_line(buf, sizeof buf, file), "a line");
  is_str(buf, "/a/b", "without its newline and what follows");
  write_line(file, "1234567", 0600);
  ok(!path_own_line(buf, sizeof buf, file) && errno == ENAMETOOLONG, "one that does not fit");
  write_line(file, "", 0600);
  ok(path_own_line(buf, sizeof buf, file) && !*buf, "an empty file is an empty line");
  write_line(file, "/a", 0620);
  ok(!path_own_line(buf, sizeof buf, file) && errno == EPERM, "one that others can write");
  unlink(file);
  ok(!symlink("/etc/hostname", file) && !path_own_line(buf, sizeof buf, file), "a link");
  unlink(file);
  ok(!mkfifo(file, 0600) && !path_own_line(buf, sizeof buf, file) && errno == EPERM,
     "a FIFO, without waiting for it");
  unlink(file);
}

static void test_absolute(void) {
  char cwd[4096], wanted[4200], buf[4200];

  ok(path_absolute(buf, sizeof buf, "/a/../b"), "an absolute path");
  is_str(buf, "/a/../b", "stays as it is");
  ok(path_absolute(buf, 8, "/a/../b"), "just fits");
  ok(!path_absolute(buf, 7, "/a/../b") && errno == ENAMETOOLONG, "does not fit");
  if (!getcwd(cwd, sizeof cwd)) return;
  ok(path_absolute(buf, sizeof buf, "a/b") && path_join(wanted, sizeof wanted, cwd, "a/b"),
     "a relative one");
  is_str(buf, wanted, "is from where we are");
  ok(!path_absolute(buf, strlen(cwd) + 1, "a") && errno == ENAMETOOLONG, "does not fit either");
}

int main(void) {
  test_own_line();
  test_absolute();
  test_join();
  test_every_size();
  test_names();
  test_base();
  return tap_done();
}
