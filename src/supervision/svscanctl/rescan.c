/* Waiting for a rescan to have had its effect: everything that can run has its supervisor,
 * which reads commands, and what is not there any more has gone. Found out by looking, as the
 * scanner would have to remember who asks. */

#include <skalibs/nonposix.h>
#include "svscanctl.h"

#include <errno.h>
#include <string.h>

#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/control.h>
#include <lares/exitcode.h>
#include <lares/path.h>

#include "entries.h"

/* What is looked at. */
struct rescan {
  struct entries all;
  struct bereft bereft; /* as when we began: what is taken away now is not expected */
};

static void slot_name(char buf[PATH_NAME_MAX + 8], char const *name, char const *slot) {
  strcpy(buf, name);
  strcat(buf, slot);
}

static int listens(char const *path) {
  int answer = control_is_supervised(path);

  if (answer < 0) strerr_diefusys(EXIT_SYSTEM, "see whether a supervisor runs in ", path);
  return answer;
}

/* A supervisor that runs and will never listen again is not waited for. */
static int is_settled(struct rescan const *r, char const *name, char const *slot) {
  char path[PATH_NAME_MAX + 8];

  slot_name(path, name, slot);
  return listens(path) || bereft_find(&r->bereft, path);
}

/* What is still to happen, 0 when nothing is. *slot: of the service or its logger. */
static char const *awaited(struct rescan const *r, struct entry const *e, char const **slot) {
  struct entry const *main = &r->all.list[e->main];

  *slot = "";
  if (e->kind == ENTRY_GOING) return "is still being stopped";
  if (e->kind == ENTRY_UNBUILT) return "is not built yet";
  if (e->kind != ENTRY_SERVICE && e->kind != ENTRY_ALIAS) return 0;
  if (main->wrong) return 0;
  if (!main->recorded || !is_settled(r, main->name, "")) return "has no supervisor yet";
  *slot = "/log";
  return main->has_log && !is_settled(r, main->name, "/log") ? "has no supervisor yet" : 0;
}

static unsigned count_awaited(struct rescan const *r, int tell) {
  unsigned count = 0;

  for (size_t i = 0; i < r->all.count; i++) {
    struct entry const *e = &r->all.list[i];
    char const *slot, *what = awaited(r, e, &slot);
    if (!what) continue;
    count++;
    if (tell) strerr_warnw(e->name, slot, " ", what);
  }
  return count;
}

static unsigned count_bereft(struct rescan const *r, struct entry const *e, char const *slot) {
  char path[PATH_NAME_MAX + 8], number[UINT32_FMT + 1];
  int32_t pid;

  slot_name(path, e->name, slot);
  pid = listens(path) ? 0 : bereft_find(&r->bereft, path);
  if (!pid) return 0;
  number[int32_fmt(number, pid)] = 0;
  strerr_warnw(e->name, slot,
               " cannot be commanded: its supervise/ was taken away, supervisor pid ", number,
               " runs on; after `kill ", number, "', which stops the service, rescan again");
  return 1;
}

/* Directories in which nothing can run, links that lead to none, and what the scanner itself
 * would run and cannot. */
static unsigned count_wrong(struct rescan const *r) {
  char template[PATH_QUOTED];
  unsigned count = 0;
  char const *hook;

  for (size_t i = 0; i < r->all.count; i++) {
    struct entry const *e = &r->all.list[i];
    if (e->kind != ENTRY_SERVICE && e->kind != ENTRY_BROKEN) continue;
    if (!e->wrong) {
      count += count_bereft(r, e, "");
      if (e->has_log) count += count_bereft(r, e, "/log");
      continue;
    }
    count++;
    (void)entry_lacks_template(e, template);
    strerr_warnw(e->name, " is not supervised: ", e->wrong, template);
  }
  for (unsigned i = 0; (hook = path_hook(i)); i++)
    if (path_hook_is_idle(hook)) {
      count++;
      strerr_warnw(hook, " is not run: it is no executable file");
    }
  return count;
}

int rescan_wait(struct deadline until) {
  struct rescan r = {.all = {.list = 0}};
  int32_t pid;

  bereft_read(&r.bereft);
  for (;;) {
    struct deadline now = clock_now();
    int running = look_at_lock(LOCK, &pid);
    if (!entries_read(&r.all)) strerr_diefusys(EXIT_SYSTEM, "list the scan directory");
    if (!count_awaited(&r, 0)) return count_wrong(&r) ? EXIT_NO : EXIT_DONE;
    if (!running) strerr_dief(EXIT_UNSUPERVISED, "the scanner has gone");
    if (deadline_passed(until, now)) break;
    clock_pause_until(deadline_earlier(until, deadline_add_ms(now, LOOK_MS)));
  }
  strerr_warnw("the time is over");
  count_awaited(&r, 1);
  count_wrong(&r);
  return EXIT_TIMEOUT;
}
