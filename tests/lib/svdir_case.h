/* For the tests of src/svdir: a service directory to fill, a definition as text, and complaints
 * collected as text. */

#ifndef SVDIR_CASE_H
#define SVDIR_CASE_H

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/svdir.h>

#include "tap.h"

static char case_dir[512];

static void case_begin(void) {
  char const *tmp = getenv("TMPDIR");

  snprintf(case_dir, sizeof case_dir, "%s/svdir.XXXXXX", tmp && *tmp ? tmp : "/tmp");
  need(mkdtemp(case_dir));
}

static char const *case_path(char const *name) {
  static char path[1024];

  snprintf(path, sizeof path, "%s/%s", case_dir, name);
  return path;
}

static void case_write(char const *name, char const *bytes, size_t len) {
  int fd = open(case_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

  need(fd >= 0);
  need(write(fd, bytes, len) == (ssize_t)len);
  close(fd);
}

static void case_clear(char const *name) {
  need(unlink(case_path(name)) == 0 || rmdir(case_path(name)) == 0);
}

__attribute__((unused)) static void case_end(void) {
  /* Fails when a test has left a file. */
  ok(rmdir(case_dir) == 0, "nothing is left in the directory of the test");
}

/* Complaints: file|wrong|instead, a newline between two. */
struct complaints {
  unsigned count;
  char text[4096];
};

__attribute__((unused)) static void case_complain(void *context, char const *file,
                                                  char const *wrong, char const *instead) {
  struct complaints *complaints = context;
  size_t len = strlen(complaints->text);

  snprintf(complaints->text + len, sizeof complaints->text - len, "%s%s|%s|%s",
           complaints->count++ ? "\n" : "", file, wrong, instead);
}

#define CASE_FIELDS(X)                                                                         \
  X(has)                                                                                       \
  X(type)                                                                                      \
  X(restart)                                                                                   \
  X(kill_mode)                                                                                 \
  X(down_signal)                                                                               \
  X(reload_signal)                                                                             \
  X(notify_sd)                                                                                 \
  X(has_pid_file)                                                                              \
  X(lock_fd)                                                                                   \
  X(notification_fd)                                                                           \
  X(timeout_start)                                                                             \
  X(timeout_ready)                                                                             \
  X(timeout_watchdog)                                                                          \
  X(timeout_kill)                                                                              \
  X(timeout_finish)                                                                            \
  X(restart_reset)                                                                             \
  X(retry_failed)                                                                              \
  X(max_deaths)                                                                                \
  X(max_deaths_within)                                                                         \
  X(max_death_tally)                                                                           \
  X(max_history)

/* Member by member: what lies between them is anything. */
static int case_same_delays(struct svdir const *a, struct svdir const *b) {
  unsigned i = 0;

  if (a->delay_count != b->delay_count) return 0;
  while (i < a->delay_count && a->delays[i].ms == b->delays[i].ms &&
         a->delays[i].count == b->delays[i].count)
    i++;
  return i == a->delay_count;
}

/* How b differs from a: "timeout_kill=5 restart=1", in the order of the structure; delays as
 * they would stand in the file. */
static char const *case_changes(struct svdir const *a, struct svdir const *b) {
  static char text[2048];
  size_t len = 0;

  text[0] = 0;
#define CASE_FIELD(field)                                                                      \
  if (a->field != b->field)                                                                    \
    len += (size_t)snprintf(text + len, sizeof text - len, "%s" #field "=%lld",                \
                            len ? " " : "", (long long)b->field);
  CASE_FIELDS(CASE_FIELD)
#undef CASE_FIELD
  if (!case_same_delays(a, b)) {
    len += (size_t)snprintf(text + len, sizeof text - len, "%sdelays=", len ? " " : "");
    for (unsigned i = 0; i < b->delay_count; i++)
      len += (size_t)snprintf(text + len, sizeof text - len, "%s%lu*%u", i ? "," : "",
                              (unsigned long)b->delays[i].ms, b->delays[i].count);
  }
  return text;
}

/* Who only looks at the files finds the same age as who reads them, whatever is wrong with
 * them.
 */
static void case_age(struct svdir const *svdir) {
  struct svdir_age age;

  need(svdir_age(&age, case_dir));
  need(age.sum == svdir->age.sum && !stamp_compare(&age.changed, &svdir->age.changed));
}

/* Read the directory: how it differs from the defaults, and what was complained of. */
__attribute__((unused)) static char const *case_read(struct svdir *svdir,
                                                     struct complaints *complaints) {
  struct svdir standard;

  complaints->count = 0;
  complaints->text[0] = 0;
  svdir_default(&standard);
  memset(svdir, 0x5a, sizeof *svdir);
  need(svdir_read(svdir, case_dir, case_complain, complaints));
  case_age(svdir);
  return case_changes(&standard, svdir);
}

#endif
