/* Reasons in words: every one, with any detail, fits and misleads nobody who reads svstat. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>
#include <regex.h>
#include <signal.h>

#include "tap.h"

static char const *describe(unsigned reason, uint32_t detail) {
  static char buf[STATUS_TEXT];
  return status_reason_describe(buf, reason, detail);
}

static char const *end(int32_t wstat) {
  static char buf[STATUS_TEXT];
  return status_wstat_describe(buf, wstat);
}

int main(void) {
  regex_t forbidden;
  unsigned bad = 0, empty = 0;

  is_str(describe(REASON_NONE, 5), "", "no reason, no words");
  is_str(describe(REASON_COMMAND, 'd'), "told to by command d", "a command");
  is_str(describe(REASON_COMMAND, 0), "told to", "a command without a letter");
  is_str(describe(REASON_COMMAND, '\n'), "told to", "no control byte gets through");
  is_str(describe(REASON_EXITED, 3), "exited 3", "an exit code");
  is_str(describe(REASON_KILLED, SIGSEGV), "killed by SIGSEGV", "a signal");
  is_str(describe(REASON_KILLED, 4000000000u), "killed by signal 4000000000", "none");
  is_str(describe(REASON_NO_EXEC, ENOENT), "unable to execute run: No such file or directory",
         "an errno");
  is_str(describe(REASON_TOO_MANY_DEATHS, 7), "too many deaths: 7", "a count");
  is_str(describe(REASON_COUNT, 0), "?", "a reason of a later version");
  is_str(end(0), "exited 0", "wait status of a success");
  is_str(end(3 << 8), "exited 3", "of a failure");
  is_str(end(SIGKILL), "killed by SIGKILL", "of a kill");
  is_str(end(SIGSEGV | 0x80), "killed by SIGSEGV", "with a core");
  is_str(end(WSTAT_UNKNOWN), "ended, nobody saw how", "an unknown one");

  need(!regcomp(&forbidden, " (up|down|want) |[0-9] seconds|\\(pid |: +up \\(", REG_EXTENDED));
  for (unsigned reason = 0; reason < REASON_COUNT; reason++)
    for (uint32_t detail = 0; detail < 300; detail++) {
      char framed[STATUS_TEXT + 8];
      snprintf(framed, sizeof framed, ", %s, x", describe(reason, detail));
      bad += !regexec(&forbidden, framed, 0, 0, 0);
      empty += reason && !describe(reason, detail)[0];
    }
  regfree(&forbidden);
  is_int(bad, 0, "no reason looks like a part of the classic line");
  is_int(empty, 0, "each has words");
  return tap_done();
}
