/* Looking through definitions before something runs by them: what their files say wrong, names
 * that nobody asks for, needs that nobody is. */

#include <skalibs/nonposix.h>
#include "svscanctl.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/svdir.h>

#include "entries.h"

struct check {
  char const *name; /* of the service or logger, as it is said */
  unsigned wrong;
  int of_run; /* something was said of `run` */
};

static void complain(void *context, char const *file, char const *wrong, char const *instead) {
  struct check *c = context;

  c->wrong++;
  c->of_run |= !strcmp(file, "run");
  strerr_warnw(c->name, "/", file, ": ", wrong, "; in effect: ", instead);
}

/* What is there to be run. */
static void look_for_programs(struct check *c, char const *dir) {
  static char const *const names[] = {"run", "start", "finish", "stop", "check", "condition"};
  char path[PATH_SIZE], why[PATH_UNEXECUTED];
  struct stat st;

  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    char const *wrong = "is not executable";
    if (!path_join(path, sizeof path, dir, names[i]) || stat(path, &st) < 0) continue;
    if (!S_ISREG(st.st_mode)) continue;
    if (!access(path, X_OK)) wrong = path_script_missing(why, dir, names[i]) ? why : 0;
    if (!strcmp(names[i], "check") && !(st.st_mode & 0111)) wrong = 0; /* svdir_read() has */
    if (!wrong) continue;
    c->wrong++;
    c->of_run |= !i;
    strerr_warnw(c->name, "/", names[i], ": ", wrong);
  }
}

static DIR *open_in(struct check *c, char const *dir, char const *name) {
  char path[PATH_SIZE];
  DIR *open = path_join(path, sizeof path, dir, name) ? opendir(path) : 0;

  if (open || errno == ENOENT || errno == ENOTDIR) return open;
  c->wrong++;
  strerr_warnwu("list ", path);
  return 0;
}

static void look_for_slips(struct check *c, char const *dir) {
  DIR *open = open_in(c, dir, ".");
  struct dirent *d;

  while (open && (d = readdir(open))) {
    char const *meant = d->d_name[0] == '.' ? 0 : svdir_meant(d->d_name);
    if (!meant) continue;
    c->wrong++;
    strerr_warnw(c->name, "/", d->d_name, ": means nothing; is `", meant, "' meant?");
  }
  if (open) closedir(open);
}

/* What needs/ names is a service of the same scan directory. (What after/ names may be
 * missing.)
 */
static void look_for_needs(struct check *c, char const *dir) {
  DIR *open = open_in(c, dir, "needs");
  struct dirent *d;
  struct stat st;

  while (open && (d = readdir(open))) {
    if (d->d_name[0] == '.' || !stat(d->d_name, &st)) continue;
    c->wrong++;
    strerr_warnw(c->name, "/needs/", d->d_name, ": there is no such service here");
  }
  if (open) closedir(open);
}

static unsigned check_one(char const *dir, char const *name, char const *wrong,
                          char const *quoted) {
  struct check c = {.name = name};
  struct svdir svdir;

  svdir_default(&svdir);
  if (!svdir_read(&svdir, dir, complain, &c)) {
    strerr_warnwu("read ", name);
    return 1;
  }
  look_for_programs(&c, dir);
  if (wrong && !c.of_run) {
    c.wrong++;
    strerr_warnw(name, ": cannot run: ", wrong, quoted);
  }
  look_for_slips(&c, dir);
  return c.wrong;
}

static unsigned check_service(struct entry const *e) {
  char log[PATH_NAME_MAX + 8], quoted[PATH_QUOTED];
  struct check c = {.name = e->name};
  unsigned wrong;

  (void)entry_lacks_template(e, quoted);
  wrong = check_one(e->name, e->name, e->wrong, quoted);
  look_for_needs(&c, e->name);
  strcpy(log, e->name);
  strcat(log, "/log");
  if (e->has_log) wrong += check_one(log, log, 0, "");
  return wrong + c.wrong;
}

static unsigned check_entry(struct entry const *e) {
  struct stat st;

  switch (e->kind) {
  case ENTRY_SERVICE:
  case ENTRY_TEMPLATE:
    return check_service(e);
  case ENTRY_NOTHING:
    if (!lstat(e->name, &st) && S_ISREG(st.st_mode)) return 0; /* somebody's notes */
    break;
  case ENTRY_BROKEN:
    break;
  default:
    return 0; /* what has become of one */
  }
  strerr_warnw(e->name, ": ", e->wrong);
  return 1;
}

/* Of one that is no directory of services but a service. */
static unsigned check_alone(char const *name) {
  struct stat st;
  char log[PATH_SIZE];
  unsigned wrong = check_one(".", name, 0, "");

  if (!stat("log", &st) && S_ISDIR(st.st_mode) && path_join(log, sizeof log, name, "log"))
    wrong += check_one("log", log, 0, "");
  return wrong;
}

/* Which hook is meant by a name that is none's, as SIGTERM by sigterm or TERM; 0. */
static char const *hook_meant(char const *name) {
  char const *hook, *meant = 0;

  for (unsigned i = 0; (hook = path_hook(i)); i++) {
    hook += sizeof ".lares/" - 1;
    if (!strcmp(hook, name)) return 0;
    if (!strcasecmp(hook, name) || (!strncmp(hook, "SIG", 3) && !strcasecmp(hook + 3, name)))
      meant = hook;
  }
  return meant;
}

/* What stands in .lares for the scanner to run. Who may not look into it, which is the
 * scanner's, is told so and can have the rest right. */
static unsigned check_hooks(void) {
  struct check c = {.name = ".lares"};
  char why[PATH_UNEXECUTED];
  char const *hook;
  DIR *open = open_in(&c, ".", ".lares");
  struct dirent *d;

  for (unsigned i = 0; open && (hook = path_hook(i)); i++) {
    char const *wrong = path_hook_is_idle(hook)               ? "is no executable file"
                        : path_script_missing(why, ".", hook) ? why
                                                              : 0;
    if (!wrong) continue;
    c.wrong++;
    strerr_warnw(hook, ": ", wrong);
  }
  while (open && (d = readdir(open))) {
    char const *meant = hook_meant(d->d_name);
    if (!meant) continue;
    c.wrong++;
    strerr_warnw(".lares/", d->d_name, ": means nothing; is `", meant, "' meant?");
  }
  if (!open) return 0;
  closedir(open);
  return c.wrong;
}

int check_entries(char const *scandir) {
  struct entries all = {.list = 0};
  unsigned wrong = 0;

  if (!access("run", F_OK) || !access("type", F_OK) || !access("start", F_OK))
    return check_alone(scandir) ? EXIT_NO : EXIT_DONE;
  if (!entries_read(&all)) strerr_diefusys(EXIT_SYSTEM, "list the scan directory");
  for (size_t i = 0; i < all.count; i++)
    wrong += check_entry(&all.list[i]);
  wrong += check_hooks();
  return wrong ? EXIT_NO : EXIT_DONE;
}
