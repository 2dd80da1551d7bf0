/* Whom a stop has to end besides the main process: who they are, by kill-mode, signals to them,
 * and waiting for the last.
 *
 * As subreaper we are the parent of whatever the service leaves behind, and hear of each end.
 * What an adopted process leaves goes elsewhere: those are found by the id they bear, and one
 * of them is waited for at a time. MARK_ORPHANED in the state says that there may be such.
 */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <lares/report.h>

#include "supervise.h"

#define LOOK_MS 20     /* between two looks where nobody tells of an end */
#define NAME_MS 100    /* of a stop, until what it waits for is found out and shown */
#define UNREST_MOST 50 /* looks at lists that changed, then nobody found is nobody there */

#define KILL_ROUNDS 50 /* then commands are read */
#define UNREST_TRIES 4 /* at once */

struct census {
  int sig; /* sent to all that are found, 0 none */
  pid_t except, group;
  uint8_t shallow;
  /* out */
  unsigned count;
  pid_t first;
  uint8_t unknown; /* there may be more: they cannot be listed just now */
};

void rest_begin(struct supervisor *s) {
  s->rest = (struct rest){.stray = -1, .name_at = DEADLINE_NEVER};
}

static void forget_stray(struct supervisor *s) {
  if (s->rest.stray >= 0) close(s->rest.stray);
  s->rest.stray = -1;
}

/* --- who they are ----------------------------------------------------------------------------
 */

/* Processes of our own are none of the service. The first place is left for the main process.
 */
static void except_ours(struct supervisor const *s, pid_t except[TREE_EXCEPT]) {
  except[1] = s->probe;
  for (unsigned i = 0; i < HELPER_USES; i++)
    except[2 + i] = s->helpers[i].pid;
}

/* While the main process lives, who of the cgroup descends from it cannot be told. */
static void search_cgroup(struct supervisor *s, struct census *census) {
  struct tree_search members = {.group = census->group, .sig = census->sig};

  if (s->cgroup.dir < 0 || (census->except && !census->sig)) return;
  if (census->sig == SIGKILL && !census->group && cgroup_kill(&s->cgroup)) return;
  cgroup_search(&s->cgroup, &members);
  census->unknown |= members.unknown;
  census->count = members.found;
  census->first = members.first;
}

static void search_tree(struct supervisor *s, struct census *census) {
  struct tree_search tree = {.group = census->group,
                             .sig = census->sig,
                             .unless = s->cgroup.dir >= 0 ? &s->cgroup : 0,
                             .shallow = census->shallow};

  except_ours(s, tree.except);
  tree.except[0] = census->except;
  tree_search(&tree);
  census->unknown |= tree.unknown;
  if (census->count < tree.found) census->count = tree.found; /* most are in the cgroup, too */
  if (!census->first) census->first = tree.first;
}

/* One of those found is kept, to be told of its end. (Where descriptors or memory are short
 * nothing is known, which rest_next asks again.) */
static void keep_stray(struct supervisor *s, struct stray_search const *strays) {
  forget_stray(s);
  s->rest.stray = strays->pidfd;
  s->rest.polled = strays->pidfd < 0 && (strays->found || strays->restless);
  if (strays->found || !strays->restless)
    s->rest.unrest = 0;
  else if (s->rest.unrest < UNREST_MOST)
    s->rest.unrest++;
}

static struct stray_search strays_for(struct supervisor const *s, struct census const *census) {
  return (struct stray_search){.id = {.boot = s->abilities.boot, .service = s->service},
                               .reaper = s->state.reaper,
                               .session = s->state.session,
                               .until = s->state.until,
                               .group = census->group,
                               .except = census->except,
                               .sig = census->sig,
                               .cgroup = s->cgroup.dir >= 0 ? &s->cgroup : 0};
}

static void search_strays(struct supervisor *s, struct census *census) {
  struct stray_search strays = strays_for(s, census);

  if (!(s->state.marks & MARK_ORPHANED)) return;
  if (s->state.marks & MARK_ADOPTED) strays.reaper = process_parent(s->child.who.pid);
  for (unsigned i = 0; i < UNREST_TRIES; i++) {
    strays_search(&strays);
    if (strays.found || strays.unknown || !strays.restless) break;
  }
  census->unknown |= strays.unknown;
  s->state.unattributed = strays.unmarked;
  keep_stray(s, &strays);
  if (s->cgroup.dir < 0)
    census->count += strays.found;
  else if (census->count < strays.found)
    census->count = strays.found;
  if (!census->first) census->first = strays.first;
  /* Nobody is anywhere who is this service's, or may be. */
  if (!strays.found && !strays.restless && !strays.unknown && !strays.unmarked &&
      !census->group && !(s->state.marks & MARK_ADOPTED))
    s->state.marks &= (uint16_t)~MARK_ORPHANED;
}

static void search_all(struct supervisor *s, struct census *census) {
  search_cgroup(s, census);
  search_tree(s, census);
  search_strays(s, census);
}

/* With nobody of ours in it the number of our process group may be that of strangers. What
 * cannot be listed is believed to be ours. */
int rest_knows_group(struct supervisor *s) {
  struct census census = {.group = s->state.group};
  struct stray_search strays = strays_for(s, &census);

  if (census.group <= 1) return 0;
  if (census.group == s->unreaped || !process_group_lives(census.group)) return 1;
  search_cgroup(s, &census);
  search_tree(s, &census);
  if (s->state.marks & MARK_ORPHANED) {
    strays_search(&strays);
    if (strays.pidfd >= 0) close(strays.pidfd);
    census.count += strays.found;
    census.unknown |= strays.unknown | strays.restless;
  }
  return census.count || census.unknown;
}

/* By kill-mode: 1, or 0 when a stop ends nobody. */
static int whom_to_end(struct supervisor const *s, struct census *census) {
  if (s->definition.kill_mode == KILL_GROUP) census->group = s->state.group;
  return s->definition.kill_mode == KILL_TREE ||
         (s->definition.kill_mode == KILL_GROUP && s->state.group > 0);
}

/* Of a group in a cgroup, in which others live on: nobody tells of its end. */
static void watch_one(struct supervisor *s, struct census const *census) {
  if (!census->first || s->rest.stray >= 0) return;
  s->rest.stray = process_watch(census->first);
  s->rest.polled = s->rest.stray < 0;
}

/* Who reads this has been told, as the kernel sees it, and is not woken: nobody else may, who
 * does not ask here afterwards. */
static unsigned is_cgroup_populated(struct supervisor const *s) {
  return s->cgroup.dir >= 0 && !s->child.who.pid && cgroup_is_populated(&s->cgroup) > 0;
}

/* A stop that waits without an end in sight shall not do so in silence. */
static void say_unknown(struct supervisor *s, int unknown) {
  if (unknown && !s->said_no_look)
    report_warning("unable to see whether anybody of the service is left, descriptors or "
                   "memory are short; the stop waits, trying again");
  s->said_no_look = unknown != 0;
}

/* Once, at the beginning: what is not seen is not ended, and does not hold a stop up. */
void rest_say_unseen(struct supervisor const *s) {
  if (s->resumed || s->cgroup.dir >= 0 || tree_is_visible() || errno != ENOSYS) return;
  report_warning("unable to see the descendants of the service, as /proc is missing or of "
                 "another pid namespace: a stop neither ends them nor waits for them");
}

int rest_lives(struct supervisor *s) {
  struct census census = {.except = s->child.who.pid};

  s->rest.polled = s->rest.unknown = 0;
  if (!whom_to_end(s, &census)) return 0;
  if (census.group) {
    search_all(s, &census);
    watch_one(s, &census);
  } else {
    census.count = is_cgroup_populated(s);
    census.shallow = 1; /* whoever is left of a tree is a child of ours */
    search_tree(s, &census);
    search_strays(s, &census);
  }
  s->rest.unknown = census.unknown;
  say_unknown(s, census.unknown && !census.count);
  /* A check that was killed has not gone yet. */
  if (s->state.machine.state == STATE_STOPPING && helper_runs(s, HELPER_CHECK)) return 1;
  if (census.count || census.unknown || (s->rest.unrest && s->rest.unrest < UNREST_MOST))
    return 1;
  s->rest.none = !census.group;
  return 0;
}

uint32_t rest_count(struct supervisor *s) {
  struct census census = {.except = s->child.who.pid, .shallow = 1};

  search_all(s, &census);
  return census.unknown ? s->state.rest : census.count;
}

/* --- what is done to them --------------------------------------------------------------------
 */

void rest_signal(struct supervisor *s, int sig) {
  struct census census = {.sig = sig};

  s->rest.touched = 1;
  if (forking_is_unsettled(s)) {
    forking_signal(s, sig);
    if (s->state.machine.stop != STOP_FULL) return;
  }
  if (!whom_to_end(s, &census)) return;
  /* Those that KILL leaves without a parent come to us: no need to look for them. */
  census.shallow = sig == SIGKILL && !census.group;
  search_all(s, &census);
  s->rest.untold = census.unknown ? (uint8_t)sig : 0;
}

void rest_kill(struct supervisor *s) {
  s->rest.killing = 1;
  rest_signal(s, SIGKILL);
}

/* --- waiting --------------------------------------------------------------------------------
 */

void rest_recount(struct supervisor *s) {
  if (!s->state.rest || s->state.machine.state == STATE_STOPPING) return;
  s->state.rest = rest_count(s);
  s->unshown = 1;
  show(s, "", 0);
}

int rest_events(struct supervisor const *s) {
  return s->state.machine.state == STATE_STOPPING ? s->cgroup.events : -1;
}

void rest_cgroup_changed(struct supervisor *s) {
  if (cgroup_is_populated(&s->cgroup) < 0) cgroup_close(&s->cgroup);
}

void rest_ended(struct supervisor *s) {
  forget_stray(s);
  rest_recount(s);
}

void rest_follow(struct supervisor *s) {
  if (s->state.machine.state == STATE_STOPPING) {
    if (s->rest.name_at.ns == DEADLINE_NEVER.ns)
      s->rest.name_at = deadline_add_ms(clock_now(), NAME_MS);
    return;
  }
  forget_stray(s);
  s->rest.killing = s->rest.polled = s->rest.unrest = s->rest.named = s->rest.stale = 0;
  s->rest.unknown = s->rest.untold = 0;
  s->rest.name_at = DEADLINE_NEVER;
  s->state.awaited = 0;
  memset(s->state.awaited_name, 0, sizeof s->state.awaited_name);
}

/* Whom does the stop wait for? Shown when it takes long enough for somebody to ask. */
static void name_awaited(struct supervisor *s) {
  struct state_record *r = &s->state;
  struct census census = {.except = s->child.who.pid};
  pid_t before = r->awaited;
  uint32_t count = r->rest;

  s->rest.named = 1;
  s->rest.stale = 0;
  s->rest.name_at = deadline_add_ms(clock_now(), NAME_MS);
  (void)whom_to_end(s, &census);
  search_all(s, &census);
  r->awaited = s->child.who.pid ? s->child.who.pid : census.first;
  r->rest = census.count;
  if (r->awaited == before && r->rest == count) return;
  process_name(r->awaited, r->awaited_name);
  s->unshown = 1;
  show(s, "", 0);
}

/* Whoever forks and ends for ever is outrun only by who does nothing else for a while; but a
 * list is trusted to be whole only when nobody has ended since it was read. */
static void kill_on(struct supervisor *s) {
  for (unsigned i = 0; s->rest.killing && i < KILL_ROUNDS; i++) {
    rest_signal(s, SIGKILL);
    if (!reap(s) || s->quit) break;
  }
  s->rest.touched = 0;
}

/* Whether somebody lives is asked last: with that it is settled what will wake us. */
void rest_look(struct supervisor *s) {
  struct machine const *m = &s->state.machine;

  s->rest.touched = 0;
  if (m->state != STATE_STOPPING || s->quit || s->state.marks & MARK_HELD) return;
  kill_on(s);
  if (s->rest.untold && !s->rest.killing) rest_signal(s, s->rest.untold);
  s->rest.touched = 0;
  if (m->state != STATE_STOPPING || s->quit) return;
  s->rest.stale = s->rest.named;
  if (deadline_passed(s->rest.name_at, clock_now())) name_awaited(s);
  if (m->role == ROLE_NONE && !rest_lives(s)) happen(s, EVENT_EMPTY);
}

struct deadline rest_next(struct supervisor const *s) {
  struct deadline next = DEADLINE_NEVER;

  if (s->state.machine.state != STATE_STOPPING || s->state.marks & MARK_HELD) return next;
  if (s->rest.touched) return clock_now();
  if (!s->rest.named || s->rest.stale) next = s->rest.name_at;
  if (s->rest.polled) next = deadline_earlier(next, deadline_add_ms(clock_now(), LOOK_MS));
  if (s->rest.unknown || s->rest.untold)
    next = deadline_earlier(next, deadline_add_ms(clock_now(), RETRY_MS));
  return next;
}
