/* The input buffer: what is handed out when, stamps of lines that began earlier, a clock that
 * stands still or steps back, and files that hold garbage.
 */

#include <lares/logdir.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static int ends[2];

static void feed(char const *text) {
  need(write(ends[1], text, strlen(text)) == (ssize_t)strlen(text));
}

/* Reads what was fed and says what may be taken from the place. */
static size_t take(struct logbuf *buf, struct logplace const *place, char const **data) {
  need(logbuf_read(buf, ends[0], 4096) > 0);
  return logbuf_rest(buf, place, data);
}

/* What a directory does: takes everything. */
static void advance(struct logbuf *buf, struct logplace *place) {
  char const *data;
  size_t len = logbuf_rest(buf, place, &data);

  place->offset += len;
  for (size_t i = 0; i < len; i++)
    if (data[i] == '\n') place->line++;
  if (len) place->inside = data[len - 1] == '\n' ? LOG_LINE_START : LOG_LINE_SELECTED;
  logbuf_turn(buf, place);
}

static void test_lines(void) {
  struct logplace place = {.offset = 0};
  struct logbuf buf;
  char const *data;
  size_t len;
  uint64_t began, next;

  need(logbuf_anonymous(&buf));
  feed("one\ntwo\nthr");
  len = take(&buf, &place, &data);
  is_mem(data, len, "one\ntwo\n", 8, "whole lines are handed out");
  place.line = 2;
  began = logbuf_stamp(&buf, &place);
  place.line = 0;
  ok(began == logbuf_stamp(&buf, &place) + 2, "stamps a nanosecond apart");
  advance(&buf, &place);
  ok(logbuf_in_line(&buf), "a line has begun");
  feed("ee");
  is_int(take(&buf, &place, &data), 0, "nothing while it has no end");
  advance(&buf, &place);
  feed("\nfour\n");
  len = take(&buf, &place, &data);
  is_mem(data, len, "three\nfour\n", 11, "with its beginning");
  is_int(logbuf_stamp(&buf, &place) - began, 0, "and the time of its beginning");
  place.line++;
  next = logbuf_stamp(&buf, &place);
  ok(next > began, "the next line is later");
  place.line--;
  advance(&buf, &place);
  ok(!logbuf_in_line(&buf), "nothing is left over");
  /* A clock far behind what was given out. */
  for (int i = 0; i < 3; i++) {
    uint64_t before = next;
    feed("x\n");
    take(&buf, &place, &data);
    next = logbuf_stamp(&buf, &place);
    if (!ok(next > before, "stamps rise from read to read")) diag("%d", i);
    advance(&buf, &place);
  }
  feed("end");
  take(&buf, &place, &data);
  logbuf_finish_line(&buf);
  len = logbuf_rest(&buf, &place, &data);
  is_mem(data, len, "end\n", 4, "a last line gets its end");
  advance(&buf, &place);
  logbuf_finish_line(&buf);
  is_int(logbuf_rest(&buf, &place, &data), 0, "and only one");
}

static void test_long_line(struct logbuf *buf) {
  struct logplace place = {.offset = 0};
  static char text[3001];
  char const *data;
  size_t total = 0;

  memset(text, 'l', 3000);
  for (int i = 0; i < 7; i++) {
    feed(text);
    for (size_t left = 3000; left;) {
      size_t had = (size_t)place.offset;
      ssize_t got = logbuf_read(buf, ends[0], left);
      need(got > 0);
      left -= (size_t)got;
      advance(buf, &place);
      total += (size_t)place.offset - had;
    }
  }
  ok(total >= buf->capacity && total % buf->capacity == 0,
     "a line longer than the buffer goes on");
  feed("\nnext\n");
  need(logbuf_read(buf, ends[0], 4096) > 0);
  place.line = 0;
  ok(logbuf_rest(buf, &place, &data) == 21000 - total + 6, "to its end and the next");
}

static int make_file(char *path, size_t size) {
  int fd;

  strcpy(path, "/tmp/lares-logbuf.XXXXXX");
  fd = mkstemp(path);
  need(fd >= 0 && !ftruncate(fd, (off_t)size));
  unlink(path);
  return fd;
}

static void test_file(void) {
  struct logbuf buf, again;
  struct logplace place = {.offset = 0};
  struct logrecord *record;
  char path[32], garbage[8192];
  char const *data;
  int fd = make_file(path, 16384), found;
  size_t len;

  need(logbuf_map(&buf, fd));
  record = logbuf_record(&buf, 1, 2, &found);
  ok(record && !found, "a new record");
  feed("kept\nand");
  take(&buf, &place, &data);
  need(logbuf_map(&again, fd));
  record = logbuf_record(&again, 1, 2, &found);
  ok(record && found, "is found again");
  logbuf_forget(&again);
  logbuf_resume(&again);
  len = logbuf_rest(&again, &record->place, &data);
  is_mem(data, len, "kept\n", 5, "and what was not written");
  ok(logbuf_in_line(&again), "and the line that began");
  for (unsigned i = 0; i < 2000; i++) {
    /* Any damage is refused or leads to something that can be used, never to a crash. */
    unsigned seed = i * 2654435761u;
    for (size_t at = 0; at < sizeof garbage; at++)
      garbage[at] = (char)((seed = seed * 1103515245 + 12345) >> 16);
    need(pwrite(fd, garbage, i % 3 ? 8 + i % 300 : 4096,
                i % 3 ? 8 + (off_t)(i * 8 % 3000) : 8) > 0);
    if (logbuf_map(&again, fd)) {
      record = logbuf_record(&again, 1, 2, &found);
      logbuf_resume(&again);
      if (logbuf_rest(&again, &record->place, &data) > again.capacity) break;
    } else if (errno != EPROTO)
      break;
    else
      logbuf_reset(&again);
    if (i == 1999) ok(1, "damaged files are refused or used, without a crash");
  }
  close(fd);
  fd = make_file(path, 16383);
  ok(!logbuf_map(&again, fd) && errno == EINVAL, "a file that is too small");
  close(fd);
  fd = make_file(path, 16384);
  need(logbuf_map(&buf, fd));
  test_long_line(&buf);
  close(fd);
}

/* Grows only in the first half; what is in it stays, and the halves are larger from then on.
 * Who finds the file after a kill between its growing and the halves' goes on as well. */
static void test_grow(void) {
  struct logbuf buf, again;
  struct logplace place = {.offset = 0};
  struct logrecord *record;
  struct stat st;
  char path[32];
  char const *data;
  size_t usual, len;
  int fd = make_file(path, LOGBUF_DEFAULT), found;

  need(logbuf_map(&buf, fd));
  record = logbuf_record(&buf, 1, 2, &found);
  usual = buf.capacity;
  feed("one\ntw");
  take(&buf, &place, &data);
  advance(&buf, &place);
  ok(!logbuf_grow(&buf) && buf.capacity == usual, "the second half is active: not now");
  feed("o\nthr");
  take(&buf, &place, &data);
  advance(&buf, &place);
  need(!ftruncate(fd, LOGBUF_GROWN / 2)); /* killed within posix_fallocate() */
  record->place = place;
  need(logbuf_map(&again, fd));
  is_int((long)again.capacity, (long)usual, "a file that is larger than its halves is taken");
  need(!fstat(fd, &st));
  is_int(st.st_size, LOGBUF_DEFAULT, "and is as large as they are again");
  ok(logbuf_grow(&buf) && buf.capacity > 3 * usual, "the first is: grown");
  need(!fstat(fd, &st));
  is_int(st.st_size, LOGBUF_GROWN, "and the file");
  ok(st.st_blocks * 512 >= LOGBUF_GROWN - LOGBUF_DEFAULT, "without holes");
  ok(logbuf_grow(&buf), "once is enough");
  feed("ee\nfour\n");
  len = take(&buf, &place, &data);
  is_mem(data, len, "three\nfour\n", 11, "what was in it is there");
  need(logbuf_map(&again, fd));
  is_int((long)again.capacity, (long)buf.capacity, "the next one finds it so");
  record = logbuf_record(&again, 1, 2, &found);
  logbuf_resume(&again);
  len = logbuf_rest(&again, &record->place, &data);
  is_mem(data, len, "three\nfour\n", 11, "and what is in it");
  advance(&buf, &place);
  feed("five\n");
  len = take(&buf, &place, &data);
  is_mem(data, len, "five\n", 5, "and the second half is where both expect it");
  close(fd);
  fd = make_file(path, LOGBUF_DEFAULT - 4096);
  need(logbuf_map(&buf, fd));
  usual = buf.capacity;
  ok(logbuf_grow(&buf) && buf.capacity == usual, "a smaller file was somebody's choice");
  close(fd);
  need(logbuf_anonymous(&buf));
  usual = buf.capacity;
  ok(logbuf_grow(&buf) && buf.capacity == usual, "and without a file there is nothing to grow");
}

int main(void) {
  need(!pipe(ends));
  test_lines();
  test_file();
  test_grow();
  return tap_done();
}
