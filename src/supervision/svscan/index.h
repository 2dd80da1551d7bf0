/* Item numbers by a 32-bit hash; equality is the caller's. */

#ifndef LARES_SVSCAN_INDEX_H
#define LARES_SVSCAN_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct index_cell {
  uint32_t hash;
  uint32_t item; /* number + 1; 0: free */
};
struct index {
  struct index_cell *cells; /* owned */
  uint32_t size;            /* a power of two, or 0 */
  uint32_t used;
};
#define INDEX_NONE UINT32_MAX
/* 1, or 0 with errno ENOMEM. */
extern int index_add(struct index *, uint32_t hash, uint32_t item);
/* Make room for so many items, so that as many index_add cannot fail. */
extern int index_reserve(struct index *, uint32_t more);
extern void index_remove(struct index *, uint32_t hash, uint32_t item);
/* Items with this hash, one after the other: start with *cursor 0, INDEX_NONE at the end. */
extern uint32_t index_next(struct index const *, uint32_t hash, uint32_t *cursor);
extern uint32_t hash_bytes(char const *, size_t);
extern uint32_t hash_number(uint64_t);

#endif
