/* Control bytes: what control_decode makes of them, against a slow model. The model asks of
 * each byte by itself what concerns it, looking back over everything before it. */

#include <skalibs/nonposix.h>
#include <lares/control.h>

#define FUZZ_WORDS "L", "l", "+", "=", "+t", "=K", "L+tl", "udoxr", "+d=t",
#include "fuzz.h"

/* Those that send a signal, and those that do not, as in doc/DESIGN.md section 5. */
static char const senders[] = "RpchaitqkPCK12wyb", others[] = "udoxerDUOQZ";

struct walk {
  uint8_t const *data;
  size_t size, at;
  int calls;
};

static int is_one_of(char const *set, uint8_t c) {
  return c && strchr(set, c) != 0;
}

/* Is the byte in the part between an L and the next l, or the end? */
static int for_log(struct walk const *walk, size_t at) {
  while (at--)
    if (walk->data[at] == 'l' || walk->data[at] == 'L') return walk->data[at] == 'L';
  return 0;
}

static int means_something(struct walk const *walk, size_t at) {
  uint8_t c = walk->data[at];

  return (is_one_of(senders, c) || is_one_of(others, c)) && !for_log(walk, at);
}

/* The last + or = behind the previous letter that sent a signal. */
static int wanted_target(struct walk const *walk, size_t at) {
  uint8_t c = walk->data[at];
  int target = is_one_of("PCK", c) ? TO_GROUP : TO_PROCESS;

  if (!is_one_of(senders, c)) return target;
  while (at--) {
    if (for_log(walk, at)) continue;
    if (walk->data[at] == '+') return TO_GROUP;
    if (walk->data[at] == '=') return TO_PROCESS;
    if (is_one_of(senders, walk->data[at])) break;
  }
  return target;
}

static void each(void *context, struct control_letter const *letter) {
  struct walk *walk = context;
  struct control_letter const *known = control_find(letter->letter);

  while (walk->at < walk->size && !means_something(walk, walk->at))
    walk->at++;
  fuzz_check(walk->at < walk->size, "a letter that nobody wrote");
  fuzz_check((uint8_t)letter->letter == walk->data[walk->at], "another letter than is next");
  fuzz_check(known && known->event == letter->event && known->memory == letter->memory &&
                 known->signal == letter->signal,
             "the letter means something else");
  fuzz_check(letter->target == wanted_target(walk, walk->at), "the wrong target");
  walk->at++;
  walk->calls++;
}

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
  struct walk walk = {.data = data, .size = size};

  if (size > 600) size = walk.size = 600; /* the model is slow */
  control_decode((char const *)data, size, each, &walk);
  for (; walk.at < size; walk.at++)
    fuzz_check(!means_something(&walk, walk.at), "a letter was passed over");
  return 0;
}
