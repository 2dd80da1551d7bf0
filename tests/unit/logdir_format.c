/* Lines as JSON: what is counted up from line to line is what would be made anew for each, over
 * ends of milliseconds, seconds and days; a line fits or does not at each length of the room;
 * and text is escaped as byte by byte.
 */

#include "tap.h"

#include <lares/json.h>

#include "../../src/logdir/format.h"

#define ROOM 8192

static char made[ROOM + LOG_SLACK], want[ROOM + LOG_SLACK];

static void count(uint64_t begin, unsigned lines, struct logformat const *format) {
  static struct logformatter counted, fresh;
  char const text[] = "a \"line\" of \x01 text\xff";
  unsigned wrong = 0;

  logformatter_start(&counted, format, "web", begin);
  for (unsigned i = 0; i < lines; i++, logformatter_next(&counted)) {
    char *end = logformat_line(&counted, made, made + ROOM, text, sizeof text - 1, 0), *other;
    logformatter_start(&fresh, format, "web", begin + i);
    other = logformat_line(&fresh, want, want + ROOM, text, sizeof text - 1, 0);
    wrong += end - made != other - want || memcmp(made, want, (size_t)(end - made)) != 0;
  }
  if (!ok(!wrong, "counted up as made anew")) diag("%u of %u lines", wrong, lines);
}

static void test_count(void) {
  static struct logformat const plain = {.stream = "stdout"},
                                both = {.tai = 1, .stream = "stderr", .prefix = "a\"b"};
  uint64_t const day = 1764374400ull * 1000000000u;

  count(day - 1500, 3000, &plain);
  count(day - 1500, 3000, &both);
  count(day + 999000, 2000, &both);
  count(day + 1000000000u - 17, 40, &both);
}

static void test_room(void) {
  static struct logformat const format = {.tai = 1, .stream = "stdout"};
  static struct logformatter formatter;
  char text[] = "some text \xff that is odd";
  size_t whole;
  unsigned wrong = 0;

  logformatter_start(&formatter, &format, 0, 1764374400123456789ull);
  whole =
      (size_t)(logformat_line(&formatter, want, want + ROOM, text, sizeof text - 1, 1) - want);
  for (size_t room = 0; room < whole + 2; room++) {
    char *end = logformat_line(&formatter, made, made + room, text, sizeof text - 1, 1);
    wrong += room < whole ? end != 0 : end != made + whole;
  }
  ok(!wrong, "a line fits when there is room");
}

/* All bytes at all places, also of lines that end behind them. */
static void test_plain(void) {
  char text[80];
  unsigned wrong = 0;

  for (unsigned at = 0; at < 70; at++)
    for (unsigned byte = 0; byte < 256; byte++)
      for (unsigned len = at; len <= at + 40 && len < 70; len++) {
        memset(text, 'x', sizeof text);
        text[at] = (char)byte;
        wrong += json_plain(text, len) != json_plain_bytewise(text, len);
      }
  ok(!wrong, "as many bytes stand for themselves");
}

static void test_escape(void) {
  static char const in[] = "a\"b\\c\n\x7f\xc3\xa4\xc3z\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\x80";
  static char const out[] =
      "a\\\"b\\\\c\\u000a\\u007f\xc3\xa4\\ufffdz\xe2\x82\xac\xf0\x9f\x98\x80"
      "\\ufffd\\ufffd\\ufffd";
  int odd = 0, none = 0;
  char *end = json_escape(made, made + ROOM, in, sizeof in - 1, &odd);

  is_mem(made, (size_t)(end - made), out, sizeof out - 1, "escaped");
  ok(odd, "something was no UTF-8");
  end = json_escape(made, made + ROOM, "plain", 5, &none);
  is_mem(made, (size_t)(end - made), "plain", 5, "plain");
  ok(!none, "nothing was odd");
  ok(!json_escape(made, made + 4, "plain", 5, &none), "no room");
  ok(!json_digits(made, made + 3, "ab", 2), "no room for digits");
  end = json_digits(made, made + 4, "a\xff", 2);
  is_mem(made, (size_t)(end - made), "61ff", 4, "digits");
}

int main(void) {
  test_count();
  test_room();
  test_plain();
  test_escape();
  return tap_done();
}
