/* Upgrade in place, the probe's side (-p): we were loaded; can the supervisors be, and do they
 * understand what stands in supervise/? What is wrong is left for the scanner to tell.
 */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/posixplz.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/killpoint.h>
#include <lares/path.h>
#include <lares/text.h>

#define SERVICE_UNTAKEN "supervise/untaken" /* lares-supervise -p leaves it */
#define TRY_MS 8000      /* less than PROBE_MS: it is the probe that tells what was wrong */
#define TRIED_SERVICES 3 /* one may be damaged, or have just begun */

static int fail(struct scan const *s, char const *how, char const *why) {
  char text[REPORT_UNTAKEN] = "";

  text_add(text, sizeof text - 256, s->supervise);
  text_add(text, sizeof text, how);
  text_add(text, sizeof text, why);
  report_untaken(UNTAKEN, text);
  strerr_warn(PROG, ": fatal: ", text);
  return EXIT_SYSTEM;
}

/* 0 with errno: there was no process. Reaped here, or the scanner would have to, as a stray. */
static int try(struct scan const *s, char const *option, char const *name,
               struct deadline until, int32_t *wstat) {
  char const *argv[] = {"lares-supervise", option, name, 0};
  struct child_plan plan = {
      .abilities = &s->abilities,
      .file = s->supervise,
      .argv = argv,
      .envp = (char const *const *)environ,
      .record = -1,
      .fds = {{.to = 1, .from = -1, .flags = O_WRONLY, .path = "/dev/null"}},
      .fd_count = 1};
  struct child tried = CHILD_NONE;

  *wstat = 0;
  tried.who.pid = child_start(&plan);
  if (tried.who.pid < 0) return 0;
  while (!child_peek(tried.who.pid, wstat)) {
    if (deadline_passed(until, clock_now())) child_signal(&tried, SIGKILL);
    clock_pause(5);
  }
  child_reap(tried.who.pid);
  return plan.failed ? (errno = plan.failed, 0) : 1;
}

/* Go where the records of a service are, of the version that runs now. */
static int go_to_service(DIR *dir, char const *name) {
  if (!path_is_service_name(name) || chdir(name) < 0) return 0;
  if (!access("supervise/state", R_OK) && !access("supervise/child", R_OK)) return 1;
  (void)!fchdir(dirfd(dir));
  return 0;
}

/* 1 when one of the first services can be taken over, or there is none; else why not. */
static int try_services(struct scan const *s, struct deadline until, char why[REPORT_UNTAKEN]) {
  unsigned tried = 0;
  DIR *dir = opendir(".");
  struct dirent *d;
  int32_t wstat = 0;

  *why = 0;
  while (dir && tried < TRIED_SERVICES && (d = readdir(dir))) {
    if (!go_to_service(dir, d->d_name)) continue;
    tried++;
    (void)unlink(SERVICE_UNTAKEN);
    if (!try(s, "-p", d->d_name, until, &wstat)) wstat = -1;
    (void)report_take(SERVICE_UNTAKEN, why);
    if (fchdir(dirfd(dir)) < 0 || wstat == WSTAT_PROBED) break;
  }
  if (dir) closedir(dir);
  return !tried || wstat == WSTAT_PROBED;
}

int upgrade_probe(struct scan *s) {
  struct deadline until = deadline_add_ms(clock_now(), TRY_MS);
  char why[REPORT_UNTAKEN];
  int32_t wstat;

  KILL_POINT(PROBING);
  if (!child_probe_abilities(&s->abilities))
    strerr_diefusys(EXIT_SYSTEM, "tell processes from each other");
  if (!try(s, "-P", 0, until, &wstat)) return fail(s, " cannot be executed: ", strerror(errno));
  if (wstat != WSTAT_PROBED && deadline_passed(until, clock_now()))
    return fail(s, " took too long when it was tried", "");
  if (wstat != WSTAT_PROBED) return fail(s, report_tried(why, wstat), "");
  if (!try_services(s, until, why)) return fail(s, " cannot take over a service: ", why);
  return EXIT_PROBED;
}
