/* Commands to the scanner. */

#include <skalibs/nonposix.h>
#include "svscanctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/status.h>

#define SAY_MS 5000

void tell_find_scanner(char const *scandir, char letter) {
  int32_t pid;

  if (look_at_lock(LOCK, &pid)) {
    if (pid == 1 && letter == 'q')
      strerr_dief(EXIT_USAGE, "leave: the scanner of ", scandir,
                  " is pid 1, and when that ends the kernel kills everything; use stop");
    return;
  }
  if (errno) strerr_diefusys(EXIT_SYSTEM, "see whether a scanner runs: ", scandir, "/" LOCK);
  strerr_dief(EXIT_UNSUPERVISED, "no scanner runs in ", scandir,
              !access("run", F_OK) || !access("supervise", F_OK)
                  ? ", which is the directory of a service"
                  : "");
}

/* A scanner that has just begun does not read yet. */
static int open_control(void) {
  struct deadline until = deadline_add_ms(clock_now(), BEGIN_MS);
  int32_t pid;
  int fd;

  for (;;) {
    fd = open(CONTROL, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 || (errno != ENXIO && errno != ENOENT)) return fd;
    if (deadline_passed(until, clock_now()) || !look_at_lock(LOCK, &pid)) break;
    clock_pause(LOOK_MS);
  }
  return errno = ENXIO, -1;
}

void tell_scanner(char letter) {
  struct stat st;
  int fd;

  fd = open_control();
  if (fd < 0 && errno == ENXIO)
    strerr_dief(EXIT_SYSTEM, "the scanner does not read " CONTROL,
                ": it is ending, or too old, or could not make it");
  if (fd < 0) strerr_diefusys(EXIT_SYSTEM, "open " CONTROL);
  if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
    strerr_dief(EXIT_SYSTEM, CONTROL " is no FIFO");
  if (write(fd, &letter, 1) != 1) strerr_diefusys(EXIT_SYSTEM, "write to " CONTROL);
  close(fd);
}

/* What a supervisor is at, as far as its files tell. */
static void name_one(void *context, char const *name, int32_t pid) {
  char number[UINT32_FMT + 1];
  struct state_record state;
  int known = state_record_load(name, &state);

  (void)context;
  number[int32_fmt(number, pid)] = 0;
  strerr_warnw("waiting for ", name, ", supervisor pid ", number, known ? ": " : "",
               known ? machine_state_name(state.machine.state) : "",
               known && state.drain.ns ? ", the logger has still to read" : "");
}

static void name_all(void) {
  unsigned closed;

  (void)look_at_supervisors(name_one, 0, &closed);
}

/* After some seconds it is said for whom, and ever more rarely again. */
int tell_wait_gone(struct deadline until, int is_stop) {
  struct deadline say = is_stop ? deadline_add_ms(clock_now(), SAY_MS) : DEADLINE_NEVER;
  uint64_t pause = SAY_MS;
  int32_t pid;

  while (look_at_lock(LOCK, &pid)) {
    struct deadline now = clock_now();
    if (deadline_passed(until, now)) {
      strerr_warnw("the time is over and the scanner still runs");
      if (is_stop) name_all();
      return EXIT_TIMEOUT;
    }
    if (deadline_passed(say, now)) {
      name_all();
      say = deadline_add_ms(now, pause *= 2);
    }
    clock_pause_until(deadline_earlier(until, deadline_add_ms(now, LOOK_MS)));
  }
  return EXIT_DONE;
}

static void tell_one(void *context, char const *name, int32_t pid) {
  char number[UINT32_FMT + 1];

  number[int32_fmt(number, pid)] = 0;
  strerr_warnw(name, " is left behind, supervisor pid ", number);
  ++*(unsigned *)context;
}

int tell_left_behind(void) {
  unsigned left = 0, closed;

  if (!look_at_supervisors(tell_one, &left, &closed))
    strerr_diefusys(EXIT_SYSTEM, "list the scan directory");
  return left ? EXIT_NO : EXIT_DONE;
}
