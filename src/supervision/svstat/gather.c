/* Asking one service directory, in daemontools' order: is a supervisor there, is the service
 * normally up, what does the status say; then, of a supervisor of ours, the state. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/control.h>
#include <lares/logpipe.h>
#include <lares/path.h>

#include "svstat.h"

#define PATIENCE_MS 200
#define MOST_STATUS 64 /* daemontools 18, runit and lares 20, s6 35, encore 20 or 40 */

static void fail(struct report *r, char const *what, int error) {
  r->kind = REPORT_FAILED;
  r->what = what;
  r->why = error ? strerror(error) : "bad format";
}

static void fail_to_enter(struct report *r) {
  char const *wrong;

  fail(r, "unable to chdir", errno);
  wrong = path_link_wrong(r->dir);
  if (!wrong) return;
  r->is_broken = 1;
  r->why = wrong;
}

static int read_file(char const *file, char *buf, int size) {
  int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY), got, error;

  if (fd < 0) return -1;
  do
    got = (int)read(fd, buf, (size_t)size);
  while (got < 0 && errno == EINTR);
  error = errno;
  close(fd);
  errno = error;
  return got;
}

/* A supervisor that has just begun holds `ok` an instant before there is anything to read. */
static int may_wait(struct report const *r) {
  if (deadline_passed(deadline_add_ms(r->moment, PATIENCE_MS), clock_now())) return 0;
  clock_pause(1);
  return 1;
}

static int read_status(struct report *r) {
  char status[MOST_STATUS];
  int got;

  do
    got = read_file("supervise/status", status, sizeof status);
  while (got < 0 && errno == ENOENT && may_wait(r));
  if (got < 0) return (fail(r, "unable to open supervise/status", errno), 0);
  r->size = got;
  if (classic_status_unpack(status, (size_t)got, &r->classic)) return 1;
  return (fail(r, "unable to read supervise/status", 0), 0);
}

/* A supervisor replaces what it writes while we read it: a damaged record is read again. */
static void read_state(struct report *r) {
  do
    r->has_state = state_record_load(".", &r->state);
  while (!r->has_state && errno == EPROTO && r->supervised && may_wait(r));
  r->is_newer = !r->has_state && errno == EPROTONOSUPPORT;
}

/* A service that has nothing to say has no such file. What is said of another start is over. */
static void read_texts(struct report *r) {
  struct state_record const *s = &r->state;
  struct text_record t;

  while (!text_record_load(".", &t))
    if (errno != EPROTO || !r->supervised || !may_wait(r)) return;
  if (t.boot != s->boot) return;
  r->texts = t;
  if (t.start != s->starts || s->machine.role != ROLE_RUN) r->texts.status[0] = 0;
  if (s->machine.state != STATE_WAITING && !(s->marks & MARK_HELD)) r->texts.waiting[0] = 0;
}

/* What its logger has dropped stands in the logger's buffer, which others than its user may not
 * read. */
static void read_dropped(struct report *r) {
  char magic[sizeof LOGBUF_MAGIC - 1];
  int fd = open("supervise/buf", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

  if (fd < 0) return;
  r->is_logger =
      pread(fd, magic, sizeof magic, 0) == sizeof magic &&
      !memcmp(magic, LOGBUF_MAGIC, sizeof magic) &&
      pread(fd, r->dropped, sizeof r->dropped, LOGBUF_DROPPED_AT) == sizeof r->dropped;
  close(fd);
}

void report_gather(struct report *r, char const *dir) {
  struct stat st;

  *r = (struct report){.dir = dir, .moment = clock_now()};
  if (chdir(dir)) return fail_to_enter(r);
  r->supervised = control_is_supervised(".");
  if (r->supervised < 0) return fail(r, "unable to open supervise/ok", errno);
  r->normally_up = stat("down", &st) && errno == ENOENT;
  if (!r->supervised) {
    r->kind = REPORT_NOT_RUNNING;
    r->is_scandir = !access(".lares", F_OK);
    read_state(r);
  } else {
    if (!r->normally_up && stat("down", &st)) return fail(r, "unable to stat down", errno);
    if (!read_status(r)) return;
    if (r->size == CLASSIC_STATUS_SIZE) read_state(r);
    /* The two files are written one after the other; what we say is to be of one moment. */
    if (r->has_state) classic_status_from_state(&r->classic, &r->state);
    if (r->has_state) read_texts(r);
    if (r->has_state && r->state.marks & MARK_IS_LOG) read_dropped(r);
  }
  if (r->has_state && r->supervised) r->age_known = svdir_age(&r->age, ".");
  clock_stamp(&r->now);
  r->moment = clock_now();
}

int report_is_up(struct report const *r) {
  return r->classic.pid && r->classic.process != 2;
}

uint64_t report_ms_until(struct report const *r, struct deadline t) {
  return t.ns > r->moment.ns ? (uint64_t)(t.ns - r->moment.ns) / 1000000 : 0;
}

char const *report_letters(char buf[STATE_PENDING + 2], struct report const *r) {
  char const *pending = r->state.pending;
  unsigned len = 0;

  if (r->state.custom) buf[len++] = r->state.custom;
  for (unsigned i = 0; i < STATE_PENDING && pending[i]; i++)
    buf[len++] = (char)(pending[i] & 0x7f); /* to a group or not */
  buf[len] = 0;
  return buf;
}

int report_outdated(struct report const *r) {
  if (!r->has_state || !r->age_known || !r->state.definition) return -1;
  if (r->state.machine.role != ROLE_RUN || !r->state.pid) return -1;
  return r->state.definition != r->age.sum;
}

int report_is_failed(struct report const *r) {
  if (r->is_broken) return 1;
  if (r->kind == REPORT_NOT_RUNNING) return !r->has_state || !(r->state.marks & MARK_LEFT);
  return r->kind == REPORT_GOOD && r->has_state && r->state.machine.state == STATE_FAILED;
}
