/* Setting modes and groups. The directory is closed first and opened last, so that nothing can
 * be reached that is not as it shall be yet. */

#include <skalibs/nonposix.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include <lares/event.h>
#include <lares/path.h>

#include "svperms.h"

static int fail(struct place const *p, char const *doing, char const *name) {
  strerr_warnwusys(doing, " ", p->name, "/supervise/", name,
                   errno == EPERM ? " (it takes its owner, who is in that group, or root)"
                                  : "");
  return 0;
}

int place_open(struct place *p, char const *dir) {
  char path[4096];

  *p = (struct place){.name = dir, .fd = -1};
  if (!path_join(path, sizeof path, dir, "supervise")) {
    strerr_warnwusys("use ", dir);
    return 0;
  }
  p->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (p->fd >= 0 && !fstat(p->fd, &p->st)) return 1;
  if (p->fd < 0 && errno == ENOENT && !access(dir, F_OK))
    strerr_warnw(dir, " has no supervise/ yet: it has never been supervised");
  else
    strerr_warnwusys("look into ", path);
  if (p->fd >= 0) close(p->fd);
  return 0;
}

int is_readable_name(char const *name) {
  static char const *const names[] = {"status", "status.spare", "state", "history", "text"};

  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(name, names[i])) return 1;
  return 0;
}

/* Nobody but the owner can put anything in the place of what is looked at here. */
static int set(struct place const *p, char const *name, gid_t group, mode_t mode) {
  struct stat st;

  if (fstatat(p->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 1 : fail(p, "look at", name);
  if (S_ISLNK(st.st_mode)) return 1;
  if (st.st_gid != group && fchownat(p->fd, name, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW) < 0)
    return fail(p, "change the group of", name);
  /* After a chown, which may take away set-group-id. */
  if (fchmodat(p->fd, name, mode, 0) < 0) return fail(p, "change the mode of", name);
  return 1;
}

/* Everything that has no mode of its own. */
static int close_one(struct place const *p, char const *name) {
  static char const *const special[] = {".", "..", "ok", "control", "event", "pipe"};
  struct stat st;

  for (unsigned i = 0; i < sizeof special / sizeof *special; i++)
    if (!strcmp(name, special[i])) return 1;
  if (is_readable_name(name)) return set(p, name, getegid(), 0644);
  if (fstatat(p->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 1 : fail(p, "look at", name);
  if (S_ISLNK(st.st_mode) || !(st.st_mode & 077)) return 1;
  if (fchmodat(p->fd, name, st.st_mode & 0700, 0) < 0)
    return fail(p, "change the mode of", name);
  return 1;
}

static int close_all(struct place const *p) {
  int fd = openat(p->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), good = 1;
  DIR *dir = fd < 0 ? 0 : fdopendir(fd);
  struct dirent *d;

  if (!dir) {
    if (fd >= 0) close(fd);
    return fail(p, "list", "");
  }
  while (errno = 0, (d = readdir(dir)))
    good = close_one(p, d->d_name) && good;
  if (errno) good = fail(p, "list", "");
  closedir(dir);
  return good;
}

static mode_t pipe_mode(struct request const *r) {
  static mode_t const modes[] = {
      [READ_OWNER] = 0622, [READ_GROUP] = 0602, [READ_PUBLIC] = 0600};

  return modes[r->readers];
}

static int set_pipe(struct place const *p, struct request const *r) {
  struct stat st;

  if (fstatat(p->fd, "pipe", &st, AT_SYMLINK_NOFOLLOW) < 0) return 1;
  if (r->readers == READ_PUBLIC)
    strerr_warnw(p->name, ": its pipe is closed, so that not everybody can write to the log: a "
                          "service of another user cannot open /dev/stdout anew");
  return set(p, "pipe", r->group, pipe_mode(r));
}

static int set_directory(struct place const *p, gid_t group, mode_t mode) {
  if (p->st.st_gid != group && fchown(p->fd, (uid_t)-1, group) < 0)
    return fail(p, "change the group of", "");
  if (fchmod(p->fd, mode) < 0) return fail(p, "change the mode of", "");
  return 1;
}

static int set_access(struct place const *p, struct request const *r) {
  static mode_t const ok[] = {0600, 0620, 0622}, directory[] = {0700, 02710, 02711};

  return set_directory(p, r->group, 0700) && close_all(p) && set_pipe(p, r) &&
         set(p, "ok", r->group, ok[r->readers]) &&
         set(p, "control", r->control ? r->group : getegid(), r->control ? 0620 : 0600) &&
         set_directory(p, r->group, directory[r->readers] | (r->control ? S_ISVTX : 0));
}

int place_apply(struct place const *p, struct request const *r) {
  int good = 1;

  if (r->subscribers == EVENTS_PUBLIC) good = set(p, "event", r->event_group, 01733);
  if (r->subscribers == EVENTS_GROUP) good = set(p, "event", r->event_group, EVENT_MODE);
  if (r->change) good = set_access(p, r) && good;
  return good;
}
