/* What a launcher has left in the background: whose a process is when its parent is gone.
 *
 * A child of ours is the service's for certain; whether it came out of this start or is left
 * over from an earlier one, its environment tells (LARES_ID), or, where a program has written
 * its title over that, its age. A child of somebody else proves nothing by its age. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "stat.h"
#include "walk.h"

static struct service_id id_of(struct launch const *l) {
  return (struct service_id){
      .boot = l->who.boot, .instance = service_instance(&l->who), .service = l->service};
}

/* Inode numbers of pidfs are counted up, one a process. */
static int is_younger(struct launch const *l, pid_t pid) {
  struct identity who;

  if (!identity_of(l->abilities, pid, &who)) return 0;
  if (who.inode && l->who.inode) return who.inode > l->who.inode;
  return who.start >= l->who.start;
}

/* by_age: it counts when it says nothing and is young. */
static int is_of_launch(struct launch const *l, pid_t pid, int by_age) {
  struct service_id id = id_of(l);
  struct process_stat ps;

  if (pid == l->except || pid == l->who.pid || pid == getpid()) return 0;
  if (!process_stat_read(pid, &ps) || process_stat_is_dead(&ps)) return 0;
  switch (stray_mark_of(pid, &id)) {
  case STRAY_MATCHES:
    return 1;
  case STRAY_OTHERS:
    return 0;
  default:
    return by_age && is_younger(l, pid);
  }
}

struct look {
  struct launch const *launch;
  struct launch_rest rest;
  int sig; /* 0: only counted */
};

static void look_at_child(void *context, pid_t parent, pid_t pid) {
  struct look *look = context;

  struct process_stat ps;

  (void)parent;
  if (pid == look->launch->except || pid == look->launch->who.pid) return;
  if (!is_of_launch(look->launch, pid, 1)) {
    /* Asked for last: it may have forked and ended while it was looked at. */
    look->rest.ended += !process_stat_read(pid, &ps) || process_stat_is_dead(&ps);
    return;
  }
  look->rest.count++;
  look->rest.pid = pid;
  if (!look->sig) return;
  kill(pid, look->sig); /* ours and unreaped */
  tree_signal_below(pid, look->sig);
}

/* Of somebody else's children those that bear the id; what they have below them is part of
 * them. */
static struct stray_search look_elsewhere(struct launch const *l, pid_t except, int sig) {
  struct stray_search search = {.id = id_of(l), .except = except, .sig = sig};

  strays_search(&search);
  if (search.pidfd >= 0) close(search.pidfd);
  return search;
}

struct launch_rest launch_rest(struct launch const *l) {
  struct look look = {.launch = l};
  struct stray_search search;

  walk_children(getpid(), look_at_child, &look);
  if (!l->elsewhere) return look.rest;
  search = look_elsewhere(l, 0, 0);
  if (!search.found) return look.rest;
  look.rest.pid = search.first;
  look.rest.count += look_elsewhere(l, search.first, 0).found ? 2 : 1;
  return look.rest;
}

void launch_signal(struct launch const *l, int sig) {
  struct look look = {.launch = l, .sig = sig};

  walk_children(getpid(), look_at_child, &look);
  if (l->elsewhere) (void)look_elsewhere(l, 0, sig);
}

/* Is pid among `from` and its ancestors? */
static int is_above(pid_t from, pid_t pid) {
  struct process_stat ps;

  for (unsigned i = 0; from > 0 && i < ANCESTORS_MAX; i++) {
    if (from == pid) return 1;
    if (!process_stat_read(from, &ps)) break;
    from = ps.parent;
  }
  return 0;
}

static int is_named_rightly(struct launch const *l, pid_t pid, enum launch_trust trust) {
  struct process_stat ps;
  int is_below_us;

  if (!process_stat_read(pid, &ps)) return 0;
  is_below_us = is_above(ps.parent, getpid());
  if (!is_below_us && (!l->elsewhere || !is_above(getppid(), ps.parent))) return 0;
  return is_of_launch(l, pid, is_below_us || trust == LAUNCH_SILENT);
}

int launch_has(struct launch const *l, pid_t pid, enum launch_trust trust, struct child *main) {
  int32_t wstat;
  int fd = l->abilities->pidfd ? sys_pidfd_open(pid) : -1;

  *main = CHILD_NONE;
  if ((fd < 0 && l->abilities->pidfd && errno == ESRCH) || !is_named_rightly(l, pid, trust) ||
      !identity_of(l->abilities, pid, &main->who)) {
    if (fd >= 0) close(fd);
    return 0;
  }
  if (child_peek(pid, &wstat) >= 0) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  main->pidfd = fd;
  return 1;
}
