/* Errors that may be others the next time: no answer to what was asked. Whoever takes them for
 * a no (it is not there, it does not live) loses or doubles what is. */

#ifndef LARES_SHORTAGE_H
#define LARES_SHORTAGE_H

#include <errno.h>

static inline int is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == EINTR ||
         error == EIO;
}

#endif
