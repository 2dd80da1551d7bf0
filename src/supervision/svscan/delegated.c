/* Which cgroup may be used. Never one because it happens to be writable: root can write to all
 * of them, and most are somebody else's. Given by -g; or our own, marked as delegated by
 * whoever made it (systemd's Delegate= and container engines set these attributes); or that of
 * a container whose pid 1 we are. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/path.h>

#define FIRST_CGROUP_SPACE "cgroup:[4026531835]" /* the kernel's own, since Linux 4.6 */
#define FIRST_PID_SPACE "pid:[4026531836]"
#define TABLE_SIZE 65536

static int is_writable(char const *path) {
  return cgroup_is(path) && !access(path, W_OK | X_OK);
}

static int is_marked(char const *path) {
  static char const *const names[] = {"user.delegate", "trusted.delegate"};
  char value[2];

  for (unsigned i = 0; i < 2; i++)
    if (getxattr(path, names[i], value, sizeof value) == 1 && value[0] == '1') return 1;
  return 0;
}

static int is_space(char const *link, char const *name) {
  char text[64];
  ssize_t len = readlink(link, text, sizeof text - 1);

  if (len < 0) return 0;
  text[len] = 0;
  return !strcmp(text, name);
}

/* Pid 1, or below a lares-init that is, of a name space whose root of cgroups is its own; or of
 * the machine itself. */
static int is_ours_as_pid1(char const *place) {
  char init[PROCESS_NAME] = "";

  if (getppid() == 1) process_name(1, init);
  if ((getpid() != 1 && strcmp(init, "lares-init")) || strcmp(place, "/")) return 0;
  return !is_space("/proc/self/ns/cgroup", FIRST_CGROUP_SPACE) ||
         is_space("/proc/self/ns/pid", FIRST_PID_SPACE);
}

/* A file of /proc as a string; 0 if it does not fit. */
static int read_all(char const *file, char *text, size_t size) {
  size_t len = 0;
  ssize_t got = 1;
  int fd = open(file, O_RDONLY | O_CLOEXEC);

  if (fd < 0) return 0;
  while (got > 0 && len < size - 1) {
    got = read(fd, text + len, size - 1 - len);
    if (got > 0) len += (size_t)got;
  }
  close(fd);
  text[len] = 0;
  return !got;
}

/* What place is called by way of this mount, whose line in mountinfo has as fourth and fifth
 * word the part of the hierarchy that is there, and where. (A blank in a name stands there as
 * \\040; such a mount is not used.) */
static int by_mount(char *line, char const *place, char path[PATH_SIZE]) {
  char *words[5] = {0};
  size_t len;

  if (!strstr(line, " - cgroup2 ")) return 0;
  for (unsigned i = 0; i < 5 && line; i++)
    words[i] = strsep(&line, " ");
  if (!line) return 0;
  len = strcmp(words[3], "/") ? strlen(words[3]) : 0;
  if (strncmp(place, words[3], len) || (place[len] && place[len] != '/')) return 0;
  while (place[len] == '/')
    len++;
  return path_join(path, PATH_SIZE, words[4], place + len) && is_writable(path);
}

/* The cgroup we are in, as a path that the caller frees, 0 for none; *place as the kernel says.
 */
static char *own_cgroup(char *text, char place[PATH_SIZE]) {
  char path[PATH_SIZE], *at, *save = 0;

  if (!read_all("/proc/self/cgroup", text, TABLE_SIZE)) return 0;
  at = strncmp(text, "0::", 3) ? strstr(text, "\n0::") : text;
  if (!at) return 0;
  at += at == text ? 3 : 4;
  at[strcspn(at, "\n")] = 0;
  if (strlen(at) >= PATH_SIZE) return 0;
  strcpy(place, at);
  if (!read_all("/proc/self/mountinfo", text, TABLE_SIZE)) return 0;
  for (at = strtok_r(text, "\n", &save); at; at = strtok_r(0, "\n", &save))
    if (by_mount(at, place, path)) return strdup(path);
  return 0;
}

static char const *own_if_delegated(void) {
  char place[PATH_SIZE], *text = malloc(TABLE_SIZE), *own = text ? own_cgroup(text, place) : 0;

  free(text);
  if (own && (is_marked(own) || is_ours_as_pid1(place))) return own;
  free(own);
  return 0;
}

char const *delegated_cgroup(char const *given, int must_go_on) {
  if (!given) return own_if_delegated();
  if (is_writable(given)) return given;
  if (must_go_on) return given; /* the supervisors say that they cannot use it */
  if (errno == ENOTSUP)
    strerr_dief(EXIT_USAGE, "option -g: ", given,
                " is not a directory of a cgroup2 file system");
  strerr_diefusys(errno == ENOENT || errno == ENOTDIR ? EXIT_USAGE : EXIT_SYSTEM, "use cgroup ",
                  given);
  return 0;
}
