/* Ended for good: the mark in the state by which a scanner knows that an essential service is
 * over, and the poke that makes it look. */

#include <skalibs/nonposix.h>

#include <string.h>

#include <lares/path.h>

#include "supervise.h"

static int is_over(struct supervisor const *s, struct machine const *before,
                   machine_deeds deeds) {
  struct machine const *m = &s->state.machine;

  if (m->state == STATE_DONE) return 1;
  if (m->state == STATE_FAILED) return !s->definition.retry_failed;
  /* A once that is over by itself. */
  return m->state == STATE_DOWN && before->want == WANT_ONCE && m->want == WANT_DOWN &&
         deeds & DO_WANT_DOWN && !s->command && !(m->flags & FLAG_LEAVING);
}

void over_follow(struct supervisor *s, struct machine const *before, machine_deeds deeds) {
  if (s->state.machine.state == before->state) return;
  s->state.marks &= (uint16_t)~MARK_OVER;
  if (is_over(s, before, deeds)) s->state.marks |= MARK_OVER;
  s->over_untold = s->state.marks & MARK_OVER && s->definition.has & HAS_ESSENTIAL;
}

/* When it cannot be told now (there is no scanner, or its FIFO is full) the next scanner looks
 * for itself, and the next supervisor tells again. */
void over_tell(struct supervisor *s) {
  char path[4096];

  if (!s->over_untold) return;
  s->over_untold = 0;
  if (s->wired && !s->is_log && s->needs.scan &&
      path_join(path, sizeof path, s->needs.scan, ".lares/control"))
    (void)channel_poke(path, "E");
}
