/* SCAN/.lares/, which is for us alone but for one way through it: what a scanner leaves for the
 * next one.
 *
 *   lock        flock'ed by the scanner, with its identity record
 *   control     a FIFO, see control.c
 *   n/, store   sockets, see store.c
 *   program     a symbolic link to the lares-supervise that is started, see program.c
 *   run/NAME    a symbolic link whose text is `DEV:INO:PATH` (two decimal numbers, the absolute
 *               path): the directory NAME stood for when its supervisor was started; removed
 *               when the supervisors have left
 *   run/.DEV:INO:W  a symbolic link: one whose supervisor was told to go, going.c
 *   event/      a fifodir: a supervisor that waits for a service which is not there is woken
 *               when something is taken up (s), lares-svscanctl when all has been looked at
 *               that it has told us to (h)
 *   stopping    a symbolic link whose text is `BOOT:CODE` (16 hexadecimal digits, decimal): a
 *               stop has begun in this boot; a scanner that finds it goes on with it
 *   ended       the same, left by one that ended with the code of an essential service where
 * that is one of our own (100 to 127): for lares-init, which would start another scanner
 *
 * Links, because one system call makes or reads one whole, needing no descriptor and no data
 * block. Where they cannot be made (read-only, full) everything works but for what the next
 * scanner can then not know. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/channel.h>
#include <lares/event.h>
#include <lares/exitcode.h>
#include <lares/path.h>

#define HOME ".lares"
#define RUN HOME_RUN
#define NEW_RECORD ".lares/run.new"
#define LOCK ".lares/lock"
#define STOPPING ".lares/stopping"
#define ENDED ".lares/ended"
#define ARRIVALS ".lares/event"
#define IN_FLIGHT_TRIES 200

static int complain(struct scan *s, char const *doing, char const *what) {
  try_again(s);
  if (trouble(s, TROUBLE_HOME))
    report_warning_errno("unable to ", doing, " ", what,
                         ", so that a scanner after this one will know less");
  return 0;
}

/* The lock of a dead scanner may be held for an instant by a child of it that has not become
 * its program yet. */
static enum lock_outcome take_lock(struct scan *s, int *lock, struct identity *holder) {
  enum lock_outcome outcome = LOCK_IN_FLIGHT;

  for (unsigned i = 0; i < IN_FLIGHT_TRIES && outcome == LOCK_IN_FLIGHT; i++) {
    if (i) poll(0, 0, 5);
    outcome = lock_take(&s->abilities, LOCK, lock, holder);
  }
  return outcome;
}

/* Another user's scanner has run there, and may run now or later, whom we could not keep out.
 * (Where root is nobody, on a network file system, it may be our own; with no lock it is only
 * where somebody has put scripts.) */
int home_is_foreign(uid_t *owner) {
  struct stat st;

  if (stat(HOME, &st) < 0 || st.st_uid == geteuid() || access(LOCK, F_OK) < 0 ||
      path_is_remote("."))
    return 0;
  *owner = st.st_uid;
  return 1;
}

int home_open(struct scan *s, int32_t *holder) {
  struct identity who = {.pid = 0};
  enum lock_outcome outcome;
  int lock;

  *holder = 0;
  s->has_home = 0;
  if (s->lock >= 0) close(s->lock);
  s->lock = -1;
  if (!channel_directory(HOME, 0711)) return complain(s, "use", HOME);
  if (!channel_directory(RUN, 0700)) return complain(s, "use", RUN);
  if (!event_directory(ARRIVALS)) complain(s, "use", ARRIVALS);
  outcome = take_lock(s, &lock, &who);
  if (outcome == LOCK_HELD || outcome == LOCK_IN_FLIGHT) {
    *holder = who.pid ? who.pid : -1;
    return 0;
  }
  if (outcome == LOCK_FAILED) return complain(s, "lock", LOCK);
  s->lock = lock;
  s->has_home = 1;
  (void)unlink(ENDED);
  trouble_over(s, TROUBLE_HOME);
  return 1;
}

/* The note comes first: made anew when somebody can ask for an upgrade it says that one is
 * done.
 */
void home_listen(struct scan *s) {
  program_note(s);
  control_begin(s);
  store_begin(s);
}

void home_tell_arrival(struct scan *s) {
  s->arrived = 0;
  if (s->has_home) (void)event_wake(ARRIVALS, "s", 1);
}

/* Who has asked for it waits there. */
void home_tell_rescan(struct scan *s) {
  /* A name that cannot be looked at now may never be. */
  if (!s->asked || (s->unlisted && !s->unseen) || !s->has_home) return;
  if (event_wake(ARRIVALS, "h", 1) || !is_shortage(errno))
    s->asked = 0;
  else
    scan_later(s, RETRY_MS);
}

int home_intact(struct scan const *s) {
  struct stat there, ours;

  return s->has_home && !stat(LOCK, &there) && !fstat(s->lock, &ours) &&
         there.st_ino == ours.st_ino && there.st_dev == ours.st_dev && !access(RUN, W_OK);
}

static int record_path(char const *name, char path[PATH_SIZE]) {
  return path_join(path, PATH_SIZE, RUN, name);
}

/* The absolute path of an entry's directory: of a link what it says. */
static size_t put_path(struct scan const *s, struct entry const *e, char *out, size_t room) {
  char target[PATH_SIZE] = "", full[PATH_SIZE];
  ssize_t len = e->flags & ENTRY_LINK ? readlink(e->name, target, sizeof target - 1) : 0;

  if (len > 0) target[len] = 0;
  if (len > 0 && target[0] == '/')
    memcpy(full, target, (size_t)len + 1);
  else if (!path_join(full, sizeof full, s->path, len > 0 ? target : e->name))
    return 0;
  if (strlen(full) >= room) return 0;
  memcpy(out, full, strlen(full) + 1);
  return strlen(full);
}

/* What is there is most often true already. Removed and made anew, it would be missing for a
 * moment: a scanner that was killed then left a service that nobody knew of. */
static int replace_record(char const *text, char const *path) {
  char there[PATH_SIZE];
  ssize_t len = readlink(path, there, sizeof there);

  if (len >= 0 && (size_t)len == strlen(text) && !memcmp(there, text, (size_t)len)) return 1;
  (void)unlink(NEW_RECORD);
  return !symlink(text, NEW_RECORD) && !rename(NEW_RECORD, path);
}

static size_t put_number(struct entry const *e, char text[PATH_SIZE]) {
  size_t len = uint64_fmt(text, e->dev);

  text[len++] = ':';
  len += uint64_fmt(text + len, e->ino);
  text[len++] = ':';
  return len;
}

void home_record(struct scan *s, struct entry *e) {
  char text[PATH_SIZE], path[PATH_SIZE];
  size_t len;

  if (!s->has_home || e->flags & (ENTRY_RECORDED | ENTRY_VANISHED)) return;
  len = put_number(e, text);
  if (!put_path(s, e, text + len, sizeof text - len) || !record_path(e->name, path)) return;
  if (symlink(text, path) < 0 && (errno != EEXIST || !replace_record(text, path))) {
    complain(s, "note", e->name);
    return;
  }
  e->flags |= ENTRY_RECORDED;
}

int home_record_at(struct entry *e, char const *where) {
  char text[PATH_SIZE], path[PATH_SIZE];
  size_t len = put_number(e, text), more = strlen(where) + 1;

  if (len + more > sizeof text) return (errno = ENAMETOOLONG, 0);
  memcpy(text + len, where, more);
  free(e->moved_to);
  e->moved_to = 0;
  if (record_path(e->name, path) && replace_record(text, path)) {
    e->flags |= ENTRY_RECORDED;
    return 1;
  }
  e->moved_to = strdup(where); /* then the next scanner knows less */
  return !!e->moved_to;
}

void home_unrecord(struct scan *s, struct entry *e) {
  char path[PATH_SIZE];

  if (!(e->flags & ENTRY_RECORDED)) return;
  e->flags &= (uint8_t)~ENTRY_RECORDED;
  if (record_path(e->name, path)) (void)unlink(path);
  hook_tell(s);
}

/* What run/NAME says: the offset of the path in text, 0 with errno when it is no such record.
 */
static size_t read_record(char const *name, uint64_t *dev, uint64_t *ino,
                          char text[PATH_SIZE]) {
  char path[PATH_SIZE];
  size_t at, more;
  ssize_t len;

  if (!record_path(name, path)) return 0;
  len = readlink(path, text, PATH_SIZE - 1);
  if (len < 0) return 0;
  text[len] = 0;
  at = uint64_scan(text, dev);
  if (!at || text[at] != ':') return (errno = ENOENT, 0u);
  more = uint64_scan(text + at + 1, ino);
  at += more + 2;
  return more && text[at - 1] == ':' && text[at] == '/' ? at : (errno = ENOENT, 0u);
}

int home_recorded_path(struct entry const *e, char buf[PATH_SIZE]) {
  uint64_t dev, ino;
  struct stat st;
  size_t at = e->moved_to ? 0 : read_record(e->name, &dev, &ino, buf);

  if (e->moved_to) {
    memcpy(buf, e->moved_to, strlen(e->moved_to) + 1);
    dev = e->dev;
    ino = e->ino;
  } else if (at)
    memmove(buf, buf + at, strlen(buf + at) + 1);
  else
    return 0;
  if (dev == e->dev && ino == e->ino) {
    if (stat(buf, &st) < 0) return 0;
    if (st.st_dev == e->dev && st.st_ino == e->ino) return 1;
  }
  return (errno = ENOENT, 0);
}

/* 1 when there was something to stop. */
static int stop_found(struct scan *s, struct entry *e, char const *said) {
  for (unsigned w = 0; w < 2; w++) {
    enum probe probe = found_probe(s, e, (enum which)w);
    if (probe == PROBE_HELD || (probe == PROBE_FREE && !slot_is_owed(s, e, (enum which)w)))
      continue;
    e->slot[w].state = SLOT_DUE;
    e->slot[w].moment = deadline_add_ms(clock_now(), probe == PROBE_FAILED ? RETRY_MS : 0);
    need_look(s, e->slot[w].moment);
  }
  if (!slot_busy(&e->slot[SERVICE]) && !slot_busy(&e->slot[LOGGER])) return 0;
  report_info("`", e->name, said);
  entry_advance(s, e);
  return 1;
}

/* Supervisors of a directory that left the scan directory while no scanner looked: stopped now.
 * Entries that are where they were are found as entries. 0: it cannot be told now, and nothing
 * is stopped or forgotten for that. */
static int find_one(struct scan *s, char const *name) {
  char text[PATH_SIZE];
  uint64_t dev, ino;
  struct entry *e;
  struct stat st;
  size_t at;
  int found;

  errno = 0;
  at = read_record(name, &dev, &ino, text);
  if (entry_find(s, name)) return 1;
  if (at && !stat(name, &st) && st.st_dev == dev && st.st_ino == ino) {
    if (!definition_gone(s, name)) return 1;
    built_prune(name);
    errno = 0;
  }
  if (is_shortage(errno)) return 0;
  /* What has another name now is supervised under that. */
  if (!at || s->keep || !path_is_service_name(name) || entry_of_inode(s, dev, ino)) {
    if (record_path(name, text)) (void)unlink(text);
    return 1;
  }
  e = entry_new(s, name, dev, ino, PHASE_GOING);
  if (!e) return 0;
  /* It is not looked for elsewhere: moved within the scan directory it goes on as an entry. */
  e->flags |= ENTRY_VANISHED;
  found = stop_found(s, e, "' has vanished while no scanner ran: stopping it");
  e->flags |= ENTRY_RECORDED;
  if (!found) entry_advance(s, e);
  return 1;
}

/* Its record says where what had the name before is, until another record takes its place. */
int home_find_moved(struct scan *s, char const *name) {
  if (!s->unfound || !s->has_home || entry_find(s, name) || find_one(s, name)) return 0;
  scan_later(s, RETRY_MS);
  return 1;
}

int home_stop_undefined(struct scan *s, char const *name, uint64_t dev, uint64_t ino) {
  struct entry *e = entry_new(s, name, dev, ino, PHASE_GOING);

  if (e && stop_found(s, e, "' is not defined any more, and runs: stopping it")) return 1;
  if (e) entry_free(s, e);
  return 0;
}

void home_find_vanished(struct scan *s) {
  struct dirent *d;
  DIR *dir;

  if (!s->has_home) return;
  s->unfound = 0;
  dir = opendir(RUN);
  if (!dir) {
    s->unfound = is_shortage(errno);
    complain(s, "list", RUN);
    return;
  }
  while (errno = 0, (d = readdir(dir)))
    if (d->d_name[0] == '.')
      going_check(s, d->d_name);
    else if (!find_one(s, d->d_name))
      s->unfound = 1;
  if (errno) s->unfound = 1;
  closedir(dir);
  if (s->unfound) scan_later(s, RETRY_MS);
}

static void put_code(struct scan const *s, char text[32]) {
  size_t len = uint640_xfmt(text, s->abilities.boot, 16);

  text[len++] = ':';
  text[len + int_fmt(text + len, s->code)] = 0;
}

void home_ended(struct scan const *s) {
  char text[32];

  if (!s->has_home || !s->essential || s->code < EXIT_USAGE || s->code > EXIT_NOTFOUND) return;
  put_code(s, text);
  (void)unlink(ENDED);
  (void)symlink(text, ENDED);
}

void home_stopping(struct scan *s) {
  char text[32];

  if (!s->has_home) return;
  put_code(s, text);
  if (symlink(text, STOPPING) < 0 && errno != EEXIST) complain(s, "note", "the stop");
}

int home_was_stopping(struct scan *s) {
  char text[32];
  uint64_t boot;
  size_t at;
  ssize_t len = readlink(STOPPING, text, sizeof text - 1);

  if (len < 0) return 0;
  text[len] = 0;
  at = uint64_xscan(text, &boot);
  if (at && text[at] == ':' && boot == s->abilities.boot && boot &&
      int0_scan(text + at + 1, &s->code))
    return 1;
  home_stopped();
  return 0;
}

void home_stopped(void) {
  (void)unlink(STOPPING);
}
