/* Which definition a name has, and what follows from it: SCAN/NAME is built from DEFS/NAME
 * (-d), and an instance SCAN/NAME@ARG from the template DEFS/NAME@ or, where there is none,
 * SCAN/NAME@. An instance is asked for in DEFS, by whatever leads to a directory under its
 * name, or in SCAN, by an empty directory. From a definition that has gone follows that what
 * was built from it is stopped and taken away; from one that cannot be looked at nothing. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/path.h>

#include "built.h"

enum found { FOUND_NOTHING, FOUND, FOUND_UNKNOWN };

int is_template(char const *name) {
  size_t len = strlen(name);

  return len && name[len - 1] == '@';
}

/* Length of the template's name, the @ included; 0 when it cannot be an instance. */
static size_t template_length(char const *name) {
  char const *at = strchr(name, '@');

  return at && at > name && at[1] ? (size_t)(at - name) + 1 : 0;
}

int definition_concerns(struct scan const *s, char const *name) {
  return s->definitions.path || template_length(name);
}

static enum found look(char const *path) {
  struct stat st;

  if (!stat(path, &st)) return S_ISDIR(st.st_mode) ? FOUND : FOUND_NOTHING;
  return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? FOUND_NOTHING : FOUND_UNKNOWN;
}

static enum found look_in(char const *dir, char const *name, char path[PATH_SIZE]) {
  return path_join(path, PATH_SIZE, dir, name) ? look(path) : FOUND_NOTHING;
}

/* What is not there is gone only where the directory that had it is there. */
static enum found look_in_definitions(struct scan *s, char const *name, char path[PATH_SIZE]) {
  struct definitions const *d = &s->definitions;
  enum found found = look_in(d->path, name, path);
  struct stat st;

  if (found != FOUND_NOTHING) return found;
  if (!stat(d->path, &st) && st.st_dev == d->dev && st.st_ino == d->ino) return FOUND_NOTHING;
  scan_later(s, 0);
  return FOUND_UNKNOWN;
}

/* It was asked for in DEFS, by a name of its own there. */
static int was_defined(struct definitions const *d, char const *name) {
  char from[PATH_SIZE], own[PATH_SIZE];

  return built_from(name, from, sizeof from) && path_join(own, sizeof own, d->path, name) &&
         !strcmp(from, own);
}

/* *by_template: it is no definition of its own. What was and is not any more has gone, though
 * its template is there. */
static enum found find(struct scan *s, char const *name, char path[PATH_SIZE],
                       int *by_template) {
  struct definitions const *d = &s->definitions;
  enum found found = FOUND_NOTHING;
  char base[PATH_NAME_MAX + 1];
  size_t len = template_length(name);

  *by_template = 0;
  if (d->path && d->lost) return errno = 0, FOUND_UNKNOWN;
  if (d->path) found = look_in_definitions(s, name, path);
  if (found || !len || (d->path && was_defined(d, name))) return found;
  memcpy(base, name, len);
  base[len] = 0;
  *by_template = 1;
  if (d->path) found = look_in_definitions(s, base, path);
  return found ? found : look_in(s->path, base, path);
}

/* Of what has been built; anything else is there itself. FOUND_UNKNOWN: errno. */
static enum found find_origin(struct scan *s, char const *name) {
  char from[PATH_SIZE], path[PATH_SIZE];
  int by_template;
  enum found found;

  if (!definition_concerns(s, name)) return FOUND;
  if (!built_from(name, from, sizeof from)) return is_shortage(errno) ? FOUND_UNKNOWN : FOUND;
  found = find(s, name, path, &by_template);
  /* Without -d what another scanner has built is a directory like others. */
  return found || s->definitions.path ? found : look(from);
}

/* It may have gone while it was looked at. */
static void complain(struct scan *s, char const *name, char const *from) {
  if (errno == ENOENT && look(from) != FOUND) {
    scan_later(s, 0);
    return;
  }
  if (trouble(s, TROUBLE_BUILD)) {
    s->unbuilt = hash_bytes(name, strlen(name));
    report_warning_errno("unable to build `", name, "' from ", from, ", trying again");
  }
  scan_later(s, RETRY_MS);
}

/* What cannot be asked just now is asked again. */
static int is_unknown(struct scan *s) {
  if (!is_shortage(errno)) return 0;
  scan_later(s, RETRY_MS);
  return 1;
}

int definition_gone(struct scan *s, char const *name) {
  enum found found = find_origin(s, name);

  if (found == FOUND_UNKNOWN) (void)is_unknown(s);
  return found == FOUND_NOTHING;
}

static void build(struct scan *s, char const *name, char const *path, int by_template,
                  struct applied *a) {
  struct stat st;

  if (!a->built && !built_may(name, by_template)) {
    if (!is_unknown(s)) a->own = !by_template && !lstat(name, &st);
    return;
  }
  a->built = built_sync(name, path);
  if (!a->built)
    complain(s, name, path);
  else if (!s->unbuilt || s->unbuilt == hash_bytes(name, strlen(name))) {
    /* That others can be built does not end it. */
    trouble_over(s, TROUBLE_BUILD);
    s->unbuilt = 0;
  }
}

/* Exchanged by two renames a definition is away for a moment, and what runs from it shall not
 * be stopped for that. */
static int is_awaited(struct scan *s, char const *name) {
  struct entry *e = entry_find(s, name);

  if (!e || e->phase != PHASE_ACTIVE) return 0;
  if (!(e->flags & ENTRY_UNDEFINED)) {
    e->flags |= ENTRY_UNDEFINED;
    e->gone_at = deadline_add_ms(clock_now(), AWAY_MS);
  }
  if (deadline_passed(e->gone_at, clock_now())) return 0;
  scan_at(s, e->gone_at);
  return 1;
}

static void is_defined(struct scan *s, char const *name) {
  struct entry *e = entry_find(s, name);

  if (e) e->flags &= (uint8_t)~ENTRY_UNDEFINED;
}

void definition_believe(struct entry *e) {
  e->flags |= ENTRY_UNDEFINED;
  e->gone_at = clock_now();
}

struct applied definition_apply(struct scan *s, char const *name) {
  struct applied a = {.wrong = 0};
  char path[PATH_SIZE], from[PATH_SIZE];
  int by_template;
  enum found found;

  if (!definition_concerns(s, name) || is_template(name) || !path_is_service_name(name))
    return a;
  a.built = built_from(name, from, sizeof from);
  if (!a.built && is_unknown(s)) return a;
  found = find(s, name, path, &by_template);
  if (found == FOUND_UNKNOWN) (void)is_unknown(s);
  if (found == FOUND) {
    is_defined(s, name);
    build(s, name, path, by_template, &a);
  }
  if (found == FOUND_NOTHING && definition_gone(s, name) && !is_awaited(s, name)) {
    built_prune(name);
    a.wrong = NOT_DEFINED;
  }
  return a;
}

int definition_tidy(struct scan *s, char const *name) {
  char log[PATH_SIZE];
  enum found found;

  if (s->stopping || s->lost) return 1;
  found = find_origin(s, name);
  if (found == FOUND_UNKNOWN && is_unknown(s)) return 0;
  if (found != FOUND_NOTHING) return 1;
  /* A supervisor shall not lose its files. */
  if (!path_join(log, sizeof log, name, "log") || built_is_held(name) || built_is_held(log))
    return 1;
  if (built_remove(name)) return 1;
  if (trouble(s, TROUBLE_BUILD))
    report_warning_errno("unable to take `", name, "' away, which is not defined any more");
  scan_later(s, RETRY_MS);
  return 0;
}

void definition_watch(struct scan *s, struct entry *e) {
  char path[PATH_SIZE];

  watch_drop(s, &e->watch_definition);
  watch_drop(s, &e->watch_definition_log);
  if (!(e->flags & ENTRY_BUILT)) return;
  if (path_join(path, sizeof path, e->name, BUILT)) e->watch_definition = watch_add(s, path);
  if (path_join(path, sizeof path, e->name, BUILT "/log"))
    e->watch_definition_log = watch_add(s, path);
}

/* What is built follows; then it is as if the file had changed there. */
void definition_touched(struct scan *s, struct entry *e, int watch, int names,
                        char const *name) {
  char copy[PATH_NAME_MAX + 1];
  uint32_t number = e->number;

  memcpy(copy, e->name, strlen(e->name) + 1);
  if (names) scan_name(s, copy);
  if (number >= s->top || s->table[number] != e || e->phase != PHASE_ACTIVE) return;
  if (!strcmp(name, "log") && e->watch_definition_log < 0) definition_watch(s, e);
  settle_touched(s, e, watch, name);
}
