/* Starting programs: supervisors and signal scripts. They get our environment (what
 * concerns NOTIFY_SOCKET is for us alone), descriptors 0 to 2 as we have them (0 is /dev/null
 * by then) and the limits we were given. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/posixplz.h>

#include <lares/path.h>

/* The more descriptors we have, the more supervisors found running can be waited for. */
void spawn_raise_limit(struct scan *s) {
  struct rlimit more;

  if (getrlimit(RLIMIT_NOFILE, &s->files) < 0) return;
  more = s->files;
  more.rlim_cur = more.rlim_max;
  s->limited = more.rlim_cur != s->files.rlim_cur && !setrlimit(RLIMIT_NOFILE, &more);
}

void spawn_restore_limit(struct scan const *s) {
  if (s->limited) (void)setrlimit(RLIMIT_NOFILE, &s->files);
}

/* A limit is inherited, so it is ours for the time of the vfork. What is open stays open. */
int spawn_giving(struct scan *s, char const *file, char const *const *argv, int to, int give,
                 int32_t *pid, int *failed) {
  struct child_plan plan = {.abilities = &s->abilities,
                            .file = file,
                            .argv = argv,
                            .envp = s->envp,
                            .record = -1,
                            .fds = {{.to = to, .from = give}},
                            .fd_count = give >= 0};
  struct rlimit ours;
  int known = s->limited && !getrlimit(RLIMIT_NOFILE, &ours), saved;

  if (known) (void)setrlimit(RLIMIT_NOFILE, &s->files);
  *pid = child_start(&plan);
  saved = errno;
  if (known) (void)setrlimit(RLIMIT_NOFILE, &ours);
  errno = saved;
  *failed = plan.failed;
  return *pid > 0;
}

int spawn_program(struct scan *s, char const *file, char const *const *argv, int32_t *pid,
                  int *failed) {
  return spawn_giving(s, file, argv, 0, -1, pid, failed);
}

static int is_variable(char const *entry, char const *name) {
  size_t len = strlen(name);

  return !strncmp(entry, name, len) && entry[len] == '=';
}

/* Is that the lock of the service with this number? -1 with errno: that cannot be told. */
static int is_lock_of(char const *name, char const *more, uint64_t service) {
  char path[PATH_SIZE];
  uint64_t number;
  int fd, is;

  if (!path_join(path, sizeof path, name, more)) return 0;
  fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return -is_shortage(errno);
  is = service_of_lock(fd, &number) && number == service;
  close(fd);
  return is;
}

/* Is it the mark of a service in the scan directory? -1 with errno: that cannot be told. */
static int is_mark_of_ours(uint64_t service) {
  struct dirent *d;
  int is = 0;
  DIR *dir = opendir(".");

  if (!dir) return -1;
  while (!is && (errno = 0, d = readdir(dir))) {
    if (!path_is_service_name(d->d_name)) continue;
    is = is_lock_of(d->d_name, "supervise/lock", service);
    if (!is) is = is_lock_of(d->d_name, "log/supervise/lock", service);
  }
  if (!is && errno) is = -1;
  {
    int saved = errno;
    closedir(dir);
    errno = saved;
  }
  return is;
}

/* Started by hand from within one of the services we are to supervise we have its mark, and
 * what we start would be ended with it. It is taken away, from our own too: /proc shows the
 * strings as they are now. (The mark of a service of another scanner is rightly ours.) The
 * directory can have another path by now, or had it for that scanner: the mark itself tells,
 * and of a service that has left it the directory's number. 0 with errno. */
static int drop_own_mark(struct scan const *s) {
  char const *ours = getenv("LARES_SCANDIR");
  char *text = getenv("LARES_ID");
  struct service_id id;
  struct stat st;
  int own;

  if (!text || !ours) return 1;
  own = !strcmp(ours, s->path) ||
        (!stat(ours, &st) && st.st_dev == s->dev && st.st_ino == s->ino);
  if (!own && service_id_scan(text, &id)) own = is_mark_of_ours(id.service);
  if (own < 0) return 0;
  if (!own) return 1;
  memset(text, '-', strlen(text));
  (void)unsetenv("LARES_ID");
  return 1;
}

static char *variable(char const *name, char const *value) {
  size_t len = strlen(name);
  char *made = malloc(len + strlen(value) + 2);

  if (!made) return 0;
  memcpy(made, name, len);
  made[len] = '=';
  memcpy(made + len + 1, value, strlen(value) + 1);
  return made;
}

static int is_for_us(char const *entry) {
  return is_variable(entry, "NOTIFY_SOCKET") || is_variable(entry, "WATCHDOG_USEC") ||
         is_variable(entry, "WATCHDOG_PID") || is_variable(entry, "LARES_SCANDIR") ||
         is_variable(entry, "LARES_CGROUP") || is_variable(entry, ENTRY_VARIABLE) ||
         is_variable(entry, ABILITIES_VARIABLE);
}

/* Kept until the end of the program. 0 with errno. */
char const *const *spawn_environment(struct scan *s) {
  char known[ABILITIES_LENGTH + 1], *scandir, *kernel, *cgroup;
  char const **envp;
  size_t count = 0, used = 0;

  if (!drop_own_mark(s)) return 0;
  child_abilities_text(known, &s->abilities);
  scandir = variable("LARES_SCANDIR", s->path);
  kernel = variable(ABILITIES_VARIABLE, known);
  cgroup = s->cgroup ? variable("LARES_CGROUP", s->cgroup) : 0;
  while (environ[count])
    count++;
  envp = malloc((count + 5) * sizeof *envp);
  if (!envp || !scandir || !kernel || (s->cgroup && !cgroup)) {
    free(envp);
    free(kernel);
    free(scandir);
    free(cgroup);
    return (errno = ENOMEM, (char const *const *)0);
  }
  for (size_t i = 0; i < count; i++)
    if (!is_for_us(environ[i])) envp[used++] = environ[i];
  envp[used++] = scandir;
  envp[used++] = kernel;
  if (cgroup) envp[used++] = cgroup;
  envp[used] = envp[used + 1] = 0;
  s->one_more = &envp[used];
  return envp;
}
