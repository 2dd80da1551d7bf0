/* Finding escape sequences. What begins as one and does not end in its line loses only its
 * introducer, so that a stray ESC never costs text.
 */

#include "ansi.h"

#include <string.h>

#define ESC '\033'
#define BEL '\007'

static size_t skip_range(char const *in, size_t at, size_t len, char least, char most) {
  while (at < len && in[at] >= least && in[at] <= most)
    at++;
  return at;
}

/* ESC [ parameters, intermediates, a final byte. */
static size_t control_sequence(char const *in, size_t len) {
  size_t at = skip_range(in, 2, len, 0x30, 0x3f);

  at = skip_range(in, at, len, 0x20, 0x2f);
  return at < len && in[at] >= 0x40 && in[at] <= 0x7e ? at + 1 : at;
}

/* ESC and one of ] P X ^ _: a string until ESC \, or BEL as xterm has it. */
static size_t control_string(char const *in, size_t len) {
  for (size_t at = 2; at < len; at++) {
    if (in[at] == BEL) return at + 1;
    if (in[at] == ESC && at + 1 < len && in[at + 1] == '\\') return at + 2;
  }
  return 2;
}

/* ESC, intermediates, a final byte. */
static size_t short_sequence(char const *in, size_t len) {
  size_t at = skip_range(in, 1, len, 0x20, 0x2f);

  return at < len && in[at] >= 0x30 && in[at] <= 0x7e ? at + 1 : at;
}

size_t ansi_find(char const *in, size_t len, size_t *sequence) {
  char const *escape = len ? memchr(in, ESC, len) : 0;
  size_t left = escape ? len - (size_t)(escape - in) : 0;

  *sequence = 0;
  if (!escape) return len;
  if (left < 2)
    *sequence = left;
  else if (escape[1] == '[')
    *sequence = control_sequence(escape, left);
  else if (escape[1] && strchr("]PX^_", escape[1]))
    *sequence = control_string(escape, left);
  else
    *sequence = short_sequence(escape, left);
  return (size_t)(escape - in);
}
