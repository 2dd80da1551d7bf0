/* The entries of a scan directory, judged as the scanner does, with what it has left in
 * .lares/.
 */

#include <skalibs/nonposix.h>
#include "svscanctl.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "entries.h"

#define RECORDS ".lares/run"
#define DEFINITIONS ".lares/definitions"

static int is_kind(char const *dir, char const *name, mode_t kind) {
  char path[PATH_SIZE];
  struct stat st;

  return path_join(path, sizeof path, dir, name) && !stat(path, &st) &&
         (st.st_mode & S_IFMT) == kind;
}

static int exists(char const *dir, char const *name) {
  char path[PATH_SIZE];
  struct stat st;

  return path_join(path, sizeof path, dir, name) && !stat(path, &st);
}

/* Why nothing can run there, 0 when something can. */
static char const *wrong_with(char const *name) {
  char path[PATH_SIZE];
  struct stat st;

  if (!path_join(path, sizeof path, name, "supervise")) return "its name is too long";
  if (!stat(path, &st)) {
    if (!S_ISDIR(st.st_mode)) return "its `supervise' is no directory";
    if (st.st_mode & (S_IWGRP | S_IWOTH)) return "its supervise/ can be written by others";
  }
  if (!exists(name, "run") && (exists(name, "type") || exists(name, "start"))) return 0;
  (void)path_join(path, sizeof path, name, "run"); /* shorter than supervise */
  return path_run_wrong(path);
}

static int read_mark(char const *name, char const *mark, char *path) {
  char link[PATH_NAME_MAX + 32];
  ssize_t len;

  strcpy(link, name);
  strcat(link, mark);
  len = readlink(link, path, PATH_SIZE - 1);
  path[len > 0 ? len : 0] = 0;
  return len > 0;
}

int entry_built_from(char const *name, char *path) {
  return read_mark(name, "/.definition", path) || read_mark(name, "/.definition+", path);
}

/* It was built from what is not there any more. */
static int is_undefined(char const *name) {
  char path[PATH_SIZE];
  struct stat st;

  return entry_built_from(name, path) && stat(path, &st) < 0 && errno == ENOENT;
}

/* Of one that is being built, or that is not built any more because the scanner was given other
 * definitions: what stands there is not all. */
static void judge_unbuilt(struct entry *e) {
  char from[PATH_SIZE], now[PATH_SIZE];
  struct stat was, is;

  if (read_mark(e->name, "/.definition", from) || !read_mark(e->name, "/.definition+", from))
    return;
  if (path_join(now, sizeof now, DEFINITIONS,
                strrchr(from, '/') ? strrchr(from, '/') + 1 : from) &&
      !stat(now, &is) && !stat(from, &was) && is.st_dev == was.st_dev &&
      is.st_ino == was.st_ino) {
    e->kind = ENTRY_UNBUILT;
    e->wrong = 0;
  } else {
    e->kind = ENTRY_NOTHING;
    e->wrong = "not defined any more";
  }
}

int entry_lacks_template(struct entry const *e, char quoted[PATH_QUOTED]) {
  char path[PATH_SIZE];

  quoted[0] = 0;
  return e->kind == ENTRY_SERVICE && !entry_built_from(e->name, path) &&
         path_join(path, sizeof path, e->name, "run") &&
         path_template_missing(quoted, e->name, path, DEFINITIONS);
}

static void judge(struct entry *e) {
  char quoted[PATH_QUOTED];
  struct stat st;

  e->kind = ENTRY_NOTHING;
  if (!path_is_service_name(e->name)) {
    e->wrong = "no service can bear this name";
    return;
  }
  if (stat(e->name, &st) < 0) {
    e->wrong = path_link_wrong(e->name);
    if (e->wrong || errno != ENOENT) e->kind = ENTRY_BROKEN;
    if (!e->wrong) e->wrong = strerror(errno); /* ENOENT: it has gone meanwhile */
    return;
  }
  if (!S_ISDIR(st.st_mode)) {
    e->wrong = "not a directory";
    return;
  }
  if (is_undefined(e->name)) {
    e->wrong = "not defined any more";
    return;
  }
  e->dev = st.st_dev;
  e->ino = st.st_ino;
  e->kind = e->name[strlen(e->name) - 1] == '@' ? ENTRY_TEMPLATE : ENTRY_SERVICE;
  if (e->kind == ENTRY_TEMPLATE) return;
  e->wrong = wrong_with(e->name);
  if (e->wrong && entry_lacks_template(e, quoted)) e->wrong = PATH_NO_TEMPLATE;
  e->has_log = (uint8_t)is_kind(e->name, "log", S_IFDIR);
  judge_unbuilt(e);
}

static struct entry *add(struct entries *all, char const *name) {
  struct entry *e;

  if (strlen(name) > PATH_NAME_MAX) return (errno = ENAMETOOLONG, (struct entry *)0);
  if (all->count == all->size) {
    size_t size = all->size ? 2 * all->size : 64;
    struct entry *more = realloc(all->list, size * sizeof *more);
    if (!more) return (errno = ENOMEM, (struct entry *)0);
    all->list = more;
    all->size = size;
  }
  e = &all->list[all->count++];
  *e = (struct entry){.kind = ENTRY_NOTHING};
  strcpy(e->name, name);
  return e;
}

static struct entry *find(struct entries *all, size_t count, char const *name) {
  for (size_t i = 0; i < count; i++)
    if (!strcmp(all->list[i].name, name)) return &all->list[i];
  return 0;
}

static int add_entry(struct entries *all, char const *name) {
  struct entry *e = add(all, name);

  if (e) judge(e);
  return e != 0;
}

/* DEV:INO:PATH, see lares-svscan(8). */
static int add_record(struct entries *all, char const *name) {
  char path[PATH_NAME_MAX + 32] = RECORDS "/", text[PATH_SIZE];
  struct entry *e = find(all, all->count, name);
  uint64_t dev = 0, ino = 0;
  size_t at;
  ssize_t len = readlink(strncat(path, name, PATH_NAME_MAX), text, sizeof text - 1);

  if (len < 0) return errno == ENOENT || errno == EINVAL;
  text[len] = 0;
  at = uint64_scan(text, &dev);
  if (at && text[at] == ':') (void)uint64_scan(text + at + 1, &ino);
  if (e && (e->kind == ENTRY_SERVICE || e->kind == ENTRY_UNBUILT) && e->dev == dev &&
      e->ino == ino) {
    e->recorded = 1;
    return 1;
  }
  e = add(all, name);
  if (e) e->kind = ENTRY_GOING;
  return e != 0;
}

static int add_definition(struct entries *all, char const *name) {
  struct entry *e;

  if (name[strlen(name) - 1] == '@' || find(all, all->count, name) ||
      !path_is_service_name(name) || !is_kind(DEFINITIONS, name, S_IFDIR))
    return 1;
  e = add(all, name);
  if (e) e->kind = ENTRY_UNBUILT;
  return e != 0;
}

static int each_name(struct entries *all, char const *path,
                     int (*each)(struct entries *, char const *)) {
  DIR *dir = opendir(path);
  struct dirent *d = 0;
  int good = 1, error;

  if (!dir) return 0;
  while (good && (errno = 0, d = readdir(dir)))
    if (d->d_name[0] != '.') good = each(all, d->d_name);
  error = errno;
  closedir(dir);
  return good && !error ? 1 : (errno = error, 0);
}

static int compare(void const *a, void const *b) {
  struct entry const *one = a, *other = b;
  int order = strcmp(one->name, other->name);

  return order ? order : (int)one->kind - (int)other->kind;
}

/* Of several names of one directory it is the one that the scanner has taken up, or the first.
 */
static void find_aliases(struct entries *all) {
  for (size_t i = 0; i < all->count; i++) {
    struct entry *e = &all->list[i];
    size_t main = e->main = i;
    if (e->kind != ENTRY_SERVICE) continue;
    for (size_t k = 0; k < all->count; k++) {
      struct entry const *other = &all->list[k];
      if (other->kind != ENTRY_SERVICE || other->dev != e->dev || other->ino != e->ino)
        continue;
      if (other->recorded ? !all->list[main].recorded : k < main && !all->list[main].recorded)
        main = k;
    }
    e->main = main;
  }
  for (size_t i = 0; i < all->count; i++)
    if (all->list[i].main != i) all->list[i].kind = ENTRY_ALIAS;
}

int entries_read(struct entries *all) {
  all->count = 0;
  if (!each_name(all, ".", add_entry)) return 0;
  if (!each_name(all, RECORDS, add_record) && errno != ENOENT && errno != EACCES) return 0;
  if (!each_name(all, DEFINITIONS, add_definition) && errno != ENOENT && errno != EACCES)
    return 0;
  if (all->count) qsort(all->list, all->count, sizeof *all->list, compare);
  find_aliases(all);
  return 1;
}
