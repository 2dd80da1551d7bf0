/* Where lares-supervise is. Its path stays as it was found, links and all: where programs lie
 * in a directory for each version and a link says which one counts (/opt/lares/current, Nix,
 * stow), the directory that the link led to may be gone when the next supervisor dies.
 *
 * SCAN/.lares/program is a link to it, made anew whenever a scanner begins, and when one has
 * become a newer program: by that lares-svscanctl sees that it has, and supervisors know what
 * to become where nothing else says so. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lares/config.h>
#include <lares/path.h>

#define SUPERVISE "lares-supervise"
#define NOTE ".lares/program"
#define NEW_NOTE ".lares/program.new"

static int usable(char path[PATH_SIZE], char const *dir) {
  return path_join(path, PATH_SIZE, dir, SUPERVISE) && !access(path, X_OK);
}

/* -b, what .lares/bindir says, where we are ourselves, where we were to be installed. */
static int find(char path[PATH_SIZE], char const *bindir) {
  char dir[PATH_SIZE];

  errno = 0;
  if (bindir) return usable(path, bindir);
  if (path_own_line(dir, sizeof dir, BINDIR) && dir[0] == '/' && usable(path, dir)) return 1;
  /* What cannot be asked just now does not make another place the right one. */
  if (is_shortage(errno)) return 0;
  if (path_beside(path, PATH_SIZE, SUPERVISE) && !access(path, X_OK)) return 1;
  return !is_shortage(errno) && usable(path, LARES_BINDIR);
}

int program_find(struct scan *s) {
  char path[PATH_SIZE];

  if (!find(path, s->bindir)) return 0;
  memcpy(s->supervise, path, strlen(path) + 1);
  return 1;
}

/* Renamed into place: as two links at the same time they cannot have one number, by which it
 * would be taken for the one before. */
void program_note(struct scan *s) {
  if (!s->has_home) return;
  (void)unlink(NEW_NOTE);
  if (symlink(s->supervise, NEW_NOTE) < 0 || rename(NEW_NOTE, NOTE) < 0) (void)unlink(NOTE);
}

void program_find_again(struct scan *s) {
  char before[PATH_SIZE];

  memcpy(before, s->supervise, strlen(s->supervise) + 1);
  if (program_find(s) && strcmp(before, s->supervise)) program_note(s);
}
