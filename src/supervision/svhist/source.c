/* Reading journals, and bringing what was read of several into one order. */

#include <errno.h>
#include <stdlib.h>

#include "svhist.h"

static int keep(void *context, struct follow_news const *news) {
  struct source *s = context;
  struct piece piece = {.what = news->what, .first = news->first, .last = news->last};

  if (s->count == s->room) {
    uint32_t room = s->room ? 2 * s->room : 64;
    struct piece *more = realloc(s->pieces, room * sizeof *more);
    if (!more) return (s->failed = ENOMEM, 0);
    s->pieces = more;
    s->room = room;
  }
  if (news->record) piece.record = *news->record;
  s->pieces[s->count++] = piece;
  return 1;
}

int source_read(struct source *s) {
  struct state_record state;
  uint64_t latest = follow_state(&s->follow, &state) ? state.sequence : UINT64_MAX;

  if (!follow_read(&s->follow, latest, &keep, s)) return 0;
  return s->failed ? (errno = s->failed, 0) : 1;
}

static int pass(void *context, struct follow_news const *news) {
  (void)context;
  (void)news;
  return 1;
}

/* Where reading begins: what was overwritten before we came is lost only to who asked for it.
 */
static int begin(struct source *s, struct request const *q) {
  struct history_place *place = &s->follow.place;
  uint64_t lowest, highest;

  if (q->has_from) return (place->seen = q->from ? q->from - 1 : 0, 1);
  if (!follow_span(&s->follow, &lowest, &highest)) return 0;
  place->seen = lowest ? lowest - 1 : 0;
  if (q->has_last && highest - place->seen > q->last) place->seen = highest - q->last;
  if (place->seen < highest || !highest) return 1;
  place->seen = highest - 1; /* the last is read, so that another journal is known from it */
  return follow_read(&s->follow, highest, &pass, 0);
}

int source_open(struct source *s, char const *dir, struct request const *q) {
  *s = (struct source){.look = DEADLINE_NEVER};
  if (q->follow) {
    if (!follow_open(&s->follow, dir)) return 0;
    follow_keep(&s->follow);
  } else
    s->follow =
        (struct follow){.dir = dir, .events = {.read = -1, .write = -1}, .ok = -1, .kept = -1};
  return begin(s, q) && source_read(s);
}

/* A range that is lost, or another journal, belongs to what comes after it. */
static struct stamp const *time_of(struct source const *s) {
  for (uint32_t i = s->told; i < s->count; i++)
    if (s->pieces[i].what == FOLLOW_RECORD) return &s->pieces[i].record.at;
  return 0;
}

static struct source *earliest(struct source *sources, unsigned count) {
  struct source *first = 0;

  for (unsigned i = 0; i < count; i++) {
    struct source *s = &sources[i];
    struct stamp const *at, *before;
    if (s->told == s->count) continue;
    at = time_of(s);
    before = first ? time_of(first) : 0;
    if (!first || !at || (before && stamp_compare(at, before) < 0)) first = s;
  }
  return first;
}

void sources_print(struct source *sources, unsigned count, struct request const *q) {
  struct source *s;

  while ((s = earliest(sources, count)))
    print_piece(q, s->follow.dir, &s->pieces[s->told++]);
  for (unsigned i = 0; i < count; i++)
    sources[i].told = sources[i].count = 0;
}
