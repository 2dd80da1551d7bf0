/* What a service left behind that is no descendant of its supervisor: found among the children
 * of those who reap here, by what it says of itself.
 *
 * The environment is read as it was at the process' last exec. It is evidence, not proof
 * against a liar: a process can wipe its own, and then is left alone and only counted; it could
 * bear another service's only by being started with it, which takes the same user or root.
 *
 * Lists of children are read while they change. A process can fork and end, and its child come
 * to the reaper, in places of the list that were read already or have moved. None of it can
 * happen without the reaper reaping, and that is seen: its count of its dead children's page
 * faults rises.
 */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "stat.h"
#include "walk.h"

struct hunt {
  struct stray_search *search;
  pid_t ancestors[ANCESTORS_MAX]; /* we are the first */
  unsigned ancestor_count;
  unsigned depth;
  pid_t reaper;       /* the one whose reaping is unrest, 0 all */
  uint8_t at_scanner; /* the reaper that is looked at is the scanner that started us */
  uint8_t proven;     /* what is looked at descends from a stray */
};

static int is_ancestor(struct hunt const *hunt, pid_t pid) {
  for (unsigned i = 0; i < hunt->ancestor_count; i++)
    if (hunt->ancestors[i] == pid) return 1;
  return 0;
}

static int is_of_session(struct stray_search const *search, struct process_stat const *ps) {
  return search->session > 0 && ps->session == search->session && ps->start <= search->until;
}

static void send(pid_t pid, int pidfd, int sig) {
  if (pidfd >= 0)
    sys_pidfd_send_signal(pidfd, sig, 0);
  else
    kill(pid, sig);
}

static void look(void *context, pid_t parent, pid_t pid);

static void descend(struct hunt *hunt, pid_t pid, int proven) {
  uint8_t before = hunt->proven;

  if (hunt->depth == DEPTH_MAX) return;
  hunt->depth++;
  hunt->proven = (uint8_t)proven;
  walk_children(pid, look, hunt);
  hunt->proven = before;
  hunt->depth--;
}

/* It stands still while its children are looked at: one that is born and bears no mark could
 * not be told from a stranger once this one is dead. */
static void take(struct hunt *hunt, pid_t pid, int pidfd, struct process_stat const *ps) {
  struct stray_search *search = hunt->search;
  int counts = !search->group || ps->group == search->group;
  int sig = search->sig;

  if (sig && sig != SIGKILL && search->cgroup && cgroup_has(search->cgroup, pid)) sig = 0;
  if (counts && sig == SIGKILL) send(pid, pidfd, SIGSTOP);
  descend(hunt, pid, 1);
  if (!counts) return;
  search->found++;
  if (sig) send(pid, pidfd, sig);
  if (walk_is_for_running(sig)) send(pid, pidfd, SIGCONT);
}

/* Who has gone meanwhile was seen by the reaper; but want of descriptors or memory says nothing
 * of anybody. */
static void missed(struct stray_search *search) {
  if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
    search->unknown = 1;
  else
    search->restless = 1;
}

/* pidfd: borrowed, -1 when the system has none. */
static void look_closer(struct hunt *hunt, pid_t parent, pid_t pid, int pidfd) {
  struct stray_search *search = hunt->search;
  enum stray_mark mark = hunt->proven ? STRAY_MATCHES : stray_mark_of(pid, &search->id);
  struct process_stat ps;

  if (mark == STRAY_OTHERS) return;
  if (mark == STRAY_UNREADABLE && (errno == EMFILE || errno == ENFILE)) search->unknown = 1;
  if (!process_stat_read(pid, &ps)) {
    missed(search);
    return;
  }
  if (ps.parent != parent) {
    search->restless = 1;
    return;
  }
  if (process_stat_is_dead(&ps)) return;
  if (mark == STRAY_MATCHES || is_of_session(search, &ps) ||
      (search->cgroup && cgroup_has(search->cgroup, pid))) {
    take(hunt, pid, pidfd, &ps);
    return;
  }
  if (!ps.size) { /* it is about to be a zombie: what it was cannot be read any more */
    search->restless = 1;
    return;
  }
  if (hunt->at_scanner && !hunt->depth && !(search->cgroup && cgroup_has_claimed(pid)))
    search->unmarked++;
  descend(hunt, pid, 0);
}

static void look(void *context, pid_t parent, pid_t pid) {
  struct hunt *hunt = context;
  struct stray_search *search = hunt->search;
  unsigned before = search->found;
  int pidfd;

  if (pid == search->except || is_ancestor(hunt, pid)) return;
  /* Most are supervisors, or other services': that is seen without a descriptor. */
  if (!hunt->proven && stray_mark_of(pid, &search->id) == STRAY_OTHERS) return;
  pidfd = sys_pidfd_open(pid);
  if (pidfd < 0 && errno != ENOSYS) {
    missed(search);
    return;
  }
  look_closer(hunt, parent, pid, pidfd);
  if (search->found > before && search->pidfd < 0 && pidfd >= 0) {
    search->first = pid;
    search->pidfd = pidfd;
  } else if (pidfd >= 0)
    close(pidfd);
  if (search->found && !search->first) search->first = pid;
}

static int is_scanner(struct process_stat const *ps) {
  size_t len = strlen(ps->name);

  return len >= 6 && !strcmp(ps->name + len - 6, "svscan");
}

static void look_below(struct hunt *hunt, pid_t reaper) {
  struct process_stat before, after;

  if (!process_stat_read(reaper, &before)) {
    if (errno != ENOENT && errno != ESRCH) missed(hunt->search);
    return;
  }
  hunt->at_scanner = reaper == hunt->ancestors[1] && is_scanner(&before);
  if (!walk_children(reaper, look, hunt) && errno != ENOENT && errno != ESRCH &&
      errno != ENOSYS)
    missed(hunt->search);
  if (hunt->reaper && reaper != hunt->reaper) return;
  if (!process_stat_read(reaper, &after) || after.child_faults != before.child_faults)
    hunt->search->restless = 1;
}

/* From us up to pid 1 or to where the name space ends. */
static void find_ancestors(struct hunt *hunt) {
  struct process_stat ps;
  pid_t pid = getpid();

  while (pid > 0 && hunt->ancestor_count < ANCESTORS_MAX) {
    hunt->ancestors[hunt->ancestor_count++] = pid;
    if (pid == 1) return;
    if (!process_stat_read(pid, &ps)) {
      missed(hunt->search);
      return;
    }
    pid = ps.parent;
  }
}

void strays_search(struct stray_search *search) {
  struct hunt hunt = {.search = search};
  struct process_stat ps;

  search->found = search->unmarked = 0;
  search->first = 0;
  search->pidfd = -1;
  search->restless = search->unknown = 0;
  find_ancestors(&hunt);
  if (search->reaper > 0 && process_stat_read(search->reaper, &ps))
    hunt.reaper = search->reaper;
  for (unsigned i = 1; i < hunt.ancestor_count; i++)
    look_below(&hunt, hunt.ancestors[i]);
  if (hunt.reaper && !is_ancestor(&hunt, hunt.reaper)) look_below(&hunt, hunt.reaper);
}
