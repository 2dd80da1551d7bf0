/* The directory of definitions (-d): its names, and whether it is to be believed. One that is
 * gone, or empty where there was another (as an unmounted file system leaves it), says nothing:
 * what was built from it goes on, and it is looked for every POLL_MS. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/inotify.h>
#endif

#include <lares/path.h>

static void say(struct scan *s, int lost) {
  struct definitions *d = &s->definitions;

  if (lost == d->lost) return;
  d->lost = (uint8_t)lost;
  if (lost)
    report_warning("the definitions in ", d->path,
                   " are gone; what runs goes on, and they are looked for every 5 seconds");
  else
    report_info("the definitions in ", d->path, " are there again");
}

void definitions_check(struct scan *s) {
  struct definitions *d = &s->definitions;
  struct stat st;
  int there, known;

  if (!d->path) return;
  there = !stat(d->path, &st);
  if (!there && is_shortage(errno)) {
    scan_later(s, RETRY_MS);
    return;
  }
  there = there && S_ISDIR(st.st_mode);
  known = there && st.st_dev == d->dev && st.st_ino == d->ino;
  say(s, !there || (!known && !d->trust && lost_is_empty(d->path)));
  d->trust = 0;
  if (d->lost) {
    scan_later(s, POLL_MS);
    return;
  }
  if (known && (d->watch >= 0 || s->polls)) return;
  d->dev = st.st_dev;
  d->ino = st.st_ino;
  definitions_watch(s);
}

/* For lares-svscanctl: where there may be something that is still to be built. */
static void note(struct scan const *s) {
  static char const noted[] = ".lares/definitions", new[] = ".lares/definitions.new";

  if (!s->has_home) return;
  (void)unlink(s->definitions.path ? new : noted);
  if (s->definitions.path && !symlink(s->definitions.path, new)) (void)rename(new, noted);
}

/* At the start an empty one is believed unless something has been built before. */
void definitions_begin(struct scan *s) {
  struct definitions *d = &s->definitions;
  char from[PATH_SIZE];
  struct dirent *entry;
  DIR *dir;

  note(s);
  if (!d->path) return;
  dir = opendir(".");
  d->trust = dir != 0;
  while (dir && (entry = readdir(dir)))
    if (entry->d_name[0] != '.' && built_from(entry->d_name, from, sizeof from)) d->trust = 0;
  if (dir) closedir(dir);
  definitions_check(s);
}

void definitions_scan(struct scan *s) {
  struct definitions const *d = &s->definitions;
  struct dirent *entry;
  DIR *dir;

  if (!d->path || d->lost) return;
  dir = opendir(d->path);
  if (!dir) {
    if (trouble(s, TROUBLE_BUILD)) report_warning_errno("unable to list ", d->path);
    scan_later(s, RETRY_MS);
    return;
  }
  while (errno = 0, (entry = readdir(dir)))
    if (entry->d_name[0] != '.' && strlen(entry->d_name) <= PATH_NAME_MAX &&
        !entry_find(s, entry->d_name))
      scan_name(s, entry->d_name);
  if (errno) scan_later(s, RETRY_MS);
  closedir(dir);
}

void definitions_instances(struct scan *s, char const *name) {
  size_t len = strlen(name);

  for (uint32_t i = 0; i < s->top; i++) {
    char copy[PATH_NAME_MAX + 1];
    struct entry *e = s->table[i];
    if (!e || e->phase == PHASE_KEPT || strncmp(e->name, name, len)) continue;
    memcpy(copy, e->name, strlen(e->name) + 1);
    scan_name(s, copy);
    if (s->table[i] == e) definition_watch(s, e);
  }
}

#ifdef __linux__

void definitions_watch(struct scan *s) {
  struct definitions *d = &s->definitions;

  if (!d->path || d->lost) return;
  watch_drop(s, &d->watch);
  d->watch = watch_add(s, d->path);
  watch_check_remote(s, d->path);
}

/* A name that has just been made may be about to be renamed, as a new link (scan_new_name). */
void definitions_event(struct scan *s, uint32_t mask, char const *name) {
  struct entry *e;

  if (mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED)) {
    scan_later(s, 0);
    return;
  }
  if (!*name || *name == '.' || !(mask & ~(uint32_t)(IN_ATTRIB | IN_CLOSE_WRITE))) return;
  if (is_template(name)) {
    definitions_instances(s, name);
    scan_later(s, FRESH_MS); /* those that are built from it by a link, and have no entry */
    return;
  }
  e = entry_find(s, name);
  if (mask & IN_CREATE && !e) {
    scan_later(s, FRESH_MS);
    return;
  }
  scan_name(s, name);
  if (e && entry_find(s, name) == e) definition_watch(s, e);
}

#else

void definitions_watch(struct scan *s) {
  (void)s;
}
void definitions_event(struct scan *s, uint32_t mask, char const *name) {
  (void)s;
  (void)mask;
  (void)name;
}

#endif
