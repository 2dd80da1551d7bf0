/* Service directories: without descriptors, without allocations, among hundreds of files; the
 * delays, and the table of the manual page against the table of the code.
 *
 * Allocations are counted and flags of opened files looked at:
 * LINK: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=openat
 */

#include "svdir_case.h"

#include <sys/resource.h>
#include <time.h>

#include "../../src/svdir/values.h"

static unsigned allocations;
extern void *__real_malloc(size_t);
extern void *__wrap_malloc(size_t);
extern void *__real_calloc(size_t, size_t);
extern void *__wrap_calloc(size_t, size_t);
extern void *__real_realloc(void *, size_t);
extern void *__wrap_realloc(void *, size_t);
void *__wrap_malloc(size_t size) {
  allocations++;
  return __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
  allocations++;
  return __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size) {
  allocations++;
  return __real_realloc(old, size);
}

static int flags_missing;
extern int __real_openat(int, char const *, int, ...);
extern int __wrap_openat(int, char const *, int, ...);
int __wrap_openat(int dir, char const *name, int flags, ...) {
  flags_missing |= ~flags & (O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  return __real_openat(dir, name, flags);
}

static struct svdir svdir;
static struct complaints complaints;

static void expect(char const *changes, char const *complaint, char const *name) {
  is_str(case_read(&svdir, &complaints), changes, name);
  is_str(complaints.text, complaint, name);
}

static unsigned open_descriptors(void) {
  unsigned count = 0;

  for (int fd = 0; fd < 256; fd++)
    count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

static void test_failures(void) {
  struct rlimit limit, low;
  unsigned before = open_descriptors();
  int fd = dup(0); /* the lowest that is free */

  close(fd);

  memset(&svdir, 7, sizeof svdir);
  ok(!svdir_read(&svdir, case_path("none"), case_complain, &complaints) && errno == ENOENT,
     "no directory");
  case_write("timeout-kill", "5\n", 2);
  ok(!svdir_read(&svdir, case_path("timeout-kill"), case_complain, &complaints) &&
         errno == ENOTDIR,
     "no directory but a file");
  is_int(svdir.timeout_kill, 0x07070707, "leave what was read before");
  need(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  for (int room = 0; room < 2; room++) {
    low = limit;
    low.rlim_cur = (rlim_t)(fd + room);
    complaints.count = 0;
    need(setrlimit(RLIMIT_NOFILE, &low) == 0);
    ok(!svdir_read(&svdir, case_dir, case_complain, &complaints) && errno == EMFILE,
       room ? "no descriptor for a file" : "no descriptor for the directory");
    need(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    is_int(svdir.timeout_kill, 0x07070707, "keeps the definition read before");
    is_int(complaints.count, 0, "and blames no file");
  }
  ok(svdir_read(&svdir, case_dir, 0, 0), "nobody to complain to");
  is_int(svdir.timeout_kill, 5, "and all is read");
  case_write("type", "x", 1);
  ok(svdir_read(&svdir, case_dir, 0, 0), "not even with a complaint");
  case_clear("type");
  case_clear("timeout-kill");
  is_int(open_descriptors(), before, "no descriptor was left open");
}

static void test_many_and_defined(void) {
  char name[160];
  struct stat st;
  unsigned before;

  case_write("timeout-kill", "5\n", 2);
  for (unsigned i = 0; i < 300; i++) {
    snprintf(name, sizeof name, "%u-%0100u", i, i);
    case_write(name, "", 0);
  }
  case_write("zz", "", 0);
  case_write("type", "oneshot\n", 8);
  before = allocations;
  need(svdir_read(&svdir, case_dir, 0, 0));
  is_int(allocations - before, 0, "reading allocates nothing");
  is_int(flags_missing, 0, "files are opened close-on-exec and without side effects");
  expect("type=1 restart=1 timeout_kill=5", "", "files are found among hundreds");
  need(stat(case_path("type"), &st) == 0);
  {
    struct stamp changed;
    stamp_from_timespec(&changed, &st.st_ctim);
    ok(stamp_compare(&svdir.age.changed, &changed) == 0, "the newest file defines it");
  }
  for (unsigned i = 0; i < 300; i++) {
    snprintf(name, sizeof name, "%u-%0100u", i, i);
    case_clear(name);
  }
  case_clear("zz");
  case_clear("type");
  case_clear("timeout-kill");
}

static uint32_t sum_now(void) {
  struct svdir_age age;

  need(svdir_age(&age, case_dir));
  return age.sum;
}

/* What makes another definition, and what does not. */
static void test_sum(void) {
  uint32_t none, before;

  none = sum_now();
  case_write("run", "#!/bin/sh\n", 10);
  ok(sum_now() != none, "a file more is another definition");
  before = sum_now();
  ok(sum_now() == before, "the same is the same");
  case_write("down", "", 0);
  case_write("other", "", 0);
  need(!mkdir(case_path("log"), 0755) && !mkdir(case_path("control"), 0755));
  ok(sum_now() == before, "down, log/, control/ and unknown files do not matter");
  case_write("type", "longrun\n", 8);
  ok(sum_now() != before, "a value does");
  case_clear("type");
  ok(sum_now() == before, "and is forgotten with its file");
  need(!chmod(case_path("run"), 0700));
  ok(sum_now() != before, "so does a mode");
  case_clear("run");
  case_write("start", "#!/bin/sh\n", 10);
  ok(sum_now() != none, "a name");
  before = sum_now();
  need(!symlink("nowhere", case_path("finish")));
  ok(sum_now() == before, "a link to nowhere is nothing");
  for (char const *const *name =
           (char const *const[]){"start", "finish", "down", "other", "log", "control", 0};
       *name; name++)
    case_clear(*name);
  ok(sum_now() == none, "an empty directory");
}

static uint32_t random_state;

static uint32_t random_below(uint32_t bound) {
  random_state = random_state * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)random_state * bound >> 32);
}

/* Whatever delays are written out come back, and are what svdir_delay_ms walks through. */
static void test_delays_round_trip(void) {
  unsigned wrong = 0;

  random_state = (uint32_t)time(0);
  diag("seed %lu", (unsigned long)random_state);
  for (unsigned round = 0; round < 2000; round++) {
    struct svdir_delay delays[SVDIR_DELAYS];
    unsigned count = 1 + random_below(SVDIR_DELAYS);
    char text[SVDIR_VALUE_MAX + 1] = "";
    uint32_t early = 0;
    size_t len = 0;
    for (unsigned i = 0; i < count; i++) {
      delays[i].ms = random_below(4) ? random_below(100000) : DELAY_MOST - random_below(3);
      delays[i].count = (uint16_t)(random_below(2) ? 1 : 1 + random_below(UINT16_MAX));
      len += (size_t)sprintf(text + len, "%*s%lu", i ? 1 + (int)random_below(2) : 0, "",
                             (unsigned long)delays[i].ms);
      if (delays[i].count > 1 || random_below(2))
        len += (size_t)sprintf(text + len, "*%u", delays[i].count);
    }
    case_write("restart-delays", text, len);
    case_read(&svdir, &complaints);
    if (complaints.count || svdir.delay_count != count) wrong++;
    for (unsigned i = 0; i < count; early += delays[i++].count) {
      if (svdir.delays[i].ms != delays[i].ms || svdir.delays[i].count != delays[i].count)
        wrong++;
      if (svdir_delay_ms(&svdir, early) != delays[i].ms) wrong++;
      if (svdir_delay_ms(&svdir, early + delays[i].count - 1) != delays[i].ms) wrong++;
    }
    if (svdir_delay_ms(&svdir, early) != delays[count - 1].ms) wrong++;
    if (svdir_delay_ms(&svdir, UINT32_MAX) != delays[count - 1].ms) wrong++;
  }
  is_int(wrong, 0, "delays written are delays read and walked through");
  case_clear("restart-delays");
}

static void test_delays_standard(void) {
  static uint32_t const cases[][2] = {
      {0, 0},     {1, 1000},   {2, 1000},   {30, 1000},     {31, 2000},         {32, 4000},
      {33, 8000}, {34, 15000}, {35, 15000}, {65535, 15000}, {UINT32_MAX, 15000}};

  svdir_default(&svdir);
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
    is_int(svdir_delay_ms(&svdir, cases[i][0]), cases[i][1], "the design's delays");
}

/* The default in the table, written to the file, is the default in the structure. */
static void test_defaults(void) {
  for (unsigned i = 0; i < VALUE_ROW_COUNT; i++) {
    struct value_row const *row = &svdir_values[i];
    if (row->kind != VALUE_WORD && !strcmp(row->standard, "none")) continue;
    case_write(row->file, row->standard, strlen(row->standard));
    expect("", "", row->file);
    case_clear(row->file);
  }
}

/* Each row of the table stands in the manual page, and no other. */
static void test_manual(void) {
  char const *source = getenv("LARES_SOURCE");
  char line[512], range[64], wanted[512];
  unsigned rows = 0, found = 0;
  FILE *manual;

  snprintf(line, sizeof line, "%s/doc/man/lares-servicedir.5", source ? source : ".");
  need((manual = fopen(line, "re")) != 0);
  while (fgets(line, sizeof line, manual)) {
    if (strncmp(line, ".It Pa ", 7) || !strstr(line, " Ta ")) continue;
    rows++;
    for (unsigned i = 0; i < VALUE_ROW_COUNT; i++) {
      struct value_row const *row = &svdir_values[i];
      if (row->kind == VALUE_SIGNAL)
        snprintf(range, sizeof range, "name or %lu to %lu", (unsigned long)row->least,
                 (unsigned long)row->most);
      else if (row->words)
        snprintf(range, sizeof range, "%s", row->words);
      else
        snprintf(range, sizeof range, "%lu to %lu", (unsigned long)row->least,
                 (unsigned long)row->most);
      snprintf(wanted, sizeof wanted, ".It Pa %s Ta %s Ta %s Ta %s Ta %s\n", row->file, range,
               row->unit, row->standard, row->source);
      found += !strcmp(line, wanted);
    }
  }
  fclose(manual);
  is_int(found, VALUE_ROW_COUNT, "each value file stands in the manual as in the code");
  is_int(rows, VALUE_ROW_COUNT, "and nothing else does");
}

int main(void) {
  void *counted = malloc(1);

  ok(counted != 0 && allocations > 0, "the counter of allocations counts");
  free(counted);
  case_begin();
  test_failures();
  test_many_and_defined();
  test_sum();
  test_delays_standard();
  test_delays_round_trip();
  test_defaults();
  test_manual();
  case_end();
  return tap_done();
}
