/* Text for standard output, by the bufferful. Room in it can be written to directly, which
 * skalibs' buffers do not allow. */

#ifndef LARES_TEXTOUT_H
#define LARES_TEXTOUT_H

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>

struct textout {
  char *text; /* of size bytes, len of them used */
  size_t size, len;
};

/* Ends the program when nobody takes it; without a word where the reader has gone. */
static inline void textout_flush(struct textout *out) {
  if (allwrite(1, out->text, out->len) < out->len) {
    if (errno == EPIPE) _exit(EXIT_SYSTEM);
    strerr_diefusys(EXIT_SYSTEM, "write to standard output");
  }
  out->len = 0;
}

/* So many bytes, at most size, can be written behind len now. */
static inline char *textout_room(struct textout *out, size_t most) {
  if (out->size - out->len < most) textout_flush(out);
  return out->text + out->len;
}

static inline void textout_put(struct textout *out, char const *text, size_t len) {
  while (len) {
    size_t part = out->size - out->len < len ? out->size - out->len : len;
    memcpy(out->text + out->len, text, part);
    out->len += part;
    text += part;
    len -= part;
    if (len) textout_flush(out);
  }
}

#endif
