/* tai64n: puts a TAI64N label in front of each line, as daemontools' tai64n does. One clock
 * reading a read(), one nanosecond more a line, so that labels rise. */

#include <string.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/logdir.h>
#include <lares/option.h>
#include <lares/textout.h>

#define USAGE "lares-tai64n [-h] <lines"
#define HELP                                                                                   \
  USAGE "\n"                                                                                   \
        "Puts a TAI64N label, the time, in front of each line of its standard input.\n"        \
        "  -h  this text"

#define IN_SIZE 65536
#define OUT_SIZE 65536

char const *PROG = "lares-tai64n";

static void put_label(struct textout *out, struct loglabel *label) {
  loglabel_put(label, textout_room(out, LOG_LABEL_MAX));
  out->len += label->len;
}

/* What was read, inside a line if that had no end yet. Are we inside one behind it? */
static int stamp_lines(struct textout *out, struct loglabel *label, char const *text,
                       size_t len, int inside) {
  while (len) {
    char const *end = memchr(text, '\n', len);
    size_t part = end ? (size_t)(end - text) + 1 : len;
    if (!inside) put_label(out, label);
    textout_put(out, text, part);
    text += part;
    len -= part;
    inside = !end;
  }
  return inside;
}

static void options_parse(int argc, char const *const *argv) {
  subgetopt l = SUBGETOPT_ZERO;
  int letter;

  option_version(argc, argv);
  if (argc == 2 && !strcmp(argv[1], "--help")) option_help(HELP);
  while ((letter = subgetopt_r(argc, argv, ":h", &l)) != -1) {
    if (letter == 'h') option_help(HELP);
    option_die(argv, &l, letter, USAGE);
  }
  if (l.ind < argc)
    strerr_dief(EXIT_USAGE, "lines are read from standard input; unexpected: ", argv[l.ind],
                "\n", PROG, ": usage: ", USAGE);
}

int main(int argc, char const *const *argv) {
  static char in[IN_SIZE], text[OUT_SIZE + 64]; /* a label is written as 64 bytes */
  struct textout out = {.text = text, .size = OUT_SIZE};
  struct loglabel label = {.ns = 0};
  int inside = 0;

  options_parse(argc, argv);
  for (;;) {
    ssize_t got = fd_read(0, in, sizeof in);
    uint64_t now = lognow();
    if (got < 0) strerr_diefusys(EXIT_SYSTEM, "read standard input");
    if (!got) return EXIT_DONE;
    loglabel_start(&label, 1, 0, now > label.ns ? now : label.ns);
    inside = stamp_lines(&out, &label, in, (size_t)got, inside);
    textout_flush(&out);
  }
}
