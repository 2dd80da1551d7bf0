/* Where lines end, for many lines at once. Looking for the next newline only when the line
 * before has been dealt with makes each line wait for the one before it; found beforehand,
 * short lines are copied about twice as fast. Without SSE2 it is memchr().
 */

#ifndef LARES_LOGDIR_ENDS_H
#define LARES_LOGDIR_ENDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ENDS_WINDOW 4096 /* bytes looked at in one go */
#define ENDS_BEYOND 64   /* so many behind them are read, too */
#define ENDS_GROUP 4     /* positions are stored in groups, what is too much not counted */

struct ends {
  unsigned count;
  uint16_t at[ENDS_WINDOW + ENDS_BEYOND + ENDS_GROUP]; /* positions of newlines, rising */
};

/* Newlines in len bytes, at most ENDS_WINDOW. */
static inline void ends_find_plain(struct ends *ends, char const *in, size_t len) {
  char const *from = in, *end = in + len, *newline;

  for (ends->count = 0; from < end && (newline = memchr(from, '\n', (size_t)(end - from)));
       from = newline + 1)
    ends->at[ends->count++] = (uint16_t)(newline - in);
}

#ifdef __SSE2__
#include <emmintrin.h>

/* Compiled with what the caller is compiled with. */
#ifdef __GNUC__
#define ENDS_INLINE static inline __attribute__((always_inline))
#else
#define ENDS_INLINE static inline
#endif

ENDS_INLINE __m128i ends_in_16(char const *in) {
  __m128i bytes = _mm_loadu_si128((__m128i const *)(void const *)in);

  return _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')); /* -1 where there is one */
}

/* How many bytes of the four are -1. */
ENDS_INLINE unsigned ends_count(__m128i a, __m128i b, __m128i c, __m128i d) {
  __m128i zero = _mm_setzero_si128(), sum;

  sum = _mm_add_epi8(_mm_add_epi8(a, b), _mm_add_epi8(c, d));
  sum = _mm_sad_epu8(_mm_sub_epi8(zero, sum), zero);
  return (unsigned)(_mm_cvtsi128_si32(sum) + _mm_cvtsi128_si32(_mm_srli_si128(sum, 8)));
}

ENDS_INLINE uint64_t ends_bits(__m128i a, __m128i b, __m128i c, __m128i d) {
  uint32_t low = (uint32_t)_mm_movemask_epi8(a) | (uint32_t)_mm_movemask_epi8(b) << 16;
  uint32_t high = (uint32_t)_mm_movemask_epi8(c) | (uint32_t)_mm_movemask_epi8(d) << 16;

  return (uint64_t)high << 32 | low;
}

/* The position of the first bit, which is taken away. */
ENDS_INLINE uint16_t ends_next(uint64_t *mask, size_t at) {
  unsigned bit = (unsigned)__builtin_ctzll(*mask | (uint64_t)1 << 63);

  *mask &= *mask - 1;
  return (uint16_t)(at + bit);
}

/* How many newlines there are differs from block to block, and a loop over them is predicted
 * wrongly at each end. A whole group is stored whether there are so many or not. */
ENDS_INLINE void ends_find_fast(struct ends *ends, char const *in, size_t len) {
  uint16_t *stored = ends->at;

  for (size_t at = 0; at < len; at += 64) {
    __m128i a = ends_in_16(in + at), b = ends_in_16(in + at + 16), c = ends_in_16(in + at + 32),
            d = ends_in_16(in + at + 48);
    uint64_t mask = ends_bits(a, b, c, d);
    uint16_t *out = stored;
    if (!mask) continue;
    stored += ends_count(a, b, c, d);
    do {
      out[0] = ends_next(&mask, at);
      out[1] = ends_next(&mask, at);
      out[2] = ends_next(&mask, at);
      out[3] = ends_next(&mask, at);
      out += ENDS_GROUP;
    } while (mask);
  }
  while (stored > ends->at && stored[-1] >= len)
    stored--;
  ends->count = (unsigned)(stored - ends->at);
}
#define ends_find ends_find_fast
#else
#define ends_find ends_find_plain
#endif

#endif
