/* Reading logs: stamps in front of lines, times as they are typed and as they are shown, in a
 * time zone with summer time, and the names of files. */

#include <skalibs/nonposix.h>
#include <lares/logread.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

static struct stamp at(int64_t seconds, uint32_t nano) {
  return (struct stamp){.tai = STAMP_EPOCH + (uint64_t)seconds, .nano = nano};
}

static void test_labels(void) {
  static struct {
    char const *line;
    unsigned len;
    int64_t seconds;
    uint32_t nano;
  } const cases[] = {
      {"@400000006b001a2a000001f4 text", 25, 1795168800, 500},
      {"@400000006b001a2a3b9ac9ff", 25, 1795168800, 999999999},
      {"@400000006b001a2b00000000 next second", 25, 1795168801, 0},
      {"@400000006b001a2a000001f4\nx", 25, 1795168800, 500},
      {"@400000006b001a2a000001f4x", 0, 0, 0},
      {"@400000006b001a2a3b9aca00 x", 0, 0, 0}, /* 10^9 nanoseconds */
      {"@400000006B001A2A000001F4 x", 0, 0, 0},
      {"@400000006b001a2a000001f 4", 0, 0, 0},
      {" @400000006b001a2a000001f4 x", 0, 0, 0},
      {"2026-11-20T10:00:00.123Z text", 24, 1795168800, 123000000},
      {"2026-11-20_10:00:00.12345 svlogd -tt", 25, 1795168800, 123450000},
      {"2026-11-20T10:00:00.12345 svlogd -ttt", 25, 1795168800, 123450000},
      {"2026-11-20 11:00:00.123456789 s6-log", 29, 1795168800, 123456789},
      {"2026-11-20 11:00:00.123456789  s6-log itself", 30, 1795168800, 123456789},
      {"2026-11-20 11:00:00.123456789 ", 29, 1795168800, 123456789},
      {"2026-07-20 12:00:00.5 in summer", 21, 1784541600, 500000000},
      {"2026-11-20T10:00:00 no fraction", 19, 1795168800, 0},
      {"2026-13-20T10:00:00Z", 0, 0, 0},
      {"2026-11-20T24:00:00Z", 0, 0, 0},
      {"2026-11-20T10:00:00.123Zx", 0, 0, 0},
      {"2026-11-20t10:00:00Z", 0, 0, 0},
      {"@400000006b001a2a000001f4 2026-11-20T10:00:00.000Z both", 50, 1795168800, 500},
      {"@400000006b001a2a000001f4 2026-11-20 x", 25, 1795168800, 500},
      {"{\"time\":\"2026-11-20T10:00:00.123456789Z\",\"message\":\"x\"}", 0, 1795168800,
       123456789},
      {"{\"time\":\"2026-11-20T10:00:00.123456789\"}", 0, 0, 0},
      {"{\"tame\":\"2026-11-20T10:00:00.123456789Z\"}", 0, 0, 0},
      {"", 0, 0, 0},
      {"@", 0, 0, 0},
  };
  struct label_reader reader = {.len = 0};
  unsigned const count = sizeof cases / sizeof *cases;

  for (unsigned round = 0; round < 2; round++) /* and in the other order, from what is kept */
    for (unsigned i = 0; i < count; i++) {
      unsigned j = round ? count - 1 - i : i;
      struct label label = {.len = 99};
      struct stamp want = at(cases[j].seconds, cases[j].nano);
      int found = label_scan(&reader, &label, cases[j].line, strlen(cases[j].line));
      if (!ok(found == (cases[j].seconds > 0) && label.len == cases[j].len &&
                  (!found || !stamp_compare(&label.at, &want)),
              cases[j].line[strcspn(cases[j].line, "\n")] ? "a label and the line's end"
                                                          : cases[j].line))
        diag("length %u, %lld.%u", label.len, (long long)(label.at.tai - STAMP_EPOCH),
             label.at.nano);
    }
}

static void test_shown(void) {
  struct time_writer writers[] = {
      {.form = TIME_AS_LOCAL}, {.form = TIME_AS_ISO}, {.form = TIME_AS_UTC}};
  static struct {
    int64_t seconds;
    uint32_t nano;
    char const *text[3];
  } const cases[] = {
      {1795168800,
       123456789,
       {"2026-11-20 11:00:00.123456789", "2026-11-20T11:00:00.123456789+01:00",
        "2026-11-20T10:00:00.123456789Z"}},
      {1795168800,
       7,
       {"2026-11-20 11:00:00.000000007", "2026-11-20T11:00:00.000000007+01:00",
        "2026-11-20T10:00:00.000000007Z"}},
      {1784541600,
       0,
       {"2026-07-20 12:00:00.000000000", "2026-07-20T12:00:00.000000000+02:00",
        "2026-07-20T10:00:00.000000000Z"}},
  };

  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
    for (unsigned form = 0; form < 3; form++) {
      char text[TIME_TEXT];
      struct stamp t = at(cases[i].seconds, cases[i].nano);
      unsigned len = time_write(&writers[form], text, &t);
      is_mem(text, len, cases[i].text[form], strlen(cases[i].text[form]), cases[i].text[form]);
    }
  {
    char text[TIME_TEXT];
    struct stamp never = {.tai = UINT64_MAX, .nano = 0};
    is_int(time_write(&writers[0], text, &never), 0, "what localtime() cannot tell");
  }
}

/* Friday, 2026-11-20, 11:00:00.5 in Berlin. */
static void test_moments(void) {
  static struct {
    char const *text;
    int64_t seconds; /* 0: none */
    uint32_t nano;
  } const cases[] = {
      {"now", 1795168800, 500000000},
      {"10m", 1795168200, 500000000},
      {"-10m", 1795168200, 500000000},
      {"1h30m", 1795163400, 500000000},
      {"90s", 1795168710, 500000000},
      {"2d", 1794996000, 500000000},
      {"1w", 1794564000, 500000000},
      {"0s", 1795168800, 500000000},
      {"today", 1795129200, 0},
      {"yesterday", 1795042800, 0},
      {"10:00", 1795165200, 0},
      {"10:00:30.25", 1795165230, 250000000},
      {"2026-11-20", 1795129200, 0},
      {"2026-11-20T10:00", 1795165200, 0},
      {"2026-11-20 10:00:00", 1795165200, 0},
      {"2026-11-20T10:00:00Z", 1795168800, 0},
      {"2026-11-20T10:00Z", 1795168800, 0},
      {"2026-11-20T10:00:00.123456789Z", 1795168800, 123456789},
      {"2026-11-20T10:00:00+01:00", 1795165200, 0},
      {"2026-11-20T10:00:00-05:00", 1795186800, 0},
      {"2026-07-20 12:00", 1784541600, 0},
      {"@400000006b001a2a000001f4", 1795168800, 500},
      {"", 0, 0},
      {"10", 0, 0},
      {"m", 0, 0},
      {"10x", 0, 0},
      {"10m5", 0, 0},
      {"99999999999999999999d", 0, 0},
      {"9223372036854775807w", 0, 0},
      {"2026-11", 0, 0},
      {"2026-11-20T", 0, 0},
      {"2026-11-20T25:00", 0, 0},
      {"2026-11-20T10:00:00X", 0, 0},
      {"2026-11-20T10:00:00+1", 0, 0},
      {"2026-11-20T10:00:00.1.2", 0, 0},
      {"@400000006b001a2a", 0, 0},
      {"tomorrow", 0, 0},
      {"25:00", 0, 0},
  };
  struct stamp now = at(1795168800, 500000000);

  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct stamp got = {0, 0}, want = at(cases[i].seconds, cases[i].nano);
    int found = moment_scan(&got, cases[i].text, &now);
    if (!ok(found == (cases[i].seconds != 0) && (!found || !stamp_compare(&got, &want)),
            *cases[i].text ? cases[i].text : "nothing"))
      diag("%d: %lld.%u", found, (long long)(got.tai - STAMP_EPOCH), got.nano);
  }
}

/* Every hour of some years is turned into a date and back. */
static void test_round_trip(void) {
  unsigned wrong = 0;

  for (int64_t s = -2000000000; s < 4000000000; s += 3607 * 11) {
    struct time_writer writer = {.form = TIME_AS_UTC};
    struct label_reader reader = {.len = 0};
    struct stamp t = at(s, 987654321);
    struct label label = {.len = 0};
    char text[TIME_TEXT];
    unsigned len = time_write(&writer, text, &t);
    if (!label_scan(&reader, &label, text, len) || label.len != len ||
        stamp_compare(&label.at, &t) != 0)
      wrong++;
  }
  is_int(wrong, 0, "150000 times are read as they were written");
}

static void test_names(void) {
  static char const *const good[] = {
      "@400000006b001a2a000001f4.s",    "@400000006b001a2a000001f4.u",
      "@400000006b001a2a000001f4.s.gz", "@400000006b001a2a000001f4.u.zst",
      "@400000006b001a2a000001f4.s.xz", "@400000006b001a2a000001f4.s.bz2"};
  static char const *const bad[] = {"current",
                                    "previous",
                                    "@400000006b001a2a000001f4",
                                    "@400000006b001a2a000001f4.t", /* svlogd is still at it */
                                    "@400000006b001a2a000001f4.s.tmp",
                                    "@400000006b001a2a000001f4.sgz",
                                    "@400000006b001a2a000001f4.s.",
                                    "@400000006b001a2a000001f4.s.gz.gz.gz.gz.gz",
                                    "400000006b001a2a000001f44.s"};
  struct logfile file;

  for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
    ok(logfile_parse(&file, good[i]) && !strcmp(file.name, good[i]), good[i]);
  for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
    ok(!logfile_parse(&file, bad[i]), bad[i]);
}

static void test_list(void) {
  char dir[] = "/tmp/lares-logread.XXXXXX";
  static char const *const names[] = {"@400000006b001a2a00000002.s",
                                      "@400000006b001a2a00000003.s",
                                      "@400000006b001a2a00000003.s.zst",
                                      "@400000006b001a2a00000001.u",
                                      "current",
                                      "lock"};
  struct logfiles files = {.all = 0};
  struct stamp none = {0, 0}, first = at(1795168800, 1);
  int fd;

  need(mkdtemp(dir));
  need((fd = open(dir, O_RDONLY | O_DIRECTORY)) >= 0);
  ok(!logfiles_any(dir), "an empty directory is no log directory");
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    close(openat(fd, names[i], O_WRONLY | O_CREAT, 0600));
  ok(logfiles_any(dir), "one with files is");
  ok(logfiles_list(&files, fd, &none) && files.count == 3, "archives are listed");
  is_str(files.all[0].name, names[3], "the oldest first");
  is_str(files.all[2].name, names[1], "of two of one stamp the first by name");
  ok(logfiles_list(&files, fd, &first) && files.count == 2, "those that are later");
  logfiles_free(&files);
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    unlinkat(fd, names[i], 0);
  close(fd);
  rmdir(dir);
}

int main(void) {
  need(!setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1));
  tzset();
  test_labels();
  test_shown();
  test_moments();
  test_round_trip();
  test_names();
  test_list();
  return tap_done();
}
