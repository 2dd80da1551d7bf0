/* How a process ended that was not our child. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "stat.h"

/* PIDFD_GET_INFO, Linux 6.15; Debian 12's headers do not have it. A reply without the exit bit
 * means "not yet reaped" or "kernel too old", not an error. */
struct pidfd_info_exit {
  uint64_t mask; /* in: what is asked, out: what was answered; bit 3: exit */
  uint64_t cgroup;
  uint32_t pid, tgid, ppid, ids[8];
  int32_t exit_code;
};
#define PIDFD_GET_INFO_64 _IOWR(0xFF, 11, struct pidfd_info_exit)
#define PIDFD_EXIT_BIT 8u
_Static_assert(sizeof(struct pidfd_info_exit) == 64, "the first published size");

static int ask_pidfd(int pidfd, int32_t *wstat) {
  struct pidfd_info_exit info = {.mask = PIDFD_EXIT_BIT};

  if (pidfd < 0 || ioctl(pidfd, PIDFD_GET_INFO_64, &info) < 0) return 0;
  if (!(info.mask & PIDFD_EXIT_BIT)) return 0;
  *wstat = info.exit_code;
  return 1;
}

static int ask_proc(struct identity const *who, int pidfd, int32_t *wstat) {
  struct process_stat ps;

  if (!process_stat_read(who->pid, &ps) || ps.state != 'Z' || ps.exit_code < 0) return 0;
  /* Still the same process: a pidfd takes no signal once it is reaped, without one the start
   * time has to agree. */
  if (pidfd >= 0 ? sys_pidfd_send_signal(pidfd, 0, 0) < 0
                 : !who->start || ps.start != who->start)
    return 0;
  *wstat = ps.exit_code;
  return 1;
}

/* Opened only now: where it is the first, it came into being while the others were asked. */
static int ask_note(struct identity const *who, char const *note, int32_t *wstat) {
  int fd = note ? open(note, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW) : -1, known = 0;

  if (fd < 0) return 0;
  for (unsigned i = 0; i < IDENTITY_WRITERS && !known; i++) {
    struct identity_record r;
    known = identity_note_read(fd, (enum identity_writer)i, &r) && r.state == IDENTITY_EXITED &&
            r.wstat != WSTAT_UNKNOWN && identity_equal(&r.who, who);
    if (known) *wstat = r.wstat;
  }
  close(fd);
  return known;
}

int32_t identity_wstat(struct identity const *who, int pidfd, char const *note) {
  int32_t wstat;

  if (ask_pidfd(pidfd, &wstat) || ask_proc(who, pidfd, &wstat) || ask_pidfd(pidfd, &wstat) ||
      ask_note(who, note, &wstat))
    return wstat;
  return WSTAT_UNKNOWN;
}
