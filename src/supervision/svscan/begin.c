/* Failing to begin. Started afresh we end with a message; after an upgrade in place there is a
 * tree to look after and, when we are pid 1, nobody who would start another scanner: we wait a
 * moment, with the lock kept, and become the same program again. Signals that come meanwhile
 * wait, blocked. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <skalibs/posixplz.h>

#define WORDS 16

void begin_again(struct scan *s) {
  int const fds[] = {s->lock, s->control.read, s->control.write};
  char const *argv[WORDS] = {s->argv[0], "-q"};
  unsigned more = !s->upgrade.quiet;

  for (unsigned i = 1; i < WORDS - 2 && s->argv[i]; i++)
    argv[i + more] = s->argv[i];
  for (;;) {
    clock_pause(RETRY_MS);
    for (unsigned i = 0; i < 3; i++)
      (void)fcntl(fds[i], F_SETFD, 0);
    execve((char const *)getauxval(AT_EXECFN), (char *const *)argv, environ);
  }
}
