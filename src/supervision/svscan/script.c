/* SCAN/.lares/SIGNAME: run when that signal comes, in the scan directory, instead of what the
 * scanner would do. SCAN/.lares/finish and crash: what the scanner becomes in the end. As in
 * s6-svscan. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <string.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sig.h>

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

  if (!script_path(path, sizeof path, ".lares/", name)) return;
  report_number(code, s->code);
  spawn_restore_limit(s);
  selfpipe_finish();
  sig_blocknone();
  execv(path, argv);
  report_error_errno("unable to run ", path);
}
