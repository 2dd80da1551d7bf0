/* Stands for a supervisor where the floor is measured: linked like lares-supervise, touches as
 * much writable memory (its state and a few pages of stack), opens and does nothing. */

#include <string.h>
#include <unistd.h>

#include <skalibs/strerr.h>

char const *PROG = "standin";
char standin_state[12288];

static void touch_stack(void) {
  char volatile stack[8192];

  for (unsigned i = 0; i < sizeof stack; i += 1024)
    stack[i] = 1;
}

int main(int argc, char **argv) {
  (void)argv;
  if (argc > 9) strerr_dief(100, "too many arguments");
  memset(standin_state, argc, sizeof standin_state);
  touch_stack();
  for (;;)
    pause();
}
