/* Escape sequences of ECMA-48, which programs write for terminals: colours, titles. */

#ifndef LARES_LOGDIR_ANSI_H
#define LARES_LOGDIR_ANSI_H

#include <stddef.h>

/* Bytes before the next sequence, and its length; all of them and 0 when there is none. A
 * sequence ends with its line at the latest. */
extern size_t ansi_find(char const *in, size_t len, size_t *sequence);

#endif
