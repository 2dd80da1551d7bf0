/* What the datagrams of sd_notify say, and the socket for them. */

#include <skalibs/nonposix.h>
#include <lares/notify.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static struct notify_message m;

static unsigned words(char const *text, size_t len) {
  return notify_parse(&m, text, len) ? m.words : UINT32_MAX;
}
#define WORDS(text) words((text), sizeof(text) - 1)

static int says_status(char const *text) {
  return m.words & NOTIFY_STATUS && m.status_len == strlen(text) &&
         !memcmp(m.status, text, m.status_len);
}

static void check_words(void) {
  is_int(WORDS("READY=1"), NOTIFY_READY, "READY=1");
  is_int(WORDS("READY=1\n"), NOTIFY_READY, "with a newline");
  is_int(WORDS("READY=1\n\0"), NOTIFY_READY, "with a NUL at its end");
  is_int(WORDS("READY=0"), 0, "there is no READY=0");
  is_str(m.malformed, "READY", "that is malformed");
  is_int(WORDS("READY=1\0STATUS=x"), (long)UINT32_MAX, "a NUL in the middle: none");
  is_int(WORDS(""), 0, "nothing");
  is_int(WORDS("\n\n=\n=1\nREADY\nready=1\nREADY =1\nX_OWN=1\nERRNO=2\nEXIT_STATUS=1"), 0,
         "what is no known key counts not");
  ok(!m.malformed, "nor is it malformed");
  is_int(WORDS("RELOADING=1\nMONOTONIC_USEC=123"), NOTIFY_RELOADING, "RELOADING=1");
  is_int(WORDS("STOPPING=1"), NOTIFY_STOPPING, "STOPPING=1");
  is_int(WORDS("RELOADING=1\nREADY=1"), NOTIFY_READY, "READY wins over RELOADING");
  is_int(WORDS("READY=1\nRELOADING=1\nSTOPPING=1"), NOTIFY_STOPPING, "STOPPING over both");
  is_int(WORDS("WATCHDOG=1"), NOTIFY_ALIVE, "WATCHDOG=1");
  is_int(WORDS("WATCHDOG=trigger"), NOTIFY_TRIGGER, "WATCHDOG=trigger");
  is_int(WORDS("WATCHDOG=0"), 0, "WATCHDOG=0 is malformed");
  is_int(WORDS("BARRIER=1"), NOTIFY_BARRIER, "BARRIER=1");
  is_int(WORDS("FDSTORE=1\nFDNAME=x"), NOTIFY_FDSTORE, "FDSTORE=1");
  is_int(WORDS("STATUS=a=b c\nREADY=1"), NOTIFY_STATUS | NOTIFY_READY, "two words");
  ok(says_status("a=b c"), "the status is the rest of its line");
  (void)WORDS("STATUS=\nSTATUS=later");
  ok(says_status(""), "the first line counts; a status may be empty");
}

static void check_numbers(void) {
  is_int(WORDS("MAINPID=4711"), NOTIFY_MAIN_PID, "MAINPID");
  is_int(m.main_pid, 4711, "its number");
  is_int(WORDS("MAINPID=0"), 0, "nobody's");
  is_int(WORDS("MAINPID=1"), 0, "pid 1");
  is_int(WORDS("MAINPID=2147483648"), 0, "too large");
  is_int(WORDS("MAINPID=99999999999999999999999"), 0, "much too large");
  is_int(WORDS("MAINPID=-5"), 0, "with a sign");
  is_int(WORDS("MAINPID=12x"), 0, "with something behind it");
  is_int(WORDS("MAINPID="), 0, "empty");
  is_str(m.malformed, "MAINPID", "is malformed");
  is_int(WORDS("WATCHDOG_USEC=20000000"), NOTIFY_WATCHDOG_MS, "WATCHDOG_USEC");
  is_int(m.watchdog_ms, 20000, "in milliseconds");
  (void)WORDS("WATCHDOG_USEC=7");
  is_int(m.watchdog_ms, 1, "never none by rounding");
  is_int(WORDS("WATCHDOG_USEC=0"), NOTIFY_WATCHDOG_MS, "0");
  is_int(m.watchdog_ms, 0, "is none");
  (void)WORDS("WATCHDOG_USEC=18446744073709551615");
  is_int(m.watchdog_ms, 0, "and so is the largest number");
  is_int(WORDS("EXTEND_TIMEOUT_USEC=5000000"), NOTIFY_EXTEND, "EXTEND_TIMEOUT_USEC");
  is_int(m.extend_ms, 5000, "in milliseconds");
  (void)WORDS("EXTEND_TIMEOUT_USEC=18446744073709551616");
  is_int(m.extend_ms, INT32_MAX, "more than there is, is all there is");
  is_int(WORDS("EXTEND_TIMEOUT_USEC=0"), 0, "by nothing");
  is_int(WORDS("EXTEND_TIMEOUT_USEC=1s"), 0, "by a word");
}

static void check_socket(char const *name, char const *what) {
  char bytes[NOTIFY_MOST], large[NOTIFY_MOST + 100];
  struct notify_from from;
  struct stat st;
  int fd = notify_listen(name), fds[2];
  struct pollfd end;

  diag("%s", what);
  need(fd >= 0 && !pipe(fds));
  ok(notify_is(fd, name) && !notify_is(fd, "/x") && !notify_is(0, name), "has its name");
  if (*name == '/') ok(!stat(name, &st) && (st.st_mode & 07777) == 0666, "everybody may write");
  errno = 0;
  ok(notify_peek(fd, bytes, &from) < 0 && errno == EAGAIN, "nothing is there: no waiting");
  ok(notify_send(name, "READY=1", 7, -1, 0), "a message is sent");
  ok(notify_peek(fd, bytes, &from) == 7 && !memcmp(bytes, "READY=1", 7), "and seen");
  ok(from.pid == getpid() && from.uid == getuid() && !from.has_descriptors && !from.too_long,
     "with its sender");
  ok(notify_peek(fd, bytes, &from) == 7, "it stays");
  ok(notify_take(fd) && notify_peek(fd, bytes, &from) < 0, "until it is taken");
  memset(large, 'x', sizeof large);
  ok(notify_send(name, large, sizeof large, -1, 0) &&
         notify_peek(fd, bytes, &from) == NOTIFY_MOST && from.too_long,
     "one that is too long is cut off");
  ok(notify_take(fd) && notify_peek(fd, bytes, &from) < 0, "and taken as a whole");
  ok(notify_send(name, "", 0, -1, 0) && !notify_peek(fd, bytes, &from) && notify_take(fd),
     "an empty one");
  ok(notify_send(name, "BARRIER=1", 9, fds[1], 0), "a message with a descriptor");
  close(fds[1]);
  ok(notify_peek(fd, bytes, &from) == 9 && from.has_descriptors, "there is one");
  end = (struct pollfd){.fd = fds[0]};
  ok(!poll(&end, 1, 0), "it is open as long as the message lies there");
  is_int(open("/dev/null", O_RDONLY), fds[1], "it has not become ours");
  ok(notify_take(fd) && poll(&end, 1, 1000) == 1 && end.revents & POLLHUP,
     "taken, it is closed");
  close(fds[1]);
  close(fds[0]);
  close(fd);
  errno = 0;
  ok(!notify_send(name, "READY=1", 7, -1, 0) && errno == ECONNREFUSED, "nobody listens");
}

static void check_full(char const *name) {
  int fd = notify_listen(name), sent = 0;

  need(fd >= 0);
  errno = 0;
  while (sent < 100000 && notify_send(name, "STATUS=x", 8, -1, 0))
    sent++;
  ok(sent < 100000 && errno == EAGAIN, "a full queue does not make the sender wait");
  close(fd);
}

static void check_names(void) {
  char name[200];

  errno = 0;
  ok(notify_listen("relative") < 0 && errno == EAFNOSUPPORT, "a relative path is no name");
  ok(!notify_send("vsock:2:1", "x", 1, -1, 0) && errno == EAFNOSUPPORT, "nor vsock");
  ok(!notify_send("@", "x", 1, -1, 0) && !notify_send("", "x", 1, -1, 0), "nor nothing");
  memset(name, 'x', sizeof name);
  name[0] = '/';
  name[108] = 0;
  ok(notify_listen(name) < 0 && errno == ENAMETOOLONG, "108 bytes are too many");
}

int main(void) {
  char dir[] = "/tmp/lares-notify-XXXXXX", path[64], abstract[64];

  need(mkdtemp(dir) != 0);
  snprintf(path, sizeof path, "%s/s", dir);
  snprintf(abstract, sizeof abstract, "@lares-test-%ld", (long)getpid());
  check_words();
  check_numbers();
  check_socket(path, "a path");
  check_socket(abstract, "an abstract name");
  check_socket(path, "what is there is replaced");
  check_full(path);
  check_names();
  unlink(path);
  rmdir(dir);
  return tap_done();
}
