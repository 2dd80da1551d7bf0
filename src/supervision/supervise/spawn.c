/* Starting condition, start, run and finish. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/path.h>
#include <lares/report.h>

#include "supervise.h"

#define NO_EXIT_CODE 256 /* finish's first argument after a death by signal (s6) */

/* Each complaint is said once, until the file is mended. */
void complain(void *context, char const *file, char const *wrong, char const *instead) {
  struct supervisor *s = context;
  uint32_t sum = 2166136261u;

  for (char const *c = file; *c; c++)
    sum = (sum ^ (unsigned char)*c) * 16777619u;
  for (char const *c = wrong; *c; c++)
    sum = (sum ^ (unsigned char)*c) * 16777619u;
  for (unsigned i = 0; i < COMPLAINTS; i++)
    if (s->complaints[1][i] == sum) return;
  for (unsigned i = 0; i < COMPLAINTS; i++)
    if (!s->complaints[1][i]) {
      s->complaints[1][i] = sum;
      break;
    }
  for (unsigned i = 0; i < COMPLAINTS; i++)
    if (s->complaints[0][i] == sum) return;
  report_warning(file, ": ", wrong, "; using ", instead);
}

void mark_definition(struct supervisor *s) {
  s->state.marks &= (uint16_t) ~(MARK_NORMALLY_DOWN | MARK_NOTIFIES | MARK_ONESHOT);
  if (s->definition.has & HAS_DOWN) s->state.marks |= MARK_NORMALLY_DOWN;
  if (declares_readiness(s)) s->state.marks |= MARK_NOTIFIES;
  if (s->definition.type == TYPE_ONESHOT) s->state.marks |= MARK_ONESHOT;
}

int read_definition(struct supervisor *s) {
  memcpy(s->complaints[0], s->complaints[1], sizeof s->complaints[0]);
  memset(s->complaints[1], 0, sizeof s->complaints[1]);
  if (!svdir_read_here(&s->definition, &s->names, complain, s)) {
    if (!s->said_no_read)
      report_warning_errno("unable to read the service directory, going on with what it said");
    s->said_no_read = 1;
    memcpy(s->complaints[1], s->complaints[0], sizeof s->complaints[1]);
    return 0;
  }
  s->said_no_read = 0;
  mark_definition(s);
  journal_make_room(s);
  if (s->definition.notify_sd || s->definition.has & HAS_NEEDS) (void)texts_reserve(s);
  return 1;
}

static int unborn(struct supervisor *s, uint8_t reason, int error, char const *what) {
  s->reason = reason;
  s->detail = (uint32_t)error;
  if (s->said_no_birth != reason) {
    errno = error;
    if (error)
      report_warning_errno(what, "; trying again");
    else
      report_warning(what, "; trying again");
  }
  s->said_no_birth = reason;
  return 0;
}

/* Who waits for this start must not take it for one that worked, nor for one that failed like
 * the last. */
static void note_executed(struct supervisor *s) {
  if (!s->exec_error && s->reason != REASON_NO_EXEC) return;
  s->reason = s->exec_error ? REASON_NO_EXEC : REASON_NONE;
  s->detail = (uint32_t)s->exec_error;
}

/* The child signed in itself; where it could not, we do it now. */
static void note_birth(struct supervisor *s, struct child_plan const *plan) {
  struct state_record *r = &s->state;

  s->child = (struct child){.who = plan->who, .pidfd = -1};
  forking_born(s, plan);
  r->pid = plan->who.pid;
  r->boot = plan->who.boot;
  r->inode = plan->who.inode;
  r->start = plan->who.start;
  r->marks &= (uint16_t) ~(MARK_TERMED | MARK_ADOPTED | MARK_SAID_READY);
  r->changed = plan->started;
  if (plan->role == ROLE_RUN) {
    r->began = plan->began;
    r->starts++;
    r->defined = s->definition.age.changed;
    r->definition = s->definition.age.sum;
    s->state.group = plan->who.pid;
    session_born(s);
  }
  s->exec_error = plan->failed;
  if (plan->role == ROLE_RUN) note_executed(s);
  if (plan->unrecorded) {
    struct identity_record record = {.state =
                                         plan->forking ? IDENTITY_FORKING : IDENTITY_RUNNING,
                                     .role = plan->role,
                                     .who = plan->who,
                                     .wstat = WSTAT_UNKNOWN,
                                     .started = plan->started,
                                     .began = plan->began};
    record_child(s, &record, OWES_START);
  } else
    s->owes = OWES_NOTHING; /* it has overwritten that */
  s->said_no_birth = REASON_NONE;
  s->retry_ms = RETRY_MS;
}

/* The one before us has carried this start out, and was killed before it could write it down.
 */
static int take_successor(struct supervisor *s, enum machine_role role) {
  struct child_plan plan = {.role = (uint8_t)role,
                            .forking = s->successor->state == IDENTITY_FORKING,
                            .who = s->successor->who,
                            .began = s->successor->began,
                            .started = s->successor->started};

  if (role == s->successor->role) note_birth(s, &plan);
  return 1;
}

/* Said once, until it works or fails otherwise. */
static void say_exec_failure(struct supervisor *s, struct child_plan const *plan) {
  char why[PATH_UNEXECUTED];

  if (s->said_no_exec[plan->role] == plan->failed) return;
  errno = plan->failed;
  if (!strcmp(plan->at, "dup2"))
    report_error_errno("unable to give ", plan->file,
                       " its descriptors, is notification-fd within the limit of open files?");
  else if (strcmp(plan->at, "exec"))
    report_error_errno("unable to open ", plan->at, " for ", plan->file);
  else if (errno == ENOENT && path_interpreter_missing(why, ".", plan->file))
    report_error("unable to execute ", plan->file, ": ", why);
  else if (errno == ENOEXEC)
    report_error("unable to execute ", plan->file,
                 ": neither a program for this machine nor a script that begins with #!");
  else
    report_error_errno("unable to execute ", plan->file);
}

/* argv: room for 6. */
static void name_program(struct supervisor *s, struct child_plan *plan, char const **argv) {
  static char const *const files[] = {[ROLE_CONDITION] = "./condition",
                                      [ROLE_START] = "./start",
                                      [ROLE_RUN] = "./run",
                                      [ROLE_FINISH] = "./finish"};
  static char const *const logger[] = {"lares-log", "t", "s1000000", "n10", "./main", 0};

  plan->file = files[plan->role];
  plan->argv = argv;
  argv[0] = plan->file;
  argv[1] = s->name;
  argv[2] = 0;
  if (plan->role == ROLE_FINISH && s->definition.has & HAS_STOP)
    argv[0] = plan->file = "./stop";
  if (plan->role == ROLE_RUN && s->is_log && !(s->definition.has & HAS_RUN)) {
    plan->file = s->logger;
    plan->argv = logger;
  }
}

/* s6's four: exit code or 256, signal or 0, name, process group; that empty if it is another's
 * by now, who would be hit by a script that ends it. */
struct finish_arguments {
  char code[INT_FMT + 1], sig[INT_FMT + 1], group[PID_FMT + 1];
};

static void add_finish_arguments(struct supervisor *s, struct finish_arguments *f,
                                 char const **argv) {
  int32_t w = s->state.last_wstat;
  int known = w != WSTAT_UNKNOWN;

  f->code[int_fmt(f->code, known && WIFEXITED(w) ? WEXITSTATUS(w) : NO_EXIT_CODE)] = 0;
  f->sig[int_fmt(f->sig, known && WIFSIGNALED(w) ? WTERMSIG(w) : 0)] = 0;
  f->group[rest_knows_group(s) ? pid_fmt(f->group, s->state.group) : 0] = 0;
  argv[1] = f->code;
  argv[2] = f->sig;
  argv[3] = s->name;
  argv[4] = f->group;
  argv[5] = 0;
}

/* The next one gets a new cgroup. */
static void say_unjoined(struct supervisor *s, int error) {
  errno = error;
  if (!s->said_no_cgroup)
    report_warning_errno("unable to start in the cgroup ", s->cgroup_parent, "/",
                         s->cgroup.name, ", the service runs without one");
  s->said_no_cgroup = 1;
  cgroup_close(&s->cgroup);
}

/* Once, until it works. */
static void say_unspaced(struct supervisor *s, int error) {
  errno = error;
  if (error && !s->said_no_space)
    report_warning_errno("flag-newpidns: unable to make a pid namespace, the service runs "
                         "without one of its own");
  s->said_no_space = error != 0;
}

int spawn(struct supervisor *s, enum machine_role role) {
  struct finish_arguments finish;
  char const *argv[6];
  struct child_plan plan = {.abilities = &s->abilities,
                            .envp = s->environment,
                            .record = s->record,
                            .role = (uint8_t)role,
                            .forking = role == ROLE_RUN && s->definition.type == TYPE_FORKING,
                            .id = s->id_variable + 9};

  int hold, error;

  if (s->successor) return take_successor(s, role);
  name_program(s, &plan, argv);
  if (role == ROLE_FINISH) add_finish_arguments(s, &finish, argv);
  if (role == ROLE_RUN && !(s->definition.has & HAS_RUN) && !s->is_log)
    return unborn(s, REASON_NO_RUN, 0, "there is no run file");
  open_log_pipe(s);
  if (s->leftover_due && !leftover_feed(s))
    return unborn(s, REASON_REST, errno,
                  "unable to give the logger what was left for it in " FILE_REST);
  s->leftover_due = 0;
  give_log(s, &plan);
  give_buffer(s, &plan);
  if (role == ROLE_RUN && !open_notify(s, &plan))
    return unborn(s, REASON_NO_FORK, errno, "unable to make " FILE_NOTIFY);
  if (role == ROLE_RUN && !sd_prepare(s, &plan))
    return unborn(s, REASON_NO_FORK, errno, "unable to make a socket for notifications");
  hold = drain_hold_for_start(s);
  if (hold == -1) return unborn(s, REASON_NO_FORK, errno, "unable to open " FILE_PIPE);
  /* Close-on-exec would be too late: who looks for writers now would find the child. */
  if (hold > 0) plan.drop = hold;
  if (role == ROLE_RUN) give_lock_fd(s, &plan);
  plan.newpidns = role == ROLE_RUN && s->definition.has & HAS_NEWPIDNS && !plan.forking;
  open_cgroup(s);
  plan.cgroup = s->cgroup.dir > 0 ? s->cgroup.dir : 0;
  error = child_start(&plan) < 0 ? errno : 0;
  if (error && s->unreaped) {
    /* Limits of processes (pids.max, RLIMIT_NPROC) count the dead one as long. */
    reap_recorded(s);
    error = child_start(&plan) < 0 ? errno : 0;
  }
  if (hold >= 0) close(hold);
  sd_prepared(s);
  if (error) return unborn(s, REASON_NO_FORK, error, "unable to fork");
  note_birth(s, &plan);
  if (plan.unjoined) say_unjoined(s, plan.unjoined);
  if (plan.newpidns) say_unspaced(s, plan.unspaced);
  if (plan.failed) say_exec_failure(s, &plan);
  s->said_no_exec[role] = plan.failed;
  return 1;
}
