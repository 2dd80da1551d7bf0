/* A heap of the sources that have a line, the earliest first; of two lines of one moment that
 * of the source that was named first. A line without a stamp is of the time of the one before
 * it. */

#include "logtail.h"

#include <stdlib.h>

static int is_before(struct source const *a, struct source const *b) {
  int order = stamp_compare(&a->at, &b->at);

  return order < 0 || (!order && a->number < b->number);
}

static void sink(struct merger *m, unsigned i) {
  struct source *moved = m->heap[i];

  for (unsigned child; (child = 2 * i + 1) < m->count; i = child) {
    if (child + 1 < m->count && is_before(m->heap[child + 1], m->heap[child])) child++;
    if (!is_before(m->heap[child], moved)) break;
    m->heap[i] = m->heap[child];
  }
  m->heap[i] = moved;
}

int merger_add(struct merger *m, struct source *s) {
  unsigned i = m->count;

  if (m->count == m->room) {
    unsigned room = m->room ? 2 * m->room : 16;
    struct source **heap = realloc(m->heap, room * sizeof *heap);
    if (!heap) return 0;
    m->heap = heap;
    m->room = room;
  }
  m->count++;
  for (; i && is_before(s, m->heap[(i - 1) / 2]); i = (i - 1) / 2)
    m->heap[i] = m->heap[(i - 1) / 2];
  m->heap[i] = s;
  return 1;
}

struct source *merger_first(struct merger const *m) {
  return m->count ? m->heap[0] : 0;
}

void merger_next(struct merger *m, int has_line) {
  if (!has_line) m->heap[0] = m->heap[--m->count];
  if (m->count) sink(m, 0);
}
