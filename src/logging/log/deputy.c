/* Who reads while the disk does not answer. A system call on a slow disk cannot be left, so the
 * log writer cannot read while it waits for one, and its service would wait with it. Where all
 * actions may drop (o), a second process looks at how the first gets on: it sleeps until there
 * is input, and when the log writer has been busy with one round of writing for PATIENCE_MS,
 * and the pipe is half full, it takes over the reading end and drops what comes, counted in the
 * buffer's head (src/logdir/skip.c). It touches no file. The log writer, when it is back, asks
 * for the pipe, and tells in the log what is missing.
 *
 * Who reads is one word: only from `busy' can the deputy take, and only the log writer gives
 * `busy' up. Both are children of one fork and share the buffer; the deputy dies with the
 * other.
 */

#include <skalibs/nonposix.h>
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/report.h>

#define STEP_MS 250      /* it looks so often while there is input, */
#define STEP_ALERT_MS 50 /* so often for ALERT_MS after it had to take over, */
#define STEPS 2          /* and takes over when nothing has moved so many times */
#define ALERT_MS 60000
#define DRAIN_MS 5     /* between two looks at the pipe when it has taken over */
#define LINE_MS 10     /* it waits so long for the end of a line */
#define ANSWER_MS 1000 /* the log writer waits so long for the pipe, then kills it */
#define AGAIN_MS 1000
#define QUIET_MS 60000
#define PAGE 4096

/* --- the deputy --- */

/* Does the log writer want something? It has gone when it does not say what. */
static int is_asked(int fd, int ms) {
  struct pollfd fds = {.fd = fd, .events = POLLIN};
  char byte;

  if (clock_poll(&fds, 1, deadline_add_ms(clock_now(), (uint64_t)ms)) < 1) return 0;
  if (fd_read(fd, &byte, 1) != 1) _exit(EXIT_DONE);
  return 1;
}

static size_t waiting(void) {
  int64_t bytes = input_waiting();

  return bytes > 0 ? (size_t)bytes : 0;
}

/* A pipe of which each write takes a page of its own is full with a little more than half of
 * its bytes. */
static int is_filling(void) {
#ifdef F_GETPIPE_SZ
  int size = fcntl(0, F_GETPIPE_SZ);
#else
  int size = 65536;
#endif

  return size > 4 * PAGE ? waiting() >= (size_t)size / 2 - PAGE : waiting() > 0;
}

static void wait_for_input(int ask) {
  struct pollfd fds[2] = {{.fd = ask, .events = POLLIN}, {.fd = 0, .events = POLLIN}};

  if (clock_poll(fds, 2, DEADLINE_NEVER) < 0) clock_pause(STEP_MS);
  /* The end of the pipe is the log writer's, too; until it has seen that there is nothing to
   * do. */
  if (!fds[0].revents && fds[1].revents && !(fds[1].revents & POLLIN)) fds[1].fd = -1;
  if (fds[1].fd < 0) (void)clock_poll(fds, 1, DEADLINE_NEVER);
  if (fds[0].revents) (void)is_asked(ask, 0);
}

/* 1: it reads in the log writer's place from now on. */
static int takes_over(struct deputy_words *words, int ask, int step_ms) {
  uint32_t turns = atomic_load(&words->turns);

  for (int steps = 1;; steps++) {
    uint32_t busy = DEPUTY_BUSY;
    (void)is_asked(ask, step_ms);
    if (atomic_load(&words->owner) != DEPUTY_BUSY || atomic_load(&words->turns) != turns)
      return 0;
    if (steps >= STEPS && is_filling())
      return atomic_compare_exchange_strong(&words->owner, &busy, DEPUTY_TAKEN);
  }
}

static int drop_some(struct logger *logger) {
  size_t bytes = waiting();

  while (bytes) {
    ssize_t got = logskip_read(&logger->buf, 0, bytes);
    if (got <= 0) return 0;
    bytes -= (size_t)got;
  }
  return waiting() != 0;
}

/* The log writer begins with a whole line, unless the rest of this one does not come. */
static void finish_line(struct logger *logger) {
  struct pollfd fds = {.fd = 0, .events = POLLIN};

  while (logskip_inside(&logger->buf)) {
    if (!waiting() && clock_poll(&fds, 1, deadline_add_ms(clock_now(), LINE_MS)) < 1) return;
    if (!waiting() || logskip_read(&logger->buf, 0, 1) < 1) return;
  }
}

static void drop_until_asked(struct logger *logger, int ask) {
  int asked = 0;

  while (!asked) {
    asked = is_asked(ask, DRAIN_MS);
    if (asked || !is_filling()) continue;
    while (!asked && drop_some(logger))
      asked = is_asked(ask, 0);
  }
}

_Noreturn static void serve(struct logger *logger, int ask, int answer) {
  struct deadline alert = clock_now();

  for (;;) {
    int step_ms = deadline_passed(alert, clock_now()) ? STEP_MS : STEP_ALERT_MS;
    wait_for_input(ask);
    if (!takes_over(logger->deputy.words, ask, step_ms)) continue;
    drop_until_asked(logger, ask);
    finish_line(logger);
    if (fd_write(answer, "", 1) != 1) _exit(EXIT_SYSTEM);
    alert = deadline_add_ms(clock_now(), ALERT_MS);
  }
}

/* --- the log writer --- */

static void close_both(int fds[2]) {
  for (int i = 0; i < 2; i++)
    if (fds[i] >= 0) close(fds[i]);
}

static int start(struct logger *logger) {
  struct deputy *deputy = &logger->deputy;
  int ask[2] = {-1, -1}, answer[2] = {-1, -1}, saved;
  pid_t writer = getpid();

  if (pipe2(ask, O_CLOEXEC) < 0 || pipe2(answer, O_CLOEXEC) < 0) goto fail;
  deputy->pid = fork();
  if (deputy->pid < 0) goto fail;
  if (!deputy->pid) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != writer) _exit(EXIT_DONE);
    close(ask[1]);
    close(answer[0]);
    serve(logger, ask[0], answer[1]);
  }
  close(ask[0]);
  close(answer[1]);
  deputy->ask = ask[1];
  deputy->answer = answer[0];
  return 1;
fail:
  saved = errno;
  deputy->pid = 0;
  close_both(ask);
  close_both(answer);
  return errno = saved, 0;
}

static void try_to_start(struct logger *logger) {
  struct deputy *deputy = &logger->deputy;

  deputy->again = DEADLINE_NEVER;
  if (start(logger)) {
    if (deputy->broken) report_info("a slow disk holds up nobody again");
    deputy->broken = 0;
    return;
  }
  if (!deputy->broken)
    report_warning_errno("unable to start a deputy, trying again; until then a slow disk holds "
                         "up who writes lines");
  deputy->broken = 1;
  deputy->again = deadline_add_ms(clock_now(), AGAIN_MS);
}

static int is_wanted(struct logger const *logger) {
  struct logscript const *script = &logger->plan->script;
  int files = 0;

  if (!logger->deputy.words || logger->leaving) return 0;
  for (unsigned i = 0; i < script->action_count; i++) {
    if (!script->actions[i].drop) return 0;
    files |= script->actions[i].kind == LOG_TO_DIR;
  }
  return files;
}

/* The script may come to want one later. */
void deputy_open(struct logger *logger) {
  struct deputy *deputy = &logger->deputy;
  struct stat st;

  deputy->again = DEADLINE_NEVER;
  if (fstat(0, &st) < 0 || !S_ISFIFO(st.st_mode)) return;
  deputy->words =
      mmap(0, sizeof *deputy->words, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (deputy->words == MAP_FAILED) strerr_diefusys(EXIT_SYSTEM, "allocate");
  deputy->quiet = deputy->again = clock_now();
}

void deputy_enter(struct logger *logger) {
  struct deputy_words *words = logger->deputy.words;

  if (!logger->deputy.pid) return;
  atomic_fetch_add(&words->turns, 1);
  atomic_store(&words->owner, DEPUTY_BUSY);
}

/* It is our child and not waited for: the pid is its. */
static void forget(struct logger *logger) {
  struct deputy *deputy = &logger->deputy;
  int wstat;

  (void)kill(deputy->pid, SIGKILL);
  while (waitpid(deputy->pid, &wstat, 0) < 0 && errno == EINTR)
    ;
  deputy->pid = 0;
  close(deputy->ask);
  close(deputy->answer);
  (void)logskip_recover(&logger->buf);
  atomic_store(&deputy->words->owner, DEPUTY_REST);
}

void deputy_leave(struct logger *logger) {
  struct deputy *deputy = &logger->deputy;
  struct pollfd fds = {.fd = deputy->answer, .events = POLLIN};
  uint32_t busy = DEPUTY_BUSY;
  char byte;

  if (!deputy->pid || atomic_compare_exchange_strong(&deputy->words->owner, &busy, DEPUTY_REST))
    return;
  logbuf_forget_waiting(&logger->buf);
  if (fd_write(deputy->ask, "", 1) == 1 &&
      clock_poll(&fds, 1, deadline_add_ms(clock_now(), ANSWER_MS)) == 1 &&
      fd_read(deputy->answer, &byte, 1) == 1) {
    atomic_store(&deputy->words->owner, DEPUTY_REST);
    return;
  }
  forget(logger);
  deputy->again = clock_now();
}

void deputy_mend(struct logger *logger) {
  struct deputy *deputy = &logger->deputy;
  struct pollfd fds = {.fd = deputy->answer};

  if (!is_wanted(logger)) return;
  if (deputy->pid) { /* its end of the pipe is closed when it has gone */
    if (clock_poll(&fds, 1, clock_now()) != 1) return;
    forget(logger);
    deputy->again = deadline_add_ms(clock_now(), AGAIN_MS);
  } else if (deadline_passed(deputy->again, clock_now()))
    try_to_start(logger);
}

struct deadline deputy_due(struct logger const *logger) {
  if (logger->deputy.pid || !is_wanted(logger)) return DEADLINE_NEVER;
  return logger->deputy.again;
}

void deputy_end(struct logger *logger) {
  if (logger->deputy.pid) forget(logger);
  logger->deputy.again = DEADLINE_NEVER;
}

/* It holds the locks of all directories that there were when it began. */
void deputy_renew(struct logger *logger) {
  deputy_end(logger);
  logger->deputy.again = clock_now();
  deputy_mend(logger);
}

void deputy_say(struct logger *logger, uint64_t bytes) {
  struct deadline now = clock_now();
  char number[REPORT_NUMBER];

  if (!deadline_passed(logger->deputy.quiet, now)) return;
  logger->deputy.quiet = deadline_add_ms(now, QUIET_MS);
  report_error("writing took too long, ", report_number(number, (int64_t)bytes),
               " bytes of input were dropped meanwhile");
}
