/* Reading the script: the words of the command line, each directory's with those of its config
 * in front. The config is read anew at each HUP, so no kind of file may hold us up, and since
 * its words can name programs it has to be ours: nobody but us and root can have written it.
 */

#include <skalibs/nonposix.h>
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

#include <lares/exitcode.h>
#include <lares/path.h>

#define PATH_MOST 4096
#define SHOWN 200 /* bytes of a word in a message */

static void set_fault(struct plan_fault *fault, int code, char const *path, char const *text) {
  fault->code = code;
  fault->missing = 0;
  snprintf(fault->text, sizeof fault->text, "%.500s%s", path, text);
}

static void set_errno(struct plan_fault *fault, char const *what, char const *path) {
  fault->code = EXIT_SYSTEM;
  fault->missing = 0;
  snprintf(fault->text, sizeof fault->text, "unable to %s %.500s: %s", what, path,
           strerror(errno));
}

/* --- one config --- */

enum found { FOUND, FOUND_NONE, FOUND_FAULT };

static int is_usable(int fd, char const *path, struct plan_fault *fault) {
  struct stat st;

  if (fstat(fd, &st) < 0)
    set_errno(fault, "look at", path);
  else if (!S_ISREG(st.st_mode))
    set_fault(fault, EXIT_USAGE, path, " is no regular file; expected words, one a line");
  else if (st.st_mode & (S_IWGRP | S_IWOTH) || (st.st_uid && st.st_uid != geteuid()))
    set_fault(fault, EXIT_USAGE, path,
              " can be written by others; expected a file that is our user's or root's, "
              "mode 0644");
  else
    return 1;
  return 0;
}

/* Its bytes in text, which has room for one more than they may be, and one. */
static enum found read_bytes(char const *path, char *text, size_t *len,
                             struct plan_fault *fault) {
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), saved;
  ssize_t got = -1;

  *len = 0;
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return FOUND_NONE;
  if (fd < 0) return (set_errno(fault, "open", path), FOUND_FAULT);
  if (is_usable(fd, path, fault)) {
    while (*len <= LOG_CONFIG_MAX &&
           (got = fd_read(fd, text + *len, LOG_CONFIG_MAX + 1 - *len)) > 0)
      *len += (size_t)got;
    if (got < 0) set_errno(fault, "read", path);
    if (*len > LOG_CONFIG_MAX)
      set_fault(fault, EXIT_USAGE, path, " has more than 65536 bytes; expected at most that");
  } else
    *len = LOG_CONFIG_MAX + 1;
  saved = errno;
  close(fd);
  errno = saved;
  return got < 0 || *len > LOG_CONFIG_MAX ? FOUND_FAULT : FOUND;
}

static enum found read_config(struct plan *plan, char const *dir, struct plan_fault *fault) {
  struct logconfig_error error;
  char path[PATH_MOST], line[48], *text;
  enum found found;
  size_t len;
  int count;

  if (!path_join(path, sizeof path, dir, "config")) return FOUND_NONE;
  text = malloc(LOG_CONFIG_MAX + 2);
  if (!text) return (set_errno(fault, "allocate for", path), FOUND_FAULT);
  found = read_bytes(path, text, &len, fault);
  if (found != FOUND) {
    free(text);
    return found;
  }
  plan->texts[plan->text_count++] = text;
  count =
      logconfig_words(text, len, plan->words + plan->count, plan->lines + plan->count, &error);
  if (count < 0) {
    snprintf(line, sizeof line, " line %u: expected ", error.line);
    set_fault(fault, EXIT_USAGE, path, line);
    strncat(fault->text, error.expected, sizeof fault->text - strlen(fault->text) - 1);
    return FOUND_FAULT;
  }
  plan->count += count;
  return FOUND;
}

/* --- the whole --- */

static int is_directory(char const *word) {
  return *word == '.' || *word == '/';
}

static int allocate(struct plan *plan, int argc, char const *const *argv) {
  size_t words = (size_t)argc, dirs = 0;

  for (int i = 1; i < argc; i++)
    dirs += is_directory(argv[i]);
  words += dirs * LOG_CONFIG_WORDS_MAX;
  plan->words = malloc(words * sizeof *plan->words);
  plan->lines = malloc(words * sizeof *plan->lines);
  plan->patterns = malloc(2 * words * sizeof *plan->patterns);
  plan->texts = malloc((dirs + 1) * sizeof *plan->texts);
  return plan->words && plan->lines && plan->patterns && plan->texts;
}

static int gather(struct plan *plan, int argc, char const *const *argv,
                  struct plan_fault *fault) {
  for (int i = 1; i < argc; i++) {
    if (is_directory(argv[i]) && read_config(plan, argv[i], fault) == FOUND_FAULT) return 0;
    plan->words[plan->count] = argv[i];
    plan->lines[plan->count++] = 0;
  }
  return 1;
}

/* Of a word in a config: the directory behind it tells which. */
void plan_where(struct plan const *plan, int index, char where[PLAN_WHERE]) {
  char const *word = plan->words[index];
  int number = 1, dir = index;

  for (int i = 0; i < index; i++)
    number += !plan->lines[i];
  while (dir < plan->count && plan->lines[dir])
    dir++;
  if (dir > index)
    snprintf(where, PLAN_WHERE, "%.300s/config line %u, \"%.*s\": ", plan->words[dir],
             plan->lines[index], SHOWN, word);
  else
    snprintf(where, PLAN_WHERE, "script word %d, \"%.*s\": ", number, SHOWN, word);
}

static void explain(struct plan const *plan, struct logscript_error const *error,
                    struct plan_fault *fault) {
  char where[PLAN_WHERE];

  fault->code = EXIT_USAGE;
  fault->missing = error->index == plan->count;
  if (fault->missing) {
    snprintf(fault->text, sizeof fault->text, "script: missing %s", error->expected);
    return;
  }
  plan_where(plan, error->index, where);
  snprintf(fault->text, sizeof fault->text, "%sexpected %s", where, error->expected);
}

struct plan *plan_load(int argc, char const *const *argv, struct plan_fault *fault) {
  struct plan *plan = calloc(1, sizeof *plan);
  struct logscript_error error;

  if (!plan || !allocate(plan, argc, argv)) {
    set_fault(fault, EXIT_SYSTEM, "", "unable to allocate");
    goto free_plan;
  }
  if (!gather(plan, argc, argv, fault)) goto free_plan;
  if (logscript_parse(&plan->script, plan->patterns, plan->words, plan->lines, plan->count,
                      &error))
    return plan;
  explain(plan, &error, fault);

free_plan:
  plan_free(plan);
  return 0;
}

int plan_is_same(struct plan const *one, struct plan const *other) {
  if (one->count != other->count) return 0;
  for (int i = 0; i < one->count; i++)
    if (!one->lines[i] != !other->lines[i] || strcmp(one->words[i], other->words[i])) return 0;
  return 1;
}

void plan_free(struct plan *plan) {
  if (!plan) return;
  for (unsigned i = 0; i < plan->text_count; i++)
    free(plan->texts[i]);
  free(plan->texts);
  if (plan->patterns) logscript_free(&plan->script);
  free(plan->patterns);
  free(plan->lines);
  free(plan->words);
  free(plan);
}
