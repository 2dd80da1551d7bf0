/* The rules R1 to R3 of doc/DESIGN.md section 6 taken away, one at a time, by a bit in the map:
 * a campaign that does not fail then sees nothing. And the write of a logger that stops half
 * way, which is a kill point that no line of the source could be. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lares/status.h>

#include "map.h"

static int without(enum ablation rule) {
  struct kill_map const *map = kill_map();

  return map && map->ablate & rule;
}

/* R1: a lock that a child does not inherit. */
extern int __real_flock(int fd, int how);
extern int __wrap_flock(int fd, int how);
int __wrap_flock(int fd, int how) {
  struct flock lock = {.l_type = how & LOCK_SH ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};

  if (!without(WITHOUT_R1)) return __real_flock(fd, how);
  if (!fcntl(fd, F_SETLK, &lock)) return 0;
  if (errno == EACCES || errno == EAGAIN) errno = EWOULDBLOCK;
  return -1;
}

/* R2: the child does not sign in; its parent does, when it is there. The first to write a
 * record of a running process is the child, whose parent waits in vfork. */
extern int __real_identity_record_write(int fd, struct identity_record const *);
extern int __wrap_identity_record_write(int fd, struct identity_record const *);
int __wrap_identity_record_write(int fd, struct identity_record const *r) {
  if (r->role != ROLE_NONE && r->state == IDENTITY_RUNNING && r->who.pid == getpid() &&
      without(WITHOUT_R2)) {
    errno = ENOSPC;
    return 0;
  }
  return __real_identity_record_write(fd, r);
}

/* R3: reaped first, then recorded. */
extern int __real_identity_record_end(int fd, struct identity_record const *);
extern int __wrap_identity_record_end(int fd, struct identity_record const *);
int __wrap_identity_record_end(int fd, struct identity_record const *r) {
  int status;

  if (without(WITHOUT_R3)) {
    (void)waitpid(r->who.pid, &status, WNOHANG);
    kill_point(POINT_RECORDED); /* which it is not yet */
  }
  return __real_identity_record_end(fd, r);
}

extern ssize_t __real_fd_write(int fd, char const *from, size_t len);
extern ssize_t __wrap_fd_write(int fd, char const *from, size_t len);
ssize_t __wrap_fd_write(int fd, char const *from, size_t len) {
  struct kill_map *map = kill_map();

  if (map && len > 1 && map->armed[IS_LOG][POINT_TORN]) {
    ssize_t wrote = write(fd, from, len / 2);
    kill_point(POINT_TORN);
    return wrote; /* another logger was quicker */
  }
  return __real_fd_write(fd, from, len);
}
