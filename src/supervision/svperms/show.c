/* Saying who may do what, and what is insecure. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/buffer.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/path.h>

#include "svperms.h"

static void put(char const *text) {
  if (buffer_puts(buffer_1, text) < 0) strerr_diefusys(EXIT_SYSTEM, "write to standard output");
}

static void put_line(struct place const *p, char const *what, char const *who, gid_t group) {
  struct group const *entry = !*who ? getgrgid(group) : 0;
  char number[GID_FMT + 1];

  number[gid_fmt(number, group)] = 0;
  put(p->name);
  put(what);
  put(who);
  if (!*who) put("group: ");
  if (!*who) put(entry ? entry->gr_name : ":");
  if (!*who && !entry) put(number);
  put("\n");
}

/* 1 with what there is, 0 when nothing is there (said). */
static int look(struct place const *p, char const *name, struct stat *st) {
  if (!fstatat(p->fd, name, st, AT_SYMLINK_NOFOLLOW)) return 1;
  strerr_warnwusys("look at ", p->name, "/supervise/", name);
  return 0;
}

/* Who has this right, of those who get into the directory. "": the group. */
static char const *who(mode_t inside, mode_t of_group, mode_t of_others, mode_t directory) {
  if (inside & of_others && directory & S_IXOTH) return "public";
  if (inside & (of_group | of_others) && directory & (S_IXGRP | S_IXOTH)) return "";
  return "owner";
}

int place_show(struct place *p) {
  struct stat status, control, event;
  int good;

  if (fstat(p->fd, &p->st) < 0) {
    strerr_warnwusys("look at ", p->name, "/supervise");
    return 0;
  }
  good = look(p, "status", &status);
  if (good)
    put_line(p, " status: ", who(status.st_mode, S_IRGRP, S_IROTH, p->st.st_mode),
             p->st.st_mode & S_IXOTH ? status.st_gid : p->st.st_gid);
  if (look(p, "control", &control))
    put_line(p, " control: ", who(control.st_mode, S_IWGRP, S_IWOTH, p->st.st_mode),
             control.st_gid);
  else
    good = 0;
  if (look(p, "event", &event))
    put_line(p, " events: ", who(event.st_mode, S_IWGRP, S_IWOTH, p->st.st_mode), event.st_gid);
  else
    good = 0;
  return good;
}

/* --- what is insecure -----------------------------------------------------------------------
 */

static int is_writable(struct stat const *st) {
  return (st->st_mode & (S_IWGRP | S_IWOTH)) && !S_ISLNK(st->st_mode);
}

static void warn_of(char const *path, struct stat const *st, char const *what) {
  if (is_writable(st))
    strerr_warnw(path, " can be written by ", st->st_mode & S_IWOTH ? "everybody" : "its group",
                 ": ", what);
}

static void warn_of_definition(struct place const *p) {
  static char const *const programs[] = {"run", "start", "finish", "check", "condition"};
  char path[4096];
  struct stat st;

  if (!stat(p->name, &st))
    warn_of(p->name, &st, "who can, decides what runs as the service's supervisor");
  for (unsigned i = 0; i < sizeof programs / sizeof *programs; i++)
    if (path_join(path, sizeof path, p->name, programs[i]) && !stat(path, &st))
      warn_of(path, &st, "who can, decides what runs as the service's supervisor");
}

static void warn_of_private(struct place const *p) {
  static char const *const names[] = {"lock", "child", "exit", "buf", "rest"};
  struct stat st;

  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (!fstatat(p->fd, names[i], &st, AT_SYMLINK_NOFOLLOW) && st.st_mode & 077)
      strerr_warnw(p->name, "/supervise/", names[i],
                   " is not for its owner alone: others could mislead or block the supervisor; "
                   "any of -u, -g, -G, -o and -O mends that");
}

static void warn_of_access(struct place const *p) {
  struct stat st;

  if (p->st.st_mode & (S_IWGRP | S_IWOTH))
    strerr_warnw(p->name, "/supervise can be written by others: a supervisor does not use it");
  if (!fstatat(p->fd, "control", &st, AT_SYMLINK_NOFOLLOW)) {
    if (st.st_mode & S_IWOTH)
      strerr_warnw(p->name, "/supervise/control can be written by everybody");
    else if (st.st_mode & S_IWGRP && !(p->st.st_mode & S_IXOTH) && st.st_gid != p->st.st_gid)
      strerr_warnw(p->name, ": only those who may command it and read its state can do either");
  }
  if (fstatat(p->fd, "event", &st, AT_SYMLINK_NOFOLLOW) < 0) return;
  if (!(p->st.st_mode & S_IXOTH) && st.st_mode & S_IWOTH)
    strerr_warnw(p->name, ": only those who may read its state can wait for changes");
  else if (!(p->st.st_mode & S_IXOTH) && st.st_gid != p->st.st_gid && st.st_gid != getegid())
    strerr_warnw(p->name, ": of those who may wait for changes only those can who may read its "
                          "state");
}

void place_warn(struct place const *p) {
  struct place now = *p;

  if (fstat(now.fd, &now.st) < 0) return;
  warn_of_definition(&now);
  warn_of_private(&now);
  warn_of_access(&now);
}
