/* tai64nlocal: turns the TAI64N labels at the beginnings of lines into local time, as
 * daemontools' tai64nlocal does, and with options into ISO 8601. What that cannot tell (the
 * original dies of it) stays as it is. A label has as many digits as come: the last eight are
 * nanoseconds. */

#include <fcntl.h>
#include <string.h>

#include <skalibs/djbunix.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/logread.h>
#include <lares/option.h>
#include <lares/textout.h>

#define USAGE "lares-tai64nlocal [-h] [-i | -u] [file...]"
#define HELP                                                                                   \
  USAGE "\n"                                                                                   \
        "Turns TAI64N labels at the beginnings of lines into local time. Reads standard\n"     \
        "input, or files (- is standard input), compressed or not.\n"                          \
        "  -i  ISO 8601 with the distance from UTC: 2026-11-20T11:00:00.123456789+01:00;\n"    \
        "      ISO 8601 stamps of loggers are turned too\n"                                    \
        "  -u  the same in UTC: 2026-11-20T10:00:00.123456789Z\n"                              \
        "  -h  this text"

#define IN_SIZE 131072
#define OUT_SIZE 131072
/* No line is held up for its label, but a label is looked at as a whole. */
#define LABEL_MOST 128

char const *PROG = "lares-tai64nlocal";

struct stream {
  struct label_reader reader;
  struct time_writer writer;
  char in[IN_SIZE];
  size_t held; /* bytes of a label in `in` whose end was not read yet */
  int inside;  /* a line */
  char text[OUT_SIZE];
  struct textout out;
};

static int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Any number of digits behind the @: bytes taken. */
static size_t scan_loose(struct stamp *t, char const *text, size_t len) {
  size_t i = 1;

  *t = (struct stamp){.tai = 0};
  for (int digit; i < len && (digit = digit_of(text[i])) >= 0; i++) {
    t->tai = t->tai << 4 | t->nano >> 28;
    t->nano = t->nano << 4 | (uint32_t)digit;
  }
  return i;
}

/* Writes what the label becomes: bytes taken, 0 if it stays. */
static size_t turn(struct stream *s, char const *text, size_t len) {
  struct label label;
  size_t taken;

  if (*text != '@') {
    if (s->writer.form == TIME_AS_LOCAL || !label_scan(&s->reader, &label, text, len) ||
        !label.len)
      return 0;
    taken = label.len;
  } else
    taken = scan_loose(&label.at, text, len);
  label.len = time_write(&s->writer, textout_room(&s->out, TIME_TEXT), &label.at);
  s->out.len += label.len;
  return label.len ? taken : 0;
}

/* Might more bytes make another label of it? */
static int is_open(struct stream const *s, char const *text, size_t len) {
  if (len >= LABEL_MOST || memchr(text, '\n', len)) return 0;
  if (*text == '@') {
    struct stamp t;
    return scan_loose(&t, text, len) == len;
  }
  return s->writer.form != TIME_AS_LOCAL && *text >= '0' && *text <= '9' && len < 40;
}

/* All but a label that may go on; with `last`, that too. */
static void take(struct stream *s, size_t len, int last) {
  char const *text = s->in, *end = s->in + len;

  while (text < end) {
    size_t left = (size_t)(end - text);
    char const *newline;
    if (!s->inside) {
      if (!last && is_open(s, text, left)) break;
      text += turn(s, text, left);
      left = (size_t)(end - text);
    }
    newline = left ? memchr(text, '\n', left) : 0;
    s->inside = !newline;
    left = newline ? (size_t)(newline - text) + 1 : left;
    textout_put(&s->out, text, left);
    text += left;
  }
  s->held = (size_t)(end - text);
  memmove(s->in, text, s->held);
}

static int turn_lines(struct stream *s, int fd, char const *name) {
  for (;;) {
    ssize_t got = fd_read(fd, s->in + s->held, sizeof s->in - s->held);
    if (got < 0) strerr_warnwusys("read ", name);
    take(s, s->held + (got > 0 ? (size_t)got : 0), got <= 0);
    textout_flush(&s->out);
    if (got <= 0) return !got;
  }
}

static int turn_file(struct stream *s, char const *name) {
  struct unpacked file;
  int fd, done;

  if (!strcmp(name, "-")) return turn_lines(s, 0, "standard input");
  fd = openc_read(name);
  if (fd < 0) {
    strerr_warnwusys("open ", name);
    return 0;
  }
  if (!unpack_open(&file, fd)) {
    if (file.program)
      strerr_warnwusys("run ", file.program, " to read ", name);
    else
      strerr_warnwusys("read ", name);
    return 0;
  }
  done = turn_lines(s, file.fd, name);
  if (unpack_close(&file, done)) return done;
  strerr_warnw(name, ": ", file.program, " could not read all of it");
  return 0;
}

static int options_parse(enum time_form *form, int argc, char const *const *argv) {
  subgetopt l = SUBGETOPT_ZERO;
  int letter;

  option_version(argc, argv);
  if (argc == 2 && !strcmp(argv[1], "--help")) option_help(HELP);
  while ((letter = subgetopt_r(argc, argv, ":iuh", &l)) != -1)
    switch (letter) {
    case 'i':
      *form = TIME_AS_ISO;
      break;
    case 'u':
      *form = TIME_AS_UTC;
      break;
    case 'h':
      option_help(HELP);
    default:
      option_die(argv, &l, letter, USAGE);
    }
  return l.ind;
}

int main(int argc, char const *const *argv) {
  static struct stream s = {.out = {.text = s.text, .size = OUT_SIZE}};
  int first = options_parse(&s.writer.form, argc, argv), code = EXIT_DONE;

  if (first == argc) return turn_lines(&s, 0, "standard input") ? EXIT_DONE : EXIT_SYSTEM;
  for (int i = first; i < argc; i++) {
    if (!turn_file(&s, argv[i])) code = EXIT_SYSTEM;
    if (s.inside) { /* the next one's first line is a line */
      textout_put(&s.out, "\n", 1);
      s.inside = 0;
      textout_flush(&s.out);
    }
  }
  return code;
}
