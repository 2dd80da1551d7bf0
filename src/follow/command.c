/* What the programs that wait have in common: their options, and what they say at the end. */

#include <lares/follow.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/sig.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/option.h>

static void set_timeout(struct await_all *w, char const *text) {
  uint32_t ms;

  if (!uint320_scan(text, &ms))
    strerr_dief(EXIT_USAGE, "-t: milliseconds are expected, 0 to 4294967295, not ", text);
  w->until = deadline_add_ms(clock_now(), ms);
}

static void die_of_state(char const *wrong) {
  struct goal every = {.kind = GOAL_STATES, .states = (uint16_t)~0u};
  char word[32] = "", all[STATUS_TEXT];

  strncat(word, wrong, strcspn(wrong, ",") < 31 ? strcspn(wrong, ",") : 31);
  strerr_dief(EXIT_USAGE, "-s: there is no such state: ", *word ? word : "(empty)",
              "; one of these, or several with commas between them, is expected: ",
              goal_describe(all, &every));
}

static void take_option(struct await_all *w, struct goal *goal, int letter, char const *arg) {
  char const *wrong;

  switch (letter) {
  case 'a':
  case 'o':
    w->any = letter == 'o';
    break;
  case 't':
  case 'T':
    set_timeout(w, arg);
    break;
  default:
    if (goal_option(goal, letter, arg, &wrong) < 0) die_of_state(wrong);
  }
}

int await_options(struct await_all *w, struct goal *goal, int argc, char const *const *argv,
                  char const *usage, char const *help) {
  subgetopt l = SUBGETOPT_ZERO;
  int letter;

  option_version(argc, argv);
  if (argc == 2 && !strcmp(argv[1], "--help")) option_help(help);
  while ((letter = subgetopt_r(argc, argv, ":uUdDrRs:aot:T:h", &l)) != -1) {
    if (letter == 'h') option_help(help);
    if (letter == '?' || letter == ':') option_die(argv, &l, letter, usage);
    take_option(w, goal, letter, l.arg);
  }
  return l.ind;
}

static void die_of_signal(int sig) {
  sig_restore(sig);
  raise(sig);
  _exit(EXIT_SYSTEM);
}

int await_and_tell(struct await_all *w) {
  enum await_end end = await_all(w);
  int code;

  if (end == AWAIT_NO_POLL) strerr_warnwusys("wait for events");
  for (unsigned i = 0; i < w->count; i++) {
    char text[AWAIT_TEXT];
    if (await_is_telling(&w->each[i], end))
      strerr_warnw(w->each[i].follow.dir, ": ", await_describe(text, &w->each[i]));
  }
  code = await_code(w, end);
  await_finish(w);
  if (end == AWAIT_STOPPED) die_of_signal(w->signal);
  return code;
}
