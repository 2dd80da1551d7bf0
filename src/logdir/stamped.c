/* Stamping lines. What a short line costs is mostly its stores, so it is copied blindly in a
 * few moves of 32 bytes, of which each is one store where there is AVX2 and two elsewhere.
 */

#include "stamped.h"
#include "ends.h"

#include <string.h>

/* A line was at most that long: then the next ones are taken for short. */
#define SHORT 40

/* Thirty-two bytes anywhere, assigned as one; memcpy() would make it two moves in any case. */
#ifdef __GNUC__
#define INLINE static inline __attribute__((always_inline))
typedef char block __attribute__((vector_size(32), aligned(1), may_alias));
#else
#define INLINE static inline
typedef struct {
  char bytes[32];
} block;
#endif
#define BLOCK(at) (*(block *)(void *)(at))

/* No more than 63 bytes behind the line are read. */
INLINE void copy_line(char *out, char const *in, size_t len) {
  if (len > 128) {
    memcpy(out, in, len);
    return;
  }
  BLOCK(out) = BLOCK(in);
  if (len <= 32) return;
  BLOCK(out + 32) = BLOCK(in + 32);
  if (len <= 64) return;
  BLOCK(out + 64) = BLOCK(in + 64);
  BLOCK(out + 96) = BLOCK(in + 96);
}

/* The label is kept in registers, as what is stored through out could be it. */
INLINE void put_window(struct stamped *s) {
  char const *base = s->in, *line = base;
  size_t left = (size_t)(s->end - base), front = s->label.len;
  block text = BLOCK(s->label.text), rest = BLOCK(s->label.text + 32);
  uint64_t ns = s->label.ns;
  unsigned moving = s->label.moving;
  char *out = s->out;
  struct ends ends;

  ends_find(&ends, base, left < ENDS_WINDOW ? left : ENDS_WINDOW);
  for (unsigned i = 0; i < ends.count; i++) {
    char const *next = base + ends.at[i] + 1;
    size_t len = (size_t)(next - line);
    if (front + len > (size_t)(s->limit - out)) break;
    BLOCK(out) = text;
    if (front > 32) BLOCK(out + 32) = rest;
    out[moving] = "0123456789abcdef"[ns & 15];
    copy_line(out + front, line, len);
    out += front + len;
    line = next;
    if (!(++ns & 15)) {
      s->label.ns = ns;
      loglabel_carry(&s->label);
      text = BLOCK(s->label.text);
      rest = BLOCK(s->label.text + 32);
    }
  }
  s->label.ns = ns;
  s->out = out;
  s->in = line;
}

INLINE void put_all(struct stamped *s) {
  char const *newline;

  while (s->in < s->end && (newline = memchr(s->in, '\n', (size_t)(s->end - s->in)))) {
    size_t len = (size_t)(newline - s->in) + 1, front = s->label.len;
    if (front + len > (size_t)(s->limit - s->out)) break;
    loglabel_put(&s->label, s->out);
    copy_line(s->out + front, s->in, len);
    s->out += front + len;
    s->in += len;
    if (len <= SHORT) put_window(s);
  }
}

void stamped_put_plain(struct stamped *s) {
  put_all(s);
}

#ifdef STAMPED_AVX2
__attribute__((target("avx2,bmi"))) void stamped_put_avx2(struct stamped *s) {
  put_all(s);
}

int stamped_has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
}
#endif

void stamped_put(struct stamped *s) {
#ifdef STAMPED_AVX2
  if (stamped_has_avx2()) {
    stamped_put_avx2(s);
    return;
  }
#endif
  stamped_put_plain(s);
}
