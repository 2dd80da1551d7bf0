/* What the limits of numbers and of the process make of a script, and what of it leads nowhere:
 * all of it is said, and none of it is an error.
 */

#include <skalibs/nonposix.h>
#include "log.h"

#include <sys/resource.h>

#include <skalibs/strerr.h>
#include <skalibs/uint64.h>

#include <lares/report.h>

/* A file size limit (softlimit -f, ulimit -f) below the script's would end a file in the middle
 * of a line. */
static void obey_file_limit(struct logger const *logger, struct logscript *script) {
  struct rlimit limit;

  if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return;
  for (unsigned i = 0; i < script->action_count; i++) {
    if (script->actions[i].kind != LOG_TO_DIR) continue;
    if (limit.rlim_cur >= script->actions[i].size || limit.rlim_cur < LOG_SIZE_MIN) continue;
    say_warning(logger, "files of ", script->actions[i].path,
                " are kept to the file size limit");
    script->actions[i].size = limit.rlim_cur;
  }
}

static void say_moved(struct logger const *logger, struct plan const *plan) {
  char where[PLAN_WHERE], number[UINT64_FMT];

  for (unsigned i = 0; i < plan->script.moved_count; i++) {
    plan_where(plan, plan->script.moved[i].index, where);
    number[uint64_fmt(number, plan->script.moved[i].used)] = 0;
    say_warning(logger, where, "number out of range, ", number, " is used");
  }
}

/* For multilog they are no error. None of them is in a config, so once is enough. */
static void say_unheard(struct logger const *logger, struct plan const *plan) {
  char where[PLAN_WHERE];

  for (int i = plan->script.last + 1; !logger->begun && i < plan->count; i++) {
    plan_where(plan, i, where);
    strerr_warnw(where, "no action follows, it holds for nothing");
  }
}

/* What is written there goes to /dev/null, see main(). */
static void say_mute(struct logger const *logger, struct plan const *plan) {
  for (unsigned i = 0; logger->mute && i < plan->script.action_count; i++) {
    if (plan->script.actions[i].kind != LOG_TO_STDOUT) continue;
    say_warning(logger, "standard output is closed; lines for it are left out");
    return;
  }
}

void limit_plan(struct logger const *logger, struct plan *plan) {
  say_moved(logger, plan);
  say_unheard(logger, plan);
  say_mute(logger, plan);
  obey_file_limit(logger, &plan->script);
}
