/* Lines as JSON, an object a line:
 *
 *   {"version":1,"service":"web","directory":"/service/web/log/main",
 *    "at":"2026-11-20T10:00:00.123456789Z","message":"...","begins":true,"ends":true}
 *
 * service, directory and message are followed by service_hex and so on, all their bytes, when
 * they are not UTF-8. What is the same in all lines of a source is made once.
 */

#include <skalibs/nonposix.h>
#include "print.h"

#include <stdlib.h>
#include <string.h>

#include <lares/json.h>

#define JSON_VERSION "1"
#define MESSAGE ",\"message\":\""
#define MESSAGE_HEX "\",\"message_hex\":\""
#define SHORT_PARTS (TIME_TEXT + 100) /* the time, and all names */
#define WORST 6                       /* bytes that one of the message may become */
#define PIECE (OUT_SIZE / WORST / 2)  /* a long message goes through in pieces */

/* Of what stands here as text the length is known. */
static inline char *put(char *out, char const *text) {
  size_t len = strlen(text);

  memcpy(out, text, len);
  return out + len;
}

/* ,"NAME":"..." and, if need be, ,"NAME_hex":"..."; there is room. */
static char *put_member(char *out, char const *limit, char const *name, char const *value) {
  int odd = 0;

  out = put(put(put(out, ",\""), name), "\":\"");
  out = put(json_escape(out, limit, value, strlen(value), &odd), "\"");
  if (!odd) return out;
  out = put(put(put(out, ",\""), name), "_hex\":\"");
  return put(json_digits(out, limit, value, strlen(value)), "\"");
}

int source_front(struct source *s) {
  size_t most = 200 + (WORST + 2) * (strlen(s->name) + strlen(s->path));
  char *out = malloc(most), *limit = out + most;

  if (!out) return 0;
  s->front = out;
  out = put(out, "{\"version\":" JSON_VERSION);
  out = put_member(out, limit, "service", s->name);
  out = put_member(out, limit, "directory", s->path);
  out = put(out, ",\"at\":");
  s->front_len = (size_t)(out - s->front);
  return 1;
}

static void put_some(struct printer *p, char const *text, size_t len) {
  while (len) {
    size_t part = len < OUT_SIZE ? len : OUT_SIZE;
    memcpy(printer_room(p, part), text, part);
    p->len += part;
    text += part;
    len -= part;
  }
}

/* So many bytes of a text that is longer do not end within a character. */
static size_t whole_characters(char const *text, size_t most) {
  size_t end = most;

  while (most - end < 3 && ((unsigned char)text[end] & 0xc0) == 0x80)
    end--;
  return end;
}

static int put_escaped(struct printer *p, char const *text, size_t len) {
  int odd = 0;

  while (len) {
    size_t part = len <= PIECE ? len : whole_characters(text, PIECE);
    char *out = printer_room(p, WORST * part);
    p->len += (size_t)(json_escape(out, p->out + OUT_SIZE, text, part, &odd) - out);
    text += part;
    len -= part;
  }
  return odd;
}

static void put_hex(struct printer *p, char const *text, size_t len) {
  while (len) {
    size_t part = len < PIECE ? len : PIECE;
    char *out = printer_room(p, 2 * part);
    p->len += (size_t)(json_digits(out, p->out + OUT_SIZE, text, part) - out);
    text += part;
    len -= part;
  }
}

static char *put_time(struct printer *p, char *out, struct line const *line) {
  unsigned len = line->stamped ? time_write(&p->utc, out + 1, &line->label.at) : 0;

  if (!len) return put(out, "null");
  out[0] = '"';
  return put(out + 1 + len, "\"");
}

static char *put_end(char *out, struct line const *line) {
  out = line->begins ? put(out, "\",\"begins\":true") : put(out, "\",\"begins\":false");
  return line->ends ? put(out, ",\"ends\":true}\n") : put(out, ",\"ends\":false}\n");
}

/* There is room for all of it. */
static void print_short(struct printer *p, struct source const *s, char *out, char const *text,
                        size_t len) {
  char const *limit = p->out + OUT_SIZE;
  int odd = 0;

  memcpy(out, s->front, s->front_len);
  out = put_time(p, out + s->front_len, &s->line);
  out = json_escape(put(out, MESSAGE), limit, text, len, &odd);
  if (odd) out = json_digits(put(out, MESSAGE_HEX), limit, text, len);
  out = put_end(out, &s->line);
  p->len = (size_t)(out - p->out);
}

static void print_long(struct printer *p, struct source const *s, char const *text,
                       size_t len) {
  char some[SHORT_PARTS];

  put_some(p, s->front, s->front_len);
  put_some(p, some, (size_t)(put(put_time(p, some, &s->line), MESSAGE) - some));
  if (put_escaped(p, text, len)) {
    put_some(p, MESSAGE_HEX, sizeof MESSAGE_HEX - 1);
    put_hex(p, text, len);
  }
  put_some(p, some, (size_t)(put_end(some, &s->line) - some));
}

void print_json(struct printer *p, struct source const *s) {
  struct line const *line = &s->line;
  size_t done = line->label.len + (line->label.len && line->label.len < line->len);
  char const *text = line->text + done;
  size_t len = line->len - done, most = s->front_len + SHORT_PARTS + (WORST + 2) * len;

  if (most <= OUT_SIZE)
    print_short(p, s, printer_room(p, most), text, len);
  else
    print_long(p, s, text, len);
}
