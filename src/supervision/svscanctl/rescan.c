/* Waiting for a rescan to have had its effect: everything that can run has its supervisor,
 * which reads commands, and what is not there any more has gone. Found out by looking, as the
 * scanner would have to remember who asks. */

#include <skalibs/nonposix.h>
#include "svscanctl.h"

#include <errno.h>
#include <string.h>

#include <skalibs/strerr.h>

#include <lares/control.h>
#include <lares/exitcode.h>

#include "entries.h"

static int listens(char const *name, char const *slot) {
  char path[PATH_NAME_MAX + 8];
  int answer;

  strcpy(path, name);
  strcat(path, slot);
  answer = control_is_supervised(path);
  if (answer < 0) strerr_diefusys(EXIT_SYSTEM, "see whether a supervisor runs in ", path);
  return answer;
}

/* What is still to happen, 0 when nothing is. *slot: of the service or its logger. */
static char const *awaited(struct entries const *all, struct entry const *e,
                           char const **slot) {
  struct entry const *main = &all->list[e->main];

  *slot = "";
  if (e->kind == ENTRY_GOING) return "is still being stopped";
  if (e->kind == ENTRY_UNBUILT) return "is not built yet";
  if (e->kind != ENTRY_SERVICE && e->kind != ENTRY_ALIAS) return 0;
  if (main->wrong) return 0;
  if (!main->recorded || !listens(main->name, "")) return "has no supervisor yet";
  *slot = "/log";
  return main->has_log && !listens(main->name, "/log") ? "has no supervisor yet" : 0;
}

static unsigned count_awaited(struct entries const *all, int tell) {
  unsigned count = 0;

  for (size_t i = 0; i < all->count; i++) {
    struct entry const *e = &all->list[i];
    char const *slot, *what = awaited(all, e, &slot);
    if (!what) continue;
    count++;
    if (tell) strerr_warnw(e->name, slot, " ", what);
  }
  return count;
}

/* Directories in which nothing can run, and links that lead to none. */
static unsigned count_wrong(struct entries const *all) {
  char template[PATH_QUOTED];
  unsigned count = 0;

  for (size_t i = 0; i < all->count; i++) {
    struct entry const *e = &all->list[i];
    if ((e->kind != ENTRY_SERVICE && e->kind != ENTRY_BROKEN) || !e->wrong) continue;
    count++;
    (void)entry_lacks_template(e, template);
    strerr_warnw(e->name, " is not supervised: ", e->wrong, template);
  }
  return count;
}

int rescan_wait(struct deadline until) {
  struct entries all = {.list = 0};
  int32_t pid;

  for (;;) {
    struct deadline now = clock_now();
    int running = look_at_lock(LOCK, &pid);
    if (!entries_read(&all)) strerr_diefusys(EXIT_SYSTEM, "list the scan directory");
    if (!count_awaited(&all, 0)) return count_wrong(&all) ? EXIT_NO : EXIT_DONE;
    if (!running) strerr_dief(EXIT_UNSUPERVISED, "the scanner has gone");
    if (deadline_passed(until, now)) break;
    clock_pause_until(deadline_earlier(until, deadline_add_ms(now, LOOK_MS)));
  }
  strerr_warnw("the time is over");
  count_awaited(&all, 1);
  count_wrong(&all);
  return EXIT_TIMEOUT;
}
