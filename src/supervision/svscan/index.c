/* A set of (hash, number) pairs: open addressing, linear probing, deletion by moving back.
 * Equality is the caller's: it goes through the numbers that have a hash. */

#include "index.h"

#include <errno.h>
#include <stdlib.h>

uint32_t hash_bytes(char const *s, size_t len) {
  uint32_t hash = 2166136261u;

  for (size_t i = 0; i < len; i++)
    hash = (hash ^ (unsigned char)s[i]) * 16777619u;
  return hash ^ hash >> 15;
}

uint32_t hash_number(uint64_t n) {
  n *= 0x9e3779b97f4a7c15ull;
  return (uint32_t)(n >> 32);
}

static void put(struct index *x, struct index_cell cell) {
  uint32_t at = cell.hash & (x->size - 1);

  while (x->cells[at].item)
    at = (at + 1) & (x->size - 1);
  x->cells[at] = cell;
}

static int resize(struct index *x, uint32_t size) {
  struct index old = *x;
  struct index_cell *cells = calloc(size, sizeof *cells);

  if (!cells) return (errno = ENOMEM, 0);
  x->cells = cells;
  x->size = size;
  for (uint32_t i = 0; i < old.size; i++)
    if (old.cells[i].item) put(x, old.cells[i]);
  free(old.cells);
  return 1;
}

/* At most three quarters full. */
int index_reserve(struct index *x, uint32_t more) {
  uint32_t size = x->size ? x->size : 16;

  while (x->used + more > size / 4 * 3)
    size *= 2;
  return size == x->size || resize(x, size);
}

int index_add(struct index *x, uint32_t hash, uint32_t item) {
  if (!index_reserve(x, 1)) return 0;
  put(x, (struct index_cell){hash, item + 1});
  x->used++;
  return 1;
}

uint32_t index_next(struct index const *x, uint32_t hash, uint32_t *cursor) {
  if (!x->size) return INDEX_NONE;
  for (;;) {
    struct index_cell const *cell = &x->cells[(hash + *cursor) & (x->size - 1)];
    if (!cell->item) return INDEX_NONE;
    ++*cursor;
    if (cell->hash == hash) return cell->item - 1;
  }
}

void index_remove(struct index *x, uint32_t hash, uint32_t item) {
  uint32_t mask = x->size - 1, at = hash & mask, from;

  if (!x->size) return;
  while (x->cells[at].item != item + 1 || x->cells[at].hash != hash) {
    if (!x->cells[at].item) return;
    at = (at + 1) & mask;
  }
  /* Close the gap: a later cell moves into it unless its own place lies behind the gap. */
  for (from = (at + 1) & mask; x->cells[from].item; from = (from + 1) & mask)
    if (((from - x->cells[from].hash) & mask) >= ((from - at) & mask)) {
      x->cells[at] = x->cells[from];
      at = from;
    }
  x->cells[at].item = 0;
  x->used--;
}
