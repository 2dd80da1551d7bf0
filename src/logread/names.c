/* The files of a log directory, whichever logger of the family writes it. */

#include <skalibs/nonposix.h>
#include <lares/logread.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

#include <lares/path.h>

int logfile_parse(struct logfile *file, char const *name) {
  static char const *const ends[] = {"", ".gz", ".zst", ".xz", ".bz2"};
  size_t len = strlen(name);
  unsigned i = 0;

  if (len < STAMP_FMT + 2 || len >= LOGFILE_NAME || name[STAMP_FMT] != '.') return 0;
  if (name[STAMP_FMT + 1] != 's' && name[STAMP_FMT + 1] != 'u') return 0;
  if (!stamp_scan(name, &file->stamp)) return 0;
  while (i < sizeof ends / sizeof *ends && strcmp(name + STAMP_FMT + 2, ends[i]) != 0)
    i++;
  if (i == sizeof ends / sizeof *ends) return 0;
  memcpy(file->name, name, len + 1);
  return 1;
}

static int by_name(void const *a, void const *b) {
  return strcmp(((struct logfile const *)a)->name, ((struct logfile const *)b)->name);
}

static int keep(struct logfiles *files, struct logfile const *file) {
  if (files->count == files->room) {
    uint32_t room = files->room ? 2 * files->room : 32;
    struct logfile *all = realloc(files->all, room * sizeof *all);
    if (!all) return 0;
    files->all = all;
    files->room = room;
  }
  files->all[files->count++] = *file;
  return 1;
}

/* Sorted by name they are sorted by stamp. */
static void drop_doubles(struct logfiles *files) {
  uint32_t kept = 0;

  for (uint32_t i = 0; i < files->count; i++)
    if (!kept || stamp_compare(&files->all[kept - 1].stamp, &files->all[i].stamp) != 0)
      files->all[kept++] = files->all[i];
  files->count = kept;
}

static int scan(struct logfiles *files, int dirfd, struct stamp const *after) {
  int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;
  DIR *dir = copy < 0 ? 0 : fdopendir(copy);
  struct dirent *entry;
  struct logfile file;

  files->count = 0;
  files->previous = files->processed = 0;
  if (!dir) {
    if (copy >= 0) close(copy);
    return 0;
  }
  while (errno = 0, (entry = readdir(dir))) {
    if (!strcmp(entry->d_name, "previous")) files->previous = 1;
    if (!strcmp(entry->d_name, "processed")) files->processed = 1;
    if (!logfile_parse(&file, entry->d_name) || stamp_compare(&file.stamp, after) <= 0)
      continue;
    if (keep(files, &file)) continue;
    errno = ENOMEM;
    break;
  }
  error = errno;
  closedir(dir);
  if (error) return (errno = error, 0);
  if (files->count) qsort(files->all, files->count, sizeof *files->all, &by_name);
  drop_doubles(files);
  return 1;
}

/* What gets its name while a directory is read is found or not. So one that was found may be
 * later than one that was not; but all that are earlier are there by then, and found the next
 * time. */
int logfiles_list(struct logfiles *files, int dirfd, struct stamp const *after) {
  struct stamp latest = {0, 0};
  uint32_t found;
  int was_unfinished;

  if (!scan(files, dirfd, after)) return 0;
  do {
    found = files->count;
    was_unfinished = files->previous || files->processed;
    if (found) latest = files->all[found - 1].stamp;
    if (!scan(files, dirfd, after)) return 0;
  } while (!found &&
           (files->count || (was_unfinished && !files->previous && !files->processed)));
  while (files->count && stamp_compare(&files->all[files->count - 1].stamp, &latest) > 0)
    files->count--;
  return 1;
}

void logfiles_free(struct logfiles *files) {
  free(files->all);
  *files = (struct logfiles){.all = 0};
}

struct search {
  int found;
};

static void look_at(void *context, char const *name) {
  struct search *search = context;
  struct logfile file;

  if (!strcmp(name, "current") || logfile_parse(&file, name)) search->found = 1;
}

int logfiles_any(char const *dir) {
  struct search search = {0};
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), listed;

  if (fd < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
  listed = path_each_name(fd, &look_at, &search);
  fd_close(fd);
  return search.found ? 1 : listed ? 0 : -1;
}
