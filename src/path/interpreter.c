/* The interpreter that a script names: execve() says ENOENT when it is missing, as if the
 * script itself were. */

#include <skalibs/nonposix.h>
#include <lares/path.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define FIRST_LINE 256 /* as much as Linux reads */
#define MOST_SCRIPTS 5 /* an interpreter may be a script, too */
#define SHOWN 40       /* bytes of its name */

/* 1, or 0 when the file cannot be read or is no script. */
static int read_interpreter(char const *path, char name[FIRST_LINE]) {
  char line[FIRST_LINE];
  struct stat st;
  ssize_t len = -1;
  size_t start = 2;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

  if (fd < 0) return 0;
  if (!fstat(fd, &st) && S_ISREG(st.st_mode)) len = read(fd, line, sizeof line - 1);
  close(fd);
  if (len < 2 || line[0] != '#' || line[1] != '!') return 0;
  line[len] = 0;
  start += strspn(line + start, " \t");
  len = (ssize_t)strcspn(line + start, " \t\n");
  memcpy(name, line + start, (size_t)len);
  name[len] = 0;
  return len > 0;
}

static int is_missing(char const *path) {
  struct stat st;

  return stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

static char *show(char *out, char const *name) {
  static char const hex[] = "0123456789abcdef";
  char const *end = out + SHOWN;

  for (; *name && out < end; name++) {
    unsigned char c = (unsigned char)*name;
    if (c > ' ' && c < 0x7f && c != '\\') {
      *out++ = *name;
      continue;
    }
    *out++ = '\\';
    *out++ = c == '\r' ? 'r' : 'x';
    if (c == '\r') continue;
    *out++ = hex[c >> 4];
    *out++ = hex[c & 15];
  }
  if (*name) memcpy(out, "...", 3);
  return *name ? out + 3 : out;
}

static void describe(char buf[PATH_UNEXECUTED], char const *name) {
  static char const before[] = "the interpreter `", after[] = "' does not exist",
                    dos[] = " (line ends of DOS)";
  char *out = buf;

  memcpy(out, before, sizeof before - 1);
  out = show(out + sizeof before - 1, name);
  memcpy(out, after, sizeof after);
  if (name[strlen(name) - 1] == '\r') memcpy(out + sizeof after - 1, dos, sizeof dos);
}
_Static_assert(PATH_UNEXECUTED >= 17 + SHOWN + 3 + 3 + 16 + 19 + 1, "room for the words");

/* A relative one is relative to the directory in which the file is executed. -1: the file is no
 * script, or cannot be read. */
static int find_missing(char buf[PATH_UNEXECUTED], char const *dir, char const *file) {
  char path[PATH_SIZE], name[FIRST_LINE];

  if (!path_join(path, sizeof path, dir, file) || is_missing(path)) return 0;
  for (unsigned i = 0; i < MOST_SCRIPTS; i++) {
    if (!read_interpreter(path, name)) return -!i;
    if (name[0] == '/')
      memcpy(path, name, strlen(name) + 1);
    else if (!path_join(path, sizeof path, dir, name))
      return 0;
    if (!is_missing(path)) continue;
    describe(buf, name);
    return 1;
  }
  return 0;
}

int path_script_missing(char buf[PATH_UNEXECUTED], char const *dir, char const *file) {
  int saved = errno, found = find_missing(buf, dir, file);

  errno = saved;
  return found > 0;
}

int path_interpreter_missing(char buf[PATH_UNEXECUTED], char const *dir, char const *file) {
  static char const loader[] = "its interpreter or loader does not exist";
  int saved = errno, found = find_missing(buf, dir, file);

  errno = saved;
  if (found < 0) memcpy(buf, loader, sizeof loader);
  return !!found;
}
