/* svwait: waits until services are in a state, which is somebody else's to bring about. It
 * subscribes before it looks. */

#include <errno.h>

#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/follow.h>

#define USAGE                                                                                  \
  "lares-svwait [-h] [-u | -U | -d | -D | -r | -R | -s state,...] [-a | -o] [-t ms] dir..."
#define HELP                                                                                   \
  USAGE "\n"                                                                                   \
        "Waits until each service\n"                                                           \
        "  -u  is up (the default)\n"                                                          \
        "  -U  is ready (up, if it never says so)\n"                                           \
        "  -d  is down: its process is dead\n"                                                 \
        "  -D  is really down: everything of it has ended, finish is done\n"                   \
        "  -r  has been started anew\n"                                                        \
        "  -R  has been started anew and is ready\n"                                           \
        "  -s  is in one of these states: down waiting starting up stopping finishing\n"       \
        "      backoff failed done\n"                                                          \
        "  -a  all of them (the default)\n"                                                    \
        "  -o  one of them\n"                                                                  \
        "  -t  at most so many milliseconds, then exit 99 (-T is the same)\n"                  \
        "  -h  this text"

char const *PROG = "lares-svwait";

int main(int argc, char const *const *argv) {
  struct await_all w = {.until = DEADLINE_NEVER, .signals = -1};
  struct goal goal = {.kind = GOAL_UP};
  int first = await_options(&w, &goal, argc, argv, USAGE, HELP);

  if (first >= argc) strerr_dief(EXIT_USAGE, "no service directory given; usage: ", USAGE);
  follow_many();
  if (!await_begin(&w, argv + first, (unsigned)(argc - first), &goal))
    strerr_diefusys(EXIT_SYSTEM, "begin to wait");
  return await_and_tell(&w);
}
