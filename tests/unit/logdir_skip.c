/* What a deputy reads and drops: where lines are cut, what is counted, and that the count is
 * exact after a kill at any instruction of counting and of handing over. For that a child is
 * led through both step by step, and after each step a copy of the buffer is what its successor
 * finds.
 */

#define _GNU_SOURCE
#include <lares/logdir.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define SIZE 16384

static int ends[2];

static void feed(char const *text) {
  need(write(ends[1], text, strlen(text)) == (ssize_t)strlen(text));
}

static int new_buffer(struct logbuf *buf) {
  int fd = memfd_create("buffer", MFD_CLOEXEC);

  need(fd >= 0 && !ftruncate(fd, SIZE));
  need(logbuf_map(buf, fd));
  return fd;
}

static struct logrecord *own_record(struct logbuf *buf) {
  int found;
  struct logrecord *record = logbuf_record(buf, 1, 2, &found);

  need(record != 0);
  logbuf_forget(buf);
  logbuf_resume(buf);
  return record;
}

/* The record has had all whole lines. */
static void read_and_write(struct logbuf *buf, struct logrecord *record, char const *text) {
  char const *data;

  feed(text);
  need(logbuf_read(buf, ends[0], 4096) > 0);
  record->place.offset += logbuf_rest(buf, &record->place, &data);
  record->place.line++;
  logbuf_turn(buf, &record->place);
}

static void skip(struct logbuf *buf, char const *text) {
  size_t left = strlen(text);

  feed(text);
  while (left) {
    ssize_t got = logskip_read(buf, ends[0], left);
    need(got > 0);
    left -= (size_t)got;
  }
}

/* What comes next, and how it is to be taken. */
static void is_next(struct logbuf *buf, struct logrecord const *record, char const *want,
                    uint64_t inside, char const *name) {
  char const *data;
  size_t len = 0;

  feed("next\n");
  need(logbuf_read(buf, ends[0], 4096) == 5);
  len = logbuf_rest(buf, &record->place, &data);
  is_mem(data, len, want, strlen(want), name);
  is_int((long long)record->place.inside, (long long)inside, name);
}

static void is_dropped(struct logbuf *buf, struct logrecord *record, char const *lines,
                       int count, char const *name) {
  struct logdrops const *drops = logbuf_drops(buf, record);

  is_int((long long)drops->lines, count, name);
  is_int((long long)drops->bytes, (long long)strlen(lines), name);
}

static void test_places(void) {
  struct logbuf buf;
  struct logrecord *record;
  uint64_t before;
  int fd = new_buffer(&buf);

  record = own_record(&buf);
  ok(!logskip_any(&buf), "nothing in the beginning");
  read_and_write(&buf, record, "one\n");
  before = logbuf_stamp(&buf, &record->place);
  skip(&buf, "two\nthree\n");
  ok(logskip_any(&buf) && !logskip_inside(&buf), "two lines");
  is_int((long long)logskip_settle(&buf, logbuf_bit(&buf, record)), 10, "their bytes");
  is_dropped(&buf, record, "two\nthree\n", 2, "whole lines");
  ok(logbuf_stamp(&buf, &record->place) > before, "what tells of them has a later stamp");
  is_next(&buf, record, "next\n", LOG_LINE_START, "whole lines");

  record->place.offset += 5;
  logbuf_turn(&buf, &record->place);
  *logbuf_drops(&buf, record) = (struct logdrops){.lines = 0};
  read_and_write(&buf, record, "four\nfi");
  skip(&buf, "ve\nsix\n");
  logskip_settle(&buf, logbuf_bit(&buf, record));
  is_dropped(&buf, record, "five\nsix\n", 2, "a line that had begun goes as a whole");
  is_next(&buf, record, "next\n", LOG_LINE_START, "a line that had begun goes as a whole");

  record->place.offset += 5;
  logbuf_turn(&buf, &record->place);
  *logbuf_drops(&buf, record) = (struct logdrops){.lines = 0};
  skip(&buf, "seven\nei");
  ok(logskip_inside(&buf), "within a line");
  logskip_settle(&buf, logbuf_bit(&buf, record));
  is_dropped(&buf, record, "seven\nei", 2, "one of which the end comes later");
  is_next(&buf, record, "next\n", LOG_LINE_CUT, "its end is not wanted");
  close(fd);
}

/* A line of which something has been written: the action comes out of it at a newline. */
static void test_cut(void) {
  struct logbuf buf;
  struct logrecord *record;
  int fd = new_buffer(&buf);

  record = own_record(&buf);
  read_and_write(&buf, record, "one\nlong");
  record->place.inside = LOG_LINE_SELECTED;
  skip(&buf, " line\ntwo\n");
  logskip_settle(&buf, logbuf_bit(&buf, record));
  is_dropped(&buf, record, "long line\ntwo", 2, "a line of which something was written");
  is_next(&buf, record, "\nnext\n", LOG_LINE_CUT,
          "ends at a newline, which is still to be counted");

  record->place.offset += 6;
  record->place.inside = LOG_LINE_START;
  logbuf_turn(&buf, &record->place);
  *logbuf_drops(&buf, record) = (struct logdrops){.lines = 0};
  record->place.inside = LOG_LINE_CUT;
  skip(&buf, "of one that was counted");
  logskip_settle(&buf, logbuf_bit(&buf, record));
  is_dropped(&buf, record, "of one that was counted", 0, "more of a line that was counted");
  close(fd);
}

/* --- at each instruction --- */

/* The successor's account of what it finds in a copy. */
static int accounts(struct logbuf const *of, int fd, uint64_t lines, uint64_t bytes) {
  struct logbuf copy;
  struct logrecord *record;
  struct logdrops drops;

  need(pwrite(fd, of->head, SIZE, 0) == SIZE && logbuf_map(&copy, fd));
  record = own_record(&copy);
  if (logskip_any(&copy)) logskip_settle(&copy, logbuf_bit(&copy, record));
  drops = *logbuf_drops(&copy, record);
  need(!munmap(copy.head, copy.map_size));
  if (drops.lines == lines && drops.bytes == bytes) return 1;
  diag("%llu lines, %llu bytes", (unsigned long long)drops.lines,
       (unsigned long long)drops.bytes);
  return 0;
}

static int waits(void) {
  int bytes;

  need(!ioctl(ends[0], FIONREAD, &bytes));
  return bytes;
}

static void be_led(struct logbuf *buf, struct logrecord *record) {
  ptrace(PTRACE_TRACEME, 0, 0, 0);
  raise(SIGSTOP);
  (void)logskip_read(buf, ends[0], 18);
  logskip_settle(buf, logbuf_bit(buf, record));
  _exit(0);
}

static void test_kills(int cut) {
  struct logbuf buf;
  struct logrecord *record;
  int fd = new_buffer(&buf), other = memfd_create("copy", MFD_CLOEXEC), wstat, wrong = 0,
      taken = 0;
  long steps = 0;
  pid_t pid;

  need(other >= 0);
  record = own_record(&buf);
  read_and_write(&buf, record, "one\npar");
  if (cut) record->place.inside = LOG_LINE_SELECTED;
  skip(&buf, "tial\ntwo\n");
  feed("three\nfour\nfive.\n\n");
  pid = fork();
  need(pid >= 0);
  if (!pid) be_led(&buf, record);
  need(waitpid(pid, &wstat, 0) == pid);
  while (WIFSTOPPED(wstat)) {
    if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) < 0) break;
    need(waitpid(pid, &wstat, 0) == pid);
    if (!WIFSTOPPED(wstat)) break;
    steps++;
    if (!taken) taken = !waits();
    if (!accounts(&buf, other, taken ? 6 : 2, (taken ? 30 : 12) - (uint64_t)cut) && ++wrong < 5)
      diag("after %ld steps, %s", steps, taken ? "read" : "not read");
  }
  if (!steps) {
    kill(pid, SIGKILL);
    (void)waitpid(pid, &wstat, 0);
    tap_skip(2, "single steps are refused (ptrace)");
  } else {
    is_int(wrong, 0,
           cut ? "a kill at any instruction, within a line" : "a kill at any instruction");
    ok(taken && steps > 300, "it was led through all of it");
    diag("%ld steps", steps);
  }
  close(fd);
  close(other);
}

int main(void) {
  need(!pipe(ends));
  test_places();
  test_cut();
  test_kills(0);
  test_kills(1);
  return tap_done();
}
