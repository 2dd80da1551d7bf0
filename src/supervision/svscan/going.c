/* Who is told to go. When what vanished comes back in the meantime it is taken up as soon as
 * its supervisors have gone. A scanner that is killed before that leaves a supervisor which
 * ends by itself: for one that was told so by a person, so that it is not started again, would
 * the next scanner take it, did it not find this.
 *
 * A link beside the record, under the same name with a dot before; of the longest one the first
 * byte gives way. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/path.h>

#define TEXT "going"

static void put_path(char const *name, char path[PATH_SIZE]) {
  size_t skipped = strlen(name) < PATH_NAME_MAX ? 0 : 1;

  memcpy(path, HOME_RUN "/.", sizeof HOME_RUN "/.");
  strncat(path, name + skipped, PATH_NAME_MAX);
}

/* Without it all goes on, but for that. */
void going_note(struct scan *s, struct entry const *e) {
  char path[PATH_SIZE];

  if (!s->has_home || !(e->flags & ENTRY_RECORDED)) return;
  put_path(e->name, path);
  if (symlink(TEXT, path) < 0 && errno != EEXIST && trouble(s, TROUBLE_HOME))
    report_warning_errno("unable to note that `", e->name, "' is told to go");
}

int is_going(char const *name) {
  char path[PATH_SIZE];
  struct stat st;

  put_path(name, path);
  return !lstat(path, &st) ? 1 : is_shortage(errno) ? -1 : 0;
}

void going_forget(char const *name) {
  char path[PATH_SIZE];

  put_path(name, path);
  (void)unlink(path);
}
