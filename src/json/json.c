/* Strings and members. */

#include <lares/json.h>

#include <string.h>

#include <skalibs/buffer.h>
#include <skalibs/types.h>

#include <lares/status.h>

static void put(char const *text) {
  buffer_puts(buffer_1, text);
}

static void put_byte(unsigned byte) {
  char digits[] = {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};

  buffer_put(buffer_1, digits, 2);
}

int json_text(char const *text, size_t left) {
  unsigned char const *s = (unsigned char const *)text;
  int faithful = 1;

  put("\"");
  while (left) {
    size_t len = json_plain((char const *)s, left);
    if (len) {
      buffer_put(buffer_1, (char const *)s, len);
    } else if (!(len = text_character((char const *)s, left))) {
      put("\\ufffd");
      faithful = 0;
      len = 1;
    } else if (*s < 0x20 || *s == 0x7f) {
      put("\\u00");
      put_byte(*s);
    } else {
      if (*s == '"' || *s == '\\') put("\\");
      buffer_put(buffer_1, (char const *)s, len);
    }
    s += len;
    left -= len;
  }
  put("\"");
  return faithful;
}

int json_string(char const *text) {
  return json_text(text, strlen(text));
}

void json_key(char const *name) {
  put(",\"");
  put(name);
  put("\":");
}

void json_null(char const *name) {
  json_key(name);
  put("null");
}

int json_word(char const *name, char const *value) {
  if (!value) return (json_null(name), 1);
  json_key(name);
  return json_string(value);
}

void json_flag(char const *name, int value) {
  json_key(name);
  put(value ? "true" : "false");
}

void json_unsigned(char const *name, uint64_t value) {
  char text[UINT64_FMT];

  json_key(name);
  buffer_put(buffer_1, text, uint64_fmt(text, value));
}

void json_signed(char const *name, int64_t value) {
  char text[UINT64_FMT];

  json_key(name);
  if (value < 0) put("-");
  buffer_put(buffer_1, text, uint64_fmt(text, value < 0 ? -(uint64_t)value : (uint64_t)value));
}

void json_hex(char const *name, char const *text, size_t len) {
  put(",\"");
  put(name);
  put("_hex\":\"");
  for (size_t i = 0; i < len; i++)
    put_byte((unsigned char)text[i]);
  put("\"");
}
