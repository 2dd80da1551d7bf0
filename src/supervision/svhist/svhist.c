/* svhist: prints the journals of services, and follows them. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/buffer.h>
#include <skalibs/selfpipe.h>
#include <skalibs/sgetopt.h>
#include <skalibs/sig.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/option.h>

#include "svhist.h"

#define USAGE "lares-svhist [-h] [-f] [-j] [-n number | -s sequence] dir..."
#define HELP                                                                                   \
  USAGE "\n"                                                                                   \
        "Prints the changes of state that the journals of the services hold.\n"                \
        "  -f  go on with those that come\n"                                                   \
        "  -j  as JSON, an object a line (--json is the same)\n"                               \
        "  -n  only the last so many of each service\n"                                        \
        "  -s  from this sequence number on\n"                                                 \
        "  -h  this text"

char const *PROG = "lares-svhist";

struct history {
  struct source *sources; /* owned, count of them */
  struct pollfd *fds;     /* owned, two for each, and the signals */
  unsigned count;
  struct request request;
};

static uint64_t number_of(int letter, char const *text) {
  char option[] = {'-', (char)letter, 0};
  uint64_t n;

  if (!uint640_scan(text, &n))
    strerr_dief(EXIT_USAGE, option,
                ": a number from 0 to 18446744073709551615 is expected, not ",
                *text ? text : "(empty)");
  return n;
}

static int options_parse(struct request *q, int argc, char const *const *argv) {
  subgetopt l = SUBGETOPT_ZERO;
  int letter;

  option_version(argc, argv);
  if (argc == 2 && !strcmp(argv[1], "--help")) option_help(HELP);
  if (argc > 1 && !strcmp(argv[1], "--json")) {
    q->json = 1;
    l.ind = 2;
  }
  while ((letter = subgetopt_r(argc, argv, ":fjn:s:h", &l)) != -1)
    switch (letter) {
    case 'f':
      q->follow = 1;
      break;
    case 'j':
      q->json = 1;
      break;
    case 'n':
      q->has_last = 1;
      q->last = number_of('n', l.arg);
      break;
    case 's':
      q->has_from = 1;
      q->from = number_of('s', l.arg);
      break;
    case 'h':
      option_help(HELP);
    default:
      option_die(argv, &l, letter, USAGE);
    }
  if (q->has_last && q->has_from) strerr_dief(EXIT_USAGE, "-n or -s, not both");
  if (l.ind >= argc) strerr_dief(EXIT_USAGE, "no service directory given; usage: ", USAGE);
  q->many = argc - l.ind > 1;
  return l.ind;
}

static void stop_listening(struct history *h) {
  int error = errno;

  for (unsigned i = 0; i < h->count; i++)
    follow_close(&h->sources[i].follow);
  errno = error;
}

/* Whoever read us may have seen enough. */
static void print_all(struct history *h) {
  sources_print(h->sources, h->count, &h->request);
  if (buffer_flush(buffer_1)) return;
  stop_listening(h);
  if (errno == EPIPE) _exit(EXIT_SYSTEM);
  strerr_diefusys(EXIT_SYSTEM, "write to standard output");
}

static void die_of_signal(struct history *h, int sig) {
  stop_listening(h);
  selfpipe_finish();
  sig_restore(sig);
  raise(sig);
  _exit(EXIT_SYSTEM);
}

static int catch_signals(void) {
  int fd = selfpipe_init();

  if (fd < 0 || !selfpipe_trap(SIGINT) || !selfpipe_trap(SIGTERM) || !selfpipe_trap(SIGHUP) ||
      !sig_altignore(SIGPIPE))
    strerr_diefusys(EXIT_SYSTEM, "catch signals");
  return fd;
}

/* Out of our hands: said, and the others go on. The code. */
static int complain(char const *dir) {
  if (errno == ENOENT || errno == ENOTDIR) {
    char const *absent = follow_absent(dir);
    strerr_warnw(dir, ": ",
                 absent ? absent : "no supervise/history in it: never supervised by lares");
    return EXIT_UNSUPERVISED;
  }
  strerr_warnwu("read the journal of ", dir, ": ", status_trouble(errno));
  return EXIT_SYSTEM;
}

/* A journal that is not there may be there later; one that cannot be read just now is tried
 * again, which is said once. What there was no memory for we shall never have. */
static void look(struct history *h, struct source *s) {
  follow_renew(&s->follow);
  s->look = follow_deadline(&s->follow);
  if (source_read(s)) {
    s->complained = 0;
    return;
  }
  if (s->failed) {
    print_all(h);
    stop_listening(h);
    errno = s->failed;
    strerr_diefusys(EXIT_SYSTEM, "read the journal of ", s->follow.dir);
  }
  if (errno == ENOENT) return;
  if (!s->complained) (void)complain(s->follow.dir);
  s->complained = 1;
  s->look = deadline_earlier(s->look, deadline_add_ms(clock_now(), FOLLOW_RETRY_MS));
}

static void follow_all(struct history *h) {
  struct pollfd *signals = h->fds + 2 * h->count;

  for (;;) {
    struct deadline until = DEADLINE_NEVER, now;
    for (unsigned i = 0; i < h->count; i++) {
      follow_watch(&h->sources[i].follow, h->fds + 2 * i);
      until = deadline_earlier(until, h->sources[i].look);
    }
    if (clock_poll(h->fds, 2 * h->count + 1, until) < 0)
      strerr_diefusys(EXIT_SYSTEM, "wait for events");
    if (signals->revents) {
      int sig = selfpipe_read();
      if (sig > 0) die_of_signal(h, sig);
      if (sig < 0) clock_pause(FOLLOW_LOOK_MS); /* or it would wake us at once again */
    }
    now = clock_now();
    for (unsigned i = 0; i < h->count; i++) {
      struct source *s = &h->sources[i];
      if (follow_woken(&s->follow, h->fds + 2 * i) || deadline_passed(s->look, now)) look(h, s);
    }
    print_all(h);
  }
}

int main(int argc, char const *const *argv) {
  struct history h = {.count = 0};
  int first = options_parse(&h.request, argc, argv), code = EXIT_DONE;
  unsigned most = (unsigned)(argc - first);

  follow_many();
  h.sources = calloc(most, sizeof *h.sources);
  h.fds = calloc(2 * (size_t)most + 1, sizeof *h.fds);
  if (!h.sources || !h.fds) strerr_diefusys(EXIT_SYSTEM, "read so many");
  h.fds[2 * most] = (struct pollfd){.fd = catch_signals(), .events = POLLIN};
  for (unsigned i = 0; i < most; i++) {
    struct source *s = &h.sources[h.count];
    if (source_open(s, argv[first + (int)i], &h.request)) {
      s->look = follow_deadline(&s->follow);
      h.count++;
      continue;
    }
    int why = complain(argv[first + (int)i]);
    follow_close(&s->follow);
    if (why > code) code = why;
  }
  h.fds[2 * h.count] = h.fds[2 * most];
  print_all(&h);
  if (h.request.follow && h.count) follow_all(&h);
  return code;
}
