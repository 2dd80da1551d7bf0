/* svc: tells the supervisors of service directories what to do, and waits if it is asked to.
 *
 * Without -w it is daemontools' svc: one write per directory, a warning for one that cannot be
 * controlled, exit 0. With -w it is wait.c.
 */

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/sig.h>
#include <skalibs/strerr.h>

#include <lares/control.h>
#include <lares/exitcode.h>
#include <lares/option.h>
#include <lares/path.h>

#include "svc.h"

char const *PROG = "lares-svc";

void warn_uncontrolled(char const *dir) {
  int error = errno;

  if (error == ENXIO || error == EPIPE) {
    strerr_warnwu("control ", dir, ": supervise not running");
  } else if (error == ENOENT && !access(dir, F_OK)) {
    strerr_warnwu("control ", dir, ": not supervised, there is no supervise/control in it");
  } else if (error == ENOENT) {
    strerr_warnwu("control ", dir, ": there is no such directory");
  } else if (error == EAGAIN || error == EWOULDBLOCK) {
    strerr_warnwu("control ", dir, ": its supervisor does not read, supervise/control is full");
  } else if (error == EINVAL) {
    strerr_warnwu("control ", dir, ": supervise/control is no FIFO");
  } else {
    errno = error;
    strerr_warnwusys("control ", dir);
  }
  errno = error;
}

int code_uncontrolled(void) {
  return errno == ENXIO || errno == EPIPE || errno == ENOENT ? EXIT_UNSUPERVISED : EXIT_SYSTEM;
}

int main(int argc, char const *const *argv) {
  struct svc_order order;
  int first;

  option_version(argc, argv);
  if (argc > 0) {
    size_t len;
    PROG = path_base(argv[0], &len);
  }
  first = options_parse(&order, argc, argv);
  sig_ignore(SIGPIPE);
  foreign_check(argv + first, &order);
  if (order.wait) return wait_for_all(argv + first, (unsigned)(argc - first), &order);
  for (char const *const *dir = argv + first; *dir; dir++)
    if (control_send(*dir, order.letters, order.len) != CONTROL_SENT) warn_uncontrolled(*dir);
  return EXIT_DONE;
}
