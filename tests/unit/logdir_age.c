/* Files that are removed for their age, with clocks that are set: nothing goes that is not old
 * for everybody who can tell.
 */

#include <lares/logdir.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define NS 1000000000ull
#define DAY 86400ull
#define NOW 1700000000ull /* by the wall, when the machine is up for BOOT */
#define BOOT 5000ull

static char base[] = "/tmp/lares-age.XXXXXX";
static struct logbuf buf;
static struct logaction action = {.size = 4096, .count = 20, .path = base, .age_s = 7 * DAY};

/* Finished and last written to so many seconds before NOW. */
static void put(int64_t named, int64_t written) {
  struct archive archive = {.kind = 's'};
  char name[ARCHIVE_NAME + 1], path[100];
  struct timespec times[2];
  int fd;

  lognow_stamp(&archive.stamp, (uint64_t)((int64_t)NOW - named) * NS);
  archive_name(name, &archive);
  snprintf(path, sizeof path, "%s/%s", base, name);
  fd = open(path, O_WRONLY | O_CREAT, 0744);
  need(fd >= 0 && write(fd, "line\n", 5) == 5);
  times[0] = times[1] = (struct timespec){.tv_sec = (time_t)((int64_t)NOW - written)};
  need(!futimens(fd, times));
  close(fd);
}

static void start(struct logdir *dir) {
  logbuf_reset(&buf);
  need(logdir_open(dir, &action, &buf));
}

static void leave(struct logdir *dir) {
  while (dir->archives.count)
    need(archives_remove_oldest(&dir->archives, dir->dirfd));
  logdir_close(dir);
  free(dir->archives.ring);
}

/* How many there are when the wall is set by step, so many seconds after the start. */
static unsigned at(struct logdir *dir, uint64_t after, int64_t step) {
  uint64_t wall = (uint64_t)((int64_t)(NOW + after) + step);

  need(logdir_expire(dir, wall * NS, (BOOT + after) * NS));
  return dir->archives.count;
}

static void test_usual(void) {
  struct logdir dir;

  put(8 * DAY, 8 * DAY);
  put(7 * DAY - 7200, 7 * DAY - 7200);
  put(DAY, DAY);
  start(&dir);
  ok(dir.expire, "it is looked for at the start");
  is_int(at(&dir, 0, 0), 3, "at the start no clock is believed");
  is_int(at(&dir, 3599, 0), 3, "for an hour");
  is_int(at(&dir, 3600, 0), 2, "then what is older goes");
  ok(dir.age_due.ns < DEADLINE_NEVER.ns, "and the next one's time is known");
  is_int(at(&dir, 7199, 0), 2, "until then it stays");
  is_int(at(&dir, 7200, 0), 1, "and goes");
  leave(&dir);
  start(&dir);
  is_int(at(&dir, 3600, 0), 0, "without files");
  ok(dir.age_due.ns == DEADLINE_NEVER.ns, "there is no time");
  leave(&dir);
}

static void test_names(void) {
  struct logdir dir;

  put(9 * DAY, DAY);
  start(&dir);
  (void)at(&dir, 0, 0);
  is_int(at(&dir, 3600, 0), 1, "old by its name, written to since");
  is_int(at(&dir, 6 * DAY + 1, 0), 0, "that counts");
  leave(&dir);
  put(DAY, 9 * DAY);
  start(&dir);
  (void)at(&dir, 0, 0);
  is_int(at(&dir, 3600, 0), 1, "copied without its times, young by its name");
  leave(&dir);
  put(-30 * (int64_t)DAY, 9 * DAY);
  start(&dir);
  (void)at(&dir, 0, 0);
  is_int(at(&dir, 3600, 0), 1, "named in the future");
  leave(&dir);
}

static void test_steps(void) {
  struct logdir dir;

  put(DAY, DAY);
  start(&dir);
  (void)at(&dir, 0, 0);
  is_int(at(&dir, 3600, 0), 1, "young");
  is_int(at(&dir, 3700, 3650 * DAY), 1, "ten years forward");
  is_int(at(&dir, 7299, 3650 * DAY), 1, "for an hour less a second");
  is_int(at(&dir, 7310, 0), 1, "and back");
  is_int(at(&dir, 7320, 3650 * DAY), 1, "and forward");
  is_int(at(&dir, 7330, -3650 * (int64_t)DAY), 1, "and back as far");
  is_int(at(&dir, 30000, -3650 * (int64_t)DAY), 1, "for good");
  is_int(at(&dir, 30001, 0), 1, "and right again");
  is_int(at(&dir, 33601, 0), 1, "believed");
  is_int(at(&dir, 6 * DAY - 1, 0), 1, "until it is old");
  is_int(at(&dir, 6 * DAY, 0), 0, "which it is by all clocks");
  leave(&dir);
  put(DAY, DAY);
  start(&dir);
  (void)at(&dir, 0, 3650 * DAY);
  is_int(at(&dir, 1800, 0), 1, "a clock that was wrong at the start");
  is_int(at(&dir, 5399, 0), 1, "is corrected");
  is_int(at(&dir, 5400, 0), 1, "in time");
  leave(&dir);
  put(8 * DAY, 8 * DAY);
  start(&dir);
  (void)at(&dir, 0, -3650 * (int64_t)DAY);
  is_int(at(&dir, 3600, -3650 * (int64_t)DAY), 1, "a machine without a clock");
  (void)at(&dir, 3700, 0);
  is_int(at(&dir, 7299, 0), 1, "that is told the time");
  is_int(at(&dir, 7300, 0), 0, "believes it an hour later");
  leave(&dir);
}

/* What is finished while the clock is in the past has a name that soon looks old. */
static void test_own(void) {
  struct logdir dir;
  struct archive archive = {.kind = 's', .seen_s = (uint32_t)BOOT + 100};

  start(&dir);
  (void)at(&dir, 0, 0);
  lognow_stamp(&archive.stamp, (NOW - 400 * DAY) * NS);
  archives_add(&dir.archives, &archive);
  is_int(at(&dir, 3600, 0), 1, "finished when the clock was in the past");
  is_int(at(&dir, 7 * DAY + 99, 0), 1, "is as old as the time that has passed");
  is_int(at(&dir, 7 * DAY + 100, 0), 0, "and no older");
  leave(&dir);
}

static void test_short(void) {
  struct logdir dir;

  action.age_s = 60;
  put(100, 100);
  put(10, 10);
  start(&dir);
  (void)at(&dir, 0, 0);
  is_int(at(&dir, 59, 0), 2, "an age of a minute");
  is_int(at(&dir, 60, 0), 0, "is believed after a minute");
  leave(&dir);
  action.age_s = 0;
  put(10000 * DAY, 10000 * DAY);
  start(&dir);
  (void)at(&dir, 0, 0);
  is_int(at(&dir, 365 * DAY, 0), 1, "no age");
  leave(&dir);
}

int main(void) {
  need(mkdtemp(base) && logbuf_anonymous(&buf));
  test_usual();
  test_names();
  test_steps();
  test_own();
  test_short();
  {
    static char const *const left[] = {"lock", "current"};
    char path[100];
    for (unsigned i = 0; i < 2; i++) {
      snprintf(path, sizeof path, "%s/%s", base, left[i]);
      unlink(path);
    }
  }
  ok(!rmdir(base), "nothing is left");
  return tap_done();
}
