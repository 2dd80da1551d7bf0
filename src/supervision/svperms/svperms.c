/* lares-svperms: options, and one service directory after the other. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/buffer.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/option.h>

#include "svperms.h"

/* letter, with argument, name of the argument, help */
#define OPTIONS(X)                                                                             \
  X("e", "", "", "everybody who can read the state may wait for changes")                      \
  X("E", ":", " group", "members of group may")                                                \
  X("g", ":", " group", "members of group read the state, only the owner commands")            \
  X("G", ":", " group", "members of group read the state and command")                         \
  X("h", "", "", "show this text and exit")                                                    \
  X("o", "", "", "everybody reads the state, only the owner commands")                         \
  X("O", ":", " group", "everybody reads the state, members of group command")                 \
  X("u", "", "", "only the owner reads the state and commands")                                \
  X("v", "", "", "print what is so afterwards; without any option it is only printed")
static char const letters[] = ":" OPTIONS(OPTION_LETTER);
static char const usage[] = "lares-svperms [ -h ] [ -v ] [ -u | -g group | -G group | -o | "
                            "-O group ] [ -e | -E group ] dir..." OPTIONS(OPTION_HELP);

char const *PROG = "lares-svperms";

/* A name, or :NUMBER. */
static gid_t find_group(char letter, char const *name) {
  char const option[] = {'-', letter, 0};
  struct group const *group;
  uint64_t gid;

  if (name[0] == ':') {
    if (!uint640_scan(name + 1, &gid) || gid >= (gid_t)-1)
      strerr_dief(EXIT_USAGE, "option ", option, ": `", name + 1, "' is no number of a group");
    return (gid_t)gid;
  }
  errno = 0;
  group = getgrnam(name);
  if (group) return group->gr_gid;
  if (errno && errno != ENOENT && errno != ESRCH)
    strerr_diefusys(EXIT_SYSTEM, "look up group ", name);
  strerr_dief(EXIT_USAGE, "option ", option, ": there is no group `", name,
              "' (a number is written with a colon before it)");
}

static void set_access(struct request *r, enum readers readers, int control, char letter,
                       char const *group) {
  if (r->change) strerr_dief(EXIT_USAGE, "only one of -u, -g, -G, -o and -O");
  r->change = 1;
  r->readers = readers;
  r->control = control;
  r->group = group ? find_group(letter, group) : getegid();
}

static void set_events(struct request *r, enum subscribers who, char const *group) {
  if (r->subscribers != EVENTS_KEEP) strerr_dief(EXIT_USAGE, "only one of -e and -E");
  r->subscribers = who;
  r->event_group = group ? find_group('E', group) : getegid();
}

static unsigned read_options(struct request *r, int argc, char const *const *argv) {
  subgetopt at = SUBGETOPT_ZERO;
  int letter;

  option_version(argc, argv);
  if (argc == 2 && !strcmp(argv[1], "--help")) option_help(usage);
  while ((letter = subgetopt_r(argc, argv, letters, &at)) != -1)
    switch (letter) {
    case 'e':
      set_events(r, EVENTS_PUBLIC, 0);
      break;
    case 'E':
      set_events(r, EVENTS_GROUP, at.arg);
      break;
    case 'g':
      set_access(r, READ_GROUP, 0, 'g', at.arg);
      break;
    case 'G':
      set_access(r, READ_GROUP, 1, 'G', at.arg);
      break;
    case 'h':
      option_help(usage);
    case 'o':
      set_access(r, READ_PUBLIC, 0, 'o', 0);
      break;
    case 'O':
      set_access(r, READ_PUBLIC, 1, 'O', at.arg);
      break;
    case 'u':
      set_access(r, READ_OWNER, 0, 'u', 0);
      break;
    case 'v':
      r->show = 1;
      break;
    default:
      option_die(argv, &at, letter, usage);
    }
  if (at.ind >= argc)
    strerr_dief(EXIT_USAGE, "no service directory given\n", PROG, ": usage: ", usage);
  return (unsigned)at.ind;
}

int main(int argc, char const *const *argv) {
  struct request r = {.change = 0};
  unsigned first = read_options(&r, argc, argv);
  int changes = r.change || r.subscribers != EVENTS_KEEP, code = EXIT_DONE;

  for (unsigned i = first; i < (unsigned)argc; i++) {
    struct place place;
    if (!place_open(&place, argv[i])) {
      code = EXIT_SYSTEM;
      continue;
    }
    if (changes && !place_apply(&place, &r)) code = EXIT_SYSTEM;
    if ((r.show || !changes) && !place_show(&place)) code = EXIT_SYSTEM;
    place_warn(&place);
    close(place.fd);
  }
  if (!buffer_flush(buffer_1)) strerr_diefusys(EXIT_SYSTEM, "write to standard output");
  return code;
}
