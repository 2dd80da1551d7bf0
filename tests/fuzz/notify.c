/* A datagram of sd_notify, whatever it is: what it is found to say is in it, and nothing else.
 */

#include <skalibs/nonposix.h>
#include <lares/notify.h>

#define FUZZ_WORDS                                                                             \
  "READY=1", "RELOADING=1", "STOPPING=1", "STATUS=", "MAINPID=", "WATCHDOG=1",                 \
      "WATCHDOG=trigger", "WATCHDOG_USEC=", "EXTEND_TIMEOUT_USEC=", "BARRIER=1", "FDSTORE=1",  \
      "18446744073709551615", "2147483647", "\n", "=",
#include "fuzz.h"

/* Does a line begin with this? */
static int has_line(uint8_t const *data, size_t size, char const *text) {
  size_t len = strlen(text);

  for (size_t i = 0; i + len <= size; i++)
    if ((!i || data[i - 1] == '\n') && !memcmp(data + i, text, len)) return 1;
  return 0;
}

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
  static struct {
    enum notify_word word;
    char const *line;
  } const wanted[] = {
      {NOTIFY_READY, "READY=1"},
      {NOTIFY_RELOADING, "RELOADING=1"},
      {NOTIFY_STOPPING, "STOPPING=1"},
      {NOTIFY_ALIVE, "WATCHDOG=1"},
      {NOTIFY_TRIGGER, "WATCHDOG=trigger"},
      {NOTIFY_STATUS, "STATUS="},
      {NOTIFY_MAIN_PID, "MAINPID="},
      {NOTIFY_WATCHDOG_MS, "WATCHDOG_USEC="},
      {NOTIFY_EXTEND, "EXTEND_TIMEOUT_USEC="},
      {NOTIFY_BARRIER, "BARRIER=1"},
      {NOTIFY_FDSTORE, "FDSTORE=1"},
  };
  uint8_t *exact = malloc(size ? size : 1); /* so that reading behind it is seen */
  struct notify_message m;

  need(exact);
  memcpy(exact, data, size);
  if (notify_parse(&m, (char const *)exact, size)) {
    for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++)
      fuzz_check(!(m.words & (uint32_t)wanted[i].word) || has_line(exact, size, wanted[i].line),
                 "what it says is in it");
    fuzz_check(!(m.words & NOTIFY_MAIN_PID) || m.main_pid > 1, "a pid that can be");
    fuzz_check(!(m.words & NOTIFY_EXTEND) || m.extend_ms, "some time");
    fuzz_check(!(m.words & NOTIFY_STATUS) ||
                   ((uint8_t const *)m.status >= exact &&
                    (uint8_t const *)m.status + m.status_len <= exact + size &&
                    !memchr(m.status, '\n', m.status_len)),
               "the status is a line of it");
    fuzz_check(!(m.words & NOTIFY_READY) || !(m.words & (NOTIFY_STOPPING | NOTIFY_RELOADING)),
               "one of three");
  } else
    fuzz_check(memchr(exact, 0, size), "refused for a NUL only");
  free(exact);
  return 0;
}
