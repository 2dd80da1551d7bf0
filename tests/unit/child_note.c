/* The first note of how an orphan ended (supervise/exit), left and the orphan reaped while its
 * supervisor asks the zombie. (The file was opened before that, when there was none, and the
 * end was unknown, on kernels whose pidfds do not tell it.)
 *
 * LINK: -Wl,--wrap=ioctl,--wrap=sys_pidfd_send_signal
 */

#include <lares/child.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

extern int __wrap_ioctl(int fd, unsigned long request, ...);
extern int __real_sys_pidfd_send_signal(int pidfd, int sig, unsigned flags);
extern int __wrap_sys_pidfd_send_signal(int pidfd, int sig, unsigned flags);

static struct identity_record note = {.state = IDENTITY_EXITED};
static char place[4096], file[sizeof place + 5];

/* Linux before 6.15 */
int __wrap_ioctl(int fd, unsigned long request, ...) {
  (void)fd;
  (void)request;
  return errno = ENOTTY, -1;
}

/* What the scanner does, just when the zombie was seen. */
int __wrap_sys_pidfd_send_signal(int pidfd, int sig, unsigned flags) {
  if (!sig && note.who.pid) {
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    need(fd >= 0 && identity_record_write(fd, &note));
    close(fd);
    child_reap(note.who.pid);
    note.who.pid = 0;
  }
  return __real_sys_pidfd_send_signal(pidfd, sig, flags);
}

/* lares-init has read `child` when that told of the first, and is slow; meanwhile the next one
 * was started, orphaned, and noted by the scanner. */
static void test_late_note(struct identity const *who) {
  struct identity_record first = {.state = IDENTITY_EXITED, .who = *who, .wstat = 256};
  struct identity_record next = {.state = IDENTITY_EXITED, .who = *who, .wstat = SIGKILL};
  int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);

  first.who.start++;
  need(fd >= 0 && identity_note_write(fd, IDENTITY_BY_SCANNER, &next));
  need(identity_note_write(fd, IDENTITY_BY_INIT, &first));
  close(fd);
  is_int(identity_wstat(&next.who, -1, file), SIGKILL, "a late note covers no other");
  is_int(identity_wstat(&first.who, -1, file), 256, "... and is found, too");
}

int main(void) {
  char const *base = getenv("TMPDIR");
  struct child_abilities abilities;
  struct identity who;
  enum identity_proof proof;
  int pidfd;
  pid_t pid;

  need(child_probe_abilities(&abilities));
  snprintf(place, sizeof place, "%s/child_note.XXXXXX", base ? base : "/tmp");
  need(mkdtemp(place));
  snprintf(file, sizeof file, "%s/exit", place);
  pid = fork();
  need(pid >= 0);
  if (!pid) {
    pause();
    _exit(0);
  }
  if (!abilities.pidfd) {
    kill(pid, SIGKILL);
    waitpid(pid, 0, 0);
    rmdir(place);
    tap_skip(3, "no pidfds here: nobody is asked behind the zombie");
    return tap_done();
  }
  need(identity_of(&abilities, pid, &who));
  proof = identity_prove(&abilities, &who, &pidfd);
  need(proof == IDENTITY_LIVES);
  is_int(identity_wstat(&who, pidfd, file), WSTAT_UNKNOWN, "while it lives nobody knows");
  need(!kill(pid, SIGTERM));
  while (child_peek(pid, &note.wstat) == 0)
    ;
  note.who = who;
  is_int(identity_wstat(&who, pidfd, file), SIGTERM,
         "a note that comes while it is asked for is found");
  ok(child_peek(pid, &note.wstat) < 0, "... of one that was reaped meanwhile");
  who.start = 1;
  who.inode = 0;
  test_late_note(&who);
  unlink(file);
  rmdir(place);
  return tap_done();
}
