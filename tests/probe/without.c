/* without NUMBER[,NUMBER...] PROGRAM [ARGUMENT...]: becomes PROGRAM with these system calls
 * (their numbers on this machine) failing with ENOSYS, as in a kernel or a container that does
 * not have them. For tests only. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MOST 16

int main(int argc, char **argv) {
  struct sock_filter code[2 * MOST + 2];
  struct sock_fprog program = {.filter = code};
  unsigned short n = 0;
  char *at = argc > 2 ? argv[1] : 0;

  if (!at) return 100;
  code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                           (unsigned)offsetof(struct seccomp_data, nr));
  for (unsigned i = 0; i < MOST && *at; i++) {
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                             (unsigned)strtoul(at, &at, 10), 0, 1);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    if (*at == ',') at++;
  }
  code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  program.len = n;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program)) {
    perror("without: unable to set the filter");
    return 111;
  }
  execvp(argv[2], argv + 2);
  perror(argv[2]);
  return 127;
}
