/* Deadlines and stamps: known instants, both ends of the range, every day of ten thousand
 * years against the C library, and that a wait neither ends early nor at a signal. */

#include <skalibs/nonposix.h>
#include <lares/clock.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "tap.h"

static struct stamp stamp_at(int64_t seconds, uint32_t nano) {
  return (struct stamp){.tai = STAMP_EPOCH + (uint64_t)seconds, .nano = nano};
}

static void test_iso(void) {
  static struct {
    int64_t seconds;
    uint32_t nano;
    char const *text;
  } const cases[] = {
      {0, 0, "1970-01-01T00:00:00.000Z"},
      {-1, 999999999, "1969-12-31T23:59:59.999Z"},
      {951827696, 789000000, "2000-02-29T12:34:56.789Z"},
      {1078012800, 0, "2004-02-29T00:00:00.000Z"},
      {4107542400, 0, "2100-03-01T00:00:00.000Z"},
      {1795168800, 123456789, "2026-11-20T10:00:00.123Z"},
      {2147483648, 1, "2038-01-19T03:14:08.000Z"},
      {253402300799, 999999999, "9999-12-31T23:59:59.999Z"},
      {253402300800, 0, "9999-01-01T00:00:00.000Z"}, /* only the year is clamped */
      {-62167219200, 0, "0000-01-01T00:00:00.000Z"},
      {-62167219201, 0, "0000-12-31T23:59:59.000Z"},
  };

  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct stamp t = stamp_at(cases[i].seconds, cases[i].nano);
    char text[STAMP_ISO];
    stamp_iso(text, &t);
    is_mem(text, sizeof text, cases[i].text, strlen(cases[i].text), cases[i].text);
  }
}

static void test_iso_extremes(void) {
  uint64_t const labels[] = {0, 1, STAMP_EPOCH - 1, (uint64_t)1 << 63, UINT64_MAX};
  unsigned wrong = 0;

  for (unsigned i = 0; i < sizeof labels / sizeof *labels; i++) {
    struct stamp t = {.tai = labels[i], .nano = 999999999};
    char text[STAMP_ISO + 1] = {0};
    stamp_iso(text, &t);
    if (strspn(text, "0123456789-T:.Z") != STAMP_ISO) wrong++;
  }
  is_int(wrong, 0, "any label gives 24 characters of a date");
}

static void test_every_day(void) {
  int64_t const first = -62167219200, last = 253402300799;
  unsigned wrong = 0;

  for (int64_t s = first; s <= last; s += 86400 + 1) { /* and the time of day moves along */
    struct stamp t = stamp_at(s, 5000000);
    time_t unix_time = (time_t)s;
    struct tm tm;
    char want[80], got[STAMP_ISO + 1] = {0};
    need(gmtime_r(&unix_time, &tm));
    snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.005Z", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    stamp_iso(got, &t);
    if (strcmp(got, want) && !wrong++) diag("first: %s instead of %s", got, want);
  }
  is_int(wrong, 0, "every day from 0000 to 9999 is the C library's");
}

static void test_pack(void) {
  struct stamp t = stamp_at(1795168800, 500), back = {0, 0};
  char packed[STAMP_PACK], text[STAMP_FMT];

  stamp_pack(packed, &t);
  /* 2^62 + 10 + 1795168800 and 500, big-endian */
  is_mem(packed, sizeof packed, "\x40\0\0\0\x6b\0\x1a\x2a\0\0\x01\xf4", 12, "packed bytes");
  stamp_unpack(packed, &back);
  ok(!stamp_compare(&t, &back), "unpacked it is the same");
  stamp_fmt(text, &t);
  is_mem(text, sizeof text, "@400000006b001a2a000001f4", 25, "as text");
  back = (struct stamp){0, 0};
  ok(stamp_scan(text, &back), "which is read");
  ok(!stamp_compare(&t, &back), "and is the same");
  is_int(STAMP_EPOCH, 0x400000000000000a, "the epoch is DJB's, without leap seconds");
}

static void test_round_trips(void) {
  uint64_t x = 88172645463325252ull;
  unsigned wrong = 0;

  for (unsigned i = 0; i < 100000; i++) {
    struct stamp t, back = {0, 0};
    char text[STAMP_FMT];
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    t = (struct stamp){.tai = x, .nano = (uint32_t)((x >> 20) % 1000000000)};
    stamp_fmt(text, &t);
    if (!stamp_scan(text, &back) || stamp_compare(&t, &back)) wrong++;
  }
  is_int(wrong, 0, "100000 labels survive being written and read");
}

static void test_scan_refuses(void) {
  static char const *const bad[] = {
      "400000006b001a2a000001f4x", /* no @ */
      "@400000006B001A2A000001F4", /* capitals, which nobody writes */
      "@400000006b001a2a00001f4 ", "@400000006b001a2a3b9aca00", /* 10^9 nanoseconds */
      "@400000006b001a2a-00001f4", "@ 00000006b001a2a000001f4", "@400000006b001a\n"};
  unsigned wrong = 0;

  for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
    char text[STAMP_FMT] = {0};
    struct stamp t = {.tai = 7, .nano = 8};
    memcpy(text, bad[i], strlen(bad[i]) < sizeof text ? strlen(bad[i]) : sizeof text);
    if (stamp_scan(text, &t) || t.tai != 7 || t.nano != 8) wrong++;
  }
  is_int(wrong, 0, "what is no label is refused and changes nothing");
  {
    struct stamp t;
    ok(stamp_scan("@400000006b001a2a3b9ac9ff", &t), "999999999 nanoseconds are fine");
  }
}

static void test_seconds(void) {
  struct stamp a = stamp_at(100, 500), b = stamp_at(105, 499), c = stamp_at(105, 500);
  struct stamp zero = {0, 0}, last = {.tai = UINT64_MAX, .nano = 0};

  is_int(stamp_seconds(&a, &b), 4, "a nanosecond less than 5 seconds is 4");
  is_int(stamp_seconds(&a, &c), 5, "5 seconds");
  is_int(stamp_seconds(&c, &a), 0, "a clock set back gives 0");
  is_int(stamp_seconds(&a, &a), 0, "the same moment gives 0");
  ok(stamp_seconds(&zero, &last) == UINT64_MAX, "the whole range does not overflow");
  ok(stamp_compare(&a, &b) < 0 && stamp_compare(&b, &a) > 0, "seconds are compared first");
  ok(stamp_compare(&b, &c) < 0 && stamp_compare(&c, &b) > 0, "then nanoseconds");
}

static void test_now(void) {
  struct timespec before, after;
  struct stamp t, low, high;

  need(!clock_gettime(CLOCK_REALTIME, &before));
  clock_stamp(&t);
  need(!clock_gettime(CLOCK_REALTIME, &after));
  stamp_from_timespec(&low, &before);
  stamp_from_timespec(&high, &after);
  ok(stamp_compare(&low, &t) <= 0 && stamp_compare(&t, &high) <= 0,
     "a stamp of now is the wall clock's, no leap seconds added");
}

static void test_deadlines(void) {
  struct deadline t = {.ns = 5}, past = {.ns = INT64_MAX - 1000001};

  is_int(deadline_add_ms(t, 3).ns, 3000005, "milliseconds are added");
  is_int(deadline_add_ms(t, UINT64_MAX).ns, INT64_MAX, "too many are never");
  is_int(deadline_add_ms(past, 1).ns, INT64_MAX - 1, "the last that fits");
  is_int(deadline_add_ms(past, 2).ns, INT64_MAX, "the first that does not is never");
  is_int(deadline_add_ms(DEADLINE_NEVER, 0).ns, INT64_MAX, "never and 0 is never");
  is_int(deadline_add_ms(DEADLINE_NEVER, 9).ns, INT64_MAX, "never and more is never");
  is_int(deadline_earlier(t, past).ns, 5, "the earlier first");
  is_int(deadline_earlier(DEADLINE_NEVER, t).ns, 5, "the earlier second");
  ok(deadline_passed(t, t), "a deadline has passed at its moment");
  ok(!deadline_passed(past, t), "not before");
  ok(!deadline_passed(DEADLINE_NEVER, past), "never has not passed");
}

static volatile sig_atomic_t alarms;
static int alarm_pipe = -1;

static void on_alarm(int signal_number) {
  (void)signal_number;
  if (++alarms == 3 && alarm_pipe >= 0 && write(alarm_pipe, "x", 1) < 0) _exit(9);
}

/* An alarm each 2 ms, whose handler does not restart system calls. */
static void set_alarms(int on) {
  struct itimerval timer = {{0, on ? 2000 : 0}, {0, on ? 2000 : 0}};
  struct sigaction action = {.sa_handler = on_alarm};

  if (on) alarms = 0;
  need(!sigaction(SIGALRM, &action, 0));
  need(!setitimer(ITIMER_REAL, &timer, 0));
}

static void test_poll(void) {
  int ends[2];
  struct pollfd fd = {.events = POLLIN};
  struct deadline until;

  need(!pipe(ends));
  fd.fd = ends[0];
  is_int(clock_poll(&fd, 1, clock_now()), 0, "a deadline of now does not wait");
  is_int(clock_poll(&fd, 1, (struct deadline){.ns = 0}), 0, "nor does one long past");

  set_alarms(1);
  until = deadline_add_ms(clock_now(), 30);
  is_int(clock_poll(&fd, 1, until), 0, "30 ms under a hail of signals end with 0");
  ok(deadline_passed(until, clock_now()), "and not before the deadline");
  set_alarms(0);
  ok(alarms > 0, "though signals came");

  alarm_pipe = ends[1];
  set_alarms(1);
  is_int(clock_poll(&fd, 1, DEADLINE_NEVER), 1, "never ends when something is ready");
  ok(fd.revents & POLLIN, "which is said");
  set_alarms(0);
  is_int(clock_poll(&fd, 1, (struct deadline){.ns = 0}), 1, "ready goes before late");

  errno = 0;
  is_int(clock_poll(0, 1, clock_now()), -1, "an error is one");
  is_int(errno, EFAULT, "with its errno");
  close(ends[0]);
  close(ends[1]);
}

int main(void) {
  test_iso();
  test_iso_extremes();
  test_every_day();
  test_pack();
  test_round_trips();
  test_scan_refuses();
  test_seconds();
  test_now();
  test_deadlines();
  test_poll();
  return tap_done();
}
