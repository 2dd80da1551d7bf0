/* Standard input. It is shared with whoever started us, so the non-blocking flag goes only on a
 * description of our own; where there is none to be had, poll() says before each read that it
 * will not block.
 */

#include <skalibs/nonposix.h>
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/report.h>
#include <lares/shortage.h>

#define READ_MAX (256 * 1024)
#define READ_AGAIN_MS 1000
#define PIPE_FULL 61440 /* of the usual 65536; the last page may be in part */
#define PIPE_LARGE (256 * 1024)
#define GROW_AFTER 16 /* reads in a row that got all there was room for */

/* A FIFO that is opened when its last writer has gone is at its end, but poll() does not say so
 * until another writer came and went. So the first reads do not ask poll(): one that would
 * block (EAGAIN) proves that there is a writer. */
void input_prepare(struct logger *logger) {
  struct stat st;
  int fd = fcntl(0, F_GETFL);

  if (fd >= 0 && (fd & O_ACCMODE) == O_WRONLY)
    strerr_dief(EXIT_USAGE,
                "standard input is open for writing only; lines are expected there");
  if (fstat(0, &st) < 0) return;
  if (S_ISDIR(st.st_mode))
    strerr_dief(EXIT_USAGE, "standard input is a directory; lines are expected there");
  if (!S_ISFIFO(st.st_mode)) return;
  fd = open("/proc/self/fd/0", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd > 0) {
    if (fd_move(0, fd) < 0)
      close(fd);
    else
      logger->eager = logger->unblocked = 1;
  }
  gather_prepare(logger);
}

/* Outside a stop the end of the pipe is no reason to end: whoever wrote is dead, and so are,
 * for a moment, both supervisors. With a writing end of our own there is no such end, and what
 * the next writer leaves has somebody who holds it. Where it cannot be opened we end with the
 * pipe.
 */
void input_hold(struct logger *logger) {
  struct stat st;

  if (fstat(0, &st) < 0 || !S_ISFIFO(st.st_mode) || !logbuf_hold(&logger->buf)) return;
  if (open("/proc/self/fd/0", O_WRONLY | O_NONBLOCK | O_CLOEXEC) < 0)
    logbuf_release(&logger->buf);
}

/* Who brings much, and goes on, is read in larger pieces. The file keeps its size; where there
 * is no room for more all goes on as before. */
void input_grow(struct logger *logger) {
  if (logger->flooded >= GROW_AFTER && !logger->roomy)
    logger->roomy = logbuf_grow(&logger->buf);
}

/* A larger pipe lets writer and reader wait less for each other; one that does not fit into the
 * processor's cache beside the buffer is slower again. It costs kernel memory, and an
 * unprivileged user has 64 MiB of pipes in all, so only a pipe that was once full grows. */
static void grow_pipe(struct logger *logger) {
  logger->grown = 1;
#ifdef F_SETPIPE_SZ
  (void)fcntl(0, F_SETPIPE_SZ, PIPE_LARGE);
#endif
}

int64_t input_waiting(void) {
  int waiting;

  return ioctl(0, FIONREAD, &waiting) < 0 ? 0 : waiting;
}

/* What cannot be read now may be readable later: the pipe's writers wait meanwhile, and ending
 * would cost their lines. Told to go, we go. */
static void cannot_read(struct logger *logger) {
  if (logger->leaving) {
    logger->ended = 1;
    return;
  }
  if (!logger->unreadable)
    report_warning_errno("unable to read standard input, trying again every second");
  logger->unreadable = 1;
  logger->look = deadline_add_ms(clock_now(), READ_AGAIN_MS);
}

/* Once the allowance of a TERM is used up, one byte at a time to the end of the line: what
 * follows is for the next reader. */
void input_read(struct logger *logger) {
  size_t most = READ_MAX;
  ssize_t got;

  if (logger->leaving) {
    most = logger->allowed > 1 ? (size_t)logger->allowed : 1;
    if (most > READ_MAX) most = READ_MAX;
  }
  got = logbuf_read(&logger->buf, 0, most);
  if (logger->unreadable && (got >= 0 || errno == EAGAIN || errno == EWOULDBLOCK)) {
    int saved = errno;
    report_info("standard input can be read again");
    logger->unreadable = 0;
    errno = saved;
  }
  if (got > 0) {
    logger->allowed -= got;
    if (got >= PIPE_FULL && !logger->grown) grow_pipe(logger);
    logger->flooded = got >= PIPE_FULL || logbuf_full(&logger->buf) ? logger->flooded + 1 : 0;
    gather_read(logger, (size_t)got);
    return;
  }
  logger->flooded = 0;
  if (is_input_end(0, got)) {
    logger->ended = 1;
    return;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    if (logger->leaving) logger->ended = 1;
    logger->eager = 0;
    return;
  }
  cannot_read(logger);
}
