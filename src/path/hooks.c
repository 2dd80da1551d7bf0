/* What a user may put into SCAN/.lares for the scanner to run. */

#include <skalibs/nonposix.h>
#include <lares/path.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static char const *const hooks[] = {
    ".lares/notify",  ".lares/finish",  ".lares/SIGTERM", ".lares/SIGINT",   ".lares/SIGHUP",
    ".lares/SIGQUIT", ".lares/SIGUSR1", ".lares/SIGUSR2", ".lares/SIGWINCH", ".lares/SIGPWR"};

char const *path_hook(unsigned i) {
  return i < sizeof hooks / sizeof *hooks ? hooks[i] : 0;
}

/* As root access() says that what nobody may execute is not executable, but of a directory that
 * it is. */
int path_hook_is_idle(char const *hook) {
  struct stat st;

  if (stat(hook, &st) < 0) return 0;
  if (!S_ISREG(st.st_mode)) return 1;
  return access(hook, X_OK) < 0 && errno == EACCES;
}
