/* lares run: SERVICE/command/NAME, in the service's directory and with the environment that its
 * supervisor gives to `run`. It drops privileges itself, as `run` does. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/buffer.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include <lares/child.h>
#include <lares/control.h>
#include <lares/exitcode.h>
#include <lares/path.h>
#include <lares/status.h>

#include "lares.h"

#define PATH_SIZE 4096
#define ENVIRONMENT_STEP 65536
#define ENVIRONMENT_MOST (16 * ENVIRONMENT_STEP)
#define NAMES_SIZE 4096

/* The names of what can be run, each with a newline before it. */
static void add_name(void *context, char const *name) {
  char *names = context;
  char path[PATH_SIZE];
  struct stat st;

  if (name[0] == '.' || !path_join(path, sizeof path, "command", name) || stat(path, &st) < 0 ||
      !S_ISREG(st.st_mode) || access(path, X_OK) < 0 ||
      strlen(names) + strlen(name) + 2 > NAMES_SIZE)
    return;
  strcat(names, "\n");
  strcat(names, name);
}

static void list_names(char names[NAMES_SIZE]) {
  int dir = open("command", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  names[0] = 0;
  if (dir < 0) return;
  (void)path_each_name(dir, add_name, names);
  close(dir);
}

static int print_names(void) {
  char names[NAMES_SIZE];

  list_names(names);
  if (names[0] && (buffer_puts(buffer_1, names + 1) < 0 || buffer_puts(buffer_1, "\n") < 0 ||
                   !buffer_flush(buffer_1)))
    strerr_diefusys(EXIT_SYSTEM, "write to standard output");
  return EXIT_DONE;
}

/* NAME or NAME/log. */
static int is_service(char const *name) {
  char base[PATH_SIZE];
  size_t len = strlen(name);

  if (len > 4 && !strcmp(name + len - 4, "/log")) len -= 4;
  if (!len || len >= sizeof base) return 0;
  memcpy(base, name, len);
  base[len] = 0;
  return path_is_service_name(base);
}

static void enter(char const *scan, char const *service) {
  char dir[PATH_SIZE];

  if (!is_service(service)) strerr_dief(EXIT_UNKNOWN, "no such service: ", service);
  if (!path_join(dir, sizeof dir, scan, service))
    strerr_diefusys(EXIT_SYSTEM, "name ", service);
  if (chdir(dir) == 0) return;
  if (errno == ENOENT || errno == ENOTDIR) {
    if (access(scan, F_OK) < 0 && errno == ENOENT)
      strerr_dief(EXIT_UNKNOWN, "no such service: ", service, ": there is no scan directory ",
                  scan, " (-s or LARES_SCANDIR names another)");
    strerr_dief(EXIT_UNKNOWN, "no such service: ", service, " in ", scan);
  }
  strerr_diefusys(EXIT_SYSTEM, "use ", dir);
}

/* All of a file of /proc, which has no size; a zero behind it. */
static char *read_all(char const *path, size_t *len) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  char *bytes = 0;
  ssize_t got = 1;

  if (fd < 0) return 0;
  for (*len = 0; got > 0 && *len < ENVIRONMENT_MOST; *len += (size_t)got) {
    char *more = realloc(bytes, *len + ENVIRONMENT_STEP + 1);
    if (!more) return 0;
    bytes = more;
    got = read(fd, bytes + *len, ENVIRONMENT_STEP);
    if (got < 0) return 0;
  }
  close(fd);
  bytes[*len] = 0;
  return bytes;
}

/* Who it is stands in the lock; what it was started with the kernel knows. Proven afterwards:
 * the pid may have been another's. */
static char *supervisor_environment(char const *service, size_t *len) {
  char path[PATH_PROC + sizeof "/environ"];
  struct child_abilities abilities;
  struct identity_record holder;
  char *bytes;
  int lock, pidfd;

  if (control_is_supervised(".") != 1)
    strerr_dief(EXIT_UNSUPERVISED, "not supervised: ", service);
  lock = open("supervise/lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (lock < 0 || !child_probe_abilities(&abilities) || !identity_record_read(lock, &holder))
    strerr_diefusys(EXIT_SYSTEM, "find the supervisor of ", service);
  path_of_process(path, holder.who.pid, "/environ");
  bytes = read_all(path, len);
  if (!bytes)
    strerr_diefusys(EXIT_SYSTEM, "read the environment of the supervisor of ", service);
  if (identity_prove(&abilities, &holder.who, &pidfd) != IDENTITY_LIVES)
    strerr_dief(EXIT_UNSUPERVISED, "its supervisor has just ended: ", service);
  return bytes;
}

static int is_left_out(char const *variable) {
  return !strncmp(variable, "LARES_NAME=", 11) || !strncmp(variable, "LARES_ID=", 9) ||
         !strncmp(variable, "LARES_LOGBUF=", 13) || !strncmp(variable, "LARES_CGROUP=", 13);
}

static char **environment(char const *service) {
  size_t len, count = 0, used = 0;
  char *bytes = supervisor_environment(service, &len), *name, **envp;

  for (size_t i = 0; i < len; i++)
    count += !bytes[i];
  envp = malloc((count + 3) * sizeof *envp);
  name = malloc(strlen(service) + sizeof "LARES_NAME=");
  if (!envp || !name) strerr_diefusys(EXIT_SYSTEM, "copy the environment");
  for (char *at = bytes; at < bytes + len; at += strlen(at) + 1)
    if (*at && !is_left_out(at)) envp[used++] = at;
  strcpy(name, "LARES_NAME=");
  strcat(name, service);
  envp[used++] = name;
  envp[used] = 0;
  return envp;
}

static void die_unknown(char const *service, char const *name) {
  char names[NAMES_SIZE];

  list_names(names);
  if (!names[0]) strerr_dief(EXIT_USAGE, service, " has no commands, hence not ", name);
  for (char *c = names; (c = strchr(c, '\n'));)
    *c = ' ';
  strerr_dief(EXIT_USAGE, service, " has no command ", name, "; it has:", names);
}

int lares_run(int argc, char const *const *argv) {
  subgetopt at = SUBGETOPT_ZERO;
  char const *scan = 0, *service, *name;
  char path[PATH_SIZE], why[PATH_UNEXECUTED];
  int letter;

  while ((letter = subgetopt_r(argc, argv, ":s:", &at)) != -1) {
    char option[3] = {'-', (char)at.problem, 0};
    if (letter == ':') die_usage("run", "this option needs an argument: ", option);
    if (letter != 's') die_usage("run", "unknown option ", option);
    scan = at.arg;
  }
  argc -= at.ind;
  argv += at.ind;
  if (!argc) die_usage("run", "no service given", "");
  service = argv[0];
  enter(scan_directory(scan), service);
  if (argc == 1) return print_names();
  name = argv[1];
  if (!name[0] || name[0] == '.' || strchr(name, '/') ||
      !path_join(path, sizeof path, "command", name) || access(path, F_OK) < 0)
    die_unknown(service, name);
  {
    char **envp = environment(service);
    char const **command = malloc((size_t)argc * sizeof *command);
    if (!command) strerr_diefusys(EXIT_SYSTEM, "copy the arguments");
    command[0] = path;
    memcpy(command + 1, argv + 2, (size_t)(argc - 1) * sizeof *command);
    execve(path, (char *const *)command, envp);
  }
  if (errno == ENOENT && path_interpreter_missing(why, ".", path))
    strerr_dief(EXIT_NOTFOUND, "unable to run ", path, " of ", service, ": ", why);
  strerr_diefusys(errno == ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC, "run ", path, " of ", service);
}
