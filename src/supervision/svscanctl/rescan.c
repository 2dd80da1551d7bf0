/* Waiting for a rescan to have had its effect: the scanner has looked, which it says in
 * .lares/event, everything that can run has its supervisor, which reads commands, and what is
 * not there any more has gone. That is found out by looking, as the scanner would have to
 * remember who asks. */

#include <skalibs/nonposix.h>
#include "svscanctl.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/control.h>
#include <lares/event.h>
#include <lares/exitcode.h>
#include <lares/path.h>

#include "entries.h"

/* What is looked at. */
struct rescan {
  struct entries all;
  struct bereft bereft; /* as when we began: what is taken away now is not expected */
};

static void slot_name(char buf[PATH_NAME_MAX + 8], char const *name, char const *slot) {
  strcpy(buf, name);
  strcat(buf, slot);
}

static int listens(char const *path) {
  int answer = control_is_supervised(path);

  if (answer < 0) strerr_diefusys(EXIT_SYSTEM, "see whether a supervisor runs in ", path);
  return answer;
}

/* A supervisor that runs and will never listen again is not waited for. */
static int is_settled(struct rescan const *r, char const *name, char const *slot) {
  char path[PATH_NAME_MAX + 8];

  slot_name(path, name, slot);
  return listens(path) || bereft_find(&r->bereft, path);
}

/* What is still to happen, 0 when nothing is. *slot: of the service or its logger. */
static char const *awaited(struct rescan const *r, struct entry const *e, char const **slot) {
  struct entry const *main = &r->all.list[e->main];

  *slot = "";
  if (e->kind == ENTRY_GOING) return "is still being stopped";
  if (e->kind == ENTRY_UNBUILT) return "is not built yet";
  if (e->kind != ENTRY_SERVICE && e->kind != ENTRY_ALIAS) return 0;
  if (main->wrong) return 0;
  if (!main->recorded || !is_settled(r, main->name, "")) return "has no supervisor yet";
  *slot = "/log";
  return main->has_log && !is_settled(r, main->name, "/log") ? "has no supervisor yet" : 0;
}

static unsigned count_awaited(struct rescan const *r, int tell) {
  unsigned count = 0;

  for (size_t i = 0; i < r->all.count; i++) {
    struct entry const *e = &r->all.list[i];
    char const *slot, *what = awaited(r, e, &slot);
    if (!what) continue;
    count++;
    if (tell) strerr_warnw(e->name, slot, " ", what);
  }
  return count;
}

static unsigned count_bereft(struct rescan const *r, struct entry const *e, char const *slot) {
  char path[PATH_NAME_MAX + 8], number[UINT32_FMT + 1];
  int32_t pid;

  slot_name(path, e->name, slot);
  pid = listens(path) ? 0 : bereft_find(&r->bereft, path);
  if (!pid) return 0;
  number[int32_fmt(number, pid)] = 0;
  strerr_warnw(e->name, slot,
               " cannot be commanded: its supervise/ was taken away, supervisor pid ", number,
               " runs on; after `kill ", number, "', which stops the service, rescan again");
  return 1;
}

/* Directories in which nothing can run, links that lead to none, and what the scanner itself
 * would run and cannot. */
static unsigned count_wrong(struct rescan const *r) {
  char template[PATH_QUOTED];
  unsigned count = 0;
  char const *hook;

  for (size_t i = 0; i < r->all.count; i++) {
    struct entry const *e = &r->all.list[i];
    if (e->kind != ENTRY_SERVICE && e->kind != ENTRY_BROKEN) continue;
    if (!e->wrong) {
      count += count_bereft(r, e, "");
      if (e->has_log) count += count_bereft(r, e, "/log");
      continue;
    }
    count++;
    (void)entry_lacks_template(e, template);
    strerr_warnw(e->name, " is not supervised: ", e->wrong, template);
  }
  for (unsigned i = 0; (hook = path_hook(i)); i++)
    if (path_hook_is_idle(hook)) {
      count++;
      strerr_warnw(hook, " is not run: it is no executable file");
    }
  return count;
}

/* Has the scanner looked since it was told? One that has no note does not say that (it is
 * older), nor does one that has taken its place meanwhile: it looks when it begins. */
struct answer {
  struct event_subscription events;
  int32_t scanner;
  int is_there;
};

static void await_answer(struct answer *a) {
  struct stat st;

  (void)look_at_lock(LOCK, &a->scanner);
  a->is_there = lstat(NOTE, &st) < 0 || !event_subscribe(&a->events, EVENTS);
}

static int has_answered(struct answer *a, int32_t scanner) {
  char letters[64];
  ssize_t got;

  if (a->is_there) return 1;
  a->is_there = scanner && scanner != a->scanner;
  while ((got = read(a->events.read, letters, sizeof letters)) > 0)
    if (memchr(letters, 'h', (size_t)got)) a->is_there = 1;
  if (a->is_there) event_unsubscribe(&a->events);
  return a->is_there;
}

/* 1: all is as it should be, or 0 when the time is over. */
static int wait_for_all(struct rescan *r, struct answer *answer, struct deadline until) {
  for (;;) {
    struct pollfd answered = {.events = POLLIN};
    struct deadline now = clock_now();
    int32_t pid;
    int running = look_at_lock(LOCK, &pid), looked = has_answered(answer, pid);
    answered.fd = answer->events.read;
    if (!entries_read(&r->all)) strerr_diefusys(EXIT_SYSTEM, "list the scan directory");
    if (looked && !count_awaited(r, 0)) return 1;
    if (!running) strerr_dief(EXIT_UNSUPERVISED, "the scanner has gone");
    if (deadline_passed(until, now)) return 0;
    (void)clock_poll(&answered, 1, deadline_earlier(until, deadline_add_ms(now, LOOK_MS)));
  }
}

int rescan(struct deadline until) {
  struct answer answer = {.events = {.read = -1, .write = -1}};
  struct rescan r = {.all = {.list = 0}};

  bereft_read(&r.bereft);
  await_answer(&answer);
  tell_scanner('h');
  if (wait_for_all(&r, &answer, until)) return count_wrong(&r) ? EXIT_NO : EXIT_DONE;
  strerr_warnw("the time is over", answer.is_there ? "" : ": the scanner has not looked yet");
  event_unsubscribe(&answer.events);
  count_awaited(&r, 1);
  count_wrong(&r);
  return EXIT_TIMEOUT;
}
