/* What a new process is given beside its standard descriptors: the FIFO to the logger or, to
 * the logger itself, its end and its buffer; the readiness FIFO. All opened afresh in the
 * child. And its cgroup. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/report.h>

#include "supervise.h"

/* A logger may be added while the service runs: it is joined at the next start. Both
 * supervisors of a pair make what is missing, whichever comes first. */
void open_log_pipe(struct supervisor *s) {
  int kept = s->pipe.read; /* over an upgrade, until we have another */

  if (!s->wired || s->is_log || s->pipe.write >= 0 || !(s->definition.has & HAS_LOG)) return;
  if (!channel_directory("log/supervise", 0700) ||
      !channel_make(FILE_LOG_PIPE, access_pipe("log/supervise")) ||
      !channel_open(&s->pipe, FILE_LOG_PIPE)) {
    report_warning_errno("unable to open ", FILE_LOG_PIPE, ", output goes to the scanner's");
    s->pipe.read = kept;
    return;
  }
  if (kept >= 0) close(kept);
  s->state.marks |= MARK_HAS_LOG;
  s->leftover_due = 1;
}

/* The readiness FIFO is made anew for each instance, so that a late word of the one before
 * cannot be taken for this one's; the child holds both ends, so that it outlives us. That it is
 * there tells who comes after us that this instance has one, whatever the directory says by
 * then, and that it has not closed it without a word. */
int open_notify(struct supervisor *s, struct child_plan *plan) {
  if (s->notify >= 0) close(s->notify);
  s->notify = -1;
  s->notify_mute = 0;
  /* Where nothing can be written, who has no such descriptor is started all the same. */
  if (unlink(FILE_NOTIFY) < 0 && errno != ENOENT && s->definition.notification_fd >= 0)
    return 0;
  if (s->definition.notification_fd < 0) return 1;
  if (!channel_make(FILE_NOTIFY, 0600)) return 0;
  s->notify = channel_open_read(FILE_NOTIFY);
  s->notify_reopened = 0;
  if (s->notify < 0) return 0;
  plan->fds[plan->fd_count++] = (struct child_open){
      .to = s->definition.notification_fd, .from = -1, .flags = O_RDWR, .path = FILE_NOTIFY};
  return 1;
}

/* s6's lock-fd, for services that count on the descriptor being there: what locks them is none
 * of theirs (R1), so it is the service directory. */
void give_lock_fd(struct supervisor *s, struct child_plan *plan) {
  int to = s->definition.lock_fd;

  if (to < 0 || s->is_log || to == s->definition.notification_fd) return;
  plan->fds[plan->fd_count++] =
      (struct child_open){.to = to, .from = -1, .flags = O_RDONLY | O_DIRECTORY, .path = "."};
}

/* Of the FIFO that the logger which runs reads, and that we hold: its path, unless log/ was
 * moved, removed or replaced under us. What the path leads to then is read by nobody. */
static char const *path_to_logger(struct supervisor *s) {
  struct stat there, ours;
  size_t len = sizeof "/proc/self/fd/" - 1;
  int same = !stat(FILE_LOG_PIPE, &there) && !fstat(s->pipe.write, &ours) &&
             there.st_ino == ours.st_ino && there.st_dev == ours.st_dev;

  if (!same && !s->said_log_moved)
    report_warning(FILE_LOG_PIPE " is not what it was, output still goes to the logger that "
                                 "read it");
  s->said_log_moved = !same;
  if (same) return FILE_LOG_PIPE;
  memcpy(s->pipe_by_number, "/proc/self/fd/", len);
  s->pipe_by_number[len + uint_fmt(s->pipe_by_number + len, (unsigned)s->pipe.write)] = 0;
  return s->pipe_by_number;
}

/* Opened afresh, so that flags a service sets concern nobody else. The service gets both ends:
 * it must not die of SIGPIPE when all other readers, two supervisors and the logger, are dead
 * at once. The logger gets one, as it is to see the end of file. */
void give_log(struct supervisor *s, struct child_plan *plan) {
  if ((s->is_log ? s->pipe.read : s->pipe.write) < 0) return;
  if (s->is_log)
    plan->fds[plan->fd_count++] =
        (struct child_open){.to = 0, .from = -1, .flags = O_RDONLY, .path = FILE_PIPE};
  else
    plan->fds[plan->fd_count++] =
        (struct child_open){.to = 1, .from = -1, .flags = O_RDWR, .path = path_to_logger(s)};
}

/* To the logger itself, `run`, alone. */
void give_buffer(struct supervisor *s, struct child_plan *plan) {
  int to = s->definition.notification_fd == BUFFER_FD ? BUFFER_FD_OTHER : BUFFER_FD;

  if (s->buffer < 0 || plan->role != ROLE_RUN) return;
  plan->fds[plan->fd_count++] = (struct child_open){.to = to, .from = s->buffer};
  drain_prepare_logger(s);
  s->buffer_variable[13 + uint_fmt(s->buffer_variable + 13, (unsigned)to)] = 0;
}

/* Asked for at each start, until there is one: somebody may have removed it, or made room. */
void open_cgroup(struct supervisor *s) {
  if (!s->cgroup_parent) return;
  if (s->cgroup.dir >= 0 && cgroup_is_populated(&s->cgroup) >= 0) return;
  cgroup_close(&s->cgroup);
  if (cgroup_open(&s->cgroup, s->cgroup_parent, s->name, s->service)) {
    s->said_no_cgroup = 0;
    return;
  }
  if (!s->said_no_cgroup)
    report_warning_errno("unable to make a cgroup in ", s->cgroup_parent,
                         ", the service runs without one");
  s->said_no_cgroup = 1;
}
