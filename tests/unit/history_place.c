/* The journal read on and on: from the place where a reader stood, with a ring that wraps, a
 * writer that overtakes it, damaged records, and a journal that is begun anew. */

#include <skalibs/nonposix.h>
#include <lares/clock.h>
#include <lares/status.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char file[] = "history-place.XXXXXX";
static struct history_writer writer;

/* What a reader was given. */
struct heard {
  uint64_t expected, records, lost_first, lost_last, lost;
  unsigned out_of_order, most; /* most: says that it is enough after so many, 0 never */
  unsigned write;              /* so many records are written behind its back at each call */
};

static void append(unsigned count) {
  struct history_record r = {.event = EVENT_SIGNAL};

  while (count--) {
    clock_stamp(&r.at);
    need(history_append(&writer, &r));
  }
}

static int hear(void *context, struct history_record const *r) {
  struct heard *h = context;

  if (r->sequence < h->expected) h->out_of_order++;
  if (r->sequence > h->expected) {
    if (!h->lost) h->lost_first = h->expected;
    h->lost_last = r->sequence - 1;
    h->lost += r->sequence - h->expected;
  }
  h->expected = r->sequence + 1;
  h->records++;
  append(h->write);
  if (h->records > 100000) h->write = 0;
  return !h->most || h->records < h->most;
}

static int fd;
static struct history_place place;

static struct heard read_on(uint64_t latest, struct heard how, enum history_outcome wanted) {
  how.expected = place.seen + 1;
  is_int(history_read_on(fd, &place, latest, &hear, &how), wanted, "reading on");
  return how;
}

static void begin(uint32_t most) {
  struct history_record last;

  (void)unlink(file);
  if (writer.fd >= 0) close(writer.fd);
  need(history_open(&writer, file, most, &last));
  if (fd >= 0) close(fd);
  need((fd = open(file, O_RDONLY | O_CLOEXEC)) >= 0);
  place = (struct history_place){.seen = 0};
}

static void test_in_step(void) {
  unsigned wrong = 0;
  struct heard h;

  begin(64);
  for (unsigned i = 0; i < 500; i++) {
    append(i % 5);
    h = (struct heard){.expected = place.seen + 1};
    wrong += history_read_on(fd, &place, writer.sequence, &hear, &h) != HISTORY_READ;
    wrong += h.records != i % 5 || h.lost || h.out_of_order;
  }
  is_int(wrong, 0, "a reader in step gets each record once, round and round the ring");
  is_int(place.seen, writer.sequence, "and is where the writer is");
}

static void test_overtaken(void) {
  struct heard h;

  begin(64);
  append(10);
  h = read_on(10, (struct heard){0}, HISTORY_READ);
  is_int(h.records, 10, "the first ten");
  append(200);
  h = read_on(210, (struct heard){0}, HISTORY_READ);
  ok(h.records == 64 && h.lost == 136 && h.lost_first == 11 && h.lost_last == 146,
     "overtaken: what the ring holds, and which range is lost");
  append(64);
  h = read_on(274, (struct heard){0}, HISTORY_READ);
  ok(h.records == 64 && !h.lost, "exactly a ring behind: nothing is lost");
  append(65);
  h = read_on(339, (struct heard){0}, HISTORY_READ);
  ok(h.records == 64 && h.lost == 1 && h.lost_first == 275, "one more: one is lost");
}

/* The writer goes on while we read: no more is lost than was overwritten. */
static void test_raced(void) {
  struct heard h;

  begin(64);
  append(64);
  h = read_on(UINT64_MAX, (struct heard){.write = 1, .most = 300}, HISTORY_READ);
  ok(h.records == 300 && !h.lost && !h.out_of_order, "as fast as the writer: nothing is lost");
  h = read_on(UINT64_MAX, (struct heard){.write = 100, .most = 200}, HISTORY_READ);
  ok(h.records == 200 && !h.out_of_order && h.lost,
     "a writer that is faster by far: in order, and it goes on");
}

static void test_enough(void) {
  struct heard h;

  begin(64);
  append(30);
  h = read_on(30, (struct heard){.most = 7}, HISTORY_READ);
  is_int(h.records, 7, "it is enough after seven");
  h = read_on(30, (struct heard){0}, HISTORY_READ);
  ok(h.records == 23 && !h.lost, "and the rest comes then");
  h = read_on(30, (struct heard){0}, HISTORY_READ);
  is_int(h.records, 0, "nothing is new");
}

static void spoil(uint32_t slot) {
  char byte = 0x55;

  need(pwrite(writer.fd, &byte, 1, (off_t)slot * HISTORY_RECORD_SIZE + 20) == 1);
}

static void test_damaged(void) {
  struct heard h;

  begin(64);
  append(20);
  spoil(5);
  h = read_on(20, (struct heard){0}, HISTORY_READ);
  ok(h.records == 19 && h.lost == 1 && h.lost_first == 6, "a damaged record is lost");
  append(5);
  spoil(20);
  h = read_on(25, (struct heard){0}, HISTORY_READ);
  ok(h.records == 4 && h.lost_first == 21 && h.lost_last == 21, "also the next to come");
  append(1);
  spoil(25);
  h = read_on(26, (struct heard){0}, HISTORY_READ);
  is_int(h.records, 0, "one that may yet be written is waited for");
  append(1);
  h = read_on(27, (struct heard){0}, HISTORY_READ);
  ok(h.records == 1 && h.lost_first == 26, "until the one after it is there");
  spoil(26);
  append(3);
  h = read_on(30, (struct heard){0}, HISTORY_READ);
  ok(h.records == 3 && !h.lost, "the place itself may be damaged");
}

static uint64_t open_again(void) {
  struct history_record last;

  close(writer.fd);
  need(history_open(&writer, file, 64, &last));
  return last.sequence;
}

/* The highest number is believed only of a record that is whole. */
static void test_opened_again(void) {
  begin(64);
  is_int((int64_t)open_again(), 0, "an empty journal");
  append(100);
  is_int((int64_t)open_again(), 100, "the newest of a ring");
  spoil(99 % 64);
  is_int((int64_t)open_again(), 99, "the newest is damaged");
  append(1);
  is_int((int64_t)open_again(), 100, "its place is written anew");
  need(pwrite(writer.fd, "\x40", 1, 7 * HISTORY_RECORD_SIZE + 4) == 1);
  is_int((int64_t)open_again(), 100, "a damaged number that is higher than all");
}

static void test_anew(void) {
  struct heard h;

  begin(64);
  append(50);
  h = read_on(50, (struct heard){0}, HISTORY_READ);
  place.known = 0;
  writer.sequence = 0;
  need(!ftruncate(writer.fd, 0));
  writer.slots = writer.next = 0;
  append(3);
  h = read_on(UINT64_MAX, (struct heard){0}, HISTORY_ANEW);
  is_int(h.records, 0, "numbers that are lower: nothing is read");
  h = read_on(UINT64_MAX, (struct heard){0}, HISTORY_READ);
  ok(h.records == 3 && !h.lost, "but then, from the beginning");
}

/* A service directory was made anew, and its numbers have caught up with the reader's. */
static void test_another_with_the_same_numbers(void) {
  struct heard h;

  for (unsigned count = 50; count < 300; count += 13) {
    struct history_place old;
    begin(64);
    append(50);
    (void)read_on(50, (struct heard){0}, HISTORY_READ);
    old = place;
    begin(64);
    append(count);
    place = old;
    if (count >= 50 + 64) { /* overwritten: nothing tells that it is another */
      h = read_on(UINT64_MAX, (struct heard){0}, HISTORY_READ);
      is_int(h.lost, count - 64 - 50, "what cannot be known to be another's is lost");
      break;
    }
    h = read_on(UINT64_MAX, (struct heard){0}, HISTORY_ANEW);
    is_int(h.records, 0, "another record of the number that was read: nothing is read");
    h = read_on(UINT64_MAX, (struct heard){0}, HISTORY_READ);
    ok(h.records == (count < 64 ? count : 64), "but then all that there is");
  }
}

int main(void) {
  char const *tmp = getenv("TMPDIR");
  int made;

  if (tmp) need(!chdir(tmp));
  need((made = mkstemp(file)) >= 0);
  close(made);
  writer.fd = fd = -1;
  test_in_step();
  test_overtaken();
  test_raced();
  test_enough();
  test_damaged();
  test_opened_again();
  test_anew();
  test_another_with_the_same_numbers();
  (void)unlink(file);
  return tap_done();
}
