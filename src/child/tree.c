/* Descendants. As subreaper we inherit what a dead process leaves, so the tree of a service is
 * what /proc/self/task/TID/children names and what those name in turn (walk.h: or the parents
 * of all in /proc, which takes longer).
 *
 * A pid read from a list of children is a child of ours or of a process below us. A child of
 * ours cannot vanish before we reap it; one further down can, and its number could be taken by
 * a stranger between the reading and the signal. It is opened as pidfd first and its parent
 * asked again: only then is it signalled. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "stat.h"
#include "walk.h"

int tree_adopt_orphans(void) {
#ifdef PR_SET_CHILD_SUBREAPER
  return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
#else
  return 0;
#endif
}

struct walk {
  struct tree_search *search;
  pid_t self;
  unsigned depth;
};

/* A process further down is signalled through its pidfd, and only if, once that is open, it
 * still is its parent's child. Without pidfds the window between the two is a few microseconds.
 */
static void signal_below(pid_t parent, pid_t pid, int sig) {
  struct process_stat ps;
  int fd = sys_pidfd_open(pid);

  if (fd < 0 && errno == ESRCH) return;
  if (process_stat_read(pid, &ps) && ps.parent == parent) {
    if (fd >= 0)
      sys_pidfd_send_signal(fd, sig, 0);
    else
      kill(pid, sig);
  }
  if (fd >= 0) close(fd);
}

static void signal_one(struct walk *walk, pid_t parent, pid_t pid, int sig) {
  if (parent == walk->self)
    kill(pid, sig); /* ours and unreaped */
  else
    signal_below(parent, pid, sig);
}

/* A child of ours that is not reaped has its group as long, and all of that are in a session
 * which one of our descendants made. To kill the group is to kill whom its members are forking
 * just now: who forks and ends for ever can outrun whatever goes by lists. */
static void kill_group_of(pid_t pid) {
  pid_t group = getpgid(pid);

  if (group > 1 && group != getpgrp() && getsid(pid) != getsid(0)) kill(-group, SIGKILL);
}

static void visit(void *context, pid_t parent, pid_t pid) {
  struct walk *walk = context;
  struct tree_search *search = walk->search;
  int counts = !search->group || getpgid(pid) == search->group;

  for (unsigned i = 0; i < TREE_EXCEPT; i++)
    if (pid == search->except[i]) return;
  if (!search->shallow && walk->depth < DEPTH_MAX) {
    walk->depth++;
    walk_children(pid, visit, walk);
    walk->depth--;
  }
  if (!counts) return;
  search->found++;
  if (!search->first) search->first = pid;
  if (!search->sig) return;
  if (search->sig != SIGKILL && search->unless && cgroup_has(search->unless, pid)) return;
  signal_one(walk, parent, pid, search->sig);
  if (search->sig == SIGKILL && !search->group && !search->except[0] && parent == walk->self)
    kill_group_of(pid);
  if (walk_is_for_running(search->sig)) signal_one(walk, parent, pid, SIGCONT);
}

void tree_search(struct tree_search *search) {
  struct walk walk = {.search = search, .self = getpid()};

  int32_t wstat;
  pid_t pid;

  search->found = 0;
  search->first = 0;
  search->unknown = 0;
  /* Mostly nobody is left, which can be asked without a descriptor, and in a tenth of the time.
   */
  if (child_peek_any(&pid, &wstat) < 0 && errno == ECHILD) return;
  /* Where nobody can be seen, nobody is taken to be left: a stop would never end. Whoever began
   * so has said it (tree_is_visible). */
  search->unknown = !walk_children(walk.self, visit, &walk) && errno != ENOSYS;
}

void tree_signal_below(pid_t pid, int sig) {
  struct tree_search search = {.sig = sig};
  struct walk walk = {.search = &search, .self = getpid(), .depth = 1};

  walk_children(pid, visit, &walk);
}
