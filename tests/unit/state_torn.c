/* A record is read while it is being written, in place: what does not add up is read again. (An
 * upgrade of a service that changed just then was refused: "it is damaged".) read() is ours
 * here, and gives the first readings a byte of the next record. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tap.h"

static unsigned torn;

ssize_t read(int fd, void *buf, size_t size) {
  long got = syscall(SYS_read, fd, buf, size);

  if (got == STATE_RECORD_SIZE && torn) {
    torn--;
    ((char *)buf)[STATE_RECORD_SIZE / 2] ^= 1;
  }
  return got;
}

/* Torn so often: is it read whole in the end? */
static int is_whole(unsigned times) {
  struct state_record r;

  torn = times;
  return state_record_load(".", &r) && r.sequence == 42;
}

int main(void) {
  char const *base = getenv("TMPDIR");
  char packed[STATE_RECORD_SIZE], dir[512];
  struct state_record r = {.sequence = 42};
  int fd;

  snprintf(dir, sizeof dir, "%s/torn.XXXXXX", base ? base : "/tmp");
  need(mkdtemp(dir) && !chdir(dir) && !mkdir("supervise", 0700));
  fd = open("supervise/state", O_WRONLY | O_CREAT, 0600);
  state_record_pack(packed, &r);
  need(fd >= 0 && write(fd, packed, sizeof packed) == sizeof packed);
  ok(is_whole(0), "a whole one");
  ok(is_whole(1), "torn once, then whole");
  ok(is_whole(2), "torn twice, then whole");
  ok(!is_whole(3) && errno == EPROTO && !torn, "one that stays so is damaged");
  torn = 100;
  ok(state_record_load_settled(".", &r) && r.sequence == 42, "who may wait reads more often");
  need(!unlink("supervise/state") && !rmdir("supervise") && !rmdir(dir));
  return tap_done();
}
