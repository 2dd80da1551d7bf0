/* Does what this service needs need this one? Asked of the links there are on disk, by walking
 * them; only when a wait lasts, or after the links of a service that runs were changed, which
 * may have closed a circle. Nothing is allocated: each level has a frame of some hundred bytes
 * and the buffer that a directory is read into. */

#include <skalibs/nonposix.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <lares/text.h>

#include "supervise.h"

#define DEEPEST 64
#define SEEN_MOST 512
#define WAITS_FOR 0 /* beside enum need_kind: by the registrations */

struct walk {
  struct supervisor *s;
  char *text;
  uint32_t seen[SEEN_MOST]; /* hashes of the names that led nowhere, or are being followed */
  unsigned count;
  int scan;
  uint8_t kind, found;
};

struct level {
  struct walk *walk;
  struct level const *above;
  char const *name;
  unsigned depth;
};

static int is_new(struct walk *w, char const *name) {
  uint32_t sum = needs_sum_of(name);

  for (unsigned i = 0; i < w->count; i++)
    if (w->seen[i] == sum) return 0;
  if (w->count == SEEN_MOST) return 0;
  w->seen[w->count++] = sum;
  return 1;
}

static void add(char text[NEEDS_TEXT], char const *part) {
  text_add(text, NEEDS_TEXT, part);
}

static void tell(struct walk *w, struct level const *at) {
  if (at->above)
    tell(w, at->above);
  else {
    add(w->text, need_own_name(w->s));
    add(w->text, " needs ");
  }
  add(w->text, at->name);
  add(w->text, " needs ");
}

static void follow(struct level const *at);

static void consider(void *context, char const *name) {
  struct level const *above = context;
  struct level here = {above->walk, above, name, above->depth + 1};
  struct walk *w = above->walk;

  if (w->found || name[0] == '.') return;
  if (!strcmp(name, need_own_name(w->s))) {
    tell(w, above);
    add(w->text, name);
    w->found = 1;
  } else if (above->depth < DEEPEST && path_is_service_name(name) && is_new(w, name))
    follow(&here);
}

static void read_links(struct level const *at, char const *dir) {
  char path[PATH_NAME_MAX + sizeof "/needs"];
  int fd;

  strcpy(path, at->name);
  strcat(path, dir);
  fd = openat(at->walk->scan, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)path_each_name(fd, consider, (void *)(uintptr_t)at);
  close(fd);
}

static void follow(struct level const *at) {
  if (at->walk->kind == WAITS_FOR) {
    read_links(at, "/" DIR_DEPENDENTS);
    return;
  }
  read_links(at, "/needs");
  if (at->walk->kind == NEED_ORDER && !at->walk->found) read_links(at, "/after");
}

static int walk_from(struct walk *w, char const *name) {
  struct level first = {w, 0, name, 0};

  w->text[0] = 0;
  if (!w->s->needs.scan) return 0;
  w->scan = open(w->s->needs.scan, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (w->scan < 0) return 0;
  follow(&first);
  close(w->scan);
  return w->found;
}

/* An order is broken where it closes a circle, so that needs alone are followed for a need. */
int cycle_find(struct supervisor *s, struct need const *n, char text[NEEDS_TEXT]) {
  struct walk w = {
      .s = s, .text = text, .kind = n->kind & NEED_READY ? NEED_READY : NEED_ORDER};

  if (strcmp(n->name, need_own_name(s))) return walk_from(&w, n->name);
  text[0] = 0;
  add(text, n->name);
  add(text, " needs ");
  add(text, n->name);
  return 1;
}

int cycle_waits(struct supervisor *s, char const *name) {
  char text[NEEDS_TEXT];
  struct walk w = {.s = s, .text = text, .kind = WAITS_FOR};

  return walk_from(&w, name);
}
