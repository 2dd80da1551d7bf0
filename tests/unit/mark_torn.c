/* A program that writes its title over its environment while that is read: what is left of it
 * said that it belongs to somebody else. (nginx, launched into the background, was taken for
 * dead just then, and started beside itself for ever.) read() is ours here, and wipes what is
 * behind the first half. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static unsigned torn;

ssize_t read(int fd, void *buf, size_t size) {
  long got = syscall(SYS_read, fd, buf, size);

  if (torn && got > 0 && memmem(buf, (size_t)got, "LARES_ID=", 9)) {
    torn--;
    memset(buf, 0, (size_t)got);
  }
  return got;
}

static pid_t start(char *const *environment) {
  static char *const words[] = {(char *)"sleep", (char *)"1000", 0};
  int ends[2], got;
  pid_t pid;
  char end;

  need(!pipe2(ends, O_CLOEXEC));
  pid = fork();
  need(pid >= 0);
  if (!pid) {
    execve("/bin/sleep", words, environment);
    _exit(127);
  }
  close(ends[1]);
  got = (int)syscall(SYS_read, ends[0], &end, 1); /* its exec closes the other one */
  need(!got);
  close(ends[0]);
  return pid;
}

int main(void) {
  static char padding[3000] = "PADDING=", id[sizeof "LARES_ID=" + SERVICE_ID_LENGTH];
  static char *service[] = {(char *)"LARES_SCANDIR=/scan", padding, id, 0};
  static char *supervisor[] = {(char *)"LARES_SCANDIR=/scan", padding, 0};
  struct service_id want = {.boot = 1, .instance = 2, .service = 3}, is;
  pid_t pid;

  memset(padding + 8, 'x', sizeof padding - 9);
  strcpy(id, "LARES_ID=0000000000000001-0000000000000002-0000000000000003");
  need(service_id_scan(id + 9, &is) && is.boot == 1 && is.instance == 2 && is.service == 3);
  pid = start(service);
  is_int(stray_mark_of(pid, &want), STRAY_MATCHES, "it bears the id");
  torn = 1;
  is_int(stray_mark_of(pid, &want), STRAY_MATCHES, "wiped while it was read: it is read again");
  ok(!torn, "... it was");
  kill(pid, SIGKILL);
  waitpid(pid, 0, 0);
  pid = start(supervisor);
  is_int(stray_mark_of(pid, &want), STRAY_OTHERS,
         "one that says no more than that is somebody else's");
  kill(pid, SIGKILL);
  waitpid(pid, 0, 0);
  return tap_done();
}
