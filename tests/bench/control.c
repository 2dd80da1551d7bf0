/* control ROUNDS ALIVE-MS: times commands. Its input has one line a command, fields separated
 * by tabs: GROUP LABEL UNTIL WORDS... Prints `LABEL NANOSECONDS` from before vfork to after
 * waitpid, and, for a suite whose tool does not wait, further until UNTIL holds: `FILE:down` or
 * `FILE:up` look at the pid in a classic status file. A first word NAME=VALUE is put
 * in its environment. `LABEL -` when the command failed.
 *
 * Lines of one group belong together (down, then up) and keep their order; groups come in a new
 * order each round. Between rounds ALIVE-MS pass: daemontools does not listen within a second
 * of a start, and nobody restarts at once what was just started. */

#include <skalibs/nonposix.h>

#include "bench.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS 16
#define COMMANDS 64
#define VARIABLES 1024
#define PAUSE_NS 20000000
#define PATIENCE_NS 5000000000u

struct command {
  unsigned group;
  char *label, *until, *words[WORDS + 1];
};

static struct command commands[COMMANDS];
static char lines[COMMANDS][8192];

static unsigned read_commands(void) {
  unsigned n = 0;

  while (n < COMMANDS && fgets(lines[n], sizeof lines[n], stdin)) {
    struct command *c = &commands[n];
    char *field = strtok(lines[n++], "\t\n");
    unsigned words = 0;
    c->group = (unsigned)atoi(field);
    c->label = strtok(0, "\t\n");
    c->until = strtok(0, "\t\n");
    while (words < WORDS && (c->words[words] = strtok(0, "\t\n")))
      words++;
    if (!words) die("a line without a command");
  }
  return n;
}

/* Bytes 12 to 15 of a classic status: the pid, the least significant byte first. */
static int holds(char const *file, int up) {
  unsigned char status[20];
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? -1 : read(fd, status, sizeof status);

  if (fd >= 0) close(fd);
  return got >= 16 && up == !!(status[12] | status[13] | status[14] | status[15]);
}

static int wait_until(char const *until) {
  char file[4096];
  char const *colon = strrchr(until, ':');
  uint64_t end = now_ns() + PATIENCE_NS;

  if (!colon) return 1;
  memcpy(file, until, (size_t)(colon - until));
  file[colon - until] = 0;
  while (!holds(file, !strcmp(colon, ":up"))) {
    if (now_ns() > end) return 0;
    sleep_ns(20000);
  }
  return 1;
}

static char *environment[VARIABLES + 2];

/* The words after a NAME=VALUE, which goes to environment[0]. */
static char **words_of(struct command *c, char ***envp) {
  int set = strchr(c->words[0], '=') != 0;

  environment[0] = c->words[0];
  *envp = environment + !set;
  return c->words + set;
}

static void measure(struct command *c) {
  char **envp, **words = words_of(c, &envp);
  uint64_t began = now_ns();
  int status = 0;
  pid_t pid = vfork();

  if (!pid) {
    execve(words[0], words, envp);
    _exit(127);
  }
  if (pid < 0 || waitpid(pid, &status, 0) != pid) die(words[0]);
  if (status || !wait_until(c->until))
    printf("%s -\n", c->label);
  else
    printf("%s %llu\n", c->label, (unsigned long long)(now_ns() - began));
  fflush(stdout);
  sleep_ns(PAUSE_NS);
}

int main(int argc, char **argv) {
  unsigned n = read_commands(), groups = 0, order[COMMANDS];
  unsigned rounds = argc == 3 ? (unsigned)atoi(argv[1]) : 0;

  for (unsigned i = 0; i < VARIABLES && environ[i]; i++)
    environment[i + 1] = environ[i];
  for (unsigned i = 0; i < n; i++)
    if (commands[i].group >= groups) groups = commands[i].group + 1;
  for (unsigned i = 0; i < groups; i++)
    order[i] = i;
  while (rounds--) {
    sleep_ns((uint64_t)atoi(argv[2]) * 1000000u);
    shuffle(order, groups);
    for (unsigned g = 0; g < groups; g++)
      for (unsigned i = 0; i < n; i++)
        if (commands[i].group == order[g]) measure(&commands[i]);
  }
  return 0;
}
