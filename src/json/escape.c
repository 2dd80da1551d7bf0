/* Text as it stands in a JSON string. Most bytes stand for themselves, and are looked at
 * sixteen at a time where there is SSE2. */

#include <lares/json.h>

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <lares/status.h>

static int is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

size_t json_plain_bytewise(char const *text, size_t len) {
  size_t run = 0;

  while (run < len && is_plain((unsigned char)text[run]))
    run++;
  return run;
}

#ifdef __SSE2__
/* One bit for each of 16 bytes that does not stand for itself. As signed numbers those from
 * 0x80 on are less than a blank, too. */
static inline unsigned special_of_16(char const *text) {
  __m128i bytes = _mm_loadu_si128((__m128i const *)(void const *)text);
  __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));
  __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  __m128i back = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));

  return (unsigned)_mm_movemask_epi8(
      _mm_or_si128(_mm_or_si128(low, del), _mm_or_si128(quote, back)));
}

/* The last sixteen are looked at once more in part, rather than one by one. */
size_t json_plain(char const *text, size_t len) {
  size_t at = 0;
  unsigned special;

  if (len < 16) return json_plain_bytewise(text, len);
  for (; len - at >= 16; at += 16) {
    special = special_of_16(text + at);
    if (special) return at + (unsigned)__builtin_ctz(special);
  }
  special = special_of_16(text + len - 16);
  return special ? len - 16 + (unsigned)__builtin_ctz(special) : len;
}
#else
size_t json_plain(char const *text, size_t len) {
  return json_plain_bytewise(text, len);
}
#endif

static char *put(char *out, char const *limit, char const *text, size_t len) {
  if (!out || len > (size_t)(limit - out)) return 0;
  memcpy(out, text, len);
  return out + len;
}

static char *put_byte(char *out, char const *limit, unsigned char c) {
  char text[6] = "\\u00";

  if (c == '"' || c == '\\') {
    text[1] = (char)c;
    return put(out, limit, text, 2);
  }
  text[4] = "0123456789abcdef"[c >> 4];
  text[5] = "0123456789abcdef"[c & 15];
  return put(out, limit, text, 6);
}

char *json_escape(char *out, char const *limit, char const *text, size_t len, int *odd) {
  while (out && len) {
    size_t size = json_plain(text, len);
    if (size)
      out = put(out, limit, text, size);
    else if ((unsigned char)*text < 0x80) {
      out = put_byte(out, limit, (unsigned char)*text);
      size = 1;
    } else if ((size = text_character(text, len)))
      out = put(out, limit, text, size);
    else {
      out = put(out, limit, "\\ufffd", 6);
      size = 1;
      *odd = 1;
    }
    text += size;
    len -= size;
  }
  return out;
}

char *json_digits(char *out, char const *limit, char const *bytes, size_t len) {
  if (!out || len > (size_t)(limit - out) / 2) return 0;
  for (size_t i = 0; i < len; i++) {
    *out++ = "0123456789abcdef"[(unsigned char)bytes[i] >> 4];
    *out++ = "0123456789abcdef"[bytes[i] & 15];
  }
  return out;
}
