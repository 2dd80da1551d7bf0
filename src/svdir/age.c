/* The age of a definition: its newest change, and a sum that tells it from others. */

#include "values.h"

/* FNV-1a over the bytes of a number. */
static uint32_t hash_number(uint32_t hash, uint64_t n) {
  for (unsigned i = 0; i < 8; i++, n >>= 8)
    hash = (hash ^ (uint32_t)(n & 255)) * 16777619u;
  return hash;
}

/* The names are summed up, in whatever order they come: a later version may know more. */
void age_note(struct svdir_age *all, char const *file, struct file_age const *age) {
  uint32_t hash = 2166136261u;

  if (!age->changed.tai) return;
  if (stamp_compare(&age->changed, &all->changed) > 0) all->changed = age->changed;
  for (char const *c = file; *c; c++)
    hash = (hash ^ (unsigned char)*c) * 16777619u;
  hash = hash_number(hash, age->changed.tai);
  hash = hash_number(hash, age->changed.nano);
  all->sum += hash_number(hash, age->size);
}
