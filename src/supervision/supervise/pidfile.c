/* The file in which a daemon says who it is. Anybody's word at first: what it names counts only
 * if it is proven to be the service's (forking.c). Whatever stands in its place, reading it
 * does not wait. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/path.h>

#include "supervise.h"

/* A number, blanks before it or behind it allowed, at the beginning of the first line (in
 * PostgreSQL's file more lines follow). */
static int scan_pid(char const *text, pid_t *pid) {
  size_t len;

  text += strspn(text, " \t");
  len = strspn(text, "0123456789");
  if (!len || len > 9 || (text[len] && !strchr(" \t\r\n", text[len]))) return 0;
  *pid = 0;
  while (len--)
    *pid = *pid * 10 + (*text++ - '0');
  return *pid > 0;
}

static int wrong(struct pid_file *file, char const *what, int error) {
  file->wrong = what;
  file->detail = error ? strerror(error) : "";
  return 0;
}

int pid_file_read(struct pid_file *file) {
  struct stat st;
  char text[64];
  ssize_t got;
  int fd;

  file->detail = "";
  file->path[0] = file->number[0] = 0;
  if (!svdir_pid_file(file->path, ".")) return wrong(file, "cannot be read any more", 0);
  /* Looked at first: to open a device may do something. */
  if (stat(file->path, &st) < 0) return wrong(file, "cannot be looked at: ", errno);
  if (!S_ISREG(st.st_mode)) return wrong(file, "is not a regular file", 0);
  fd = open(file->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) < 0 || (got = read(fd, text, sizeof text - 1)) < 0) {
    int error = errno;
    if (fd >= 0) close(fd);
    return wrong(file, "cannot be read: ", error);
  }
  close(fd);
  text[got] = 0;
  file->owner = st.st_uid;
  stamp_from_timespec(&file->changed, &st.st_ctim);
  if (!S_ISREG(st.st_mode)) return wrong(file, "is not a regular file", 0);
  return scan_pid(text, &file->pid) ? 1 : wrong(file, "does not begin with a pid", 0);
}

/* May it name a process that cannot be proven by its environment? Written since the launch, by
 * us or by whom the process belongs to: nobody shall have a process of another signalled. */
int pid_file_is_trusted(struct pid_file const *file, struct stamp const *launched) {
  char path[PATH_PROC];
  struct stat st;

  path_of_process(path, file->pid, "");
  if (stamp_compare(&file->changed, launched) < 0 || stat(path, &st) < 0) return 0;
  return file->owner == geteuid() || file->owner == st.st_uid;
}
