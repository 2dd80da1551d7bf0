/* How far somebody has told of a service's changes: file `told` of supervise/. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "load.h"

#define TOLD_FILE "supervise/told"
#define TOLD_VERSION 1

/* 32 bytes, version 1:
 *   0  2  "LN"
 *   2  1  version
 *   3  5  zero
 *   8  8  inode number of the journal
 *  16  8  number of the last record told
 *  24  4  zero
 *  28  4  checksum of bytes 0 to 27
 */
void told_pack(char out[TOLD_SIZE], struct told const *t) {
  memset(out, 0, TOLD_SIZE);
  out[0] = 'L';
  out[1] = 'N';
  out[2] = TOLD_VERSION;
  uint64_pack_big(out + 8, t->inode);
  uint64_pack_big(out + 16, t->sequence);
  checksum_put(out, TOLD_SIZE);
}

int told_unpack(char const in[TOLD_SIZE], struct told *t) {
  if (!version_is(in, 'N', TOLD_VERSION)) return 0;
  if (!checksum_holds(in, TOLD_SIZE) || !reserved_zero(in + 3, 5) || !reserved_zero(in + 24, 4))
    return (errno = EPROTO, 0);
  uint64_unpack_big(in + 8, &t->inode);
  uint64_unpack_big(in + 16, &t->sequence);
  return 1;
}

int told_load(char const *dir, struct told *t) {
  char packed[TOLD_SIZE + 1];
  ssize_t got = load_file(dir, TOLD_FILE, packed, sizeof packed);

  if (got < 0) return 0;
  return got == TOLD_SIZE ? told_unpack(packed, t) : (errno = EPROTO, 0);
}

static int open_told(char const *dir, int flags) {
  int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, error;

  if (dirfd < 0) return -1;
  fd = openat(dirfd, TOLD_FILE, flags | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0600);
  error = errno;
  close(dirfd);
  errno = error;
  return fd;
}

int told_save(char const *dir, struct told const *t) {
  char packed[TOLD_SIZE];
  int fd = open_told(dir, O_WRONLY | O_CREAT), error;
  ssize_t wrote;

  if (fd < 0) return 0;
  told_pack(packed, t);
  wrote = pwrite(fd, packed, sizeof packed, 0);
  error = wrote < 0 ? errno : ENOSPC;
  close(fd);
  return wrote == sizeof packed ? 1 : (errno = error, 0);
}

int told_forget(char const *dir) {
  int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), gone;

  if (dirfd < 0) return errno == ENOENT;
  gone = !unlinkat(dirfd, TOLD_FILE, 0) || errno == ENOENT;
  close(dirfd);
  return gone;
}
