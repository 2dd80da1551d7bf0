/* R4: how an orphan ended, left in supervise/exit by the process that inherited it. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <lares/path.h>
#include <lares/shortage.h>

/* Nothing there is waited for, and no link is followed. */
static int open_file(char const *dir, char const *file, int flags) {
  char path[PATH_MAX];

  if (!path_join(path, sizeof path, dir, file)) return -1;
  return open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

static void close_keeping_errno(int fd) {
  int saved = errno;

  close(fd);
  errno = saved;
}

#define TRIES 20

/* A record that is being written may not add up, on some file systems, and is read again: a
 * death that is not given to its service now never is. */
int note_read_child(char const *dir, struct identity_record *r) {
  int fd = open_file(dir, "supervise/child", O_RDONLY), ok = 0;

  if (fd < 0) return 0;
  for (unsigned i = 0; i < TRIES && !ok; i++) {
    ok = identity_record_read(fd, r);
    if (!ok && errno != EPROTO) break;
  }
  if (ok && (r->state == IDENTITY_NONE || r->who.pid <= 0)) ok = (errno = ESRCH, 0);
  close_keeping_errno(fd);
  return ok;
}

int note_is_ours(struct child_abilities const *a, struct identity const *who) {
  struct identity now;
  int32_t wstat;

  return child_peek(who->pid, &wstat) >= 0 && identity_of(a, who->pid, &now) &&
         (identity_equal(&now, who) || (now.pid == who->pid && !who->inode && !who->start));
}

int note_lives(struct child_abilities const *a, char const *dir) {
  struct identity_record r;
  enum identity_proof proof;
  int pidfd;

  if (!note_read_child(dir, &r)) return is_shortage(errno);
  /* What it has left, if anything, is for a supervisor to find. */
  if (r.state == IDENTITY_FORKING) return r.who.boot == a->boot;
  if (r.state != IDENTITY_RUNNING) return 0;
  proof = identity_prove(a, &r.who, &pidfd);
  if (pidfd >= 0) close(pidfd);
  return proof != IDENTITY_GONE;
}

enum note note_leave(struct child_abilities const *a, char const *dir,
                     enum identity_writer writer, pid_t pid, int32_t wstat) {
  struct identity_record r;
  int fd, ok;

  if (!note_read_child(dir, &r) || r.who.pid != pid || r.wstat != WSTAT_UNKNOWN ||
      (r.state != IDENTITY_RUNNING && r.state != IDENTITY_FORKING) || !note_is_ours(a, &r.who))
    return NOTE_NOT_ITS;
  r.state = IDENTITY_EXITED;
  r.wstat = wstat;
  fd = open_file(dir, "supervise/exit", O_WRONLY | O_CREAT);
  if (fd < 0) return NOTE_FAILED;
  ok = identity_note_write(fd, writer, &r);
  close_keeping_errno(fd);
  return ok ? NOTE_LEFT : NOTE_FAILED;
}
