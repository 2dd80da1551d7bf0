/* Who was told to go. What vanished is stopped, and taken up again when it is back by then. A
 * scanner that is killed in between leaves a supervisor which ends by itself, as does each that
 * takes its place, since the stop is on record: for one that a person had told so, and which is
 * not to be started again, the next scanner would take it.
 *
 * So there is a link for each stop that is under way, `.lares/run/.DEV:INO:W`, by what is
 * stopped (two decimal numbers, the directory of the service; s or l, it or its logger), whose
 * text is the boot (16 hexadecimal digits). It goes when a supervisor has left. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <lares/path.h>

#define BOOT_SIZE 17

static void put_boot(struct scan const *s, char text[BOOT_SIZE]) {
  service_id_number(text, s->abilities.boot);
  text[BOOT_SIZE - 1] = 0;
}

/* Without it all goes on, but for that. */
void going_note(struct scan *s, struct entry const *e, enum which which) {
  char path[PATH_STOP], text[BOOT_SIZE];

  if (!s->has_home) return;
  path_of_stop(path, e->dev, e->ino, which == LOGGER);
  put_boot(s, text);
  if (symlink(text, path) < 0 && errno != EEXIST && trouble(s, TROUBLE_HOME))
    report_warning_errno("unable to make ", path,
                         ", so that a scanner after this one will know less");
}

/* Is it a note of this boot? -1 with errno: it cannot be read. */
static int is_of_boot(struct scan const *s, char const *path) {
  char noted[BOOT_SIZE + 1], text[BOOT_SIZE];
  ssize_t len = readlink(path, noted, sizeof noted - 1);

  if (len < 0) return -1;
  noted[len] = 0;
  put_boot(s, text);
  return !strcmp(text, noted);
}

int going_was_told(struct scan const *s, struct entry const *e, enum which which) {
  char path[PATH_STOP];
  int is;

  if (!s->has_home) return 0;
  path_of_stop(path, e->dev, e->ino, which == LOGGER);
  is = is_of_boot(s, path);
  return is < 0 ? -is_shortage(errno) : is;
}

void going_forget(struct entry const *e, enum which which) {
  char path[PATH_STOP];

  path_of_stop(path, e->dev, e->ino, which == LOGGER);
  (void)unlink(path);
}

/* Of another boot, or by a pid, as a scanner of before made it. */
void going_check(struct scan const *s, char const *name) {
  char path[PATH_SIZE];

  if (path_join(path, sizeof path, HOME_RUN, name) && !is_of_boot(s, path)) (void)unlink(path);
}
