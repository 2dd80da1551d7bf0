/* The lines that the log writer's JSON was made of. */

#ifndef LOGJSON_H
#define LOGJSON_H

#include <string.h>

static unsigned logjson_hex(char const *in, unsigned digits) {
  unsigned value = 0;

  for (; digits; digits--, in++)
    value = value * 16 + (unsigned)(*in <= '9' ? *in - '0' : *in - 'a' + 10);
  return value;
}

/* From behind the quotation mark to the next one, unescaped; U+FFFD is not made, since then the
 * bytes stand in message_hex. */
static char const *logjson_text(char const *in, char const *end, char *out, size_t *len) {
  *len = 0;
  for (; in < end && *in != '"'; in++) {
    if (*in != '\\') {
      out[(*len)++] = *in;
      continue;
    }
    in++;
    if (*in != 'u') {
      out[(*len)++] = *in;
      continue;
    }
    out[(*len)++] = (char)logjson_hex(in + 1, 4);
    in += 4;
  }
  return in + 1;
}

static int logjson_next(char const **in, char const *end, char const *wanted) {
  size_t len = strlen(wanted);

  if ((size_t)(end - *in) < len || memcmp(*in, wanted, len)) return 0;
  *in += len;
  return 1;
}

/* In place: the new length, or -1 if it is no JSON of ours. */
static ptrdiff_t logjson_lines(char *text, size_t len) {
  char const *in = text, *end = text + len;
  size_t to = 0, got;

  while (in < end) {
    char const *stop = memchr(in, '\n', (size_t)(end - in)), *at = in;
    if (!stop || memcmp(in, "{\"time\":\"", 9)) return -1;
    while (at < stop && memcmp(at, ",\"message\":\"", 12))
      at++;
    if (at == stop) return -1;
    at = logjson_text(at + 12, stop, text + to, &got);
    if (logjson_next(&at, stop, ",\"message_hex\":\""))
      for (got = 0; at < stop; at += 2) {
        if (*at == '"') {
          at++;
          break;
        }
        text[to + got++] = (char)logjson_hex(at, 2);
      }
    to += got;
    if (!logjson_next(&at, stop, ",\"more\":true")) text[to++] = '\n';
    if (!logjson_next(&at, stop, "}") || at != stop) return -1;
    in = stop + 1;
  }
  return (ptrdiff_t)to;
}

#endif
