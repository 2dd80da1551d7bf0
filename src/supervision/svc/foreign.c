/* Supervisors of other suites, told by the size of supervise/status: they know fewer letters,
 * keep no record but that file, and wake nobody. */

#include <string.h>
#include <sys/stat.h>

#include <skalibs/strerr.h>

#include <lares/control.h>
#include <lares/exitcode.h>
#include <lares/path.h>

#include "svc.h"

#define PATH_ROOM 4096
#define DAEMONTOOLS_LETTERS "udopchaitkx"

static struct foreign_kind const daemontools = {"daemontools", DAEMONTOOLS_LETTERS};
static struct foreign_kind const runit = {"runit", DAEMONTOOLS_LETTERS "q12e"};
static struct foreign_kind const unknown = {"an unknown suite", DAEMONTOOLS_LETTERS};

static int64_t size_of(char const *dir, char const *name) {
  char path[PATH_ROOM];
  struct stat st;

  return path_join(path, sizeof path, dir, name) && !stat(path, &st) ? st.st_size : -1;
}

/* A state file that an earlier lares supervisor has left does not count when the present one
 * writes a status of another size. */
struct foreign_kind const *foreign_kind_of(char const *dir) {
  int64_t size = size_of(dir, "supervise/status");

  if (size < 0 || size == CLASSIC_STATUS_SIZE) {
    if (size_of(dir, "supervise/state") == STATE_RECORD_SIZE) return 0;
    return size < 0 ? &unknown : &runit;
  }
  return size == CLASSIC_STATUS_DJB_SIZE ? &daemontools : &unknown;
}

void foreign_check(char const *const *dirs, struct svc_order const *order) {
  size_t known = 0;

  /* What all know need not be asked. */
  while (known < order->len && strchr(DAEMONTOOLS_LETTERS, order->letters[known]))
    known++;
  if (known == order->len) return;
  for (; *dirs; dirs++) {
    struct foreign_kind const *kind;
    if (control_is_supervised(*dirs) != 1) continue;
    kind = foreign_kind_of(*dirs);
    for (size_t i = 0; kind && i < order->len; i++) {
      char const letter[] = {'-', order->letters[i], 0};
      struct control_letter const *found = control_find(order->letters[i]);
      if (strchr(kind->letters, order->letters[i])) continue;
      strerr_dief(EXIT_USAGE, *dirs, " is supervised by ", kind->name, ", which does not know ",
                  letter, found ? ": " : "", found ? found->help : "", "; nothing was sent");
    }
  }
}

enum verdict foreign_judge(struct svc_order const *order, struct target const *t) {
  struct classic_status const *before = &t->classic_before, *now = &t->classic_now;
  int changed = stamp_compare(&before->changed, &now->changed) || before->pid != now->pid;
  int starts = order->want == WANT_UP || order->want == WANT_ONCE;
  int running = now->pid && now->process != 2;
  int down = order->wait == WAIT_REALLY_DOWN ? !now->pid : !running;
  int reached;

  switch (order->wait) {
  case WAIT_DOWN:
  case WAIT_REALLY_DOWN:
    if (starts)
      reached = changed && down;
    else if (order->want == WANT_DOWN)
      reached = down && now->want != 'u';
    else
      reached = down || (changed && order->wait == WAIT_DOWN);
    break;
  case WAIT_UP:
  case WAIT_READY:
    reached = (running && (order->want != WANT_UP || now->want == 'u')) || (starts && changed);
    break;
  default:
    reached = running && changed;
    break;
  }
  return reached ? REACHED : UNDECIDED;
}
