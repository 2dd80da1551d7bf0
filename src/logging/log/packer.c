/* Which program compresses: looked for once, so that a missing one is said at the start. */

#include "log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include <lares/report.h>

/* 1 with its path, or a null pointer when it is not there; 0 with errno. */
static int find_program(char **found, char const *name) {
  char const *path = getenv("PATH");
  size_t len, name_len = strlen(name);

  if (!path) path = "/usr/bin:/bin";
  for (*found = 0;; path += len + 1) {
    char *file;
    len = strcspn(path, ":");
    file = malloc(len + name_len + 3);
    if (!file) return 0;
    memcpy(file, len ? path : ".", len ? len : 1);
    file[len ? len : 1] = '/';
    memcpy(file + (len ? len : 1) + 1, name, name_len + 1);
    if (!access(file, X_OK)) return (*found = file, 1);
    free(file);
    if (!path[len]) return 1;
  }
}

int packer_find(struct logger const *logger, struct jobs *jobs,
                struct logaction const *action) {
  char const *wanted = action->compress;

  jobs->packing = ARCHIVE_ZSTD;
  if ((!*wanted || !strcmp(wanted, "zstd")) && !find_program(&jobs->packer, "zstd")) return 0;
  if (!jobs->packer && (!*wanted || !strcmp(wanted, "gzip"))) {
    jobs->packing = ARCHIVE_GZIP;
    if (!find_program(&jobs->packer, "gzip")) return 0;
  }
  if (!jobs->packer)
    say_warning(logger, "no ", *wanted ? wanted : "zstd or gzip",
                " in PATH: finished files of ", action->path, " are not compressed");
  return 1;
}
