/* What a service said last: the end of its log, where a logger keeps that in log/main/current
 * (as the built-in one does). Bounded, and without anything that a terminal would take for more
 * than text. Never waited for, whatever stands in its place. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "svstat.h"

#define CURRENT "log/main/current"
#define STAMP 26 /* @, 24 hexadecimal digits and a blank (TAI64N) */

/* The last whole lines. */
static char *last_lines(char *text, size_t len, unsigned lines) {
  char *start = text + len;

  while (start > text) {
    if (start[-1] == '\n' && start != text + len && !lines--) break;
    start--;
  }
  return start;
}

static int is_stamp(char const *line) {
  return *line == '@' && strspn(line + 1, "0123456789abcdef") == STAMP - 2 &&
         line[STAMP - 1] == ' ';
}

/* Stamps away, everything but printable ASCII and the ends of lines replaced. */
static void clean(char *text) {
  char *to = text;
  int at_start = 1;

  for (char const *from = text; *from; from++) {
    if (at_start && is_stamp(from)) from += STAMP;
    at_start = *from == '\n';
    if (!*from) break;
    *to++ = *from == '\n' || (*from >= ' ' && *from <= '~') ? *from : *from == '\t' ? ' ' : '?';
  }
  *to = 0;
}

void output_gather(struct report *r, unsigned lines) {
  char text[OUTPUT_SIZE];
  struct stat st;
  ssize_t got = -1;
  char *start;
  int fd;

  r->output[0] = 0;
  if (!r->has_state || !lines ||
      (r->state.machine.state != STATE_FAILED && r->state.machine.state != STATE_BACKOFF))
    return;
  fd = open(CURRENT, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return;
  if (!fstat(fd, &st) && S_ISREG(st.st_mode))
    got = pread(fd, text, sizeof text - 1,
                st.st_size < (off_t)sizeof text ? 0 : st.st_size - (off_t)sizeof text + 1);
  close(fd);
  if (got <= 0) return;
  while (got && text[got - 1] == '\n')
    got--;
  text[got] = 0;
  for (ssize_t i = 0; i < got; i++)
    if (!text[i]) text[i] = '?';
  start = last_lines(text, (size_t)got, lines - 1);
  /* Begun in the middle of a line. */
  if (start == text && st.st_size >= (off_t)sizeof text && strchr(start, '\n'))
    start = strchr(start, '\n') + 1;
  clean(start);
  memcpy(r->output, start, strlen(start) + 1);
}

/* Each below the line of the service, where no pattern for that looks like it. */
void print_output(struct report const *r) {
  char const *line = r->output;

  while (*line) {
    size_t len = strcspn(line, "\n");
    put("    | ");
    put_bytes(line, (unsigned)len);
    put("\n");
    line += len + (line[len] == '\n');
  }
}
