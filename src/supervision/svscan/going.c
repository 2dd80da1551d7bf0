/* Who was told to go. What vanished is stopped, and taken up again when it is back by then. A
 * scanner that is killed in between leaves a supervisor which ends by itself: for one that a
 * person had told so, and which is not to be started again, the next scanner would take it.
 *
 * So there is a link for each supervisor that is told, named by its pid, whose text is
 * `BOOT:INSTANCE` (16 hexadecimal digits each), by which it is known from others that have had
 * that number. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#define NOTE_SIZE 40

static void put_path(int32_t pid, char path[sizeof HOME_RUN + 2 + UINT32_FMT]) {
  memcpy(path, HOME_RUN "/.", sizeof HOME_RUN "/.");
  path[sizeof HOME_RUN + 1 + uint32_fmt(path + sizeof HOME_RUN + 1, (uint32_t)pid)] = 0;
}

/* 1, or 0 with errno. */
static int put_text(struct scan const *s, int32_t pid, char text[NOTE_SIZE]) {
  struct identity who;

  if (!identity_of(&s->abilities, pid, &who)) return 0;
  service_id_number(text, s->abilities.boot);
  text[16] = ':';
  service_id_number(text + 17, service_instance(&who));
  text[33] = 0;
  return 1;
}

/* Without it all goes on, but for that. */
void going_note(struct scan *s, int32_t pid) {
  char path[sizeof HOME_RUN + 2 + UINT32_FMT], text[NOTE_SIZE];

  if (!s->has_home || !pid || !put_text(s, pid, text)) return;
  put_path(pid, path);
  if (!symlink(text, path)) return;
  if (errno == EEXIST) (void)unlink(path);
  if (symlink(text, path) < 0 && trouble(s, TROUBLE_HOME))
    report_warning_errno("unable to make ", path,
                         ", so that a scanner after this one will know less");
}

/* Where that cannot be told now it is better started once too often. */
int going_was_told(int32_t pid) {
  char path[sizeof HOME_RUN + 2 + UINT32_FMT], text[NOTE_SIZE];

  put_path(pid, path);
  return readlink(path, text, sizeof text) > 0 || is_shortage(errno);
}

void going_forget(int32_t pid) {
  char path[sizeof HOME_RUN + 2 + UINT32_FMT];

  put_path(pid, path);
  (void)unlink(path);
}

void going_check(struct scan const *s, char const *name) {
  char path[sizeof HOME_RUN + 2 + UINT32_FMT], noted[NOTE_SIZE], text[NOTE_SIZE];
  ssize_t len;
  uint32_t pid;

  if (!uint320_scan(name + 1, &pid) || !pid || pid > INT32_MAX) return;
  put_path((int32_t)pid, path);
  len = readlink(path, noted, sizeof noted - 1);
  if (len < 0) return;
  noted[len] = 0;
  if (put_text(s, (int32_t)pid, text) ? strcmp(text, noted) : !is_shortage(errno))
    (void)unlink(path);
}
