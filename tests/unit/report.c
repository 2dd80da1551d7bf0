/* Own messages: the form of a line, nothing a reader does or does not do blocks, what is lost
 * is counted. Each scenario runs in a child of its own, because the library keeps its
 * descriptor; the child's exit code and what came out of its descriptor 2 are compared here. */

#include <skalibs/nonposix.h>
#include <lares/clock.h>
#include <lares/report.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define HEAD (STAMP_ISO + 1)

static char text[1 << 21];
static size_t text_len;

/* Waits for nobody for ever: a child that blocks is killed by its alarm, which is a failure. */
static pid_t start(int (*scenario)(void), int fd2, int close_too) {
  pid_t pid = fork();

  need(pid >= 0);
  if (pid) return pid;
  alarm(20);
  if (fd2 < 0)
    close(2);
  else if (dup2(fd2, 2) < 0)
    _exit(99);
  if (fd2 > 2) close(fd2);
  if (close_too >= 0) close(close_too);
  _exit(scenario());
}

static int end(pid_t pid) {
  int status;

  need(waitpid(pid, &status, 0) == pid);
  if (WIFSIGNALED(status)) diag("the child was killed by signal %d", WTERMSIG(status));
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void read_all(int fd) {
  ssize_t got;

  text_len = 0;
  while ((got = read(fd, text + text_len, sizeof text - 1 - text_len)) > 0)
    text_len += (size_t)got;
  text[text_len] = 0;
}

/* Run with a pipe as descriptor 2; its exit code, what it said in text. */
static int run(int (*scenario)(void)) {
  int ends[2], code;
  pid_t pid;

  need(!pipe(ends));
  pid = start(scenario, ends[1], ends[0]);
  close(ends[1]);
  read_all(ends[0]);
  close(ends[0]);
  code = end(pid);
  return code;
}

static unsigned count(char const *word) {
  unsigned n = 0;

  for (char const *at = text; (at = strstr(at, word)); at++)
    n++;
  return n;
}

/* The sum of the losses said. (One can be said while a longer message does not fit.) */
static unsigned losses(void) {
  unsigned sum = 0;

  for (char const *at = text; (at = strstr(at, " warning x ")); at++)
    if (strstr(at, " messages lost")) sum += (unsigned)strtoul(at + 11, 0, 10);
  return sum;
}

/* --- the form ---------------------------------------------------------------------------- */

static int say_three(void) {
  report_start("supervise web");
  report_info("pid ", "7", " started");
  errno = ENOENT;
  report_error_errno("unable to open ", "run");
  if (errno != ENOENT) return 1;
  report_warning("");
  return (int)report_dropped();
}

static void test_form(void) {
  char *second, *third;

  is_int(run(say_three), 0, "three messages are said, errno is kept");
  ok(text_len > HEAD && text[4] == '-' && text[10] == 'T' && text[STAMP_ISO - 1] == 'Z',
     "a line starts with the time");
  second = strchr(text, '\n');
  third = second ? strchr(second + 1, '\n') : 0;
  if (!ok(second && third && third[1], "each is a line")) return;
  *second++ = *third++ = 0;
  is_str(text + HEAD, "info supervise web pid 7 started", "level, name, message");
  is_str(second + HEAD, "error supervise web unable to open run: No such file or directory",
         "and what errno says");
  is_str(third + HEAD, "warning supervise web \n", "an empty message");
}

static int say_newline(void) {
  report_start("supervise a\nb");
  report_error("name ", "x\n2026-11-20T10:00:00.123Z error init fake", " \x1b[2J\t\r",
               "\xc3\xa9");
  return (int)report_dropped();
}

static void test_newline(void) {
  is_int(run(say_newline), 0, "a newline in a part");
  is_int(count("\n"), 1, "does not make a second line");
  is_str(text + HEAD,
         "error supervise a?b name x?2026-11-20T10:00:00.123Z error init fake ?[2J??\xc3\xa9\n",
         "it and other control bytes are shown as ?");
}

static int say_long(void) {
  static char part[3 * REPORT_MAX];

  report_start("x");
  memset(part, 'p', sizeof part - 1);
  report_info(part);
  report_info(part, "more");
  /* head, "info x ", the newline: exactly full, then one more */
  part[REPORT_MAX - HEAD - 7 - 1] = 0;
  report_info(part);
  report_info(part, "!");
  return (int)report_dropped();
}

static void test_long(void) {
  is_int(run(say_long), 0, "messages longer than a line are said");
  is_int(text_len, 4 * REPORT_MAX, "each REPORT_MAX bytes, no more");
  is_mem(text + REPORT_MAX - 5, 5, "p...\n", 5, "cut with dots");
  is_mem(text + 2 * REPORT_MAX - 5, 5, "p...\n", 5, "in the middle of a part, too");
  is_mem(text + 3 * REPORT_MAX - 5, 5, "pppp\n", 5, "what fits exactly has none");
  is_mem(text + 4 * REPORT_MAX - 5, 5, "p...\n", 5, "one byte more has");
}

static int say_many_parts(void) {
  char const *parts[64];

  for (unsigned i = 0; i < 63; i++)
    parts[i] = "p";
  parts[63] = 0;
  report_parts(REPORT_INFO, parts);
  errno = EINTR;
  report_parts_errno(REPORT_INFO, parts);
  return (int)report_dropped();
}

static void test_many_parts(void) {
  is_int(run(say_many_parts), 0, "63 parts and no report_start");
  is_int(count("info lares p"), 2, "are two lines under a default name");
  ok(count(": Interrupted system call\n") == 1, "the second with its errno at the end");
}

/* --- nobody reads ------------------------------------------------------------------------ */

#define MANY 3000
static int signal_full[2], signal_read[2];

/* Fills its descriptor 2, lets the parent read, and says one more. Ends with 0 when messages
 * were lost and the count was said again as 0. */
static int fill(void) {
  char part[600], byte;

  memset(part, 'f', sizeof part - 1);
  part[sizeof part - 1] = 0;
  for (unsigned i = 0; i < MANY; i++)
    report_info("fill ", part);
  if (!report_dropped()) return 1;
  if (write(signal_full[1], "x", 1) != 1) return 2;
  if (read(signal_read[0], &byte, 1) != 1) return 3;
  report_info("after");
  return report_dropped() ? 4 : 0;
}

static int fill_pipe(void) {
  report_start("x");
  if (fcntl(2, F_GETFL) & O_NONBLOCK) return 5; /* the flag would be everybody's */
  return fill();
}

/* No descriptor to be had for an own description of the pipe: asks poll before each write. */
static int fill_without_own(void) {
  struct rlimit limit = {3, 3};

  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return 6;
  report_start("x");
  return fill();
}

/* Reads what is there without waiting. */
static void read_now(int fd) {
  need(!fcntl(fd, F_SETFL, O_NONBLOCK));
  read_all(fd);
  need(errno == EAGAIN);
  need(!fcntl(fd, F_SETFL, 0));
}

static void test_full(char const *what, int (*scenario)(void), int ends[2]) {
  char byte;
  unsigned said, dropped;
  pid_t pid;

  diag("%s", what);
  need(!pipe(signal_full) && !pipe(signal_read));
  pid = start(scenario, ends[1], ends[0]);
  close(signal_full[1]);
  if (!ok(read(signal_full[0], &byte, 1) == 1, "a full one does not block")) {
    end(pid);
    return;
  }
  ok(!(fcntl(ends[1], F_GETFL) & O_NONBLOCK), "what others write to did not change its flags");
  read_now(ends[0]);
  said = count(" info x fill ffff");
  ok(said > 0 && said < MANY, "some messages came, some did not");
  is_int(count("\n"), said + count(" messages lost"), "no line is torn");
  dropped = losses();
  need(write(signal_read[1], "x", 1) == 1);
  is_int(end(pid), 0, "then there is room again");
  read_now(ends[0]);
  ok(losses() > 0, "the loss is said");
  is_int(said + dropped + losses(), MANY, "and counted exactly");
  ok(strstr(text, " info x after\n") > strstr(text, " messages lost"),
     "before what comes next");
  close(signal_full[0]), close(signal_read[0]), close(signal_read[1]);
  close(ends[0]), close(ends[1]);
}

static int talk(void) {
  report_start("x");
  for (unsigned i = 0; i < 5; i++)
    report_info("hello");
  return (int)report_dropped();
}

static void test_nobody(void) {
  int ends[2], full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  pid_t pid;

  need(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  close(ends[0]);
  pid = start(talk, ends[1], -1);
  is_int(end(pid), 5, "a socket whose other end is closed costs messages, not the process");
  close(ends[1]);
  pid = start(talk, -1, -1);
  is_int(end(pid), 5, "so does a closed descriptor 2");
  need(full >= 0);
  pid = start(talk, full, -1);
  is_int(end(pid), 5, "and a full disk");
  close(full);
}

static int talk_with_service(void) {
  report_start("x");
  report_info("begins");
  if (write(2, "service\n", 8) != 8) return 1;
  report_info("ends");
  return (int)report_dropped();
}

static void test_messages_written_over(void) {
  FILE *file = tmpfile(); /* not opened to append, like `2>messages' in a shell */
  char *after;
  int fd;

  need(file);
  fd = dup(fileno(file));
  need(fd >= 0 && !fclose(file));
  is_int(end(start(talk_with_service, fd, -1)), 0, "a file that a service writes to, too");
  need(lseek(fd, 0, SEEK_SET) == 0);
  read_all(fd);
  close(fd);
  is_int(count("\n"), 3, "nobody writes over what the other has written");
  after = strstr(text, "\nservice\n");
  ok(after && strstr(text, " begins\n") < after && strstr(after, " ends\n"), "in order");
}

static void test_number(void) {
  char buf[REPORT_NUMBER];

  is_str(report_number(buf, 0), "0", "0");
  is_str(report_number(buf, -42), "-42", "-42");
  is_str(report_number(buf, INT64_MAX), "9223372036854775807", "the largest number");
  is_str(report_number(buf, INT64_MIN), "-9223372036854775808", "the smallest number");
}

int main(void) {
  int ends[2];

  test_form();
  test_newline();
  test_long();
  test_many_parts();
  need(!pipe(ends));
  test_full("a pipe", fill_pipe, ends);
  need(!pipe(ends));
  test_full("a pipe without an own description", fill_without_own, ends);
  need(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  test_full("a socket", fill_pipe, ends);
  test_nobody();
  test_messages_written_over();
  test_number();
  return tap_done();
}
