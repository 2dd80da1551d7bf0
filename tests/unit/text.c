/* Texts that a service says of itself: whatever they were, one line that a terminal and a
 * reader of JSON can take, cut off between two characters. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>

#include "tap.h"

static char const *clean(char const *text, size_t len) {
  static char out[TEXT_MOST + 1];

  memset(out, 'x', sizeof out);
  text_clean(out, text, len);
  for (size_t i = strnlen(out, sizeof out); i < sizeof out; i++)
    if (out[i]) return "what is behind it is not zero";
  return out;
}
#define CLEAN(text) clean((text), sizeof(text) - 1)

static void check_clean(void) {
  is_str(CLEAN("ready to serve"), "ready to serve", "a text");
  is_str(CLEAN(""), "", "none");
  is_str(CLEAN("a\nb\tc\rd\x1b[31me\x7f"), "a b c d [31me ", "control characters are blanks");
  is_str(CLEAN("a\0b"), "a b", "NUL is one");
  is_str(CLEAN("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"),
         "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "UTF-8 stays");
  is_str(CLEAN("\xc2\x9b"
               "31m\xc2\xa0."),
         "?31m\xc2\xa0.", "but for what a terminal obeys");
  is_str(CLEAN("a\xff"
               "b\xc3"),
         "a?b?", "bytes that are no character");
  is_str(CLEAN("\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80"), "?????????", "nor these");
}

static void check_cut(void) {
  char text[400], want[TEXT_MOST + 1];

  memset(text, 'a', sizeof text);
  memset(want, 'a', sizeof want);
  want[TEXT_MOST] = 0;
  is_str(clean(text, TEXT_MOST), want, "255 bytes are kept");
  is_str(clean(text, sizeof text), want, "and no more");
  memcpy(text + TEXT_MOST - 1, "\xc3\xa4", 2);
  want[TEXT_MOST - 1] = 0;
  is_str(clean(text, sizeof text), want, "no half of a character");
}

static void check_record(void) {
  struct text_record r = {.boot = 5, .start = 1, .status = "x"}, found;
  char packed[TEXT_RECORD_SIZE];

  text_record_pack(packed, &r);
  ok(text_record_unpack(packed, &found) && !strcmp(found.status, "x") && !found.waiting[0],
     "a record is read");
  r.status[1] = '\n';
  text_record_pack(packed, &r);
  errno = 0;
  ok(!text_record_unpack(packed, &found) && errno == EPROTO,
     "a text that is not clean: damage");
  r.status[1] = 0;
  r.status[9] = 'y';
  text_record_pack(packed, &r);
  ok(!text_record_unpack(packed, &found), "and something behind it");
  memset(r.status, 'y', sizeof r.status);
  text_record_pack(packed, &r);
  ok(!text_record_unpack(packed, &found), "and one without an end");
  memset(packed, 0, sizeof packed);
  errno = 0;
  ok(!text_record_unpack(packed, &found) && errno == EPROTO, "room without a record is none");
}

int main(void) {
  check_clean();
  check_cut();
  check_record();
  return tap_done();
}
