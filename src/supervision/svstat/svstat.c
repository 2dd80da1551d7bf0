/* svstat: how the services of some directories are. Exit 0 whatever the answers are, but for
 * --failed. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/buffer.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/option.h>
#include <lares/path.h>

#include "svstat.h"

#define USAGE " [-hs] [-l lines] [--failed] [--json | -o field,...] dir..."
#define HELP                                                                                   \
  "\nTells how the services of the directories are, a line each.\n\n"                          \
  "  --failed    only those that have failed, or that nobody supervises; exit 1 if there\n"    \
  "              are any. Directories of services are looked through\n"                        \
  "  --json      as an array of objects\n"                                                     \
  "  -l lines    below one that has failed or is in backoff so many lines of its log (5 on "   \
  "a\n"                                                                                        \
  "              terminal, otherwise 0)\n"                                                     \
  "  -o fields   only these, separated by blanks: those of --json and of s6-svstat\n"          \
  "  -s          a directory of services stands for all that are in it, and their loggers\n"   \
  "  -h          this text\n"

#define SOME_LINES 5
#define MOST_LINES 100

char const *PROG = "lares-svstat";

struct request {
  int json, scan, failed;
  char const *fields;
  int first;      /* directory in argv */
  int here;       /* where we were started, -1 */
  int moved;      /* we are elsewhere */
  int printed;    /* so many reports */
  uint32_t lines; /* of output */
  int code;       /* to exit with */
};

static void check_written(ssize_t result) {
  if (result < 0) strerr_diefusys(EXIT_SYSTEM, "write to standard output");
}

void put_bytes(char const *bytes, unsigned len) {
  check_written(buffer_put(buffer_1, bytes, len));
}

void put(char const *text) {
  put_bytes(text, (unsigned)strlen(text));
}

void put_unsigned(uint64_t n) {
  char text[UINT64_FMT];

  put_bytes(text, (unsigned)uint64_fmt(text, n));
}

void put_number(int64_t n) {
  if (n < 0) put("-");
  put_unsigned(n < 0 ? -(uint64_t)n : (uint64_t)n);
}

static void end(int code) {
  if (!buffer_flush(buffer_1)) check_written(-1);
  _exit(code);
}

static void help_and_exit(void) {
  put("usage: ");
  put(PROG);
  put(USAGE HELP);
  end(EXIT_DONE);
}

/* At the word argv[l->ind], of which nothing is read yet. */
static int is_long_option(struct request *request, char const *const *argv, subgetopt *l) {
  static char const *const names[] = {"--failed", "--json", "--help"};
  unsigned i = 0;

  /* Behind a word of letters subgetopt_r() goes on to the next only when it is called. */
  if (l->pos && !argv[l->ind][l->pos]) {
    l->pos = 0;
    l->ind++;
  }
  if (l->pos || !argv[l->ind]) return 0;
  while (i < 3 && strcmp(argv[l->ind], names[i]))
    i++;
  if (i == 3) return 0;
  if (i == 2) help_and_exit();
  if (i == 0) request->failed = request->scan = 1;
  if (i == 1) request->json = 1;
  l->ind++;
  return 1;
}

static int next_option(struct request *request, int argc, char const *const *argv,
                       subgetopt *l) {
  while (is_long_option(request, argv, l))
    ;
  return subgetopt_r(argc, argv, "hl:o:s", l);
}

static void options_parse(struct request *request, int argc, char const *const *argv) {
  subgetopt l = SUBGETOPT_ZERO;
  unsigned len;
  int opt;

  *request = (struct request){.here = -1, .lines = isatty(1) ? SOME_LINES : 0};
  while ((opt = next_option(request, argc, argv, &l)) != -1) {
    char typed[3];
    if (opt == 'h') help_and_exit();
    if (opt == '?' && l.problem == 'l') strerr_dief(EXIT_USAGE, "-l needs a number");
    if (opt == 'l' && (!uint320_scan(l.arg, &request->lines) || request->lines > MOST_LINES))
      strerr_dief(EXIT_USAGE, "-l: `", l.arg, "' is no number of lines from 0 to 100");
    if (opt == 'l') continue;
    if (opt == '?' && l.problem == 'o') strerr_dief(EXIT_USAGE, "-o needs a list of fields");
    if (opt == '?')
      strerr_dief(EXIT_USAGE, "unknown option ", option_typed(argv, &l, typed),
                  "; usage: ", PROG, USAGE);
    if (opt == 's')
      request->scan = 1;
    else
      request->fields = l.arg;
  }
  request->first = l.ind;
  if (request->fields && request->json) strerr_dief(EXIT_USAGE, "--json or -o, not both");
  if (request->fields && (l.arg = fields_check(request->fields, &len)))
    strerr_dief(EXIT_USAGE, "-o: no such field: ", len ? l.arg : "(empty)",
                "; lares-status-json(5) and lares-svstat(8) list them");
  if (l.ind >= argc)
    strerr_dief(EXIT_USAGE, "no service directory given; usage: ", PROG, USAGE);
}

static void print_one(struct request *request, struct report const *r) {
  struct form form = {.kind = FORM_JSON};

  if (request->json) {
    put(request->printed ? ",\n {" : "{");
    print_all(&form, r);
    put("}");
  } else if (request->fields && r->kind == REPORT_GOOD) {
    print_fields(r, request->fields);
  } else {
    print_text(r);
    print_output(r);
  }
  request->printed++;
}

/* Where we stand is the service asked before. */
static void go_back(struct request *request, char const *dir) {
  if (!request->moved) return;
  request->moved = fchdir(request->here) < 0;
  if (request->moved && dir[0] != '/')
    strerr_diefusys(EXIT_SYSTEM, "return to the current directory");
}

static void ask(void *context, char const *dir) {
  struct request *request = context;
  struct report report;

  report_gather(&report, dir);
  output_gather(&report, request->json && !request->lines ? SOME_LINES : request->lines);
  request->moved = 1;
  go_back(request, "/");
  if (report.is_newer)
    strerr_warnw(dir, "/supervise/state: ", status_trouble(EPROTONOSUPPORT),
                 " than this one; only what is in status is known");
  if (request->failed) {
    if (report.kind == REPORT_FAILED && !report.is_broken)
      request->code = EXIT_SYSTEM;
    else if (!report_is_failed(&report))
      return;
    else if (!request->code)
      request->code = EXIT_NO;
  }
  print_one(request, &report);
}

int main(int argc, char const *const *argv) {
  struct request request;

  option_version(argc, argv);
  if (argc > 0) {
    size_t len;
    PROG = path_base(argv[0], &len);
  }
  options_parse(&request, argc, argv);
  request.here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (request.json) put("[");
  for (int i = request.first; i < argc; i++) {
    go_back(&request, argv[i]);
    if (!request.scan || !is_scan_directory(argv[i]))
      ask(&request, argv[i]);
    else if (!each_service(argv[i], ask, &request)) {
      strerr_warnwusys("list the services of ", argv[i]);
      request.code = EXIT_SYSTEM;
    }
  }
  if (request.json) put("]\n");
  end(request.code);
}
