/* A service that speaks sd_notify exactly as it is told, by lines from the FIFO `gate` of its
 * directory. For tests only. Each line that is done is repeated in the file `said`, with the
 * pid in front.
 *
 *   send TEXT       a datagram, `;' for a newline        child TEXT   the same from a child
 * that lives on        brief TEXT   from one that ends      stranger TEXT  from one that has
 * left the session and wiped its environment    fds N TEXT  with N descriptors barrier
 * BARRIER=1 with a pipe: done when that is closed main            fork; the child is the main
 * process and obeys from now on hand            the same, and the parent ends        large N N
 * bytes flood N         N datagrams, without waiting         raw HEX      these bytes variables
 * report NOTIFY_SOCKET, WATCHDOG_USEC and whether WATCHDOG_PID is us ping MS         WATCHDOG=1
 * every MS until the next line exit N          end
 */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define FDS_MOST 200
#define SIZE_MOST 100000

static int ping_ms = -1;

static void need(int good, char const *what) {
  if (good) return;
  fprintf(stderr, "sdprobe: unable to %s: %s\n", what, strerror(errno));
  _exit(111);
}

static void note(char const *text) {
  char line[1024];
  int fd = open("said", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

  snprintf(line, sizeof line, "%ld %s\n", (long)getpid(), text);
  need(fd >= 0 && write(fd, line, strlen(line)) > 0, "write said");
  close(fd);
}

static int send_bytes(char const *bytes, size_t len, int const *fds, unsigned count,
                      int flags) {
  static union {
    struct cmsghdr header;
    char room[CMSG_SPACE(FDS_MOST * sizeof(int))];
  } control;
  char const *name = getenv("NOTIFY_SOCKET");
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  struct iovec text = {.iov_base = (char *)bytes, .iov_len = len};
  struct msghdr message = {.msg_name = &to, .msg_iov = &text, .msg_iovlen = 1};
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), sent;

  need(name && strlen(name) < sizeof to.sun_path && fd >= 0, "use NOTIFY_SOCKET");
  memcpy(to.sun_path, name, strlen(name));
  if (*name == '@') to.sun_path[0] = 0;
  message.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
  if (count) {
    message.msg_control = control.room;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
  }
  do
    sent = sendmsg(fd, &message, MSG_NOSIGNAL | flags) >= 0;
  while (!sent && errno == EINTR);
  close(fd);
  return sent;
}

static void send_text(char const *text) {
  char bytes[1024];
  size_t len = strlen(text);

  memcpy(bytes, text, len);
  for (size_t i = 0; i < len; i++)
    if (bytes[i] == ';') bytes[i] = '\n';
  if (!send_bytes(bytes, len, 0, 0, 0)) note(strerror(errno));
}

static void wait_barrier(void) {
  int fds[2];
  struct pollfd end;

  need(!pipe(fds), "make a pipe");
  end = (struct pollfd){.fd = fds[0]};
  need(send_bytes("BARRIER=1", 9, &fds[1], 1, 0), "send");
  close(fds[1]);
  need(poll(&end, 1, 20000) == 1, "see the end of the barrier");
  close(fds[0]);
}

static void send_descriptors(char const *arg) {
  int fds[FDS_MOST], count = atoi(arg), null = open("/dev/null", O_RDWR | O_CLOEXEC);

  for (int i = 0; i < count && i < FDS_MOST; i++)
    fds[i] = null;
  need(send_bytes(strchr(arg, ' ') + 1, strlen(strchr(arg, ' ') + 1), fds, (unsigned)count, 0),
       "send descriptors");
  close(null);
}

/* In a child, which then ends or lives on. */
static void send_from_child(char const *text, int lives, int strange) {
  pid_t pid = fork();

  if (pid) {
    if (!lives) waitpid(pid, 0, 0);
    return;
  }
  if (strange) {
    setsid();
    if (fork()) _exit(0);
    usleep(50000); /* until nobody is above it any more */
    for (char **v = environ; *v; v++)
      if (strncmp(*v, "NOTIFY_SOCKET", 13)) memset(*v, 0, strlen(*v));
  }
  send_text(text);
  note(strange ? "strange" : lives ? "child" : "brief");
  while (lives)
    pause();
  _exit(0);
}

static void become_main(int parent_ends) {
  char text[64];
  int fds[2];
  pid_t pid;
  char go;

  need(!pipe(fds), "make a pipe");
  pid = fork();
  if (pid) {
    snprintf(text, sizeof text, "MAINPID=%ld", (long)pid);
    send_text(text);
    close(fds[0]);
    close(fds[1]);
    if (parent_ends) _exit(0);
    for (;;)
      pause();
  }
  close(fds[1]);
  (void)!read(fds[0], &go, 1);
  close(fds[0]);
}

static void send_large(size_t len, int hex, char const *digits) {
  char *bytes = calloc(1, SIZE_MOST);

  need(bytes && len <= SIZE_MOST, "allocate");
  for (size_t i = 0; i < len; i++) {
    char pair[3] = {0};
    if (hex) memcpy(pair, digits + 2 * i, 2);
    bytes[i] = hex ? (char)strtol(pair, 0, 16) : 'x';
  }
  if (!send_bytes(bytes, len, 0, 0, 0)) note(strerror(errno));
  free(bytes);
}

static void report_variables(void) {
  char text[512];
  char const *name = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC"),
             *pid = getenv("WATCHDOG_PID");

  snprintf(text, sizeof text, "variables %s %s %s", name ? name : "-", usec ? usec : "-",
           !pid                          ? "-"
           : atol(pid) == (long)getpid() ? "us"
                                         : pid);
  note(text);
}

static void obey(char *line) {
  char *arg = strchr(line, ' ');
  char whole[1024];

  snprintf(whole, sizeof whole, "%s", line);
  if (arg) *arg++ = 0;
  if (!strcmp(line, "send")) send_text(arg);
  if (!strcmp(line, "child")) send_from_child(arg, 1, 0);
  if (!strcmp(line, "brief")) send_from_child(arg, 0, 0);
  if (!strcmp(line, "stranger")) send_from_child(arg, 1, 1);
  if (!strcmp(line, "barrier")) wait_barrier();
  if (!strcmp(line, "fds")) send_descriptors(arg);
  if (!strcmp(line, "main")) become_main(0);
  if (!strcmp(line, "hand")) become_main(1);
  if (!strcmp(line, "large")) send_large((size_t)atol(arg), 0, 0);
  if (!strcmp(line, "raw")) send_large(strlen(arg) / 2, 1, arg);
  if (!strcmp(line, "variables")) report_variables();
  if (!strcmp(line, "ping")) ping_ms = atoi(arg);
  if (!strcmp(line, "exit")) exit(atoi(arg));
  if (!strcmp(line, "flood"))
    for (long n = atol(arg); n > 0; n--)
      (void)send_bytes("STATUS=flood", 12, 0, 0, MSG_DONTWAIT);
  note(whole);
}

/* The next line, a byte at a time: others may read the rest. 0: the time is over. */
static int read_line(int gate, char *line, size_t size) {
  struct pollfd fd = {.fd = gate, .events = POLLIN};
  size_t len = 0;

  if (poll(&fd, 1, ping_ms) == 0) return 0;
  ping_ms = -1;
  while (len + 1 < size && read(gate, line + len, 1) == 1 && line[len] != '\n')
    len++;
  line[len] = 0;
  return 1;
}

int main(void) {
  char line[1000];
  int gate = open("gate", O_RDWR | O_CLOEXEC);

  need(gate >= 0, "open gate");
  signal(SIGCHLD, SIG_DFL);
  note("born");
  for (;;)
    if (read_line(gate, line, sizeof line))
      obey(line);
    else
      send_text("WATCHDOG=1");
}
