/* Errors that may be others the next time: no answer to what was asked. Whoever takes them for
 * a no (it is not there, it does not live) loses or doubles what is. */

#ifndef LARES_SHORTAGE_H
#define LARES_SHORTAGE_H

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

static inline int is_shortage(int error) {
  switch (error) {
  case EMFILE:
  case ENFILE:
  case ENOMEM:
  case EAGAIN:
  case EINTR:
  case EIO:
  case ENOLCK:
  case EBUSY:
  case ETIMEDOUT:
  case ESTALE:
    return 1;
  default:
    return 0;
  }
}

/* Has this read of fd found its end? A terminal that was hung up answers EIO, which elsewhere
 * is no answer. errno is kept. */
static inline int is_input_end(int fd, ssize_t got) {
  int error = errno, end = !got || (got < 0 && error == EIO && isatty(fd));

  errno = error;
  return end;
}

#endif
