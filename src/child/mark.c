/* What a process says of itself: whose it is, by its environment as it was at its last exec. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "walk.h"

#define UNSETTLED_TRIES 5

/* One variable, cut off behind what is of interest. */
static enum stray_mark judge(char const *variable, struct service_id const *want) {
  struct service_id id;

  /* Supervisors and the scanner's other programs have this, and no id. */
  if (!strncmp(variable, "LARES_SCANDIR=", 14)) return STRAY_OTHERS;
  if (strncmp(variable, "LARES_ID=", 9)) return STRAY_UNMARKED;
  if (!service_id_scan(variable + 9, &id)) return STRAY_OTHERS;
  return id.boot == want->boot && id.service == want->service &&
                 (!want->instance || id.instance == want->instance)
             ? STRAY_MATCHES
             : STRAY_OTHERS;
}

struct reading {
  struct service_id const *want;
  enum stray_mark mark;
  uint8_t any;
  uint8_t has_id; /* it says whose it is, not only that it is somebody's */
};

/* 1 when all was read, and there was anything. */
static int judge_all(int fd, struct reading *reading) {
  char text[1024], variable[sizeof "LARES_ID=" + SERVICE_ID_LENGTH + 1];
  size_t len = 0;
  int any = 0;
  ssize_t got;

  while ((got = read(fd, text, sizeof text)) > 0) {
    any = 1;
    for (ssize_t i = 0; i < got; i++) {
      enum stray_mark one;
      variable[len] = text[i];
      if (text[i]) {
        if (len < sizeof variable - 1) len++;
        continue;
      }
      len = 0;
      one = judge(variable, reading->want);
      if (one != STRAY_UNMARKED) reading->mark = one;
      if (!strncmp(variable, "LARES_ID=", 9)) reading->has_id = 1;
      if (one == STRAY_MATCHES) return 1;
    }
  }
  /* It has ended or become another program while it was read: that was not all of it, and to
   * bear nobody's id so far is not to bear another's. */
  if (any && pread(fd, text, 1, 0) != 1) {
    reading->mark = STRAY_UNMARKED;
    return 0;
  }
  return any;
}

static void read_environment_of(void *context, int tasks, pid_t tid) {
  struct reading *reading = context;
  int fd = reading->any ? -1 : walk_open_thread(tasks, tid, "environ");

  if (fd < 0) return;
  reading->any = (uint8_t)judge_all(fd, reading);
  close(fd);
}

/* 0 when it cannot be opened, with errno. When its first thread has ended it is empty, or there
 * is none; the others still have it. */
static int read_environment(pid_t pid, struct reading *reading) {
  int fd = walk_open(pid, "environ"), error = errno;

  if (fd >= 0) {
    reading->any = (uint8_t)judge_all(fd, reading);
    close(fd);
  }
  if (!reading->any) (void)walk_threads(pid, read_environment_of, reading);
  return fd >= 0 || reading->any ? 1 : (errno = error, 0);
}

/* A program that writes its title over its environment (nginx) may do so while it is read: what
 * was read of it before says that it is somebody's, and its id was gone. */
static int is_half(struct reading const *reading) {
  return reading->any && reading->mark == STRAY_OTHERS && !reading->has_id;
}

enum stray_mark stray_mark_of(pid_t pid, struct service_id const *want) {
  struct reading reading = {.any = 0};
  int was_half = 0;

  for (unsigned i = 0; i < UNSETTLED_TRIES; i++) {
    if (i && !was_half) sched_yield(); /* in the middle of an exec it has none yet */
    reading = (struct reading){.want = want, .mark = STRAY_UNMARKED};
    if (!read_environment(pid, &reading)) return STRAY_UNREADABLE; /* with errno */
    if (reading.any && (was_half || !is_half(&reading))) break;
    was_half = is_half(&reading);
  }
  return reading.mark;
}
