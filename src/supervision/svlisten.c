/* svlisten: subscribes to services, runs a program, and waits until they are in a state. What
 * the program brings about cannot be missed.
 *
 * The services are execline's block: words with a blank in front, ended by an empty word, which
 * is what execlineb makes of { dir... }. For shells, the words { and } themselves, or a single
 * directory in front of the program, will do.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/posixplz.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/follow.h>

#define USAGE                                                                                  \
  "lares-svlisten [-h] [-u | -U | -d | -D | -r | -R | -s state,...] [-a | -o] [-t ms] "        \
  "{ dir... } prog..."
#define HELP                                                                                   \
  USAGE "\n"                                                                                   \
        "Runs prog, and waits until each service is in the state. The options are those of\n"  \
        "lares-svwait. One dir needs no braces."

char const *PROG = "lares-svlisten";

struct listening {
  char const **dirs; /* owned */
  unsigned count;
  char const *const *program;
};

/* execline's block, or one in braces that are words. */
static void take_block(struct listening *l, char const *const *word) {
  int braces = !strcmp(*word, "{");
  char const *end = braces ? "}" : "";

  word += braces;
  for (; *word && strcmp(*word, end); word++) {
    if (!braces && **word != ' ')
      strerr_dief(EXIT_USAGE, "the block of directories is not ended before ", *word);
    l->dirs[l->count++] = *word + !braces;
  }
  if (!*word) strerr_dief(EXIT_USAGE, "the block of directories is not ended; usage: ", USAGE);
  l->program = word + 1;
}

static void take_words(struct listening *l, char const *const *word) {
  if (*word && (!**word || **word == ' ' || !strcmp(*word, "{")))
    take_block(l, word);
  else if (*word) {
    l->dirs[l->count++] = *word;
    l->program = word + 1;
  }
  if (!l->count) strerr_dief(EXIT_USAGE, "no service directory given; usage: ", USAGE);
  if (!*l->program) strerr_dief(EXIT_USAGE, "no program given; usage: ", USAGE);
}

/* Before the program could be run nothing is waited for. */
static void run_program(struct listening const *l, struct await_all *w) {
  int error;

  if (child_spawn0(l->program[0], l->program, (char const *const *)environ)) return;
  error = errno;
  await_finish(w);
  errno = error;
  strerr_diefusys(error == ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC, "run ", l->program[0]);
}

int main(int argc, char const *const *argv) {
  struct await_all w = {.until = DEADLINE_NEVER, .signals = -1};
  struct goal goal = {.kind = GOAL_UP, .patient = 1};
  int first = await_options(&w, &goal, argc, argv, USAGE, HELP), code;
  struct listening l = {.dirs = malloc((size_t)argc * sizeof *l.dirs), .program = argv + argc};

  if (!l.dirs) strerr_diefusys(EXIT_SYSTEM, "begin to wait");
  take_words(&l, argv + first);
  if (!await_begin(&w, l.dirs, l.count, &goal)) strerr_diefusys(EXIT_SYSTEM, "begin to wait");
  if (!await_is_hopeless(&w)) run_program(&l, &w);
  code = await_and_tell(&w);
  free(l.dirs);
  return code;
}
