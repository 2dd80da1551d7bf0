/* Which of the processes that a launcher has left is the daemon? Looked for at every turn as
 * long as none is chosen (forking.c). */

#include <skalibs/nonposix.h>

#include <signal.h>

#include "supervise.h"

#define LOOK_FIRST_MS 10 /* between two looks where nobody tells of changes */
#define LOOK_MOST_MS 500

void forking_look_first(struct supervisor *s) {
  s->left_wstat = WSTAT_UNKNOWN;
  s->left = (struct launch_rest){.count = 0};
  s->quiet = deadline_add_ms(clock_now(), FORKING_QUIET_MS);
  s->look_ms = LOOK_FIRST_MS;
}

/* The process that the pid file names, if it is one of ours: 1 with *main. */
int forking_named(struct supervisor *s, struct child *main, struct pid_file *file) {
  struct launch launch = forking_launch(s);
  enum launch_trust trust;

  if (!s->definition.has_pid_file || !pid_file_read(file)) return 0;
  trust = cgroup_has(&s->cgroup, file->pid) || pid_file_is_trusted(file, &s->state.changed)
              ? LAUNCH_SILENT
              : LAUNCH_ID;
  if (launch_has(&launch, file->pid, trust, main)) return 1;
  file->wrong = "names pid ";
  file->detail = ", no living process of this service";
  report_number(file->number, file->pid);
  return 0;
}

/* When to look again, unless a death makes us look before. */
static void look_later(struct supervisor *s, int is_asked_for) {
  struct deadline now = clock_now();

  s->look = DEADLINE_NEVER;
  if (!deadline_passed(s->quiet, now)) s->look = s->quiet;
  if (!is_asked_for) return;
  s->look = deadline_earlier(s->look, deadline_add_ms(now, s->look_ms));
  s->look_ms = s->look_ms * 2 < LOOK_MOST_MS ? s->look_ms * 2 : LOOK_MOST_MS;
}

static int has_failed(struct supervisor const *s) {
  return s->launch_wstat != 0 && s->launch_wstat != WSTAT_UNKNOWN;
}

/* Nobody is seen: is nobody there? What a dead supervisor's launcher has left may be changing
 * its environment just now, or have wiped it; then only its pid file will tell. */
static int is_over(struct supervisor const *s, int quiet) {
  if (!s->came_after) return 1;
  if (s->state.machine.state == STATE_STARTING && s->definition.has_pid_file && !has_failed(s))
    return 0;
  return quiet;
}

/* At every turn as long as no main process is chosen. */
void forking_look(struct supervisor *s) {
  struct launch launch = forking_launch(s);
  struct launch_rest left;
  struct pid_file file;
  struct child next;
  int quiet;

  if (s->forking == FORKING_SETTLED && deadline_passed(s->look, clock_now())) {
    forking_find_group(s);
    s->look = DEADLINE_NEVER;
    if (s->unshown) show(s, "", 0);
  }
  if (s->forking != FORKING_LEFT || s->quit) return;
  left = launch_rest(&launch);
  if (left.count != s->left.count || left.pid != s->left.pid)
    s->quiet = deadline_add_ms(clock_now(), FORKING_QUIET_MS);
  if (left.count && s->came_after)
    s->left_wstat = WSTAT_UNKNOWN; /* of whom comes after these */
  s->left = left;
  quiet = deadline_passed(s->quiet, clock_now());
  if (!left.count && !left.ended && is_over(s, quiet))
    process_ended(s, has_failed(s) ? s->launch_wstat : s->left_wstat);
  else if (s->state.machine.state == STATE_STOPPING) {
    if (s->rest.killing) forking_signal(s, SIGKILL);
    look_later(s, s->came_after);
  } else if (forking_named(s, &next, &file) ||
             (quiet && left.count == 1 && !s->definition.has_pid_file &&
              launch_has(&launch, left.pid, LAUNCH_ID, &next)))
    forking_settle(s, &next);
  else
    look_later(s, s->definition.has_pid_file || s->came_after);
}

/* It is ended, and most will be started again and again: said once until one has got there. */
static void say_late(struct supervisor *s, struct launch_rest const *left) {
  char number[REPORT_NUMBER];

  if (s->said_no_fork == s->forking) return;
  s->said_no_fork = s->forking;
  if (!left)
    report_warning("not in the background within timeout-start: `run' has not ended; it is "
                   "ended now. A program that stays in the foreground is not of type forking");
  else
    report_warning("not in the background within timeout-start: `run' has ended, processes "
                   "left: ",
                   report_number(number, left->count),
                   left->count > 1 ? ", and which of them is the service is not known; they "
                                     "are ended now"
                                   : "; ended now");
}

/* timeout-start has passed: 1 when it is settled all the same. A daemon that is there and is
 * one process is not ended for what its pid file says. */
int forking_in_time(struct supervisor *s) {
  struct launch launch = forking_launch(s);
  struct launch_rest left;
  struct pid_file file;
  struct child next;
  int one;

  if (!forking_is_unsettled(s) || s->state.machine.state != STATE_STARTING) return 0;
  if (s->forking == FORKING_LAUNCHING) {
    say_late(s, 0);
    return 0;
  }
  if (forking_named(s, &next, &file)) {
    forking_settle(s, &next);
    return 1;
  }
  left = launch_rest(&launch);
  one = left.count == 1 && launch_has(&launch, left.pid, LAUNCH_ID, &next);
  if (s->definition.has_pid_file)
    report_warning("pid-file: ", file.path, " ", file.wrong, file.number, file.detail,
                   one ? "; using the one process that is left" : "");
  if (one)
    forking_settle(s, &next);
  else
    say_late(s, &left);
  return one;
}
