/* Service directories on a disk that fails: what a file has said before holds, not the default,
 * whichever call it is that fails; the other files count.
 *
 * The disk fails for one file:
 * LINK: -Wl,--wrap=openat,--wrap=read,--wrap=fstatat
 */

#include "svdir_case.h"

#include "../../src/svdir/values.h"

static struct { /* which call, on which file, and how; fd: that file, opened */
  enum { NOTHING, OPEN, READ, STAT } call;
  char const *file;
  int error, fd;
} failing;

static int fails(int call, char const *file) {
  if ((int)failing.call != call || strcmp(file, failing.file) != 0) return 0;
  errno = failing.error;
  return 1;
}

extern int __real_openat(int, char const *, int, ...);
extern int __wrap_openat(int, char const *, int, ...);
int __wrap_openat(int dir, char const *name, int flags, ...) {
  int fd;

  if (fails(OPEN, name)) return -1;
  fd = __real_openat(dir, name, flags);
  failing.fd = failing.call == READ && !strcmp(name, failing.file) ? fd : -1;
  return fd;
}

extern ssize_t __real_read(int, void *, size_t);
extern ssize_t __wrap_read(int, void *, size_t);
ssize_t __wrap_read(int fd, void *bytes, size_t len) {
  if (fd == failing.fd && fails(READ, failing.file)) return -1;
  return __real_read(fd, bytes, len);
}

extern int __real_fstatat(int, char const *, struct stat *, int);
extern int __wrap_fstatat(int, char const *, struct stat *, int);
int __wrap_fstatat(int dir, char const *name, struct stat *st, int flags) {
  if (fails(STAT, name)) return -1;
  return __real_fstatat(dir, name, st, flags);
}

static struct svdir svdir;
static struct complaints complaints;

/* Reads on top of what was read before: how that differs from the defaults. */
static char const *read_again(int call, char const *file, int error) {
  struct svdir standard;

  svdir_default(&standard);
  complaints = (struct complaints){.count = 0};
  failing.call = call;
  failing.file = file;
  failing.error = error;
  failing.fd = -1;
  need(svdir_read(&svdir, case_dir, case_complain, &complaints));
  failing.call = NOTHING;
  return case_changes(&standard, &svdir);
}

static void expect(char const *wrong) {
  char wanted[256];

  snprintf(wanted, sizeof wanted, "%s|%s: %s|what held before", failing.file, wrong,
           strerror(failing.error));
  is_str(complaints.text, wanted, failing.file);
}

/* Each value, the one call and the other. The definition before has another value than the
 * default in all of them. */
static void test_values(void) {
  static char const *const values[VALUE_ROW_COUNT] = {
      [ROW_type] = "oneshot",      [ROW_restart] = "never", [ROW_delays] = "5*2 7",
      [ROW_max_deaths] = "7 9",    [ROW_notify_sd] = "sd",  [ROW_kill_mode] = "group",
      [ROW_has_pid_file] = "a.pid"};
  char before[2048];

  for (unsigned i = 0; i < VALUE_ROW_COUNT; i++) {
    char const *value = values[i]                              ? values[i]
                        : svdir_values[i].kind == VALUE_SIGNAL ? "3"
                                                               : "77";
    case_write(svdir_values[i].file, value, strlen(value));
  }
  svdir_default(&svdir);
  snprintf(before, sizeof before, "%s", read_again(NOTHING, "", 0));
  is_int(complaints.count, 0, "all are good");
  for (unsigned i = 0; i < VALUE_ROW_COUNT; i++) {
    char const *file = svdir_values[i].file;
    is_str(read_again(READ, file, EIO), before, file);
    expect("cannot be read");
    is_str(read_again(OPEN, file, ESTALE), before, file);
    expect("cannot be opened");
  }
  svdir_default(&svdir);
  read_again(READ, "timeout-kill", EIO);
  is_int(svdir.timeout_kill, 10000, "the first time there is nothing but the default");
  read_again(OPEN, "timeout-kill", EACCES);
  is_str(complaints.text, "timeout-kill|cannot be opened: Permission denied|10000",
         "what may not be read is malformed");
  for (unsigned i = 0; i < VALUE_ROW_COUNT; i++)
    case_clear(svdir_values[i].file);
}

static void test_marks(void) {
  case_write("finish", "", 0);
  case_write("down", "", 0);
  need(!mkdir(case_path("needs"), 0755));
  svdir_default(&svdir);
  read_again(STAT, "finish", EIO);
  is_int(svdir.has, HAS_FINISH | HAS_DOWN | HAS_NEEDS, "the first time its name is believed");
  is_str(complaints.text, "finish|cannot be looked at: Input/output error|what its name says",
         "the first time");
  read_again(NOTHING, "", 0);
  for (unsigned i = 0; i < MARK_COUNT; i++) {
    char const *file = svdir_marks[i].file;
    if (strcmp(file, "finish") && strcmp(file, "down") && strcmp(file, "needs")) continue;
    read_again(STAT, file, EIO);
    is_int(svdir.has, HAS_FINISH | HAS_DOWN | HAS_NEEDS, file);
    expect("cannot be looked at");
  }
  case_clear("down");
  read_again(STAT, "down", EIO);
  is_int(svdir.has, HAS_FINISH | HAS_NEEDS, "one that is not listed any more is gone");
  case_clear("finish");
  case_clear("needs");
}

int main(void) {
  case_begin();
  test_values();
  test_marks();
  case_end();
  return tap_done();
}
