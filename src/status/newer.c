/* Files of a lares that is newer than this one, and such that nobody has written yet. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"

#define BOOT_AT 32 /* in identity and state records of whatever version */

/* Where either is unknown the same is supposed. */
int status_of_boot(int fd, uint64_t boot) {
  char packed[8];
  uint64_t found;

  if (pread(fd, packed, sizeof packed, BOOT_AT) != sizeof packed) return 0;
  uint64_unpack_big(packed, &found);
  return !found || !boot || found == boot;
}

int status_is_blank(int fd) {
  char bytes[256];
  ssize_t got = pread(fd, bytes, sizeof bytes, 0);

  return got >= 0 && reserved_zero(bytes, (size_t)got);
}

char const *status_trouble(int error) {
  if (error == EPROTONOSUPPORT) return "it was written by a newer lares";
  return error == EPROTO ? "it is damaged" : strerror(error);
}
