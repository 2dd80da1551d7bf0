/* A service that tells what it was born with, then does what its arguments say. For tests only.
 *
 * LINK: -pthread
 *
 * probe REPORT ACTION...   REPORT gets lines "PID KEY VALUE", written with one append, so that
 * many runs can share it (tests/lib/Lares.pm, probe_runs, reads them). "-": no report.
 *   sleep        for ever          after MS      wait MS milliseconds
 *   exit N       exit code N       die SIG       die of signal number SIG
 *   ignore SIG   ignore it         trap SIG      report "event signal SIG" each time, go on
 *   ready FD     write a newline to FD and close it   write FD TEXT   TEXT without a newline
 *   say TEXT     a line to stdout  lines N       lines "PID 1" to "PID N" to stdout
 *   child        fork a child that sleeps for ever, in our process group ("event child PID")
 *   stray        double fork one in a session of its own, descriptors closed ("event stray
 * PID") event TEXT   report it         read          read stdin to its end, report how many
 * bytes launch N     fork, exit N, and go on in the child ("event launched PID") hand MS the
 * same with exit 0 after MS milliseconds detach       setsid            pidfile PATH  write our
 * pid to PATH wipe         wipe the environment, as programs do that write a title over it
 *   headless     the first thread ends, another one sleeps for ever
 *   notify TEXT  send it to NOTIFY_SOCKET (an abstract one)
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "birth.h"

extern char **environ;

/* snprintf of a number does not allocate; birth_event does not either. */
static void on_signal(int sig) {
  int saved = errno;
  char number[16];

  snprintf(number, sizeof number, "%d", sig);
  birth_event("signal", number);
  errno = saved;
}

static void sleep_for_ever(void) {
  for (;;)
    pause();
}

static void sleep_ms(long ms) {
  struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

  while (nanosleep(&left, &left) < 0 && errno == EINTR)
    ;
}

static void say(int fd, char const *s, size_t len) {
  while (len) {
    ssize_t n = write(fd, s, len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) _exit(111);
    s += n;
    len -= (size_t)n;
  }
}

static void *go_on_sleeping(void *unused) {
  sleep_for_ever();
  return unused;
}

static void lose_head(void) {
  pthread_t other;

  if (pthread_create(&other, 0, go_on_sleeping, 0)) _exit(111);
  pthread_exit(0);
}

static void make_child(int stray) {
  char number[32];
  pid_t pid = fork();

  if (pid < 0) _exit(111);
  if (pid) {
    if (stray) waitpid(pid, 0, 0);
    return;
  }
  if (stray) {
    setsid();
    if (fork()) _exit(0);
    for (int fd = 0; fd < 256; fd++)
      close(fd);
  }
  snprintf(number, sizeof number, "%ld", (long)getpid());
  birth_event(stray ? "stray" : "child", number);
  sleep_for_ever();
}

static void launch(int code, long ms) {
  char number[32];
  pid_t pid = fork();

  if (pid < 0) _exit(111);
  if (pid) sleep_ms(ms);
  if (pid) _exit(code);
  snprintf(number, sizeof number, "%ld", (long)getpid());
  birth_event("launched", number);
}

static void write_pid(char const *path) {
  FILE *out = fopen(path, "we");

  if (!out || fprintf(out, "%ld\n", (long)getpid()) < 0 || fclose(out)) _exit(111);
}

static void notify(char const *text) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  char const *name = getenv("NOTIFY_SOCKET");
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  size_t len = name ? strlen(name) : 0;

  if (fd < 0 || len < 2 || len >= sizeof to.sun_path || name[0] != '@') _exit(111);
  memcpy(to.sun_path + 1, name + 1, len - 1);
  /* Nobody may be there to hear it: its supervisor was killed, and the socket with it. */
  (void)!sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
  close(fd);
}

/* The descriptor stays open, and locked as long as the process lives. */
static void be_single(char const *path) {
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

  if (fd < 0) _exit(111);
  if (flock(fd, LOCK_EX | LOCK_NB) < 0) birth_event("double", "");
}

static void wipe_environment(void) {
  for (char **variable = environ; *variable; variable++)
    memset(*variable, 0, strlen(*variable));
}

static void read_stdin(void) {
  char buf[65536], number[32];
  long long total = 0;
  ssize_t n;

  while ((n = read(0, buf, sizeof buf)) != 0) {
    if (n < 0 && errno != EINTR) _exit(111);
    if (n > 0) total += n;
  }
  snprintf(number, sizeof number, "%lld", total);
  birth_event("read", number);
}

static void say_lines(long count) {
  char line[64];

  for (long i = 1; i <= count; i++)
    say(1, line, (size_t)snprintf(line, sizeof line, "%ld %ld\n", (long)getpid(), i));
}

/* One handler at a time: of two signals that wait together the kernel would otherwise enter the
   second one's handler first, and the events would stand in the wrong order. */
static void set_handler(char const *number, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};

  sigfillset(&action.sa_mask);
  sigaction(atoi(number), &action, 0);
}

/* Actions with an argument; what they do not know is a mistake in a test. */
static int act_with(char const *action, char const *arg, char const *second) {
  if (!strcmp(action, "after"))
    sleep_ms(atol(arg));
  else if (!strcmp(action, "exit"))
    exit(atoi(arg));
  else if (!strcmp(action, "die")) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    set_handler(arg, SIG_DFL);
    raise(atoi(arg));
  } else if (!strcmp(action, "ignore"))
    set_handler(arg, SIG_IGN);
  else if (!strcmp(action, "trap"))
    set_handler(arg, on_signal);
  else if (!strcmp(action, "ready")) {
    say(atoi(arg), "\n", 1);
    close(atoi(arg));
  } else if (!strcmp(action, "say")) {
    say(1, arg, strlen(arg));
    say(1, "\n", 1);
  } else if (!strcmp(action, "lines"))
    say_lines(atol(arg));
  else if (!strcmp(action, "event"))
    birth_event(arg, "");
  else if (!strcmp(action, "launch"))
    launch(atoi(arg), 0);
  else if (!strcmp(action, "hand"))
    launch(0, atol(arg));
  else if (!strcmp(action, "single"))
    be_single(arg);
  else if (!strcmp(action, "pidfile"))
    write_pid(arg);
  else if (!strcmp(action, "notify"))
    notify(arg);
  else if (!strcmp(action, "write") && second) {
    say(atoi(arg), second, strlen(second));
    return 3;
  } else
    return 0;
  return 2;
}

static int act(char **argv) {
  if (!strcmp(argv[0], "sleep"))
    sleep_for_ever();
  else if (!strcmp(argv[0], "child"))
    make_child(0);
  else if (!strcmp(argv[0], "stray"))
    make_child(1);
  else if (!strcmp(argv[0], "read"))
    read_stdin();
  else if (!strcmp(argv[0], "detach"))
    setsid();
  else if (!strcmp(argv[0], "wipe"))
    wipe_environment();
  else if (!strcmp(argv[0], "headless"))
    lose_head();
  else
    return argv[1] ? act_with(argv[0], argv[1], argv[2]) : 0;
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "probe: usage: probe report action...\n");
    return 100;
  }
  birth_report(argv[1], argc, argv);
  for (char **next = argv + 2; *next;) {
    int used = act(next);
    if (!used) {
      fprintf(stderr, "probe: unknown or incomplete action %s\n", *next);
      return 100;
    }
    next += used;
  }
  return 0;
}
