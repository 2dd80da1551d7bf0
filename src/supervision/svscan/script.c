/* SCAN/.lares/SIGNAME: run when that signal comes, in the scan directory, instead of what the
 * scanner would do. SCAN/.lares/finish: what the scanner becomes in the end. As in s6-svscan.
 *
 * One that is there and cannot be executed is meant to be run, and would be missed at the worst
 * moment: that is said at each look, and when it would have been run. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <string.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sig.h>

#include <lares/path.h>

void script_look(struct scan *s) {
  char const *hook;

  for (unsigned i = 0; (hook = path_hook(i)); i++) {
    uint16_t bit = (uint16_t)(1u << i);
    int is_idle = path_hook_is_idle(hook);
    if (is_idle && !(s->idle_hooks & bit))
      report_warning(hook, " is no executable file; it is not run");
    s->idle_hooks = (uint16_t)(is_idle ? s->idle_hooks | bit : s->idle_hooks & ~bit);
  }
}

static int script_path(char *path, size_t size, char const *prefix, char const *name) {
  size_t a = strlen(prefix), b = strlen(name);

  if (a + b >= size) return 0;
  memcpy(path, prefix, a);
  memcpy(path + a, name, b + 1);
  return access(path, X_OK) == 0;
}

int script_run(struct scan *s, int sig) {
  char path[40];
  char const *argv[] = {path, 0};
  int failed;
  int32_t pid;

  script_look(s);
  if (!script_path(path, sizeof path, ".lares/SIG", sig_name(sig))) return 0;
  if (!spawn_program(s, path, argv, &pid, &failed)) {
    report_warning_errno("unable to run ", path);
    return 0;
  }
  for (unsigned i = 0; i < SCRIPTS; i++)
    if (!s->scripts[i]) {
      s->scripts[i] = pid;
      break;
    }
  return !failed;
}

int script_reaped(struct scan *s, int32_t pid) {
  for (unsigned i = 0; i < SCRIPTS; i++)
    if (s->scripts[i] == pid) {
      s->scripts[i] = 0;
      return 1;
    }
  return 0;
}

/* Our exit code is its argument. */
void script_become(struct scan *s, char const *name) {
  char path[40], code[REPORT_NUMBER];
  char *argv[] = {path, code, 0};

  script_look(s);
  if (!script_path(path, sizeof path, ".lares/", name)) return;
  report_number(code, s->code);
  spawn_restore_limit(s);
  selfpipe_finish();
  sig_blocknone();
  execv(path, argv);
  report_error_errno("unable to run ", path);
}
