/* The inner loop of the log writer, in each of its forms, against one that does a line and a
 * byte at a time: lines of all lengths, any bytes, all labels, any room. Nothing further than
 * ENDS_BEYOND bytes behind the input is read, and nothing further than LOG_SLACK behind the
 * room written, but what is there can be changed.
 */

#include <skalibs/nonposix.h>
#include "tap.h"

#include <sys/mman.h>
#include <unistd.h>

#include "../../src/logdir/ends.h"
#include "../../src/logdir/stamped.h"

#define SIZE 65536
#define ROOM (4 * SIZE)
#define ROUNDS 600

static uint64_t seed = 88172645463325252ull;
static char want[ROOM];

static uint64_t random_below(uint64_t limit) {
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return seed % limit;
}

/* Memory that ends where no other begins. */
static char *guarded(size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (size + page - 1) / page * page;
  char *map = mmap(0, used + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  need(map != MAP_FAILED);
  need(!mprotect(map + used, page, PROT_NONE));
  return map + used - size;
}

static size_t fill(char *in, size_t most) {
  static unsigned const lengths[] = {1, 3, 20, 33, 65, 100, 130, 300, 3000, 9000};
  size_t len = (size_t)random_below(most), at = 0;

  for (size_t i = 0; i < len; i++)
    in[i] = (char)random_below(256);
  for (size_t i = 0; i < len; i++)
    if (in[i] == '\n') in[i] = 0;
  for (unsigned about = 0; at < len; at++) {
    if (!random_below(30)) about = lengths[random_below(sizeof lengths / sizeof *lengths)];
    at += (size_t)random_below(2 * about + 1);
    if (at < len) in[at] = '\n';
  }
  return len;
}

/* What is to come out: its length, and how much of the input is in it. */
static size_t expect(struct loglabel label, char const *in, size_t len, size_t room,
                     size_t *taken) {
  size_t out = 0, line = 0;

  for (size_t i = 0; i < len; i++) {
    if (in[i] != '\n') continue;
    if (label.len + i + 1 - line > room - out) break;
    loglabel_start(&label, label.tai, label.iso, label.ns);
    loglabel_show(&label, want + out);
    out += label.len;
    label.ns++;
    while (line <= i)
      want[out++] = in[line++];
  }
  *taken = line;
  return out;
}

static void compare(void (*put)(struct stamped *), char const *name) {
  char *in = guarded(SIZE + ENDS_BEYOND), *out = guarded(ROOM + LOG_SLACK), *end;
  unsigned wrong = 0;

  for (unsigned round = 0; round < ROUNDS; round++) {
    size_t len = fill(in, round % 3 ? 2000 : SIZE), room = ROOM - (size_t)random_below(ROOM);
    size_t made, taken;
    struct stamped s;
    struct loglabel label;
    end = in + SIZE - len;
    memmove(end, in, len);
    loglabel_start(&label, round % 4 != 1, round % 4 != 2,
                   1000000000ull * random_below(4000000000) - random_below(3000));
    made = expect(label, end, len, room, &taken);
    s = (struct stamped){.in = end,
                         .end = end + len,
                         .out = out + ROOM - room,
                         .limit = out + ROOM,
                         .label = label};
    put(&s);
    wrong += (size_t)(s.out - (out + ROOM - room)) != made || s.in != end + taken ||
             memcmp(out + ROOM - room, want, made) != 0;
  }
  if (!ok(!wrong, name)) diag("%u of %u rounds", wrong, ROUNDS);
}

static void compare_ends(void) {
  char *in = guarded(ENDS_WINDOW + ENDS_BEYOND);
  static struct ends plain, found;
  unsigned wrong = 0;

  for (unsigned round = 0; round < ROUNDS; round++) {
    size_t len = fill(in, ENDS_WINDOW + 1);
    memset(in + len, '\n', (size_t)ENDS_WINDOW + ENDS_BEYOND - len);
    ends_find_plain(&plain, in, len);
    ends_find(&found, in, len);
    wrong += plain.count != found.count ||
             memcmp(plain.at, found.at, plain.count * sizeof *plain.at) != 0;
  }
  ok(!wrong, "the same newlines");
}

int main(void) {
  compare_ends();
  compare(&stamped_put_plain, "as line by line");
#ifdef STAMPED_AVX2
  if (stamped_has_avx2())
    compare(&stamped_put_avx2, "with AVX2");
  else
    tap_skip(1, "this processor has no AVX2");
#else
  tap_skip(1, "not compiled with AVX2");
#endif
  compare(&stamped_put, "as it is used");
  return tap_done();
}
