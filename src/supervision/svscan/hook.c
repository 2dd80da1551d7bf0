/* SCAN/.lares/notify: a program that is run for each change of state. We neither follow
 * services nor run it: lares-svnotify does, a child of ours, so that whatever the hook does
 * costs no service anything. We write a byte to its standard input when there may be other
 * services, and close that when it is to end. Where there is no hook there is no such child,
 * and nothing is done; the hook is looked for at the start and at a rescan.
 *
 * It keeps what it has told in supervise/told: one that died, or that belonged to another
 * scanner, is followed by one that goes on. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lares/path.h>
#include <lares/shortage.h>

#define HOOK ".lares/notify"
#define PROGRAM "lares-svnotify"
#define END_MS 5000 /* it takes 3 s at most by itself */
#define LAST_MS 500 /* from TERM to KILL */

/* Where lares-supervise is. */
static int find_program(struct scan const *s, char path[PATH_SIZE]) {
  size_t len;
  char const *base = path_base(s->supervise, &len);
  size_t dir = (size_t)(base - s->supervise);

  if (dir + sizeof PROGRAM > PATH_SIZE) return (errno = ENAMETOOLONG, 0);
  memcpy(path, s->supervise, dir);
  memcpy(path + dir, PROGRAM, sizeof PROGRAM);
  return 1;
}

static void start_again(struct scan *s, uint32_t ms) {
  s->hook.moment = deadline_add_ms(clock_now(), ms);
  need_look(s, s->hook.moment);
}

static void start(struct scan *s) {
  char path[PATH_SIZE];
  char const *argv[] = {PROGRAM, 0};
  int fds[2], failed = 0, started;

  s->hook.moment = DEADLINE_NEVER;
  if (!find_program(s, path) || pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
    if (trouble(s, TROUBLE_HOOK)) report_warning_errno("unable to run " PROGRAM);
    return start_again(s, RETRY_MS);
  }
  started = spawn_giving(s, path, argv, 0, fds[0], &s->hook.pid, &failed);
  close(fds[0]);
  if (!started) {
    s->hook.pid = 0;
    close(fds[1]);
    if (trouble(s, TROUBLE_HOOK)) report_warning_errno("unable to run " PROGRAM);
    return start_again(s, RETRY_MS);
  }
  s->hook.pipe = fds[1];
  s->hook.started = clock_now();
  if (failed && trouble(s, TROUBLE_HOOK)) {
    errno = failed;
    report_warning_errno("unable to run ", path);
  }
}

/* Where that cannot be known just now the program asks again. */
static int is_there(void) {
  return !access(HOOK, X_OK) || is_shortage(errno);
}

void hook_look(struct scan *s) {
  if (s->hook.pid || s->stopping || !s->has_home || !is_there()) return;
  s->hook.deaths = 0;
  start(s);
}

/* A pipe that is full of such bytes needs no more of them. */
void hook_tell(struct scan *s) {
  if (s->hook.pipe >= 0) (void)!write(s->hook.pipe, "", 1);
}

static void hang_up(struct scan *s) {
  if (s->hook.pipe >= 0) close(s->hook.pipe);
  s->hook.pipe = -1;
}

int hook_reaped(struct scan *s, int32_t pid, int32_t wstat) {
  char number[REPORT_NUMBER];
  uint32_t delay;

  if (!pid || pid != s->hook.pid) return 0;
  s->hook.pid = 0;
  s->hook.moment = DEADLINE_NEVER;
  hang_up(s);
  if (s->hook.ending) return 1;
  if (!wstat) {
    report_info(HOOK " has gone; nothing is run for changes any more");
    script_look(s);
    return 1;
  }
  if (deadline_passed(deadline_add_ms(s->hook.started, RUN_LONG_MS), clock_now()))
    s->hook.deaths = 0;
  if (s->hook.deaths < UINT8_MAX) s->hook.deaths++;
  delay = child_restart_delay(s->hook.deaths, wstat);
  if (s->hook.deaths <= 2)
    report_warning(
        PROGRAM, WIFEXITED(wstat) ? " exited " : " was killed by signal ",
        report_number(number, WIFEXITED(wstat) ? WEXITSTATUS(wstat) : WTERMSIG(wstat)),
        "; starting it again");
  start_again(s, delay);
  return 1;
}

void hook_deadline(struct scan *s, struct deadline now) {
  if (deadline_passed(s->hook.moment, now)) {
    s->hook.moment = DEADLINE_NEVER;
    if (!s->hook.pid)
      start(s);
    else if (s->hook.ending == 1) {
      s->hook.ending = 2;
      (void)kill(s->hook.pid, SIGTERM); /* with what it runs */
      start_again(s, LAST_MS);
    } else
      (void)kill(s->hook.pid, SIGKILL);
  }
  need_look(s, s->hook.moment);
}

int hook_ends(struct scan *s) {
  if (!s->hook.pid) return 0;
  if (!s->hook.ending) {
    s->hook.ending = 1;
    hang_up(s);
    s->hook.moment = deadline_earlier(deadline_add_ms(clock_now(), END_MS), s->kill_at);
    need_look(s, s->hook.moment);
  }
  return 1;
}
