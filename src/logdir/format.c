/* Formatting lines. As JSON (RFC 8259):
 *
 *   {"time":"2026-11-20T10:00:00.123456789Z","tai64n":"@4000...","service":"web",
 *    "stream":"stdout","prefix":"a","message":"...","message_hex":"...","more":true}
 *
 * in one line: tai64n with t, prefix with p; service is null when nobody said it. A byte that
 * is no part of an UTF-8 character becomes U+FFFD; then message_hex has all bytes of the
 * message as they came, so that nothing is lost. more: the line goes on in the next object.
 */

#include "format.h"
#include "ansi.h"

#include <string.h>

#include <lares/json.h>
#include <lares/status.h>

#define NS_PER_MS 1000000u

/* Appends; 0 stays 0. */
static char *put(char *out, char const *limit, char const *in, size_t len) {
  if (!out || len > (size_t)(limit - out)) return 0;
  memcpy(out, in, len);
  return out + len;
}

static char *put_text(char *out, char const *limit, char const *text) {
  return put(out, limit, text, strlen(text));
}

/* The message, without escape sequences if that is wanted. */
static char *put_message(struct logformatter const *formatter, char *out, char const *limit,
                         char const *in, size_t len, int *odd) {
  int json = formatter->format->stream != 0;

  while (out && len) {
    size_t sequence = 0, plain = len;
    if (formatter->format->strip) plain = ansi_find(in, len, &sequence);
    out = json ? json_escape(out, limit, in, plain, odd) : put(out, limit, in, plain);
    in += plain + sequence;
    len -= plain + sequence;
  }
  return out;
}

static char *put_json(struct logformatter const *formatter, char *out, char const *limit,
                      char const *in, size_t len, int more) {
  int odd = 0;

  if (formatter->front_len > (size_t)(limit - out)) return 0;
  memcpy(out, formatter->front, formatter->front_len);
  out[formatter->decimal] = (char)('0' + formatter->unit);
  if (formatter->hex) out[formatter->hex] = "0123456789abcdef"[formatter->label.ns & 15];
  out = put_message(formatter, out + formatter->front_len, limit, in, len, &odd);
  if (odd) {
    out = put_text(out, limit, "\",\"message_hex\":\"");
    out = json_digits(out, limit, in, len);
  }
  return put_text(out, limit, more ? "\",\"more\":true}\n" : "\"}\n");
}

static char *put_member(char *out, char const *limit, char const *name, char const *value) {
  int odd;

  out = put_text(out, limit, name);
  if (!value) return put_text(out, limit, "null");
  out = put_text(out, limit, "\"");
  out = json_escape(out, limit, value, strlen(value), &odd);
  return put_text(out, limit, "\"");
}

static char *put_time(struct logformatter *formatter, char *out, char const *limit) {
  struct loglabel const *label = &formatter->label;
  char iso[STAMP_ISO], digits[6], stamp[STAMP_FMT];
  uint64_t rest = label->ns % NS_PER_MS;
  struct stamp when;

  lognow_stamp(&when, label->ns);
  stamp_iso(iso, &when);
  for (unsigned i = sizeof digits; i--; rest /= 10)
    digits[i] = (char)('0' + rest % 10);
  out = put_text(out, limit, "{\"time\":\"");
  out = put(out, limit, iso, STAMP_ISO - 1);
  out = put(out, limit, digits, sizeof digits);
  formatter->decimal = (size_t)(out - formatter->front) - 1;
  formatter->unit = (unsigned)(label->ns % 10);
  out = put_text(out, limit, "Z\"");
  if (!formatter->format->tai) return out;
  stamp_fmt(stamp, &when);
  out = put_text(out, limit, ",\"tai64n\":\"");
  out = put(out, limit, stamp, STAMP_FMT);
  formatter->hex = (size_t)(out - formatter->front) - 1;
  return put_text(out, limit, "\"");
}

/* The room is enough: names of services and prefixes have at most 255 bytes. */
static void make_front(struct logformatter *formatter, char const *service) {
  struct logformat const *format = formatter->format;
  char const *limit = formatter->front + sizeof formatter->front;
  char *head = put_time(formatter, formatter->front, limit), *out = head;

  if (service && strlen(service) > LOG_PREFIX_MAX) service = 0;
  out = put_member(out, limit, ",\"service\":", service);
  out = put_member(out, limit, ",\"stream\":", format->stream);
  if (format->prefix) out = put_member(out, limit, ",\"prefix\":", format->prefix);
  out = put_text(out, limit, ",\"message\":\"");
  formatter->head_len = (size_t)(out - head);
  formatter->front_len = (size_t)(out - formatter->front);
}

/* The text of the times has the same length at any time. */
static void count_up(struct logformatter *formatter) {
  char *digit = formatter->front + formatter->decimal - 1;

  if (++formatter->unit == 10) {
    formatter->unit = 0;
    while (*digit == '9')
      *digit-- = '0';
    if (*digit == '.') {
      put_time(formatter, formatter->front, formatter->front + formatter->front_len);
      return;
    }
    ++*digit;
  }
  if (!formatter->hex || formatter->label.ns & 15) return;
  for (digit = formatter->front + formatter->hex - 1; *digit == 'f';)
    *digit-- = '0';
  *digit = *digit == '9' ? 'a' : (char)(*digit + 1);
}

void logformatter_next(struct logformatter *formatter) {
  loglabel_next(&formatter->label);
  if (formatter->front_len) count_up(formatter);
}

void logformatter_start(struct logformatter *formatter, struct logformat const *format,
                        char const *service, uint64_t ns) {
  int json = format->stream != 0;

  formatter->format = format;
  formatter->prefix_len = format->prefix ? strlen(format->prefix) : 0;
  formatter->front_len = formatter->head_len = formatter->hex = 0;
  loglabel_start(&formatter->label, format->tai && !json, format->iso && !json, ns);
  if (json) make_front(formatter, service);
}

size_t logformat_overhead(struct logformatter const *formatter) {
  if (formatter->format->stream) return LOG_JSON_FIXED + formatter->head_len;
  return formatter->label.len + formatter->prefix_len + (formatter->prefix_len != 0);
}

char *logformat_line(struct logformatter const *formatter, char *out, char const *limit,
                     char const *line, size_t len, int more) {
  struct loglabel const *label = &formatter->label;
  size_t front = label->len + formatter->prefix_len + (formatter->prefix_len != 0);
  int odd;

  if (formatter->format->stream) return put_json(formatter, out, limit, line, len, more);
  if (front > (size_t)(limit - out)) return 0;
  if (label->len) loglabel_show(label, out);
  out += label->len;
  if (formatter->prefix_len) {
    memcpy(out, formatter->format->prefix, formatter->prefix_len);
    out += formatter->prefix_len;
    *out++ = ' ';
  }
  if (!formatter->format->strip && len < (size_t)(limit - out)) { /* the usual case */
    memcpy(out, line, len);
    out[len] = '\n';
    return out + len + !more;
  }
  out = put_message(formatter, out, limit, line, len, &odd);
  return more ? out : put(out, limit, "\n", 1);
}

char *logformat_rest(struct logformatter const *formatter, char *out, char const *limit,
                     char const *in, size_t len) {
  int odd;

  return put_message(formatter, out, limit, in, len, &odd);
}

size_t logformat_piece(struct logformatter const *formatter, size_t room, char const *in,
                       size_t len) {
  size_t overhead = logformat_overhead(formatter), most, end;

  most = room > overhead ? (room - overhead) / LOG_JSON_BYTE : 0;
  if (len <= most) return len;
  for (end = most; end && most - end < 3 && ((unsigned char)in[end] & 0xc0) == 0x80;)
    end--;
  return end ? end : most;
}
