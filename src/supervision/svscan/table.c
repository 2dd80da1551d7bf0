/* The entries: one allocation each, found by number, name, directory and process. */

#include "svscan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t inode_hash(uint64_t dev, uint64_t ino) {
  return hash_number(dev * 31 + ino);
}

static int has_supervisors(enum entry_phase phase) {
  return phase != PHASE_ALIAS && phase != PHASE_REJECTED;
}

static int table_room(struct scan *s) {
  struct entry **bigger;
  uint32_t size = s->size ? s->size * 2 : 32;

  if (s->top < s->size || s->hole < s->top) return 1;
  bigger = realloc(s->table, size * sizeof *bigger);
  if (!bigger) return (errno = ENOMEM, 0);
  s->table = bigger;
  s->size = size;
  return 1;
}

static uint32_t take_number(struct scan *s) {
  while (s->hole < s->top && s->table[s->hole])
    s->hole++;
  return s->hole < s->top ? s->hole++ : (s->hole = ++s->top) - 1;
}

/* All memory an entry will ever need is taken here, room for four processes in the index
 * included: later steps cannot fail for want of it. */
struct entry *entry_new(struct scan *s, char const *name, uint64_t dev, uint64_t ino,
                        enum entry_phase phase) {
  size_t len = strlen(name);
  struct entry *e;

  while (s->hole < s->top && s->table[s->hole])
    s->hole++;
  if (!table_room(s) || !index_reserve(&s->by_name, 1) || !index_reserve(&s->by_inode, 1) ||
      !index_reserve(&s->by_pid, 4 * (s->living + 1) - s->by_pid.used))
    return 0;
  e = calloc(1, sizeof *e + len + 1);
  if (!e) return (errno = ENOMEM, (struct entry *)0);
  memcpy(e->name, name, len + 1);
  e->dev = dev;
  e->ino = ino;
  e->phase = (uint8_t)phase;
  e->name_hash = hash_bytes(name, len);
  e->watch_dir = e->watch_log = e->watch_parent = e->log_pipe = -1;
  e->watch_definition = e->watch_definition_log = -1;
  for (unsigned i = 0; i < 2; i++) {
    e->slot[i].pidfd = e->slot[i].store = -1;
    e->slot[i].moment = DEADLINE_NEVER;
  }
  e->number = take_number(s);
  s->table[e->number] = e;
  index_add(&s->by_name, e->name_hash, e->number);
  index_add(&s->by_inode, inode_hash(dev, ino), e->number);
  if (has_supervisors(phase)) s->living++;
  return e;
}

void entry_free(struct scan *s, struct entry *e) {
  s->table[e->number] = 0;
  if (e->number < s->hole) s->hole = e->number;
  while (s->top && !s->table[s->top - 1])
    s->top--;
  if (s->hole > s->top) s->hole = s->top;
  index_remove(&s->by_name, e->name_hash, e->number);
  index_remove(&s->by_inode, inode_hash(e->dev, e->ino), e->number);
  if (has_supervisors((enum entry_phase)e->phase)) s->living--;
  watch_drop(s, &e->watch_dir);
  watch_drop(s, &e->watch_log);
  watch_drop(s, &e->watch_parent);
  watch_drop(s, &e->watch_definition);
  watch_drop(s, &e->watch_definition_log);
  logpipe_let_go(e);
  store_drop(&e->slot[SERVICE]);
  store_drop(&e->slot[LOGGER]);
  free(e->moved_to);
  free(e);
}

void entry_unname(struct scan *s, struct entry *e) {
  index_remove(&s->by_name, e->name_hash, e->number);
}

struct entry *entry_find(struct scan const *s, char const *name) {
  uint32_t hash = hash_bytes(name, strlen(name)), cursor = 0, n;

  while ((n = index_next(&s->by_name, hash, &cursor)) != INDEX_NONE)
    if (!strcmp(s->table[n]->name, name)) return s->table[n];
  return 0;
}

static struct entry *of_inode(struct scan const *s, uint64_t dev, uint64_t ino, int alias) {
  uint32_t cursor = 0, n;

  while ((n = index_next(&s->by_inode, inode_hash(dev, ino), &cursor)) != INDEX_NONE) {
    struct entry *e = s->table[n];
    if (e->dev != dev || e->ino != ino) continue;
    if (alias ? e->phase == PHASE_ALIAS : has_supervisors((enum entry_phase)e->phase)) return e;
  }
  return 0;
}

struct entry *entry_of_inode(struct scan const *s, uint64_t dev, uint64_t ino) {
  return of_inode(s, dev, ino, 0);
}

struct entry *entry_alias_of(struct scan const *s, uint64_t dev, uint64_t ino) {
  return of_inode(s, dev, ino, 1);
}

int pid_add(struct scan *s, struct entry *e, enum which which, int32_t pid) {
  return index_add(&s->by_pid, hash_number((uint32_t)pid), e->number * 2 + which);
}

void pid_remove(struct scan *s, struct entry *e, enum which which, int32_t pid) {
  index_remove(&s->by_pid, hash_number((uint32_t)pid), e->number * 2 + which);
}

struct entry *pid_find(struct scan const *s, int32_t pid, enum which *which) {
  uint32_t cursor = 0, n;

  while ((n = index_next(&s->by_pid, hash_number((uint32_t)pid), &cursor)) != INDEX_NONE) {
    struct entry *e = s->table[n / 2];
    struct slot const *slot = &e->slot[n % 2];
    if (slot->pid != pid && slot->orphan != pid) continue;
    *which = (enum which)(n % 2);
    return e;
  }
  return 0;
}
