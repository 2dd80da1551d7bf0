/* The socket on which the service speaks sd_notify(3).
 *
 * A service that drops its privileges has to reach it: supervise/ is closed to others, so it
 * lies in SCAN/.lares/n/, which lets through whoever knows a name, under a random one. Where
 * there is no such place (no scanner, a path of more than 107 bytes, a read-only one) it has an
 * abstract name. The sender of each word is checked anyway.
 *
 * What was said while no supervisor is there waits in the socket, as long as somebody holds it:
 * the scanner gets a copy (svscan/store.c) and hands it to our successor. It is kept for all
 * runs of the service; the words of one that is over are dropped before the next begins. The
 * name stands in a link of supervise/ as long as a run may use it. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/random.h>
#include <skalibs/types.h>

#include <lares/path.h>
#include <lares/report.h>

#include "supervise.h"

#define HANDED_BELOW 64 /* a socket is looked for among these descriptors */
#define RANDOM 12       /* letters of a name */
#define STALE_MOST 1000 /* more words of a run that is over are not looked for */

static char *name_of(struct supervisor *s) {
  return s->sd.socket_variable + sizeof "NOTIFY_SOCKET=" - 1;
}

/* The scanner gives it as this descriptor. */
#define HANDED 3

/* What was handed to us and is not the one that is meant shall not go on to the service. */
static void drop_strange(struct supervisor const *s) {
  struct stat st;

  if (s->wired && s->sd.fd != HANDED && !fstat(HANDED, &st) && S_ISSOCK(st.st_mode))
    close(HANDED);
}

/* 1, or 0 with errno. */
static int read_name(struct supervisor *s) {
  char *name = name_of(s);
  ssize_t len = readlink(FILE_SOCKET, name, NOTIFY_NAME_MOST + 1);

  s->sd.has_link = len >= 0 || errno != ENOENT;
  if (len > NOTIFY_NAME_MOST) errno = ENAMETOOLONG;
  if (len < 0 || len > NOTIFY_NAME_MOST) len = 0;
  name[len] = 0;
  return len > 0;
}

void sd_begin(struct supervisor *s) {
  int named = read_name(s);

  s->sd.fd = -1;
  s->sd.watchdog = s->sd.give = DEADLINE_NEVER;
  memcpy(s->sd.socket_variable, "NOTIFY_SOCKET=", sizeof "NOTIFY_SOCKET=" - 1);
  for (int fd = 3; named && fd < HANDED_BELOW && s->sd.fd < 0; fd++)
    if (notify_is(fd, name_of(s)) && fcntl(fd, F_SETFD, FD_CLOEXEC) >= 0) s->sd.fd = fd;
  drop_strange(s);
}

void sd_end(struct supervisor *s) {
  char *name = name_of(s);

  if (s->sd.fd >= 0) close(s->sd.fd);
  s->sd.fd = -1;
  s->sd.give = DEADLINE_NEVER;
  if (!s->sd.has_link) return;
  if (*name == '/') (void)unlink(name);
  (void)unlink(FILE_SOCKET);
  s->sd.has_link = 0;
}

static int listen_there(struct supervisor *s) {
  char const *scan = s->wired ? getenv("LARES_SCANDIR") : 0;
  char place[sizeof ".lares/n/" + RANDOM] = ".lares/n/", *name = name_of(s);

  random_name(place + 9, RANDOM);
  place[9 + RANDOM] = 0;
  if (!scan || !path_join(name, NOTIFY_NAME_MOST + 1, scan, place)) return -1;
  return notify_listen(name);
}

static int listen_abstract(struct supervisor *s) {
  char *name = name_of(s);
  size_t len = sizeof "@lares/" - 1;

  memcpy(name, "@lares/", len);
  random_name(name + len, RANDOM);
  name[len + RANDOM] = 0;
  return notify_listen(name);
}

/* The link before anybody can use the socket: without it a successor would not know the name.
 */
static int make(struct supervisor *s) {
  char *name = name_of(s);

  sd_end(s);
  s->sd.fd = listen_there(s);
  if (s->sd.fd < 0) {
    if (s->wired && !s->sd.said_name)
      report_warning_errno("unable to make a socket for notifications in .lares/n, it has an "
                           "abstract name");
    s->sd.said_name = 1;
    s->sd.fd = listen_abstract(s);
  }
  if (s->sd.fd < 0) return 0;
  if (symlink(name, FILE_SOCKET) < 0) {
    int error = errno;
    s->sd.has_link = 1; /* so that the socket is removed */
    sd_end(s);
    errno = error;
    return 0;
  }
  s->sd.has_link = 1;
  return 1;
}

/* That of the run that was found, which was not handed to us. */
static int listen_again(struct supervisor *s) {
  if (!s->sd.has_link || s->state.machine.role != ROLE_RUN) return 0;
  if (*name_of(s) || read_name(s)) s->sd.fd = notify_listen(name_of(s));
  s->sd.lost = s->state.machine.state == STATE_STARTING;
  if (s->sd.fd >= 0) return 1;
  if (!s->sd.said_deaf)
    report_warning_errno("unable to listen for notifications of the run that was found; "
                         "trying again");
  s->sd.said_deaf = 1;
  s->sd.give = deadline_add_ms(clock_now(), RETRY_MS);
  return 0;
}

/* In a message of one descriptor. Without a scanner there is nobody to give it to; a new one
 * asks for it by HUP. */
void sd_give(struct supervisor *s) {
  char const *scan = s->wired ? getenv("LARES_SCANDIR") : 0;
  char name[NOTIFY_NAME_MOST + 1];

  s->sd.give = DEADLINE_NEVER;
  if (s->sd.fd < 0 && !listen_again(s)) return;
  if (!scan || !path_join(name, sizeof name, scan, ".lares/store")) return;
  if (notify_send(name, s->name, strlen(s->name), s->sd.fd, 0)) return;
  if (errno != ENOENT && errno != ECONNREFUSED)
    s->sd.give = deadline_add_ms(clock_now(), RETRY_MS);
}

/* What fails here is tried again, and said, by sd_resume. */
void sd_listen(struct supervisor *s) {
  if (s->sd.fd >= 0 || !s->sd.has_link || !says_running(s)) return;
  s->sd.fd = notify_listen(name_of(s));
  s->sd.lost = 1;
}

void sd_resume(struct supervisor *s) {
  struct text_record text;

  if (!s->sd.has_link || s->state.machine.role != ROLE_RUN) return;
  texts_read(s, &text);
  s->sd.watchdog_ms = text.watchdog == TEXT_WATCHDOG_UNASKED ? s->definition.timeout_watchdog
                      : text.watchdog == TEXT_WATCHDOG_NONE  ? 0
                                                             : text.watchdog;
  if (s->sd.lost) s->sd.lost = s->state.machine.state == STATE_STARTING;
  sd_give(s);
  watchdog_follow(s);
}

/* What the run before has said last. */
static void drop_stale(struct supervisor *s) {
  for (unsigned i = 0; i < STALE_MOST && notify_take(s->sd.fd); i++)
    ;
}

/* In what is left free behind the environment that all programs get. */
static void give_variables(struct supervisor *s, struct child_plan *plan) {
  size_t n = s->environment_end, len = sizeof "WATCHDOG_USEC=" - 1;

  s->environment[n++] = s->sd.socket_variable;
  if (s->sd.watchdog_ms) {
    memcpy(s->sd.usec_variable, "WATCHDOG_USEC=", len);
    len += uint64_fmt(s->sd.usec_variable + len, (uint64_t)s->sd.watchdog_ms * 1000);
    s->sd.usec_variable[len] = 0;
    memcpy(s->sd.pid_variable, "WATCHDOG_PID=", sizeof "WATCHDOG_PID=");
    plan->pid_text = s->sd.pid_variable + sizeof "WATCHDOG_PID=" - 1;
    s->environment[n++] = s->sd.usec_variable;
    s->environment[n++] = s->sd.pid_variable;
  }
  s->environment[n] = 0;
}

int sd_prepare(struct supervisor *s, struct child_plan *plan) {
  if (!s->definition.notify_sd) {
    if (s->sd.fd >= 0 || s->sd.has_link) sd_end(s);
    s->sd.watchdog_ms = 0;
    return 1;
  }
  if (s->sd.fd >= 0)
    drop_stale(s);
  else if (!make(s))
    return 0;
  else
    sd_give(s);
  s->sd.lost = 0;
  s->sd.said_stranger = s->sd.said_malformed = s->sd.said_long = s->sd.said_main = 0;
  s->sd.watchdog_ms = s->definition.timeout_watchdog;
  give_variables(s, plan);
  return 1;
}

void sd_prepared(struct supervisor *s) {
  s->environment[s->environment_end] = 0;
}
