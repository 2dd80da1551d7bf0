/* clone3 with CLONE_INTO_CGROUP (Linux 5.7). To move a process that lives, by writing it to
 * cgroup.procs, makes all processors agree: 10 ms here, where this costs nothing.
 *
 * As with vfork the child shares our memory and runs on our stack, below our frame, while we
 * sleep. The C library cannot do that for us: the child would return from its function and
 * overwrite our way back. So the system call stands in the code itself, the child calls one
 * function that never returns, and nothing of this frame is used by both. (The address
 * sanitizer knows vfork and not this: it would take what the child leaves on the stack for
 * ours.) */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "into.h"

#define INTO_CGROUP 0x200000000ull /* CLONE_INTO_CGROUP */
#define NEW_PIDNS 0x20000000ull    /* CLONE_NEWPID */

/* struct clone_args, version 2. */
struct clone_arguments {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
      set_tid_size, cgroup;
};
_Static_assert(sizeof(struct clone_arguments) == 88, "the size that has cgroup in it");

#ifdef __has_feature /* clang */
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif
#ifdef __SANITIZE_ADDRESS__ /* gcc */
#define SANITIZED
#endif

#if defined SANITIZED
#elif defined SYS_clone3 && defined __x86_64__
#define CAN_CLONE
static inline __attribute__((always_inline)) long clone3(struct clone_arguments const *a) {
  long result;

  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"((long)SYS_clone3), "D"(a), "S"(sizeof *a)
                   : "rcx", "r11", "cc", "memory");
  return result;
}
#elif defined SYS_clone3 && defined __aarch64__
#define CAN_CLONE
static inline __attribute__((always_inline)) long clone3(struct clone_arguments const *a) {
  register long number __asm__("x8") = SYS_clone3;
  register long first __asm__("x0") = (long)a;
  register long second __asm__("x1") = sizeof *a;

  __asm__ volatile("svc 0" : "+r"(first) : "r"(number), "r"(second) : "cc", "memory");
  return first;
}
#endif

#ifdef CAN_CLONE
__attribute__((noinline)) pid_t into_new(int dir, int newpidns, void (*live)(void *context),
                                         void *context) {
  struct clone_arguments arguments = {.flags = CLONE_VM | CLONE_VFORK |
                                               (dir > 0 ? INTO_CGROUP : 0) |
                                               (newpidns ? NEW_PIDNS : 0),
                                      .exit_signal = SIGCHLD,
                                      .cgroup = dir > 0 ? (uint64_t)dir : 0};
  long result = clone3(&arguments);

  if (!result)
    for (;;)
      live(context); /* a loop, so that it is no jump that gives our frame up */
  if (result > 0) return (pid_t)result;
  return (errno = (int)-result, -1);
}
#else
pid_t into_new(int dir, int newpidns, void (*live)(void *context), void *context) {
  (void)dir;
  (void)newpidns;
  (void)live;
  (void)context;
  return (errno = ENOSYS, -1);
}
#endif
