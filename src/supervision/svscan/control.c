/* SCAN/.lares/control, for who has no pid to signal: a FIFO whose both ends we hold. One letter
 * a command; what means nothing is ignored, for ever. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <sys/stat.h>
#include <unistd.h>

#define CONTROL ".lares/control"

void control_begin(struct scan *s) {
  channel_close(&s->control);
  if (channel_make(CONTROL, 0600) && channel_open(&s->control, CONTROL)) {
    trouble_over(s, TROUBLE_CONTROL);
    essential_later(s, 0); /* it may have ended while nobody could tell us */
    return;
  }
  try_again(s);
  if (trouble(s, TROUBLE_CONTROL))
    report_warning_errno("unable to use ", CONTROL, ": commands come by signal only");
}

int control_intact(struct scan const *s) {
  struct stat there, ours;

  return s->control.read >= 0 && !stat(CONTROL, &there) && !fstat(s->control.read, &ours) &&
         there.st_ino == ours.st_ino && there.st_dev == ours.st_dev;
}

static void act_on(struct scan *s, char letter) {
  switch (letter) {
  case 'h':
    report_info("told to look at everything anew");
    scan_rescan(s);
    break;
  case 't':
    stop_begin(s);
    break;
  case 'q':
    if (getpid() == 1)
      report_warning("told to leave, and staying: pid 1 takes everything with it; use stop");
    else
      loop_leave(s);
    break;
  case 'Z':
    upgrade_begin(s);
    break;
  case 'E': /* a supervisor: what is essential has ended */
    essential_look(s);
    break;
  default:
    break;
  }
}

void control_read(struct scan *s) {
  char letters[64];
  ssize_t len = read(s->control.read, letters, sizeof letters);

  if (len < 0) loop_cannot_read(s, CONTROL);
  for (ssize_t i = 0; i < len; i++)
    act_on(s, letters[i]);
}
