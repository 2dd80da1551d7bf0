/* svok: is a supervisor running? The answer is the exit code, daemontools' one: 0 yes, 100 no,
 * 111 it could not be asked. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/buffer.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include <lares/control.h>
#include <lares/exitcode.h>
#include <lares/option.h>
#include <lares/path.h>

#define EXIT_NOT_RUNNING EXIT_USAGE /* daemontools uses 100 for both */
#define USAGE " [-h] dir..."

char const *PROG = "lares-svok";

static void help_and_exit(void) {
  buffer_puts(buffer_1small, "usage: ");
  buffer_puts(buffer_1small, PROG);
  buffer_puts(buffer_1small,
              USAGE "\nExits 0 if a supervisor runs in each dir, 100 if not, 111 if that could "
                    "not be asked.\n");
  buffer_flush(buffer_1small);
  _exit(EXIT_DONE);
}

static int ask(char const *dir) {
  int answer = control_is_supervised(dir);

  if (answer > 0) return EXIT_DONE;
  if (!answer && (errno == ENXIO || !access(dir, X_OK))) return EXIT_NOT_RUNNING;
  if (!answer)
    strerr_warnwusys("chdir to ", dir);
  else if (errno == EINVAL)
    strerr_warnw(dir, "/supervise/ok is no FIFO");
  else
    strerr_warnwusys("open ", dir, "/supervise/ok");
  return EXIT_SYSTEM;
}

int main(int argc, char const *const *argv) {
  subgetopt l = SUBGETOPT_ZERO;
  int code = EXIT_DONE, opt;

  option_version(argc, argv);
  if (argc > 0) {
    size_t len;
    PROG = path_base(argv[0], &len);
  }
  if (argc == 2 && !strcmp(argv[1], "--help")) help_and_exit();
  while ((opt = subgetopt_r(argc, argv, "h", &l)) != -1) {
    char typed[3];
    if (opt == 'h') help_and_exit();
    strerr_dief(EXIT_USAGE, "unknown option ", option_typed(argv, &l, typed), "; usage: ", PROG,
                USAGE);
  }
  if (l.ind >= argc)
    strerr_dief(EXIT_USAGE, "no service directory given; usage: ", PROG, USAGE);
  for (char const *const *dir = argv + l.ind; *dir; dir++) {
    int answer = ask(*dir);
    if (answer > code) code = answer;
  }
  return code;
}
