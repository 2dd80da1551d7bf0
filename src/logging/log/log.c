/* lares-log: reads lines from standard input, writes them to bounded log directories.
 *
 * One loop: signals, input, retries. Nothing is read while a directory still lacks something
 * that was read, so memory is bounded and a full disk makes the writer of the pipe wait
 * instead of losing a line. Before the first read a failure ends the program; after it, it is
 * said once and tried again.
 */

#include <skalibs/nonposix.h>
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>
#include <skalibs/selfpipe.h>
#include <skalibs/sig.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/option.h>
#include <lares/path.h>
#include <lares/report.h>
#include <lares/shortage.h>

#define SHOW_WORD(letter, argument, help) "\n  " letter argument "\t" help
#define USAGE                                                                                  \
  "lares-log WORD ...\nWORD is one of these; it holds for the actions that follow:" LOG_WORDS( \
      SHOW_WORD) "\n  DIRECTORY\taction: lines to bounded files; starts with . or /"           \
                 "\nWords in DIRECTORY/config, one a line, are for DIRECTORY; HUP reads them " \
                 "again."

#define LOOK_AFTER 8   /* full reads */
#define NO_POLL_MS 100 /* poll() fails for want of kernel memory; do not spin */

#define NAME "lares-log"

char const *PROG;

static void parse_script(struct logger *logger, int argc, char const *const *argv) {
  struct plan_fault fault;

  if (argc < 2) strerr_dieusage(EXIT_USAGE, USAGE);
  if (argc == 2 && !strcmp(argv[1], "--help"))
    _exit(allwrite(1, "usage: " USAGE "\n", sizeof "usage: " USAGE) ? EXIT_DONE : EXIT_SYSTEM);
  logger->argc = argc;
  logger->argv = argv;
  logger->plan = plan_load(argc, argv, &fault);
  if (logger->plan) return;
  if (fault.missing) strerr_dief(fault.code, fault.text, "\nusage: " USAGE);
  strerr_dief(fault.code, fault.text);
}

static void open_buffer(struct logger *logger) {
  char const *given = getenv("LARES_LOGBUF");
  unsigned fd;

  if (given) {
    if (uint0_scan(given, &fd) && coe((int)fd) >= 0) {
      if (logbuf_map(&logger->buf, (int)fd)) return;
      if (errno == EPROTONOSUPPORT) /* it may hold lines, and only that one can tell */
        strerr_dief(EXIT_USAGE, "the buffer in LARES_LOGBUF was written by a newer lares-log; "
                                "run that one, or remove supervise/buf and what it holds");
      if (errno == EPROTO) {
        strerr_warnw("what the buffer in LARES_LOGBUF holds cannot be used and is dropped");
        logbuf_reset(&logger->buf);
        return;
      }
      if (is_shortage(errno)) /* it may hold lines, and the next try may read them */
        strerr_diefusys(EXIT_SYSTEM, "use the buffer LARES_LOGBUF=", given);
    }
    strerr_warnwusys("use the buffer LARES_LOGBUF=", given, ", going on without it");
  }
  if (!logbuf_anonymous(&logger->buf)) strerr_diefusys(EXIT_SYSTEM, "allocate");
}

static void pass(int sig) {
  (void)sig;
}

/* First of all: HUP or ALRM while a large directory is looked through must not end us, and
 * waits until it has been. TERM and INT may, since nothing was read yet. (selfpipe_init()
 * unblocks what somebody else has blocked.) */
static void hold_signals(struct logger *logger, sigset_t *set) {
  /* Who was blocked by whoever started us may be pending, and is let through in between. */
  sig_catch(SIGALRM, &pass);
  sig_catch(SIGHUP, &pass);
  sigemptyset(set);
  sigaddset(set, SIGALRM);
  sigaddset(set, SIGHUP);
  logger->signals = selfpipe_init();
  if (logger->signals < 0 || !selfpipe_trapset(set))
    strerr_diefusys(EXIT_SYSTEM, "trap signals");
}

/* SIGXFSZ must be an error of write(). */
static void catch_signals(sigset_t *set) {
  sig_restore(SIGCHLD);
  sig_restore(SIGTERM);
  sig_restore(SIGINT);
  sigaddset(set, SIGCHLD);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGINT);
  sig_altignore(SIGPIPE);
  sig_altignore(SIGXFSZ);
  if (!selfpipe_trapset(set)) strerr_diefusys(EXIT_SYSTEM, "trap signals");
}

/* What poll() calls readable can be read unless something is very wrong; asking again at once
 * would burn the processor. */
static void cannot_read_signals(struct logger *logger) {
  if (!logger->deaf) report_warning_errno("unable to read signals; trying again");
  logger->deaf = 1;
  clock_pause(NO_POLL_MS);
}

static void handle_signals(struct logger *logger) {
  for (;;) {
    int number = selfpipe_read();
    if (number < 0) cannot_read_signals(logger);
    if (number <= 0) return;
    if (number == SIGALRM) output_rotate(logger);
    if (number == SIGHUP) renew_read(logger);
    if (number != SIGTERM && number != SIGINT) continue;
    if (logger->leaving && output_held(logger)) logger->give_up = 1;
    if (logger->leaving)
      logger->hurry = 1;
    else
      logger->allowed = input_waiting();
    logger->leaving = 1;
    deputy_end(logger);
  }
}

/* At TERM what is in the pipe belongs to us, and the rest of a line that has begun. A writer
 * that never stops leaves its further lines to the next logger. */
static int wants_input(struct logger const *logger) {
  if (logger->ended) return 0;
  return !logger->leaving || logger->allowed > 0 || logbuf_in_line(&logger->buf);
}

/* A failed read is tried again in a while; told to go, at once. */
static int input_pauses(struct logger const *logger, struct deadline *until) {
  if (!logger->unreadable || logger->leaving || deadline_passed(logger->look, clock_now()))
    return 0;
  *until = deadline_earlier(*until, logger->look);
  return 1;
}

/* Who writes faster than we do need not be waited for. Signals are looked for at times only. */
static int is_flooded(struct logger const *logger) {
  return logger->unblocked && !logger->leaving && logger->flooded % LOOK_AFTER;
}

static void loop(struct logger *logger) {
  for (;;) {
    struct pollfd fds[2 + LOG_ACTIONS_MAX] = {{.fd = logger->signals, .events = POLLIN}};
    struct deadline until;
    unsigned count = 1;
    int reads, ready, gathers;

    deputy_enter(logger);
    reads = output_write(logger);
    jobs_work(logger);
    if (reads) input_grow(logger);
    deputy_leave(logger);
    if (reads && output_skip(logger)) continue;
    if (renew_work(logger)) {
      deputy_renew(logger);
      continue;
    }
    if (logger->give_up || (reads && !wants_input(logger))) return;
    until = deadline_earlier(output_due(logger), jobs_due(logger));
    until = deadline_earlier(until, deputy_due(logger));
    if (reads && input_pauses(logger, &until)) reads = 0;
    gathers = reads && gather_waits(logger, &until);
    if (gathers) reads = 0;
    if (!reads) logbuf_forget_waiting(&logger->buf);
    if (reads && is_flooded(logger)) {
      input_read(logger);
      continue;
    }
    if (reads) {
      fds[count++] = (struct pollfd){.fd = 0, .events = POLLIN};
      if (logger->leaving || logger->eager) until = clock_now();
    }
    ready = clock_poll(fds, count + output_poll(logger, fds + count), until);
    if (ready < 0) {
      clock_pause(NO_POLL_MS);
      continue;
    }
    if (fds[0].revents) handle_signals(logger);
    if (fds[0].revents || (!ready && !gathers)) deputy_mend(logger);
    if (!reads) continue;
    if (fds[1].revents || logger->eager)
      input_read(logger);
    else if (!ready && logger->leaving)
      logger->ended = 1;
  }
}

/* The last line may have no end. A full disk can still keep us here until a second TERM. */
static int finish(struct logger *logger) {
  renew_forget(logger);
  deputy_end(logger);
  if (!logger->give_up) logbuf_finish_line(&logger->buf);
  while (!output_write(logger) && !logger->give_up) {
    struct pollfd fds[1 + LOG_ACTIONS_MAX] = {{.fd = logger->signals, .events = POLLIN}};
    clock_poll(fds, 1 + output_poll(logger, fds + 1),
               deadline_earlier(output_due(logger), jobs_due(logger)));
    if (fds[0].revents) handle_signals(logger);
    jobs_work(logger); /* a directory may wait for the end of one */
  }
  jobs_finish(logger, &handle_signals);
  output_close(logger);
  if (!logger->give_up) return EXIT_DONE;
  return output_behind(logger) ? EXIT_SYSTEM : EXIT_DONE;
}

/* The supervisor says in LARES_NAME which service this is the logger of: every message names
 * it, as all loggers call their files the same. */
static char const *own_name(void) {
  static char name[sizeof NAME " /log" + PATH_NAME_MAX] = NAME;
  char const *service = getenv("LARES_NAME");
  size_t at = sizeof NAME;

  if (!service || !*service || strlen(service) >= sizeof name - at) return name;
  name[at - 1] = ' ';
  for (; *service; service++) /* it may be anybody's, and is not to look like a message */
    name[at++] = (unsigned char)*service < 0x20 ? '?' : *service;
  return name;
}

int main(int argc, char const *const *argv) {
  static struct logger logger;
  sigset_t set;
  int code;

  PROG = NAME;
  option_version(argc, argv);
  PROG = own_name();
  logger.mute = fcntl(1, F_GETFD) < 0;
  if (!fd_sanitize()) strerr_diefusys(EXIT_SYSTEM, "sanitize descriptors");
  hold_signals(&logger, &set);
  parse_script(&logger, argc, argv);
  umask(022);
  limit_plan(&logger, logger.plan);
  open_buffer(&logger);
  output_open(&logger);
  jobs_open(&logger);
  deputy_open(&logger);
  catch_signals(&set);
  input_prepare(&logger);
  input_hold(&logger);
  report_start(PROG + sizeof "lares-" - 1);
  logger.begun = 1;
  deputy_mend(&logger);
  loop(&logger);
  code = finish(&logger);
  if (code) output_say_behind(&logger);
  return code;
}
