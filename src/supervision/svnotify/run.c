/* The hook's runs. Each has a session of its own, so that all of it can be ended, and a time.
 */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>
#include <skalibs/posixplz.h>
#include <skalibs/selfpipe.h>

#include "svnotify.h"

#define VARIABLES 16
#define VARIABLE_SIZE 1536
#define MOST_OTHERS 1024 /* variables that we have ourselves */

struct environment {
  char texts[VARIABLES][VARIABLE_SIZE];
  char const *all[MOST_OTHERS + VARIABLES + 1];
  unsigned own;
};

static void set(struct environment *e, char const *name, char const *value) {
  snprintf(e->texts[e->own++], VARIABLE_SIZE, "LARES_%s=%s", name, value);
}

static void set_number(struct environment *e, char const *name, uint64_t n) {
  char text[32];

  snprintf(text, sizeof text, "%llu", (unsigned long long)n);
  set(e, name, text);
}

static void set_end(struct environment *e, struct history_record const *r) {
  if ((r->event != EVENT_RUN_DIED && r->event != EVENT_START_BAD &&
       r->event != EVENT_FINISH_DONE) ||
      r->wstat == WSTAT_UNKNOWN)
    return;
  if (WIFEXITED(r->wstat)) set_number(e, "EXIT_CODE", (uint64_t)WEXITSTATUS(r->wstat));
  if (WIFSIGNALED(r->wstat)) set_number(e, "EXIT_SIGNAL", (uint64_t)WTERMSIG(r->wstat));
}

static void set_record(struct environment *e, char const *dir, struct history_record const *r) {
  char text[STATUS_TEXT], name[STATUS_REASON_NAME], at[STAMP_ISO + 1];
  uint8_t flags = r->machine.flags;

  stamp_iso(at, &r->at);
  at[STAMP_ISO] = 0;
  set(e, "AT", at);
  set(e, "WANT", machine_want_name(r->machine.want));
  set(e, "READY", flags & FLAG_READY ? "1" : "0");
  set(e, "PAUSED", flags & FLAG_PAUSED ? "1" : "0");
  set(e, "LEAVING", flags & FLAG_LEAVING ? "1" : "0");
  set_number(e, "PID", (uint64_t)r->pid);
  set(e, "REASON", status_reason_name(name, r->reason));
  set(e, "REASON_TEXT", status_reason_explain(text, dir, r->reason, r->detail, &r->at));
  set_end(e, r);
}

/* Ours without what could be taken for a change's. */
static void make_environment(struct environment *e, struct watched const *w) {
  struct notice const *notice = &w->waiting[0];
  unsigned count = 0;

  e->own = 0;
  set(e, "NAME", w->name);
  set(e, "DIRECTORY", w->path);
  if (notice->is_lost) {
    set_number(e, "LOST_FROM", notice->first);
    set_number(e, "LOST_TO", notice->last);
  } else
    set_record(e, w->path, &notice->record);
  for (char **other = environ; *other && count < MOST_OTHERS; other++)
    if (strncmp(*other, "LARES_", 6) || !strncmp(*other, "LARES_SCANDIR=", 14))
      e->all[count++] = *other;
  for (unsigned i = 0; i < e->own; i++)
    e->all[count++] = e->texts[i];
  e->all[count] = 0;
}

static void become_hook(struct notifier const *n, struct watched const *w, int told) {
  static struct environment environment;
  struct notice const *notice = &w->waiting[0];
  char number[32];
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  char const *event = notice->is_lost ? "lost" : machine_event_name(notice->record.event);
  char const *state =
      notice->is_lost ? "unknown" : machine_state_name(notice->record.machine.state);
  char const *argv[] = {HOOK, w->name, number, event, state, 0};
  int error;

  snprintf(number, sizeof number, "%llu",
           (unsigned long long)(notice->is_lost ? notice->last : notice->record.sequence));
  make_environment(&environment, w);
  selfpipe_finish();
  if (n->files.rlim_max) (void)setrlimit(RLIMIT_NOFILE, &n->files);
  setsid();
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* who follows us tells it anew */
  if (null > 0) (void)fd_copy(0, null);   /* what tells us is not the hook's to read */
  execve(HOOK, (char *const *)argv, (char *const *)environment.all);
  error = errno;
  (void)!write(told, &error, sizeof error);
  _exit(127);
}

static void put_off(struct notifier *n, char const *unable) {
  if (!n->complained) report_warning_errno("unable to ", unable, "; trying again");
  n->complained = 1;
  n->hold = deadline_add_ms(clock_now(), RETRY_MS);
}

/* errno of what kept the child from becoming the program, 0; -1: there is no child. */
static int start(struct notifier const *n, struct watched *w, pid_t *pid) {
  int fds[2], error = 0;

  if (pipecoe(fds) < 0) return -1;
  *pid = fork();
  if (!*pid) become_hook(n, w, fds[1]);
  close(fds[1]);
  if (*pid > 0 && fd_read(fds[0], (char *)&error, sizeof error) < (ssize_t)sizeof error)
    error = 0;
  if (*pid < 0) error = errno;
  close(fds[0]);
  if (*pid > 0) return error;
  errno = error;
  return -1;
}

void run_hook(struct notifier *n, struct watched *w) {
  pid_t pid;
  int error = start(n, w, &pid);

  if (error < 0) {
    put_off(n, "start a program");
    return;
  }
  if (error) {
    while (waitpid(pid, 0, 0) < 0 && errno == EINTR)
      ;
    if ((error == ENOENT || error == EACCES) && access(HOOK, X_OK) < 0) {
      n->hook_gone = 1;
      return;
    }
    errno = error; /* its interpreter is missing, or it is being written */
    put_off(n, "run " HOOK);
    return;
  }
  w->pid = pid;
  w->until = n->timeout_ms ? deadline_add_ms(clock_now(), n->timeout_ms) : DEADLINE_NEVER;
  n->running++;
}

static void ended(struct notifier *n, struct watched *w, int wstat) {
  char number[REPORT_NUMBER];

  w->pid = 0;
  n->running--;
  if (!wstat)
    n->complained = 0;
  else if (!n->complained) {
    report_warning(
        HOOK " for `", w->name, "'", WIFEXITED(wstat) ? " exited " : " was killed by signal ",
        report_number(number, WIFEXITED(wstat) ? WEXITSTATUS(wstat) : WTERMSIG(wstat)),
        "; what it was told is not repeated");
    n->complained = 1;
  }
  watched_told(n, w);
}

void run_reap(struct notifier *n) {
  int wstat;
  pid_t pid;

  while ((pid = wait_nohang(&wstat)) > 0)
    for (unsigned i = 0; i < n->count; i++)
      if (n->all[i]->pid == pid) {
        ended(n, n->all[i], wstat);
        break;
      }
}

/* All of it: the session's processes have the group of its first, which is not reaped yet. */
void run_deadlines(struct notifier *n, struct deadline now) {
  for (unsigned i = 0; i < n->count; i++) {
    struct watched *w = n->all[i];
    if (!w->pid || !deadline_passed(w->until, now)) continue;
    report_warning(HOOK " for `", w->name, "' took too long: killed");
    kill(-w->pid, SIGKILL);
    w->until = DEADLINE_NEVER;
  }
}
