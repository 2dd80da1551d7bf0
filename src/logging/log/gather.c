/* Lines that come one by one, and often. Each would wake us, and who writes would be held up by
 * our reading: that costs both more than the line. So they are let come together for a moment,
 * once a line has come right behind another, and as long as several do.
 *
 * Nobody shall wait for us meanwhile: only short lines are let come, of which a pipe takes many
 * (of long ones each takes a page of its own), only in a pipe of the usual size or more, and
 * only where a moment can be measured.
 */

#include <skalibs/nonposix.h>
#include "log.h"

#include <fcntl.h>
#include <time.h>

#define RIGHT_BEHIND_NS 50000 /* so long after the read before */
#define MOMENT_NS 100000      /* the kernel adds some 50000 */
#define SEVERAL 4             /* lines; fewer are not worth a timer */
#define SHORT 512             /* bytes a line, on the average */
#define MUCH (32 * 1024)      /* half a pipe: there is more to be read now */
#define USUAL_PIPE 65536      /* an unprivileged user who has many gets less */
#define RESOLUTION_NS                                                                          \
  20000 /* a kernel without timers of high resolution waits for 1 to 10 ms */

void gather_prepare(struct logger *logger) {
  struct timespec unit;

#ifdef F_GETPIPE_SZ
  if (!logger->unblocked || fcntl(0, F_GETPIPE_SZ) < USUAL_PIPE) return;
  logger->gathers =
      !clock_getres(CLOCK_MONOTONIC, &unit) && !unit.tv_sec && unit.tv_nsec <= RESOLUTION_NS;
#else
  (void)logger;
  (void)unit;
#endif
}

void gather_read(struct logger *logger, size_t got) {
  struct deadline now;
  size_t lines = got / SHORT + 1;
  int was_gathered = logger->gathered;

  if (!logger->gathers) return;
  now = clock_now();
  if (was_gathered && lines < SEVERAL) lines = SEVERAL;
  logger->gathered = (was_gathered || !deadline_passed(logger->right_behind, now)) &&
                     got < MUCH && logbuf_has_lines(&logger->buf, got, lines);
  logger->gather = logger->right_behind = now;
  if (logger->gathered) logger->gather.ns += MOMENT_NS;
  logger->right_behind.ns += RIGHT_BEHIND_NS;
}

int gather_waits(struct logger const *logger, struct deadline *until) {
  if (!logger->gathered || logger->leaving || deadline_passed(logger->gather, clock_now()))
    return 0;
  *until = deadline_earlier(*until, logger->gather);
  return 1;
}
