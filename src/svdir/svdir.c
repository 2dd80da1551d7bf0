/* Reads a definition: one pass over the directory's names tells which files are there, only
 * those are looked at then. A service is read at each of its starts, hence no name is tried in
 * vain (a directory has three files, not thirty), the names are not read again while the
 * directory has not changed (names.c), and nothing is allocated.
 */

#include <skalibs/nonposix.h>

#include <lares/svdir.h>
#include <lares/path.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "values.h"

#define FIELD(name) offsetof(struct svdir, name)
#define ROW(name, what, field, lo, hi, form, in, normally, from)                               \
  {.file = (name),                                                                             \
   .words = (form),                                                                            \
   .unit = (in),                                                                               \
   .standard = (normally),                                                                     \
   .source = (from),                                                                           \
   .least = (lo),                                                                              \
   .most = (hi),                                                                               \
   .offset = FIELD(field),                                                                     \
   .kind = VALUE_##what},
struct value_row const svdir_values[VALUE_ROW_COUNT] = {SVDIR_VALUES(ROW)};
#undef ROW

struct mark_row const svdir_marks[MARK_COUNT] = {
    {"run", HAS_RUN, ENTRY_FILE},
    {"start", HAS_START, ENTRY_FILE},
    {"finish", HAS_FINISH, ENTRY_FILE},
    {"stop", HAS_STOP, ENTRY_FILE},
    {"check", HAS_CHECK, ENTRY_PROGRAM},
    {"condition", HAS_CONDITION, ENTRY_FILE},
    {"down", HAS_DOWN, ENTRY_ANY},
    {"essential", HAS_ESSENTIAL, ENTRY_ANY},
    {"log", HAS_LOG, ENTRY_DIRECTORY},
    {"control", HAS_CONTROL, ENTRY_DIRECTORY},
    {"needs", HAS_NEEDS, ENTRY_DIRECTORY},
    {"after", HAS_AFTER, ENTRY_DIRECTORY},
    {"flag-newpidns", HAS_NEWPIDNS, ENTRY_ANY},
    {"flag-timeout-killpg", HAS_KILLPG, ENTRY_ANY},
};

/* One reading under way. */
struct reading {
  struct svdir svdir;
  struct svdir const *before; /* the definition read before, or the defaults */
  uint64_t seen;              /* bit i: svdir_values[i] is there; behind them the marks */
  int dir;
  svdir_complain *complain;
  void *context;
  struct wrong wrong;
  struct value_text text;
};

static void complain(struct reading *reading, char const *file, char const *instead) {
  if (reading->complain)
    reading->complain(reading->context, file, reading->wrong.text, instead);
}

/* Neither what a command makes (down), nor directories in which files come and go without
 * being of consequence for the process that runs. */
static int is_of_age(unsigned mark) {
  return !(svdir_marks[mark].has & (HAS_DOWN | HAS_LOG | HAS_CONTROL));
}

/* What holds when the file says nothing; for two of them the type decides. */
static char const *standard_of(struct svdir const *svdir, struct value_row const *row) {
  if (svdir->type == TYPE_ONESHOT && row == &svdir_values[ROW_restart]) return "on-failure";
  if (svdir->type == TYPE_FORKING && row == &svdir_values[ROW_timeout_start]) return "10000";
  return row->standard;
}

static int read_value(struct reading *reading, struct value_row const *row) {
  struct value_text *text = &reading->text;
  enum value_outcome outcome = value_load(text, reading->dir, row->file, &reading->wrong);

  age_note(&reading->svdir.age, row->file, &text->age);
  switch (outcome) {
  case VALUE_ABSENT:
    return 1;
  case VALUE_EXHAUSTED:
    return 0;
  case VALUE_THERE:
    if (value_scan(&reading->svdir, row, text->start, text->len, &reading->wrong)) return 1;
    break;
  case VALUE_LOST:
    value_keep(&reading->svdir, row, reading->before);
    complain(reading, row->file, "what held before");
    return 1;
  case VALUE_BAD:
    break;
  }
  complain(reading, row->file, standard_of(&reading->svdir, row));
  return 1;
}

static int read_values(struct reading *reading) {
  struct svdir *svdir = &reading->svdir;

  for (unsigned i = 0; i < VALUE_ROW_COUNT; i++) {
    if (reading->seen & 1ull << i && !read_value(reading, &svdir_values[i])) return 0;
    if (i == ROW_type) { /* the first; see standard_of */
      if (svdir->type == TYPE_ONESHOT) svdir->restart = RESTART_ON_FAILURE;
      if (svdir->type == TYPE_FORKING) svdir->timeout_start = 10000;
    }
  }
  return 1;
}

/* It is there, but what is it? A logger is not done without because of that. */
static void mark_keep(struct reading *reading, struct mark_row const *row) {
  if (reading->before->is_read) {
    reading->svdir.has |= reading->before->has & row->has;
    complain(reading, row->file, "what held before");
  } else {
    reading->svdir.has |= row->has;
    complain(reading, row->file, "what its name says");
  }
}

static int read_marks(struct reading *reading) {
  struct svdir *svdir = &reading->svdir;
  struct file_age age;

  for (unsigned i = 0; i < MARK_COUNT; i++) {
    enum value_outcome outcome;
    if (!(reading->seen & 1ull << (VALUE_ROW_COUNT + i))) continue;
    outcome = entry_check(reading->dir, svdir_marks[i].file, svdir_marks[i].kind, &age,
                          &reading->wrong);
    if (is_of_age(i)) age_note(&svdir->age, svdir_marks[i].file, &age);
    switch (outcome) {
    case VALUE_THERE:
      svdir->has |= svdir_marks[i].has;
      break;
    case VALUE_BAD:
      complain(reading, svdir_marks[i].file, "nothing, as if it were not there");
      break;
    case VALUE_LOST:
      mark_keep(reading, &svdir_marks[i]);
      break;
    case VALUE_EXHAUSTED:
      return 0;
    case VALUE_ABSENT:
      break;
    }
  }
  /* encore's name counts only where ours is missing */
  if (svdir->has & HAS_FINISH)
    svdir->has &= ~(uint32_t)HAS_STOP;
  else if (svdir->has & HAS_STOP)
    svdir->has |= HAS_FINISH;
  return 1;
}

void svdir_default(struct svdir *svdir) {
  *svdir = (struct svdir){
      .type = TYPE_LONGRUN,
      .restart = RESTART_ALWAYS,
      .kill_mode = KILL_TREE,
      .down_signal = SIGTERM,
      .reload_signal = SIGHUP,
      .notification_fd = -1,
      .lock_fd = -1,
      .timeout_kill = 10000,
      .timeout_finish = 5000,
      .restart_reset = 1000,
      .max_death_tally = 100,
      .max_history = 1024,
      .delay_count = 6,
      .delays = {{0, 1}, {1000, 30}, {2000, 1}, {4000, 1}, {8000, 1}, {15000, 1}},
  };
}

int svdir_age(struct svdir_age *out, char const *dir) {
  struct svdir_age all = {.sum = 0};
  struct file_age age;
  uint64_t seen = 0;
  int fd = names_open(dir), good, error;

  if (fd < 0) return 0;
  good = names_list(fd, &seen);
  error = errno;
  for (unsigned i = 0; i < VALUE_ROW_COUNT; i++)
    if (seen & 1ull << i && file_age_get(fd, svdir_values[i].file, &age))
      age_note(&all, svdir_values[i].file, &age);
  for (unsigned i = 0; i < MARK_COUNT; i++)
    if (seen & 1ull << (VALUE_ROW_COUNT + i) && is_of_age(i) &&
        file_age_get(fd, svdir_marks[i].file, &age))
      age_note(&all, svdir_marks[i].file, &age);
  close(fd);
  if (good) *out = all;
  errno = error;
  return good;
}

static int read_files(struct svdir *out, int dir, uint64_t seen, svdir_complain *say,
                      void *context) {
  struct reading reading;

  reading.dir = dir;
  reading.seen = seen;
  reading.complain = say;
  reading.context = context;
  reading.before = out;
  svdir_default(&reading.svdir);
  if (!read_values(&reading) || !read_marks(&reading)) return 0;
  reading.svdir.is_read = 1;
  *out = reading.svdir;
  return 1;
}

int svdir_read(struct svdir *out, char const *dir, svdir_complain *say, void *context) {
  uint64_t seen;
  int fd = names_open(dir), good, error;

  if (fd < 0) return 0;
  good = names_list(fd, &seen) && read_files(out, fd, seen, say, context);
  error = errno;
  close(fd);
  errno = error;
  return good;
}

int svdir_read_here(struct svdir *out, struct svdir_names *names, svdir_complain *say,
                    void *context) {
  return names_here(names) && read_files(out, AT_FDCWD, names->seen, say, context);
}

int svdir_pid_file(char path[SVDIR_PATH], char const *dir) {
  struct svdir scratch;
  struct value_text text;
  struct wrong wrong;
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC), good;

  if (fd < 0) return 0;
  good = value_load(&text, fd, "pid-file", &wrong) == VALUE_THERE &&
         value_scan(&scratch, &svdir_values[ROW_has_pid_file], text.start, text.len, &wrong);
  close(fd);
  if (good) memcpy(path, text.start, text.len + 1);
  return good;
}

uint32_t svdir_delay_ms(struct svdir const *svdir, uint32_t early) {
  unsigned i = 0;

  while (i + 1 < svdir->delay_count && early >= svdir->delays[i].count)
    early -= svdir->delays[i++].count;
  return svdir->delays[i].ms;
}
