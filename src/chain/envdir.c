/* lares-envdir: environment variables from the files of a directory, then become another
 * program.
 *
 * As in daemontools: the file's name is the variable, the first line of its content the value,
 * without spaces and tabs at its end; NUL bytes stand for newlines; an empty file removes the
 * variable; names starting with a dot are skipped. skalibs' envdir() is not used because it
 * skips bad names silently and cannot say which file it failed on. */

#include "chain.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/bytestr.h>
#include <skalibs/direntry.h>
#include <skalibs/djbunix.h>
#include <skalibs/env.h>
#include <skalibs/exec.h>
#include <skalibs/stralloc.h>
#include <skalibs/unix-transactional.h>

#define OPTIONS(FLAG, VALUE) ""
CHAIN_TEXTS(OPTIONS, "lares-envdir", "directory program [argument...]");

/* No system hands longer ones to a program; keeps a link to /dev/zero bounded. */
#define VALUE_MAX (1u << 20)

/* Appends the content of the file, as far as the first newline at least. 1, or 0 with errno. */
static int read_line(int fd, stralloc *line) {
  char buf[4096];

  for (;;) {
    ssize_t got = fd_read(fd, buf, sizeof buf);
    if (got <= 0) return !got;
    if (!stralloc_catb(line, buf, (size_t)got)) return 0;
    if (memchr(buf, '\n', (size_t)got)) return 1;
    if (line->len > VALUE_MAX) return (errno = EFBIG, 0);
  }
}

/* The open file, or -1. A FIFO would be waited for or taken for an empty file: ESPIPE. */
static int open_value(int directory, char const *name) {
  struct stat st;
  int fd = openc_readat(directory, name);

  if (fd < 0 || (!fstat(fd, &st) && !S_ISFIFO(st.st_mode))) return fd;
  fd_close(fd);
  return (errno = ESPIPE, -1);
}

/* Notes the change to one variable: NAME=VALUE, or NAME alone to remove it. 1, or 0 with errno.
 */
static int add_variable(stralloc *changes, int directory, char const *name) {
  stralloc value = STRALLOC_ZERO;
  int fd = open_value(directory, name), ok;
  size_t len;

  if (fd < 0) return errno == ENOENT && env_addmodif(changes, name, 0); /* a dangling link */
  ok = read_line(fd, &value);
  fd_close(fd);
  if (ok && !value.len) return env_addmodif(changes, name, 0);
  if (ok) {
    len = byte_chr(value.s, value.len, '\n');
    while (len && (value.s[len - 1] == ' ' || value.s[len - 1] == '\t'))
      len--;
    for (size_t i = 0; i < len; i++)
      if (!value.s[i]) value.s[i] = '\n';
    value.len = len;
    ok = stralloc_0(&value) && env_addmodif(changes, name, value.s);
  }
  stralloc_free(&value);
  return ok;
}

static void read_directory(stralloc *changes, char const *path) {
  DIR *dir = opendir(path);
  direntry *entry;

  if (!dir) strerr_diefusys(EXIT_SYSTEM, "open directory ", path);
  while ((errno = 0, entry = readdir(dir))) {
    char const *name = entry->d_name;
    if (name[0] == '.') continue;
    if (strchr(name, '='))
      strerr_diefu(EXIT_SYSTEM, "read ", path, "/", name,
                   ": a variable's name cannot contain =");
    if (add_variable(changes, dirfd(dir), name)) continue;
    if (errno == ESPIPE) strerr_diefu(EXIT_SYSTEM, "read ", path, "/", name, ": is a FIFO");
    strerr_diefusys(EXIT_SYSTEM, "read ", path, "/", name);
  }
  if (errno) strerr_diefusys(EXIT_SYSTEM, "read directory ", path);
  dir_close(dir);
}

int main(int argc, char const *const *argv) {
  subgetopt at = SUBGETOPT_ZERO;
  stralloc changes = STRALLOC_ZERO;

  PROG = "lares-envdir";
  while (chain_option(argc, argv, letters, usage, &at) != -1)
    ;
  argv = chain_operands(argc, argv, 2, usage, &at);
  read_directory(&changes, argv[0]);
  xmexec_m(argv + 1, changes.s, changes.len);
}
