/* Fields of /proc/PID/stat. */

#ifndef LARES_CHILD_STAT_H
#define LARES_CHILD_STAT_H

#include <stdint.h>
#include <sys/types.h>

struct process_stat {
  char state;            /* Z, X: all of it has ended, not only its first thread */
  char name[16];         /* of the program, as the kernel cuts it short; "" unknown */
  pid_t parent;          /* field 4 */
  pid_t group, session;  /* fields 5 and 6 */
  uint64_t child_faults; /* field 11: rises with each child that is reaped */
  unsigned threads;      /* field 20; one that has ended counts if it is the first */
  uint64_t start;        /* field 22: clock ticks since boot */
  uint64_t size;         /* field 23: bytes of its address space, 0 when it has none any more */
  int32_t exit_code;     /* field 52, as wait() gives it; only of a zombie one may ptrace */
};

static inline int process_stat_is_dead(struct process_stat const *ps) {
  return ps->state == 'Z' || ps->state == 'X';
}

/* 1, or 0 with errno (ENOENT or ESRCH: no such process; EPROTO: not understood). */
extern int process_stat_read(pid_t pid, struct process_stat *);

/* System calls the C library of this time has no wrapper for; -1 with ENOSYS where unknown. */
extern int sys_pidfd_open(pid_t pid);
extern int sys_pidfd_send_signal(int pidfd, int sig, unsigned flags);
#define PIDFD_TO_GROUP 4u /* PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9 */

#endif
