/* The children of a process. */

#ifndef LARES_CHILD_WALK_H
#define LARES_CHILD_WALK_H

#include <signal.h>
#include <sys/types.h>

/* Deeper ones come up, a generation at a time, as those above them end. */
#define DEPTH_MAX 16
/* So far up the ancestors of a process are looked at. */
#define ANCESTORS_MAX 32

/* Calls each for every child that /proc/PID/task/TID/children names, for all threads; where the
 * kernel has no such file (before Linux 3.5, or without CONFIG_PROC_CHILDREN), for all in /proc
 * whose parent it is. 1, or 0 with errno (ENOENT: no such process; ENOSYS: nobody can be seen
 * here, see tree_is_visible; EAGAIN: threads have come or gone meanwhile, and their children
 * with them). What comes or goes meanwhile may be missed. */
extern int walk_children(pid_t parent, void (*each)(void *context, pid_t parent, pid_t pid),
                         void *context);
/* Reads numbers separated by anything: 1, or 0 with errno. */
extern int walk_numbers(int fd, void (*each)(void *context, pid_t parent, pid_t pid),
                        void *context, pid_t parent);
/* /proc/PID/NAME opened for reading, -1 with errno. */
extern int walk_open(pid_t pid, char const *name);
/* Calls each for every thread of a process but the first; tasks is the open directory of all,
 * borrowed. 1, or 0 with errno (EAGAIN: there are more or fewer now). Nothing is opened if
 * there is but one. */
extern int walk_threads(pid_t pid, void (*each)(void *context, int tasks, pid_t tid),
                        void *context);
/* NAME of a thread opened for reading, -1 with errno. */
extern int walk_open_thread(int tasks, pid_t tid, char const *name);

/* A stopped process acts on no other signal before it is continued; who is to be stopped is not
 * continued. */
static inline int walk_is_for_running(int sig) {
  return sig && sig != SIGKILL && sig != SIGSTOP;
}

#endif
