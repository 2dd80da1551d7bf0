/* FIFOs with a name. */

#include <skalibs/nonposix.h>
#include <lares/channel.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

int channel_make(char const *file, mode_t mode) {
  struct stat st;

  if (!mkfifo(file, mode)) return chmod(file, mode) == 0;
  if (errno != EEXIST) return 0;
  if (lstat(file, &st) < 0) return 0;
  if (!S_ISFIFO(st.st_mode) || st.st_uid != geteuid()) return (errno = EEXIST, 0);
  return 1;
}

int channel_open_read(char const *file) {
  struct stat st;
  int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW), error;

  if (fd < 0) return -1;
  error = fstat(fd, &st) < 0 ? errno : S_ISFIFO(st.st_mode) ? 0 : EPROTO;
  if (!error) return fd;
  close(fd);
  errno = error;
  return -1;
}

int channel_open(struct channel *c, char const *file) {
  *c = CHANNEL_NONE;
  c->read = channel_open_read(file);
  if (c->read < 0) return 0;
  c->write = open(file, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  if (c->write >= 0) return 1;
  {
    int saved = errno;
    channel_close(c);
    errno = saved;
  }
  return 0;
}

void channel_close(struct channel *c) {
  if (c->read >= 0) close(c->read);
  if (c->write >= 0) close(c->write);
  *c = CHANNEL_NONE;
}

int channel_poke(char const *file, char const *letters) {
  return channel_poke_at(AT_FDCWD, file, letters);
}

int channel_poke_at(int dir, char const *file, char const *letters) {
  int fd = openat(dir, file, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW), saved;
  struct stat st;
  ssize_t put = -1;

  if (fd < 0) return 0;
  if (!fstat(fd, &st)) {
    if (S_ISFIFO(st.st_mode))
      put = fd_write(fd, letters, strlen(letters));
    else
      errno = EPROTO;
  }
  saved = errno;
  close(fd);
  errno = saved;
  return put >= 0;
}

/* A definition on a read-only root may hold `supervise` as a link into a writable place that a
 * reboot has emptied. One level is made, as the link says; its parent has to be there. The
 * supervisors of a service and of its logger may do so at the same time. */
static int make_link_target(char const *link, mode_t mode) {
  char target[PATH_MAX];
  ssize_t len = readlink(link, target, sizeof target - 1);

  if (len < 0) return 0;
  target[len] = 0;
  if (target[0] == '/') return mkdir(target, mode) == 0 || errno == EEXIST;
  {
    /* Relative to the directory that holds the link, which is the one named before its last
     * slash. */
    char full[PATH_MAX];
    char const *slash = strrchr(link, '/');
    size_t head = slash ? (size_t)(slash - link) + 1 : 0;
    if (head + (size_t)len >= sizeof full) return (errno = ENAMETOOLONG, 0);
    memcpy(full, link, head);
    memcpy(full + head, target, (size_t)len + 1);
    return mkdir(full, mode) == 0 || errno == EEXIST;
  }
}

int channel_directory(char const *dir, mode_t mode) {
  struct stat st;

  if (!mkdir(dir, mode)) {
    if (chmod(dir, mode) < 0) return 0; /* whatever the umask */
  } else if (errno != EEXIST)
    return 0;
  if (stat(dir, &st) < 0) {
    if (errno != ENOENT || !make_link_target(dir, mode) || stat(dir, &st) < 0) return 0;
  }
  if (!S_ISDIR(st.st_mode)) return (errno = ENOTDIR, 0);
  if (st.st_uid != geteuid()) return (errno = EPERM, 0);
  if (st.st_mode & (S_IWGRP | S_IWOTH)) return (errno = EACCES, 0);
  return 1;
}
