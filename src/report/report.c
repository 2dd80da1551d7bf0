/* A long-running program's own messages. State: one descriptor and one count, set by
 * report_start; a program has one standard error, so this is the one place besides PROG where a
 * library keeps any. */

#include <skalibs/nonposix.h>
#include <lares/clock.h>
#include <lares/report.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

static struct {
  int fd; /* owned when not 2 */
  int is_socket;
  uint32_t dropped;
  char const *name;
} out = {.fd = 2, .name = "lares"};

static char const *const level_name[] = {"error", "warning", "info"};

void report_start(char const *name) {
  struct stat st;
  int fd;

  out.name = name;
  if (fstat(2, &st) < 0) st.st_mode = 0;
  out.is_socket = S_ISSOCK(st.st_mode);
  /* A file makes nobody wait, and its place belongs to the description: services write to the
   * same one, and with an own one each would write over what the other has written. */
  if (out.fd != 2 || out.is_socket || S_ISREG(st.st_mode)) return;
  fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0) out.fd = fd;
}

/* -1 when it would have blocked or failed. A pipe that is writable for poll() has room for
 * PIPE_BUF bytes, so even a blocking description does not block on one line. */
static int write_line(char const *line, size_t len) {
  struct pollfd ready = {.fd = out.fd, .events = POLLOUT};

  if (out.is_socket)
    return send(out.fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
  if (out.fd == 2 && poll(&ready, 1, 0) != 1) return -1;
  return write(out.fd, line, len) == (ssize_t)len ? 0 : -1;
}

struct line {
  char text[REPORT_MAX];
  size_t len;
};

/* A newline inside a name must not look like a message of its own. */
static void line_add(struct line *line, char const *s) {
  for (; *s && line->len < REPORT_MAX - 1; s++)
    line->text[line->len++] = (unsigned char)*s < 0x20 ? '?' : *s;
  if (*s) memcpy(line->text + REPORT_MAX - 4, "...", 3);
}

static void line_head(struct line *line, enum report_level level) {
  struct stamp now;

  clock_stamp(&now);
  stamp_iso(line->text, &now);
  line->len = STAMP_ISO;
  line_add(line, " ");
  line_add(line, level_name[level]);
  line_add(line, " ");
  line_add(line, out.name);
  line_add(line, " ");
}

static int line_send(struct line *line) {
  line->text[line->len++] = '\n';
  return write_line(line->text, line->len);
}

static int say_dropped(void) {
  struct line line;
  char number[REPORT_NUMBER];

  line_head(&line, REPORT_WARNING);
  line_add(&line, report_number(number, out.dropped));
  line_add(&line, " messages lost: nobody read them in time");
  return line_send(&line);
}

void report_parts(enum report_level level, char const *const *parts) {
  int saved = errno;
  struct line line;

  if (out.dropped && !say_dropped()) out.dropped = 0;
  line_head(&line, level);
  for (; *parts; parts++)
    line_add(&line, *parts);
  if (line_send(&line) && out.dropped < UINT32_MAX) out.dropped++;
  errno = saved;
}

void report_parts_errno(enum report_level level, char const *const *parts) {
  char const *all[32];
  unsigned n = 0;

  while (n < 29 && parts[n]) {
    all[n] = parts[n];
    n++;
  }
  all[n++] = ": ";
  all[n++] = strerror(errno);
  all[n] = 0;
  report_parts(level, all);
}

uint32_t report_dropped(void) {
  return out.dropped;
}

char const *report_number(char *buf, int64_t n) {
  buf[int64_fmt(buf, n)] = 0;
  return buf;
}
