/* The loop. lares-svscan starts it when SCAN/.lares/notify is there, writes a byte to its
 * standard input when there may be other services, and closes that when it is to come to an
 * end; then what has happened is told, as far as END_MS allows. Whatever becomes of it, nobody
 * else waits for it: who follows reads supervise/told. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>
#include <skalibs/selfpipe.h>
#include <skalibs/sgetopt.h>
#include <skalibs/sig.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/option.h>
#include <lares/shortage.h>

#include "svnotify.h"

#define USAGE "lares-svnotify [-h] [-t ms] [scandir]"
#define HELP                                                                                   \
  USAGE                                                                                        \
  "\n"                                                                                         \
  "Runs SCANDIR/.lares/notify for each change of state of its services, until standard\n"      \
  "input ends.\n"                                                                              \
  "  -t  a run that takes longer than so many milliseconds is killed (10000; 0 never)\n"       \
  "  -h  this text"

char const *PROG = "lares-svnotify";

static char const *options_parse(struct notifier *n, int argc, char const *const *argv) {
  subgetopt l = SUBGETOPT_ZERO;
  int letter;

  option_version(argc, argv);
  if (argc == 2 && !strcmp(argv[1], "--help")) option_help(HELP);
  while ((letter = subgetopt_r(argc, argv, ":ht:", &l)) != -1)
    switch (letter) {
    case 'h':
      option_help(HELP);
    case 't':
      if (!uint320_scan(l.arg, &n->timeout_ms))
        strerr_dief(EXIT_USAGE, "-t: milliseconds are expected, 0 to 4294967295, not ", l.arg);
      break;
    default:
      option_die(argv, &l, letter, USAGE);
    }
  if (argc - l.ind > 1)
    strerr_dief(EXIT_USAGE, "more than one scan directory: ", argv[l.ind + 1]);
  return l.ind < argc ? argv[l.ind] : ".";
}

/* Another one may still be at its last words. Held as long as we live. */
static void take_lock(char const *dir) {
  int fd = open(HOOK_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

  if (fd < 0 && errno == ENOENT)
    strerr_dief(EXIT_USAGE, "no .lares in ", dir, ": no scanner has ever run there");
  if (fd < 0) strerr_diefusys(EXIT_SYSTEM, "open " HOOK_LOCK " in ", dir);
  while (flock(fd, LOCK_EX) < 0)
    if (errno != EINTR) strerr_diefusys(EXIT_SYSTEM, "lock " HOOK_LOCK);
}

/* Not to be able to look is no answer. */
static int is_hook_there(struct notifier *n) {
  struct stat st;

  if (access(HOOK, X_OK) < 0 || stat(HOOK, &st) < 0) {
    if (is_shortage(errno)) strerr_diefusys(EXIT_SYSTEM, "look at " HOOK);
    return 0;
  }
  if (!S_ISREG(st.st_mode)) return 0;
  stamp_from_timespec(&n->since, &st.st_ctim);
  return 1;
}

/* Two descriptors for a service, and one for its directory. */
static void raise_limit(struct notifier *n) {
  struct rlimit limit;

  if (getrlimit(RLIMIT_NOFILE, &n->files) < 0) return;
  limit = n->files;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int catch_signals(void) {
  sigset_t set;
  int fd;

  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (!sig_restore(SIGCHLD) || (fd = selfpipe_init()) < 0 || !sig_altignore(SIGPIPE) ||
      !selfpipe_trapset(&set))
    strerr_diefusys(EXIT_SYSTEM, "catch signals");
  return fd;
}

static void begin_to_end(struct notifier *n) {
  if (n->ending) {
    n->end = clock_now(); /* told again: at once */
    return;
  }
  n->ending = 1;
  n->end = deadline_add_ms(clock_now(), END_MS);
  watched_list(n);
}

static void read_signals(struct notifier *n) {
  int sig;

  while ((sig = selfpipe_read()) > 0)
    if (sig == SIGCHLD)
      run_reap(n);
    else
      begin_to_end(n);
  if (sig < 0) clock_pause(FOLLOW_LOOK_MS); /* or it would wake us at once again */
}

static void read_input(struct notifier *n) {
  char bytes[256];
  ssize_t got = fd_read(0, bytes, sizeof bytes);

  if (got > 0)
    watched_list(n);
  else if (is_input_end(0, got))
    begin_to_end(n);
  else if (errno == EAGAIN || errno == EINTR)
    return;
  else if (is_shortage(errno)) {
    if (!n->unreadable) report_warning_errno("unable to read standard input; trying again");
    n->unreadable = 1;
    clock_pause(FOLLOW_LOOK_MS);
  } else
    strerr_diefusys(EXIT_SYSTEM, "read standard input");
}

/* Everybody in turn. */
static void serve(struct notifier *n) {
  if (!deadline_passed(n->hold, clock_now())) return;
  for (unsigned i = 0; i < n->count && n->running < RUNS_MOST; i++) {
    struct watched *w = n->all[(n->next + i) % n->count];
    if (w->pid || !watched_read(n, w)) continue;
    run_hook(n, w);
    if (n->hook_gone || !w->pid) return;
  }
  if (n->count) n->next = (n->next + 1) % n->count;
}

static int is_idle(struct notifier const *n) {
  for (unsigned i = 0; i < n->count; i++)
    if (n->all[i]->pid || n->all[i]->count || (n->all[i]->more && n->all[i]->is_open)) return 0;
  return 1;
}

static struct deadline next_deadline(struct notifier const *n) {
  struct deadline next = n->end;
  unsigned waiting = 0;

  next = deadline_earlier(next, n->list);
  for (unsigned i = 0; i < n->count; i++) {
    next = deadline_earlier(next, n->all[i]->look);
    if (n->all[i]->pid) next = deadline_earlier(next, n->all[i]->until);
    waiting += !n->all[i]->pid && (n->all[i]->count || n->all[i]->more);
  }
  return waiting && n->hold.ns ? deadline_earlier(next, n->hold) : next;
}

static void wait_for_something(struct notifier *n, struct pollfd *fds) {
  struct deadline now;

  for (unsigned i = 0; i < n->count; i++) {
    struct watched *w = n->all[i];
    fds[2 * i + 2] = fds[2 * i + 3] = (struct pollfd){.fd = -1};
    if (w->is_open) follow_watch(&w->follow, fds + 2 * i + 2);
  }
  if (clock_poll(fds, 2 * n->count + 2, next_deadline(n)) < 0) clock_pause(100);
  now = clock_now();
  for (unsigned i = 0; i < n->count; i++) {
    struct watched *w = n->all[i];
    struct state_record state;
    if (w->is_open && follow_woken(&w->follow, fds + 2 * i + 2)) {
      w->latest = follow_state(&w->follow, &state) ? state.sequence : UINT64_MAX;
      w->more = 1;
    }
    if (deadline_passed(w->look, now)) watched_try_open(n, w);
  }
  run_deadlines(n, now);
}

static void loop(struct notifier *n, int signals) {
  struct pollfd *fds = 0;
  unsigned room = 0;

  watched_list(n);
  for (;;) {
    serve(n);
    watched_remove_gone(n);
    if (n->hook_gone || (n->ending && (is_idle(n) || deadline_passed(n->end, clock_now()))))
      break;
    if (!fds || n->count >= room) {
      struct pollfd *more = realloc(fds, (4 * (size_t)n->count + 64) * sizeof *fds);
      if (!more) strerr_diefusys(EXIT_SYSTEM, "follow so many services");
      fds = more;
      room = 2 * n->count + 31;
    }
    fds[0] = (struct pollfd){.fd = signals, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = n->ending ? -1 : 0, .events = POLLIN};
    wait_for_something(n, fds);
    if (fds[0].revents) read_signals(n);
    if (fds[1].revents) read_input(n);
    if (deadline_passed(n->list, clock_now())) watched_list(n);
  }
  free(fds);
}

int main(int argc, char const *const *argv) {
  struct notifier n = {.timeout_ms = 10000, .end = DEADLINE_NEVER, .list = DEADLINE_NEVER};
  char const *dir = options_parse(&n, argc, argv);
  int signals;

  if (chdir(dir) < 0) strerr_diefusys(EXIT_SYSTEM, "use scan directory ", option_shown(dir));
  take_lock(dir);
  if (!is_hook_there(&n)) {
    report_start("svnotify");
    watched_list(&n);
    watched_forget_all(&n);
    return EXIT_DONE;
  }
  raise_limit(&n);
  signals = catch_signals();
  report_start("svnotify");
  loop(&n, signals);
  if (n.hook_gone) watched_forget_all(&n);
  for (unsigned i = 0; i < n.count; i++) {
    if (n.all[i]->pid) kill(-n.all[i]->pid, SIGKILL);
    n.all[i]->is_listed = n.all[i]->more = n.all[i]->count = 0;
    n.all[i]->pid = 0;
  }
  watched_remove_gone(&n); /* the FIFOs */
  return EXIT_DONE;
}
