/* Taking the service directory. Whatever fails here ends the program with a message: nothing
 * runs yet, and lares-svscan tries again by its delays. After an upgrade in place it is tried
 * again here (begin.c). */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/posixplz.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/config.h>
#include <lares/event.h>
#include <lares/exitcode.h>
#include <lares/killpoint.h>

#include "supervise.h"

#define IN_FLIGHT_MS 1
#define IN_FLIGHT_SAY_MS 1000
#define DYING_MS 100

static void die_held(struct identity const *holder, char const *dir) {
  char pid[PID_FMT];

  if (!holder->pid) strerr_dief(EXIT_SYSTEM, "already supervised: ", dir);
  pid[pid_fmt(pid, holder->pid)] = 0;
  strerr_dief(EXIT_SYSTEM, "already supervised by pid ", pid, ": ", dir);
}

/* A dead supervisor's child that is still on its way to exec shares the lock: it will be
 * through in microseconds, unless its program lies on a dead network file system. And who was
 * killed by hand a moment ago may not be dead yet. A scanner has seen the end of the one before
 * us. */
static void take_lock(struct supervisor *s, char const *dir) {
  struct deadline say = deadline_add_ms(clock_now(), IN_FLIGHT_SAY_MS);

  for (;;) {
    struct identity holder;
    switch (lock_take(&s->abilities, FILE_LOCK, &s->lock, &holder)) {
    case LOCK_TAKEN:
      return;
    case LOCK_HELD:
      if (s->wired || !lock_await_end(&s->abilities, &holder, DYING_MS)) die_held(&holder, dir);
      break;
    case LOCK_FAILED:
      strerr_diefusys(EXIT_SYSTEM, "lock ", dir, "/" FILE_LOCK);
      break;
    case LOCK_IN_FLIGHT:
      break;
    }
    if (deadline_passed(say, clock_now())) {
      strerr_warnw("waiting for a process that is stuck before it becomes the service: ", dir);
      say = DEADLINE_NEVER;
    }
    clock_pause(IN_FLIGHT_MS);
  }
}

static int open_record(struct supervisor *s, char const *file, mode_t mode, char const *dir) {
  struct stat st;
  int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);

  if (fd < 0) cannot_begin(s, "open ", dir, "/", file);
  if (fstat(fd, &st) < 0) cannot_begin(s, "examine ", dir, "/", file);
  if (!S_ISREG(st.st_mode))
    strerr_dief(EXIT_USAGE, dir, "/", file, " is not a regular file; remove it");
  if (!st.st_size) (void)fchmod(fd, mode); /* whatever the umask */
  return fd;
}

/* A newer lares was here in this boot, and nothing that can be read tells what it left running:
 * begun all the same, it might run twice. Nothing has been changed yet. */
static void refuse_newer(struct supervisor const *s, char const *dir) {
  struct identity_record child;
  struct state_record copy;

  if (identity_record_read(s->record, &child) || errno != EPROTONOSUPPORT ||
      !status_of_boot(s->record, s->abilities.boot))
    return;
  if (state_record_load(".", &copy) && copy.boot == s->abilities.boot && copy.pid) return;
  strerr_dief(EXIT_USAGE, "unable to use ", dir, "/" FILE_CHILD, ": ",
              status_trouble(EPROTONOSUPPORT),
              " than this one; let that one supervise it, or make sure that nothing of the "
              "service runs and remove the file");
}

/* Both records are written in place later; their space is taken now, while failing is cheap. */
static void reserve(struct supervisor *s, int fd, off_t size, char const *file,
                    char const *dir) {
  int e = posix_fallocate(fd, 0, size);
  struct stat st;

  if (!fstat(fd, &st) && st.st_size > size && ftruncate(fd, size) < 0)
    cannot_begin(s, "shorten ", dir, "/", file);
  if (!e || e == EINVAL || e == EOPNOTSUPP) return;
  errno = e;
  cannot_begin(s, "reserve space for ", dir, "/", file);
}

static void make_fifo(struct supervisor *s, char const *file, mode_t mode, char const *dir) {
  if (channel_make(file, mode)) return;
  if (errno == EEXIST)
    strerr_dief(EXIT_USAGE, dir, "/", file, " is not a FIFO of ours; remove it");
  cannot_begin(s, "make FIFO ", dir, "/", file);
}

/* Who finds the FIFOs open asks for the state next: before the first supervisor has anything to
 * say, it says that nothing runs. (MARK_BLANK keeps this from being resumed.) */
static void show_beginning(struct supervisor *s, char const *dir) {
  char state[STATE_RECORD_SIZE], status[CLASSIC_STATUS_SIZE];
  struct classic_status classic;

  state_begin(s);
  s->state.marks = MARK_BLANK;
  if (status_is_blank(s->state_fd)) {
    state_record_pack(state, &s->state);
    if (pwrite(s->state_fd, state, sizeof state, 0) != sizeof state)
      cannot_begin(s, "write ", dir, "/" FILE_STATE);
  }
  classic_status_from_state(&classic, &s->state);
  classic_status_pack(status, &classic);
  if (access(FILE_STATUS, F_OK) < 0 &&
      !classic_status_replace(FILE_STATUS, FILE_STATUS_SPARE, status))
    cannot_begin(s, "write ", dir, "/" FILE_STATUS);
}

static void open_fifos(struct supervisor *s, char const *dir) {
  make_fifo(s, FILE_CONTROL, access_control(), dir);
  if (s->control.write <= 0 && !channel_open(&s->control, FILE_CONTROL))
    cannot_begin(s, "open FIFO ", dir, "/" FILE_CONTROL);
  make_fifo(s, FILE_OK, access_ok(), dir);
  if (s->ok <= 0) s->ok = channel_open_read(FILE_OK);
  if (s->ok < 0) cannot_begin(s, "open FIFO ", dir, "/" FILE_OK);
  if (!s->wired || !s->is_log) return;
  make_fifo(s, FILE_PIPE, access_pipe("supervise"), dir);
  if (s->pipe.read < 0)
    s->pipe.read = channel_open_read(FILE_PIPE); /* the other end: drain_take_pipe */
  if (s->pipe.read < 0) cannot_begin(s, "open FIFO ", dir, "/" FILE_PIPE);
}

/* A logger that knows LARES_LOGBUF loses nothing when it is killed. Without the buffer it works
 * all the same. */
static void open_buffer(struct supervisor *s, char const *dir) {
  int e, fd;

  s->buffer = -1;
  if (!s->wired || !s->is_log) return;
  fd = open(FILE_BUFFER, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  e = fd < 0 ? errno : posix_fallocate(fd, 0, BUFFER_SIZE);
  if (!e) {
    s->buffer = fd;
    return;
  }
  if (fd >= 0) close(fd);
  errno = e;
  strerr_warnwusys("make ", dir, "/" FILE_BUFFER,
                   "; a logger that is killed will lose what it has just read");
}

/* The service's environment is ours with two or three variables more, whose strings we keep,
 * and without what was meant for us alone.
 * The array of a large one is the only thing ever allocated: a heap costs three pages, one of
 * them of page tables. */
static int is_ours(char const *variable) {
  return !strncmp(variable, "LARES_NAME=", 11) || !strncmp(variable, "LARES_ID=", 9) ||
         !strncmp(variable, "LARES_LOGBUF=", 13) || !strncmp(variable, "LARES_CGROUP=", 13) ||
         !strncmp(variable, "LARES_INSTANCE=", 15) ||
         !strncmp(variable, ENTRY_VARIABLE "=", sizeof ENTRY_VARIABLE) ||
         !strncmp(variable, ABILITIES_VARIABLE "=", sizeof ABILITIES_VARIABLE) ||
         !strncmp(variable, "NOTIFY_SOCKET=", 14) || !strncmp(variable, "WATCHDOG_USEC=", 14) ||
         !strncmp(variable, "WATCHDOG_PID=", 13);
}

/* Of NAME@ARG, or its logger, NAME@ARG/log: the ARG. */
static int name_instance(struct supervisor *s) {
  char const *at = strchr(s->name, '@');
  size_t len;

  if (!at || at == s->name) return 0;
  len = strlen(++at) - (s->is_log ? sizeof "/log" - 1 : 0);
  if (!len || memchr(at, '/', len)) return 0;
  strcpy(s->instance_variable, "LARES_INSTANCE=");
  memcpy(s->instance_variable + 15, at, len);
  return 1;
}

static void make_environment(struct supervisor *s) {
  size_t n = 0, kept = 0;

  while (environ[n])
    n++;
  s->environment = n + MORE_VARIABLES < FEW_VARIABLES
                       ? s->few_variables
                       : malloc((n + MORE_VARIABLES + 1) * sizeof *s->environment);
  if (!s->environment) cannot_begin(s, "allocate the environment");
  for (size_t i = 0; i < n; i++)
    if (!is_ours(environ[i])) s->environment[kept++] = environ[i];
  strcpy(s->name_variable, "LARES_NAME=");
  strcpy(s->name_variable + 11, s->name);
  strcpy(s->id_variable, "LARES_ID=0000000000000000-0000000000000000-0000000000000000");
  service_id_number(s->id_variable + 9 + SERVICE_ID_SERVICE, s->service);
  s->environment[kept++] = s->name_variable;
  s->environment[kept++] = s->id_variable;
  if (name_instance(s)) s->environment[kept++] = s->instance_variable;
  strcpy(s->buffer_variable, "LARES_LOGBUF=");
  if (s->buffer >= 0) s->environment[kept++] = s->buffer_variable;
  s->environment[kept] = 0;
  s->environment_end = kept;
}

/* lares-log lies beside us; asked now, as our own file may be replaced while we run. */
static void find_logger(struct supervisor *s) {
  ssize_t len = readlink("/proc/self/exe", s->logger, PROGRAM_SIZE - sizeof "lares-log");

  while (len > 0 && s->logger[len - 1] != '/')
    len--;
  if (len > 0 && (size_t)len < PROGRAM_SIZE - sizeof "lares-log") {
    strcpy(s->logger + len, "lares-log");
    if (!access(s->logger, X_OK)) return;
  }
  strcpy(s->logger, LARES_BINDIR "/lares-log");
}

/* The scanner that starts us has asked the kernel already, in this pid namespace. */
static void know_kernel(struct supervisor *s) {
  char const *known = s->wired ? getenv(ABILITIES_VARIABLE) : 0;

  if (known && child_abilities_scan(known, &s->abilities)) return;
  if (!child_probe_abilities(&s->abilities)) cannot_begin(s, "tell processes from each other");
}

static void check_directory(struct supervisor *s, char const *dir) {
  struct stat st;
  int error;

  if (channel_directory("supervise", 0700)) return;
  error = errno;
  /* EACCES and EPERM may be the system's own, of a place where nothing can be made. */
  if (error == EPERM && !stat("supervise", &st) && st.st_uid != geteuid())
    strerr_dief(EXIT_USAGE, dir, "/supervise belongs to another user");
  if (error == EACCES && !stat("supervise", &st) && st.st_mode & (S_IWGRP | S_IWOTH))
    strerr_dief(EXIT_USAGE, dir, "/supervise can be written by others: chmod it to 0700");
  errno = error;
  cannot_begin(s, "make directory ", dir, "/supervise");
}

void setup(struct supervisor *s, char const *dir) {
  s->child = CHILD_NONE;
  s->notify = -1;
  s->reshow = DEADLINE_NEVER;
  s->save_again = DEADLINE_NEVER;
  s->retry_ms = RETRY_MS;
  s->probe_until = s->look = DEADLINE_NEVER;
  rest_begin(s);
  check_begin(s);
  needs_begin(s);
  s->cgroup = CGROUP_NONE;
  s->cgroup_parent = getenv("LARES_CGROUP");
  know_kernel(s);
  check_directory(s, dir);
  if (!s->resumed) take_lock(s, dir);
  KILL_POINT(LOCKED);
  begin_anew_if_copied(s, dir);
  if (!service_of_lock(s->lock, &s->service)) cannot_begin(s, "examine ", dir, "/" FILE_LOCK);
  if (!event_directory(DIR_EVENT)) cannot_begin(s, "make directory ", dir, "/" DIR_EVENT);
  sd_begin(s);
  s->record = open_record(s, FILE_CHILD, 0600, dir);
  refuse_newer(s, dir);
  reserve(s, s->record, IDENTITY_CHILD_SIZE, FILE_CHILD, dir);
  s->state_fd = open_record(s, FILE_STATE, 0644, dir);
  reserve(s, s->state_fd, STATE_RECORD_SIZE, FILE_STATE, dir);
  texts_begin(s);
  show_beginning(s, dir);
  open_fifos(s, dir);
  open_buffer(s, dir);
  make_environment(s);
  if (s->is_log) find_logger(s);
  open_cgroup(s);
  /* Without it a service's orphans would go elsewhere; the service itself runs all the same. */
  s->no_orphans = !tree_adopt_orphans();
}
