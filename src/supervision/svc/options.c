/* svc's options: one for each letter of the control alphabet, and what waits. */

#include <string.h>
#include <unistd.h>

#include <skalibs/buffer.h>
#include <skalibs/sgetopt.h>
#include <skalibs/sig.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/control.h>
#include <lares/exitcode.h>
#include <lares/option.h>

#include "svc.h"

/* The options that are no letters come first and win: -w waits (s6); WINCH is -y. */
#define LETTER(letter, event, signal, target, memory, help) letter,
static char const options[] = {
    'w', ':', 'T', ':', 's', ':', '+', '=', CONTROL_ALPHABET(LETTER) 0};
#undef LETTER

static struct {
  char letter;
  char const *argument;
  char const *help;
} const own[] = {
    {'w', "d", "wait until the process is dead"},
    {'w', "D", "wait until it is really down: everything it started ended, finish done"},
    {'w', "u", "wait until it is up"},
    {'w', "U", "wait until it is ready (up, if it never says so)"},
    {'w', "r", "wait until it has been started anew"},
    {'w', "R", "wait until it has been started anew and is ready"},
    {'T', " MS", "wait at most MS milliseconds, then exit 99"},
    {'s', " SIGNAL", "send the signal of this name or number"},
    {'+', "", "the next signal goes to the process group"},
    {'=', "", "the next signal goes to the main process alone"},
};

static void line_put(char letter, char const *argument, char const *help) {
  char head[] = {' ', ' ', '-', letter, 0};

  buffer_puts(buffer_1small, head);
  buffer_puts(buffer_1small, argument);
  for (size_t width = strlen(argument); width < 10; width++)
    buffer_put(buffer_1small, " ", 1);
  buffer_puts(buffer_1small, help);
  buffer_put(buffer_1small, "\n", 1);
}

/* "[-udox...]": the letters of the alphabet that are options. */
static char const *letters_text(void) {
  static char text[SVC_LETTERS + 8] = "[-";
  size_t len = 2;

  for (unsigned i = 0; i < control_letter_count && len < SVC_LETTERS; i++)
    if (control_letters[i].letter != 'w') text[len++] = control_letters[i].letter;
  memcpy(text + len, "]", 2);
  return text;
}

#define USAGE_REST " [-w d|D|u|U|r|R] [-T milliseconds] [-s signal] dir..."

static void help_and_exit(void) {
  buffer_puts(buffer_1small, "usage: ");
  buffer_puts(buffer_1small, PROG);
  buffer_puts(buffer_1small, " ");
  buffer_puts(buffer_1small, letters_text());
  buffer_puts(buffer_1small, USAGE_REST "\n"
                                        "Tells the supervisors of service directories what to "
                                        "do. The letters:\n\n");
  for (unsigned i = 0; i < control_letter_count; i++)
    if (control_letters[i].letter != 'w')
      line_put(control_letters[i].letter, "", control_letters[i].help);
  buffer_put(buffer_1small, "\n", 1);
  for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
    line_put(own[i].letter, own[i].argument, own[i].help);
  buffer_flush(buffer_1small);
  _exit(EXIT_DONE);
}

static void die_usage(char const *what, char const *which) {
  strerr_dief(EXIT_USAGE, what, which, "; usage: ", PROG, " ", letters_text(), USAGE_REST);
}

/* In option order without duplicates, as daemontools does; a modifier may come again. */
static void letter_add(struct svc_order *order, char letter) {
  struct control_letter const *found = control_find(letter);

  if (found && !order->modified && memchr(order->letters, letter, order->len)) return;
  if (order->len >= sizeof order->letters)
    strerr_dief(EXIT_USAGE, "too many letters, at most 64 are sent");
  order->letters[order->len++] = letter;
  if (!found) {
    order->modified = 1;
    return;
  }
  switch (found->event) {
  case EVENT_WANT_UP:
    order->want = WANT_UP;
    break;
  case EVENT_ONCE:
    order->want = WANT_ONCE;
    break;
  case EVENT_EXIT:
    order->leave = 1;
    /* FALLTHROUGH */
  case EVENT_WANT_DOWN:
  case EVENT_UNWANT:
    order->want = WANT_DOWN;
    break;
  case EVENT_RESTART:
    order->restarts = 1;
    break;
  default:
    break;
  }
}

static void signal_add(struct svc_order *order, char const *name) {
  int number = 0;

  if (!sig0_scan(name, &number))
    strerr_dief(EXIT_USAGE, "-s: ", name, " is no signal; a name (HUP) or number is expected");
  for (unsigned i = 0; i < control_letter_count; i++)
    if (control_letters[i].signal == number && control_letters[i].target == TO_PROCESS)
      return letter_add(order, control_letters[i].letter);
  strerr_dief(EXIT_USAGE, "-s: ", name, ": there is no control letter for this signal");
}

static void wait_set(struct svc_order *order, char const *state) {
  if (!state[0] || state[1] || !strchr("dDuUrR", state[0]))
    strerr_dief(EXIT_USAGE, "-w: one of d D u U r R is expected, not ", state,
                " (the signal WINCH is -y)");
  if (order->wait && order->wait != (enum svc_wait)state[0])
    strerr_dief(EXIT_USAGE, "-w can wait for one state only");
  order->wait = (enum svc_wait)state[0];
}

static void timeout_set(struct svc_order *order, char const *text) {
  uint32_t ms;

  if (!uint320_scan(text, &ms))
    strerr_dief(EXIT_USAGE, "-T: milliseconds are expected, 0 to 4294967295, not ", text);
  order->until = deadline_add_ms(clock_now(), ms);
}

int order_is_for_up(struct svc_order const *order) {
  return order->wait != WAIT_DOWN && order->wait != WAIT_REALLY_DOWN;
}

char const *order_goal(struct svc_order const *order) {
  switch (order->wait) {
  case WAIT_DOWN:
    return "down";
  case WAIT_REALLY_DOWN:
    return order->leave ? "left" : "really down";
  case WAIT_UP:
    return "up";
  case WAIT_READY:
    return "ready";
  case WAIT_RESTART:
    return "restarted";
  default:
    return "restarted and ready";
  }
}

static void bad_option(char const *const *argv, subgetopt const *l) {
  char typed[3];
  char const *option = option_typed(argv, l, typed);

  if (l->problem && strchr("wTs", l->problem)) die_usage("an argument is needed by ", option);
  die_usage("unknown option ", option);
}

int options_parse(struct svc_order *order, int argc, char const *const *argv) {
  subgetopt l = SUBGETOPT_ZERO;

  *order = (struct svc_order){.until = DEADLINE_NEVER, .want = -1};
  if (argc == 2 && !strcmp(argv[1], "--help")) help_and_exit();
  for (;;) {
    int opt = subgetopt_r(argc, argv, options, &l);
    if (opt == -1) break;
    if (opt == '?') bad_option(argv, &l);
    if (opt == 'w')
      wait_set(order, l.arg);
    else if (opt == 'T')
      timeout_set(order, l.arg);
    else if (opt == 's')
      signal_add(order, l.arg);
    else
      letter_add(order, (char)opt);
  }
  if (l.ind >= argc)
    strerr_dief(EXIT_USAGE, "no service directory given; see ", PROG, " --help");
  if (!order->len && !order->wait)
    die_usage("nothing to do: no letter, such as -u or -d, and no -w", "");
  return l.ind;
}
