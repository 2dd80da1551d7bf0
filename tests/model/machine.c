/* Lets spin explore tests/model/machine.pml, the machine of src/machine in its world: the
 * assertions, that down, a stop, leaving and starting end, and that a wanted service settles;
 * that every state is reached; and that faults planted in the table are found. `machine
 * --print` prints the names that the model uses.
 */

#include "machine_walk.h"
#include "tap.h"

#include <unistd.h>

#define VALUE(prefix, name)                                                                    \
  fprintf(out, "#define " #prefix #name " %u\n", (unsigned)prefix##name);

static void print_names(FILE *out) {
#define STATE(name, text) VALUE(STATE_, name)
  MACHINE_STATES(STATE)
#define EVENT(name, text) VALUE(EVENT_, name)
  MACHINE_EVENTS(EVENT)
  VALUE(WANT_, DOWN)
  VALUE(ROLE_, NONE)
  VALUE(ROLE_, START)
  VALUE(ROLE_, RUN)
  VALUE(ROLE_, FINISH)
  VALUE(ROLE_, CONDITION)
  VALUE(FLAG_, PAUSED)
  VALUE(FLAG_, LEAVING)
  VALUE(FLAG_, READY)
}

/* A shell command in dir; what it says goes to a file there. */
static int run(char const *dir, char const *command) {
  char line[4096];

  snprintf(line, sizeof line, "cd '%s' && { %s; } >out 2>&1", dir, command);
  return system(line);
}

/* What the last command said: all of it, or the lines with a word in them. */
static unsigned show_output(char const *dir, char const *word, int aloud) {
  char line[1024];
  unsigned count = 0;
  FILE *file;

  snprintf(line, sizeof line, "%s/out", dir);
  need((file = fopen(line, "re")) != 0);
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    if (!strstr(line, word)) continue;
    count++;
    if (aloud) diag("%s", line);
  }
  fclose(file);
  return count;
}

static void compile(char const *dir) {
  char const *source = getenv("LARES_SOURCE"), *cc = getenv("LARES_CC");
  char const *size = getenv("LARES_LONG") ? "-DCOMMANDS=4 -DACCIDENTS=3" : "";
  char command[2048];
  FILE *out;

  if (!source) source = ".";
  snprintf(command, sizeof command, "%s/names.pml", dir);
  need((out = fopen(command, "we")) != 0);
  print_names(out);
  need(fclose(out) == 0);
  snprintf(command, sizeof command,
           "cp '%s/tests/model/machine.pml' . && spin %s -a machine.pml && "
           "%s -std=gnu11 -O2 -w -DNFAIR=3 -I'%s/tests/model' -I'%s/src/include' -o pan pan.c",
           source, size, cc ? cc : "cc", source, source);
  if (!ok(run(dir, command) == 0, "the model compiles")) show_output(dir, "", 1);
}

/* pan ends with 0 whatever it finds: what it says counts. */
static void verify(char const *dir, char const *with, char const *claim, int good,
                   char const *what) {
  char command[512];

  snprintf(command, sizeof command,
           "%s timeout 600 ./pan -m200000 -a -f -N %s >pan.out; status=$?; cat pan.out; "
           "[ $status -eq 0 ] && ! grep 'max search depth too small' pan.out && "
           "grep 'errors: %s' pan.out",
           with, claim, good ? "0" : "[1-9]");
  if (!ok(run(dir, command) == 0, what))
    show_output(dir, "", 1);
  else
    show_output(dir, "states, stored", 1);
}

int main(int argc, char **argv) {
  char const *tmp = getenv("TMPDIR");
  char dir[512], command[1024];

  if (argc == 2 && !strcmp(argv[1], "--print")) {
    print_names(stdout);
    return fclose(stdout) == EOF;
  }
  if (system("command -v spin >/dev/null") != 0) {
    tap_skip(10, "spin is not installed");
    return tap_done();
  }
  snprintf(dir, sizeof dir, "%s/model.XXXXXX", tmp && *tmp ? tmp : "/tmp");
  need(mkdtemp(dir));
  compile(dir);
  verify(dir, "", "down_ends", 1, "told to be down, it is down in the end");
  verify(dir, "", "stop_ends", 1, "a stop always ends");
  is_int(show_output(dir, "visited ", 0), STATE_COUNT, "every state is reached");
  verify(dir, "", "leaving_ends", 1, "leaving always ends");
  verify(dir, "", "starting_ends", 1, "starting always ends");
  verify(dir, "LARES_DELAYS=1", "wanted_settles", 1,
         "wanted it is up, waiting, in backoff, failed or done, or down for its condition");
  verify(dir, "", "wanted_settles", 0, "but without a delay before a restart");
  verify(dir, "LARES_MUTANT=deaf", "down_ends", 0, "failed and deaf to down, it is not down");
  verify(dir, "LARES_MUTANT=widen", "stop_ends", 0,
         "without a new deadline for a widened stop it does not end");
  verify(dir, "LARES_DELAYS=1 LARES_MUTANT=stillborn", "wanted_settles", 0,
         "without a date one that could not be started stays so");
  snprintf(command, sizeof command, "rm -rf '%s'", dir);
  need(system(command) == 0);
  return tap_done();
}
