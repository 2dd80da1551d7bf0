/* What was named on the command line, and the log directories that it leads to. A directory
 * that has current or an archive is one; a service has one in log/, or several below that; so
 * has the directory of its logger. */

#include <skalibs/nonposix.h>
#include "logtail.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include <lares/exitcode.h>
#include <lares/path.h>

#define PATH_SIZE 4096

struct names {
  char **all;
  unsigned count, room;
};

static void names_add(struct names *names, char const *name) {
  if (names->count == names->room) {
    names->room = names->room ? 2 * names->room : 32;
    names->all = realloc(names->all, names->room * sizeof *names->all);
  }
  if (!names->all || !(names->all[names->count++] = strdup(name)))
    strerr_diefusys(EXIT_SYSTEM, "list directories");
}

static int by_text(void const *a, void const *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int is_directory(char const *path) {
  struct stat st;

  return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* The directories of a directory that may be services, or logs of one. A name that ends in @ is
 * that of a template. */
static int list(struct tail *t, struct names *names, char const *dir) {
  static char const *const others[] = {"supervise", "event", "env", "needs", "after"};
  char path[PATH_SIZE];
  DIR *handle = opendir(dir);
  struct dirent *entry;

  if (!handle) {
    if (errno != ENOENT && errno != ENOTDIR) t->look_again = 1;
    return 0;
  }
  while ((entry = readdir(handle))) {
    char const *name = entry->d_name;
    unsigned i = 0;
    while (i < 5 && strcmp(name, others[i]) != 0)
      i++;
    if (i < 5 || !path_is_service_name(name) || name[strlen(name) - 1] == '@') continue;
    if (path_join(path, sizeof path, dir, name) && is_directory(path)) names_add(names, name);
  }
  closedir(handle);
  if (names->count) qsort(names->all, names->count, sizeof *names->all, &by_text);
  return 1;
}

static void names_free(struct names *names) {
  while (names->count)
    free(names->all[--names->count]);
  free(names->all);
}

/* What cannot be told now is asked again. */
static int has_logs(struct tail *t, char const *dir) {
  int any = logfiles_any(dir);

  if (any < 0) t->look_again = 1;
  return any > 0;
}

static int is_known(struct tail const *t, char const *path) {
  for (unsigned i = 0; i < t->source_count; i++)
    if (!strcmp(t->sources[i]->path, path)) return 1;
  return 0;
}

static int add(struct tail *t, char const *path, char const *name) {
  struct source *s;

  if (is_known(t, path)) return 0;
  if (t->source_count == t->source_room) {
    t->source_room = t->source_room ? 2 * t->source_room : 32;
    t->sources = realloc(t->sources, t->source_room * sizeof(struct source *));
  }
  s = t->sources ? source_new(&t->request, path, name, t->buffer) : 0;
  if (!s) strerr_diefusys(EXIT_SYSTEM, "read so many directories");
  s->number = t->source_count;
  t->sources[t->source_count++] = s;
  return 1;
}

/* Below log/ of a service, or of a logger's own directory: each directory that is one of logs.
 * `main' has its service's name. */
static unsigned below(struct tail *t, char const *dir, char const *name, unsigned *found) {
  struct names names = {.all = 0};
  char path[PATH_SIZE], both[PATH_SIZE];
  unsigned added = 0, before = *found;

  if (!list(t, &names, dir)) return 0;
  for (unsigned i = 0; i < names.count; i++) {
    if (!path_join(path, sizeof path, dir, names.all[i])) continue;
    watch_path(t, path); /* a logger may be about to make its first file there */
    if (!has_logs(t, path)) continue;
    ++*found;
    if (!strcmp(names.all[i], "main") || !path_join(both, sizeof both, name, names.all[i]))
      snprintf(both, sizeof both, "%s", name);
    added += (unsigned)add(t, path, both);
  }
  if (*found == before + 1 && added == 1) { /* one has the name to itself */
    struct source *s = t->sources[t->source_count - 1];
    snprintf(s->name, strlen(s->name) + 1, "%s", name);
  }
  names_free(&names);
  return added;
}

static unsigned resolve_service(struct tail *t, struct place *place, char const *dir,
                                char const *name) {
  char log[PATH_SIZE];
  unsigned added, found = 0;

  watch_path(t, dir);
  if (has_logs(t, dir)) {
    place->found = 1;
    return (unsigned)add(t, dir, name);
  }
  if (!path_join(log, sizeof log, dir, "log")) return 0;
  watch_path(t, log);
  if (has_logs(t, log)) {
    place->found = 1;
    return (unsigned)add(t, log, name);
  }
  added = below(t, log, name, &found);
  if (!found) added = below(t, dir, name, &found);
  if (found) place->found = 1;
  return added;
}

static unsigned resolve_scan(struct tail *t, struct place *place) {
  struct names names = {.all = 0};
  char path[PATH_SIZE];
  unsigned added = 0;

  watch_path(t, place->path);
  if (!list(t, &names, place->path)) return 0;
  place->found = 1;
  for (unsigned i = 0; i < names.count; i++)
    if (path_join(path, sizeof path, place->path, names.all[i]))
      added += resolve_service(t, place, path, names.all[i]);
  names_free(&names);
  return added;
}

/* The last part of a path that says something: web for /service/web/log/main. */
static void name_of(char name[PATH_SIZE], char const *path) {
  char real[PATH_SIZE], *absolute = realpath(path, 0);
  size_t len;

  snprintf(real, sizeof real, "%s", path);
  for (unsigned round = 0; round < 2; round++) {
    char const *base = path_base(real, &len);
    while (
        len && base > real &&
        ((len == 4 && !strncmp(base, "main", 4)) || (len == 3 && !strncmp(base, "log", 3)))) {
      real[base - real] = 0;
      base = path_base(real, &len);
    }
    snprintf(name, PATH_SIZE, "%.*s", (int)len, base);
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "main") != 0 &&
        strcmp(name, "log") != 0 && *name)
      break;
    if (!absolute) break;
    snprintf(real, sizeof real, "%s", absolute);
  }
  free(absolute);
}

unsigned place_resolve(struct tail *t, struct place *place) {
  char name[PATH_SIZE];

  watch_above(t, place->path);
  if (place->scan) return resolve_scan(t, place);
  name_of(name, place->path);
  return resolve_service(t, place, place->path, name);
}
