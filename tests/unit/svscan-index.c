/* The scanner's index beside a plain array that does the same. */

#include "tap.h"

#include "../../src/supervision/svscan/index.c"

#define ITEMS 3000

static uint32_t hash_of[ITEMS];
static uint8_t in[ITEMS];

/* Every item with this hash, once each, and nothing else. */
static int agrees(struct index const *x, uint32_t hash) {
  static uint8_t seen[ITEMS];
  uint32_t cursor = 0, item, count = 0, want = 0;

  memset(seen, 0, sizeof seen);
  while ((item = index_next(x, hash, &cursor)) != INDEX_NONE) {
    if (item >= ITEMS || !in[item] || hash_of[item] != hash || seen[item]++) return 0;
    count++;
  }
  for (uint32_t i = 0; i < ITEMS; i++)
    want += in[i] && hash_of[i] == hash;
  return count == want;
}

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

int main(void) {
  struct index x = {.cells = 0};
  uint32_t state = 1, cursor = 0, bad = 0;

  is_int(index_next(&x, 7, &cursor), INDEX_NONE, "nothing in an empty one");
  index_remove(&x, 7, 0);
  ok(!x.used, "nothing to remove");
  for (uint32_t step = 0; step < 60000; step++) {
    uint32_t item = next_random(&state) % ITEMS;
    if (!in[item]) {
      /* Few different values, and such that end up side by side at the end of the table. */
      hash_of[item] = next_random(&state) % 200 - 100;
      if (!index_add(&x, hash_of[item], item)) break;
    } else
      index_remove(&x, hash_of[item], item);
    in[item] ^= 1;
    if (step % 50 == 0) bad += !agrees(&x, hash_of[item]);
  }
  is_int(bad, 0, "60000 random steps");
  for (uint32_t hash = 0; hash < 200; hash++)
    bad += !agrees(&x, hash - 100);
  is_int(bad, 0, "and what there is at the end");
  for (uint32_t i = 0; i < ITEMS; i++)
    if (in[i]) index_remove(&x, hash_of[i], i);
  is_int(x.used, 0, "all removed");
  ok(index_reserve(&x, 10000) && x.size >= 10000 * 4 / 3, "room is made");
  free(x.cells);
  return tap_done();
}
