/* Words for people, put together in fixed buffers: what does not fit is cut off, which a file
 * name (path.h) must never be. */

#ifndef LARES_TEXT_H
#define LARES_TEXT_H

#include <stddef.h>
#include <string.h>

/* Append part to text, which ends in a NUL and has room for size bytes with it. */
static inline void text_add(char *text, size_t size, char const *part) {
  size_t at = strlen(text), room = size - 1 - at, len = strlen(part);

  if (len > room) len = room;
  memcpy(text + at, part, len);
  text[at + len] = 0;
}

#endif
