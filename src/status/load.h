/* Reading a small file of a service directory without ever blocking on what it may really be.
 */

#ifndef LARES_STATUS_LOAD_H
#define LARES_STATUS_LOAD_H

#include <sys/types.h>

/* Bytes read (at most size), or -1 with errno. */
extern ssize_t load_file(char const *dir, char const *name, char *buf, size_t size);

#endif
