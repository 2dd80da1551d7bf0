/* The scan directory itself moved away, was deleted or had something mounted over it. Services
 * go on as they are: their supervisors are none the worse for it, and we still stand in the old
 * directory. What then appears at the path is looked for every POLL_MS and taken for the scan
 * directory; entries that stand for the same directories as before are the same entries. An
 * empty directory that was not there before, as an unmount uncovers, is none yet: it would mean
 * to stop everything. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static void move_in(struct scan *s, struct stat const *st) {
  int another = s->dev != st->st_dev || s->ino != st->st_ino;
  char number[REPORT_NUMBER];
  int32_t holder;

  s->lost = 0;
  s->dev = st->st_dev;
  s->ino = st->st_ino;
  report_info("the scan directory ", s->path, " is there again",
              another ? ": it is a new one" : "");
  if (another && !home_open(s, &holder) && holder)
    report_error("another scanner, pid ", report_number(number, holder), ", runs here too");
  if (another && s->has_home) home_listen(s);
  for (uint32_t i = 0; another && i < s->top; i++)
    if (s->table[i]) s->table[i]->flags &= (uint8_t)~ENTRY_RECORDED;
  watch_all(s);
  scan_later(s, 0);
}

int lost_is_empty(char const *path) {
  struct dirent *d;
  int empty = 1;
  DIR *dir = opendir(path);

  if (!dir) return 1;
  while (empty && (d = readdir(dir)))
    empty = d->d_name[0] == '.';
  closedir(dir);
  return empty;
}

void lost_check(struct scan *s) {
  struct stat at_path;
  int there = !stat(s->path, &at_path);

  if (!there && !s->lost && is_shortage(errno)) return;
  if (there && S_ISDIR(at_path.st_mode)) {
    int same = at_path.st_dev == s->dev && at_path.st_ino == s->ino;
    if (same && !s->lost) return;
    if (same || (s->lost && !lost_is_empty(s->path) && !chdir(s->path))) {
      move_in(s, &at_path);
      return;
    }
  }
  if (!s->lost)
    report_warning("the scan directory ", s->path,
                   " is gone; what runs goes on, and it is looked for every 5 seconds");
  s->lost = 1;
  scan_later(s, POLL_MS);
}
