/* lares-softlimit: set soft resource limits, then become another program.
 *
 * As in daemontools: a number above the hard limit means the hard limit, and so does `='. Hard
 * limits stay as they are, so that the program can raise its own limits again. */

#include <skalibs/nonposix.h>
#include "chain.h"

#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include <skalibs/exec.h>
#include <skalibs/types.h>

#define OPTIONS(FLAG, VALUE)                                                                   \
  VALUE("a", "bytes", "all memory of a process (address space)")                               \
  VALUE("c", "bytes", "core files")                                                            \
  VALUE("d", "bytes", "data segment")                                                          \
  VALUE("f", "bytes", "files written")                                                         \
  VALUE("l", "bytes", "locked memory")                                                         \
  VALUE("m", "bytes", "the same as -a, -d, -l and -s together")                                \
  VALUE("o", "number", "open files")                                                           \
  VALUE("p", "number", "processes of this user")                                               \
  VALUE("r", "bytes", "resident memory")                                                       \
  VALUE("s", "bytes", "stack")                                                                 \
  VALUE("t", "seconds", "processor time")
CHAIN_TEXTS(OPTIONS, "lares-softlimit", "program [argument...]");

/* Not every system has all; where one is missing its option has no effect, as in daemontools.
 */
static struct {
  char letters[3]; /* the options that set it */
  int resource;
} const limits[] = {
    {"c", RLIMIT_CORE},     {"dm", RLIMIT_DATA},  {"f", RLIMIT_FSIZE},
    {"o", RLIMIT_NOFILE},   {"sm", RLIMIT_STACK}, {"t", RLIMIT_CPU},
#ifdef RLIMIT_MEMLOCK
    {"lm", RLIMIT_MEMLOCK},
#endif
#ifdef RLIMIT_NPROC
    {"p", RLIMIT_NPROC},
#endif
#ifdef RLIMIT_RSS
    {"r", RLIMIT_RSS},
#endif
#ifdef RLIMIT_AS
    {"am", RLIMIT_AS},
#endif
};

static void set_limit(char const *option, char const *value) {
  int to_hard = !strcmp(value, "=");
  struct rlimit limit;
  uint64_t wanted = 0;

  if (!to_hard && !uint640_scan(value, &wanted))
    strerr_dief(EXIT_USAGE, "option -", option, ": `", value,
                "' is neither a number from 0 to 18446744073709551615 nor =");
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    if (!strchr(limits[i].letters, *option)) continue;
    if (getrlimit(limits[i].resource, &limit) < 0)
      strerr_diefusys(EXIT_SYSTEM, "read the limit of option -", option);
    limit.rlim_cur = to_hard || wanted > limit.rlim_max ? limit.rlim_max : (rlim_t)wanted;
    if (setrlimit(limits[i].resource, &limit) < 0)
      strerr_diefusys(EXIT_SYSTEM, "set the limit of option -", option, " to ", value);
  }
}

int main(int argc, char const *const *argv) {
  subgetopt at = SUBGETOPT_ZERO;
  int letter;

  PROG = "lares-softlimit";
  while ((letter = chain_option(argc, argv, letters, usage, &at)) != -1)
    set_limit((char const[]){(char)letter, 0}, at.arg);
  argv = chain_operands(argc, argv, 1, usage, &at);
  xexec(argv);
}
