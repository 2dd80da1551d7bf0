/* A child that is born into a cgroup. */

#ifndef LARES_CHILD_INTO_H
#define LARES_CHILD_INTO_H

#include <sys/types.h>

/* As vfork, with live(context) as the child's life, which must not return; born a member of the
 * cgroup whose directory is open as dir (0: of ours), and as pid 1 of a namespace if asked for.
 * -1 with errno: ENOSYS where that cannot be had. */
extern pid_t into_new(int dir, int newpidns, void (*live)(void *context), void *context);

#endif
