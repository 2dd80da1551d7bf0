/* A service that uses the real libsystemd, if this system has it (it is loaded, not linked: no
 * header is needed); told what to do by lines from the FIFO `gate`, and noting in `said` what
 * came of it. For tests only. LINK: -ldl
 *
 *   notify TEXT   sd_notify, `;' for a newline      barrier    sd_notify_barrier, 5 seconds
 *   store         sd_pid_notify_with_fds FDSTORE=1  watchdog   sd_watchdog_enabled
 *   exit N        end
 *
 * Without a library it exits 77; `sdlib --try` does that at once, or exits 0.
 */

#include <skalibs/nonposix.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As sd-daemon.h has them. */
static struct {
  int (*notify)(int unset, char const *state);
  int (*barrier)(int unset, uint64_t usec);
  int (*with_fds)(pid_t pid, int unset, char const *state, int const *fds, unsigned count);
  int (*watchdog)(int unset, uint64_t *usec);
} sd;

static void find(void *library, char const *name, void *function) {
  void *found = dlsym(library, name);

  if (!found) exit(77);
  memcpy(function, &found, sizeof found);
}

static void load(void) {
  void *library = dlopen("libsystemd.so.0", RTLD_NOW);

  if (!library) exit(77);
  find(library, "sd_notify", &sd.notify);
  find(library, "sd_notify_barrier", &sd.barrier);
  find(library, "sd_pid_notify_with_fds", &sd.with_fds);
  find(library, "sd_watchdog_enabled", &sd.watchdog);
}

static void note(char const *what, long result) {
  char line[256];
  int fd = open("said", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

  snprintf(line, sizeof line, "%ld %s %ld\n", (long)getpid(), what, result);
  if (fd < 0 || write(fd, line, strlen(line)) < 0) _exit(111);
  close(fd);
}

static void obey(char *line) {
  char *arg = strchr(line, ' ');
  uint64_t usec = 0;

  if (arg) *arg++ = 0;
  for (char *c = arg; c && *c; c++)
    if (*c == ';') *c = '\n';
  if (!strcmp(line, "notify")) note("notify", sd.notify(0, arg));
  if (!strcmp(line, "barrier")) note("barrier", sd.barrier(0, 5000000));
  if (!strcmp(line, "watchdog")) {
    long on = sd.watchdog(0, &usec);
    note("watchdog", on > 0 ? (long)usec : on);
  }
  if (!strcmp(line, "store")) {
    int const fds[] = {0, 1, 2};
    note("store", sd.with_fds(0, 0, "FDSTORE=1\nFDNAME=x", fds, 3));
  }
  if (!strcmp(line, "exit")) exit(atoi(arg));
}

int main(int argc, char **argv) {
  char line[512];
  FILE *gate;

  load();
  if (argc > 1 && !strcmp(argv[1], "--try")) return 0;
  gate = fopen("gate", "r+");
  if (!gate) return 111;
  note("born", 0);
  while (fgets(line, sizeof line, gate)) {
    line[strcspn(line, "\n")] = 0;
    obey(line);
  }
  return 0;
}
