/* Entries whose name has come to lead elsewhere or nowhere, at the instant perhaps at which
 * their supervisor died: nothing is looked for, or started, under the name then. A directory is
 * known by its number, dev and ino; where it is, its record says (of a link, the old target),
 * and if it is not there any more, any process that has it for its working directory: most
 * services do. No descriptor is kept for that, and but for a list of the processes none is
 * needed. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/path.h>

#define CWD_SIZE (PATH_PROC + sizeof "/cwd/..")

static int is_its(struct entry const *e, struct stat const *st) {
  return st->st_ino == e->ino && st->st_dev == e->dev;
}

int moved_look(struct scan *s, struct entry *e) {
  struct stat st;

  if (e->flags & ENTRY_VANISHED) return 1;
  if (stat(e->name, &st) < 0) {
    if (is_shortage(errno)) return -1;
    if (errno == EACCES) return 0;
  } else if (is_its(e, &st))
    return 0;
  e->flags |= ENTRY_VANISHED;
  scan_later(s, 0); /* which stops it, if it is not back by then */
  return 1;
}

enum inside {
  OUTSIDE,
  INSIDE, /* but no path leads there: it was removed */
  INSIDE_AT
};

/* Is the process in the directory, or right below it, as one of a logger is? Where is it then?
 * OUTSIDE: errno. */
static enum inside ask_process(struct entry const *e, uint32_t pid, char buf[PATH_SIZE]) {
  char cwd[CWD_SIZE];
  struct stat st;
  ssize_t len;
  int below;

  path_of_process(cwd, (int32_t)pid, "/cwd");
  if (stat(cwd, &st) < 0) return OUTSIDE;
  below = !is_its(e, &st);
  if (below) {
    path_of_process(cwd, (int32_t)pid, "/cwd/..");
    if (stat(cwd, &st) < 0) return OUTSIDE;
    if (!is_its(e, &st)) return (errno = ENOENT, OUTSIDE);
  }
  path_of_process(cwd, (int32_t)pid, "/cwd");
  len = readlink(cwd, buf, PATH_SIZE - 1);
  if (len < 0) return OUTSIDE;
  buf[len] = 0;
  if (buf[0] != '/') return INSIDE;
  if (below) *strrchr(buf, '/') = 0;
  if (stat(buf, &st) < 0) return is_shortage(errno) ? OUTSIDE : INSIDE;
  return is_its(e, &st) ? INSIDE_AT : INSIDE;
}

/* Whoever is in it, be it somebody's shell. 1, or 0 with errno. */
static int ask_everybody(struct entry const *e, char buf[PATH_SIZE]) {
  enum inside inside = OUTSIDE;
  int failed = ENOENT;
  struct dirent *d;
  uint32_t pid;
  DIR *dir = opendir("/proc");

  if (!dir) return 0;
  while (inside != INSIDE_AT && (errno = 0, d = readdir(dir))) {
    if (!uint320_scan(d->d_name, &pid)) continue;
    inside = ask_process(e, pid, buf);
    if (inside == OUTSIDE && is_shortage(errno)) failed = errno;
  }
  if (is_shortage(errno)) failed = errno;
  closedir(dir);
  return inside == INSIDE_AT ? 1 : (errno = failed, 0);
}

/* Those that we know are in it, or were. OUTSIDE: *failed, errno of a call that failed, 0. */
static enum inside ask_known(struct entry const *e, char buf[PATH_SIZE], int *failed) {
  enum inside inside = OUTSIDE;

  *failed = 0;
  for (unsigned i = 0; i < 4 && inside == OUTSIDE; i++) {
    int32_t pid = i < 2 ? e->slot[i].pid : e->slot[i - 2].orphan;
    if (pid <= 0) continue;
    inside = ask_process(e, (uint32_t)pid, buf);
    if (inside == OUTSIDE && is_shortage(errno)) *failed = errno;
  }
  return inside;
}

/* 1, or 0 with errno. */
static int find(struct entry const *e, char buf[PATH_SIZE]) {
  int failed;
  enum inside inside = ask_known(e, buf, &failed);

  if (inside == INSIDE) return (errno = ENOENT, 0);
  if (inside == INSIDE_AT || ask_everybody(e, buf)) return 1;
  return (errno = failed ? failed : errno, 0);
}

static int has_died(struct entry const *e) {
  return e->slot[SERVICE].deaths || e->slot[LOGGER].deaths;
}

int moved_path(struct scan *s, struct entry *e, enum which which, char buf[PATH_SIZE]) {
  char where[PATH_SIZE];

  if (slot_path(s, e, which, "", buf)) return 1;
  if (is_shortage(errno) || !(e->flags & ENTRY_VANISHED) ||
      !(e->flags & ENTRY_RECORDED || has_died(e)))
    return 0;
  return find(e, where) && home_record_at(e, where) && slot_path(s, e, which, "", buf);
}

/* Once, before anything of it is used. Who is told by its pid needs no path; but should we be
 * upgraded or die while it stops, the record is all that there is. */
void moved_search(struct scan *s, struct entry *e) {
  char path[PATH_SIZE];
  int failed;

  if (has_died(e))
    (void)moved_path(s, e, SERVICE, path);
  else if (s->has_home && !home_recorded_path(e, path) && !is_shortage(errno) &&
           ask_known(e, path, &failed) == INSIDE_AT)
    (void)home_record_at(e, path);
}

static int is_same(struct stat const *a, struct stat const *b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Started by the name, the supervisor may have come to another directory than was meant: a
 * logger's to what `log' is there. (Its own may have been exchanged in its place, and nobody
 * recorded its number.) 0 too where nobody can tell, or not yet; -1: a call failed. */
int moved_is_astray(struct scan *s, struct entry *e, enum which which) {
  char path[PATH_SIZE], cwd[CWD_SIZE];
  struct stat here, there;

  if (e->slot[which].state != SLOT_RUNNING || !(e->flags & ENTRY_VANISHED)) return 0;
  path_of_process(cwd, e->slot[which].pid, "/cwd");
  if (stat(cwd, &here) < 0) return -is_shortage(errno);
  if (here.st_dev == s->dev && here.st_ino == s->ino) return 0;
  if (which == SERVICE) return !is_its(e, &here);
  if (stat(slot_name(e, which, path), &there) < 0) return -is_shortage(errno);
  if (!is_same(&here, &there)) return 0;
  if (!slot_path(s, e, which, "", path) || stat(path, &there) < 0) return -is_shortage(errno);
  return !is_same(&here, &there);
}

int moved_is_lost(struct entry const *e, int32_t *pid) {
  char path[PATH_SIZE];

  *pid = e->slot[SERVICE].orphan ? e->slot[SERVICE].orphan : e->slot[LOGGER].orphan;
  return e->flags & ENTRY_VANISHED &&
         (*pid || (e->slot[SERVICE].flags | e->slot[LOGGER].flags) & SLOT_UNSURE) &&
         !home_recorded_path(e, path);
}
