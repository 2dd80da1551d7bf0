/* Which session the processes of a service are in: proof of whose those are that it has left
 * elsewhere and that say nothing of themselves (strays.c). It is kept in the state, as its
 * number is all that is left of it once the main process has ended, whoever supervises then.
 *
 * A session's number can be another's once all of it have ended. Who is of it and began while
 * the main process was there is of this one. The tick that is not over counts: numbers go
 * round, and for this one to come again in it, the system would have to go through all of them.
 * (Without it, what a service starts in the very tick in which it is adopted and ends would be
 * nobody's.)
 */

#include <skalibs/nonposix.h>

#include <unistd.h>

#include "supervise.h"

/* A number alone proves nothing, as the records of a process that has ended may have it. */
int main_is_there(struct supervisor const *s) {
  struct child const *c = &s->child;
  int32_t wstat;

  if (c->who.pid <= 0) return 0;
  if (!(s->state.marks & MARK_ADOPTED)) return child_peek(c->who.pid, &wstat) >= 0;
  return (c->pidfd >= 0 || c->who.start) && child_signal(c, 0);
}

/* As long as something of a session before may be elsewhere that one is remembered, but for the
 * session of who is adopted; and what `run` has left is more than what `finish` may leave. */
static int is_of_more_use(struct supervisor const *s) {
  enum machine_role role = s->state.machine.role;

  if (s->state.marks & MARK_ADOPTED) return role != ROLE_FINISH || !s->state.until;
  return role == ROLE_RUN && !(s->state.marks & MARK_ORPHANED);
}

/* The numbers are read before their owner is seen to be there. A child that was killed before
 * it had a session of its own is in ours, with the scanner and who started that: none of it is
 * the service's. */
void session_witness(struct supervisor *s) {
  struct state_record *r = &s->state;
  uint64_t now = process_clock();
  pid_t session = s->child.who.pid > 0 ? getsid(s->child.who.pid) : 0;

  if (session <= 0 || session == getsid(0) || !main_is_there(s)) return;
  if (session != r->session && !is_of_more_use(s)) return;
  r->session = session;
  r->until = now;
}

void session_born(struct supervisor *s) {
  if (!(s->state.marks & MARK_ORPHANED)) s->state.reaper = 0;
  session_witness(s);
}

void session_adopted(struct supervisor *s) {
  s->state.marks |= MARK_ORPHANED;
  s->state.reaper = process_parent(s->child.who.pid);
  session_witness(s);
}
