/* Modes of the FIFOs, where one has to be made: as lares-svperms has left the directory. It
 * sets group-search for readers by group, other-search for everybody, set-group-id, so that
 * what is made here has that group, and the sticky bit where the group may command. */

#include <skalibs/nonposix.h>

#include <sys/stat.h>

#include "supervise.h"

static mode_t of(char const *directory) {
  struct stat st;

  return stat(directory, &st) < 0 ? 0 : st.st_mode;
}

mode_t access_ok(void) {
  mode_t mode = of("supervise");

  return mode & S_IXOTH ? 0622 : mode & S_IXGRP ? 0620 : 0600;
}

mode_t access_control(void) {
  mode_t mode = of("supervise");

  return mode & S_ISVTX && mode & S_ISGID && mode & S_IXGRP ? 0620 : 0600;
}

/* Whoever can get to a logger's pipe shall not write into it; a service of another user may
 * open its /dev/stdout anew. */
mode_t access_pipe(char const *directory) {
  mode_t mode = of(directory);

  return mode & S_IXOTH ? 0600 : mode & S_IXGRP ? 0602 : 0622;
}
