/* Compressed files, known by their first bytes (a logger's program may have compressed a file
 * whose name does not say so), read through the system's programs. */

#include <skalibs/nonposix.h>
#include <lares/logread.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

extern char **environ;

static struct packer {
  char const *magic;
  unsigned len;
  char const *argv[3];
} const packers[] = {
    {"\x28\xb5\x2f\xfd", 4, {"zstd", "-dcqf", 0}},
    {"\x1f\x8b\x08", 3, {"gzip", "-dcq", 0}},
    {"\xfd"
     "7zXZ",
     6, /* and its NUL */
     {"xz", "-dcq", 0}},
    {"BZh", 3, {"bzip2", "-dcq", 0}},
};

/* 1; or 0 with errno: it cannot be read. */
static int find_packer(struct packer const **packer, int fd) {
  char head[8];
  ssize_t got = pread(fd, head, sizeof head, 0);

  *packer = 0;
  if (got < 0) return errno == ESPIPE; /* a pipe has nothing but what comes */
  for (unsigned i = 0; i < sizeof packers / sizeof *packers; i++)
    if (got >= (ssize_t)packers[i].len && !memcmp(head, packers[i].magic, packers[i].len))
      *packer = &packers[i];
  return 1;
}

/* With no signal blocked or ignored, whatever we have done with ours. */
static int attributes(posix_spawnattr_t *attr) {
  sigset_t none, usual;
  int error = posix_spawnattr_init(attr);

  if (error) return error;
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigmask(attr, &none);
  posix_spawnattr_setsigdefault(attr, &usual);
  posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  return 0;
}

static int run(pid_t *pid, struct packer const *packer, int in, int out) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  int error = attributes(&attr);

  if (error) return error;
  error = posix_spawn_file_actions_init(&actions);
  if (!error) {
    error = posix_spawn_file_actions_adddup2(&actions, in, 0);
    if (!error) error = posix_spawn_file_actions_adddup2(&actions, out, 1);
    if (!error)
      error = posix_spawnp(pid, packer->argv[0], &actions, &attr, (char *const *)packer->argv,
                           environ);
    posix_spawn_file_actions_destroy(&actions);
  }
  posix_spawnattr_destroy(&attr);
  return error;
}

int unpack_open(struct unpacked *u, int fd) {
  struct packer const *packer;
  int ends[2], error;

  *u = (struct unpacked){.fd = -1};
  if (!find_packer(&packer, fd)) {
    fd_close(fd);
    return 0;
  }
  if (!packer) return (u->fd = fd, 1);
  u->program = packer->argv[0];
  if (pipe2(ends, O_CLOEXEC) < 0) {
    fd_close(fd);
    return 0;
  }
  error = run(&u->pid, packer, fd, ends[1]);
  close(fd);
  close(ends[1]);
  if (!error) return (u->fd = ends[0], 1);
  close(ends[0]);
  u->pid = 0;
  return (errno = error, 0);
}

int unpack_close(struct unpacked *u, int finished) {
  int status = 0, waited = 0;

  if (u->fd >= 0) close(u->fd);
  u->fd = -1;
  if (u->pid) { /* what it still writes ends it */
    while ((waited = waitpid(u->pid, &status, 0)) < 0 && errno == EINTR)
      ;
    u->pid = 0;
  }
  return !finished || waited < 0 || !status;
}
