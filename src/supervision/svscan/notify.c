/* Telling who started us (systemd, podman, another supervisor) how far we are, if it wants to
 * know: NOTIFY_SOCKET names a datagram socket, as sd_notify(3) has it. Never waits; a message
 * that cannot be sent is not worth another, but for the one that we are ready. With
 * WATCHDOG_USEC it wants a sign of life again and again: the only thing for which an idle
 * scanner wakes up. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/notify.h>

/* Parts of one message. 0 when it is worth another try. */
static int tell(struct scan *s, char const *const *parts) {
  char const *socket = getenv("NOTIFY_SOCKET");
  char message[256];
  size_t len = 0;
  int error;

  if (!socket || !*socket) return 1;
  for (; *parts; parts++) {
    size_t more = strlen(*parts);
    if (len + more > sizeof message) return 1;
    memcpy(message + len, *parts, more);
    len += more;
  }
  if (notify_send(socket, message, len, -1, 0)) {
    trouble_over(s, TROUBLE_TELL);
    return 1;
  }
  error = errno;
  if (trouble(s, TROUBLE_TELL))
    report_warning_errno("unable to tell ", socket, " how far we are");
  return !is_shortage(error) && error != ENOBUFS;
}
#define TELL(s, ...) tell((s), (char const *const[]){__VA_ARGS__, 0})

void notify_ready(struct scan *s) {
  char number[REPORT_NUMBER];

  if (s->announced || s->stopping) return;
  s->announced = 1;
  if (TELL(s, "READY=1\nSTATUS=supervising ", report_number(number, s->living),
           s->living == 1 ? " service" : " services"))
    return;
  s->announced = 0; /* who waits for that may end us */
  need_look(s, deadline_add_ms(clock_now(), RETRY_MS));
}

/* Until notify_ready. */
void notify_reloading(struct scan *s) {
  char number[REPORT_NUMBER];

  if (!s->announced) return;
  s->announced = 0;
  TELL(s, "RELOADING=1\nMONOTONIC_USEC=", report_number(number, clock_now().ns / 1000));
}

void notify_stopping(struct scan *s) {
  char number[REPORT_NUMBER];

  TELL(s, "STOPPING=1\nSTATUS=stopping ", report_number(number, s->living),
       s->living == 1 ? " service" : " services");
}

/* The code is of interest to who runs a container or a virtual machine. */
void notify_end(struct scan *s) {
  char number[REPORT_NUMBER];

  TELL(s, "STATUS=everything has stopped\nEXIT_STATUS=", report_number(number, s->code));
}

void notify_begin(struct scan *s) {
  char const *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
  uint64_t period, whose;

  s->ping_at = DEADLINE_NEVER;
  if (!getenv("NOTIFY_SOCKET") || !usec || !uint640_scan(usec, &period) || period < 2000)
    return;
  if (pid && (!uint640_scan(pid, &whose) || whose != (uint64_t)getpid())) return;
  s->ping_ms = period / 2000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(period / 2000);
  s->ping_at = clock_now();
  need_look(s, s->ping_at);
}

void notify_alive(struct scan *s, struct deadline now) {
  if (deadline_passed(s->ping_at, now)) {
    TELL(s, "WATCHDOG=1");
    s->ping_at = deadline_add_ms(now, s->ping_ms);
  }
  need_look(s, s->ping_at);
}
