/* What everybody here needs and what needs nobody: saying a trouble once, and asking to be
 * looked at again at a deadline. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>

int trouble(struct scan *s, enum trouble which) {
  if (s->troubles & which) return 0;
  s->troubles |= which;
  return 1;
}

void trouble_over(struct scan *s, enum trouble which) {
  s->troubles &= ~(uint32_t)which;
}

void try_again(struct scan *s) {
  if (is_shortage(errno))
    scan_later(s, RETRY_MS);
  else if (errno == ENOSPC || errno == EDQUOT)
    scan_later(s, POLL_MS);
}

void need_look(struct scan *s, struct deadline at) {
  if (at.ns) s->next = deadline_earlier(s->next, at);
}
