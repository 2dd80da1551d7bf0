/* What this service needs, and how that stands. The directories are read at each start; in
 * between what was read then holds. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/report.h>
#include <lares/text.h>

#include "supervise.h"

#define PATIENCE_MS 1000 /* of an order: until somebody's supervisor has begun */

void needs_begin(struct supervisor *s) {
  struct needs *n = &s->needs;

  n->epoll = n->arrivals = -1;
  n->look_at = n->walk_at = n->patience = DEADLINE_NEVER;
}

/* --- the list --------------------------------------------------------------------------------
 */

struct need *needs_place(struct supervisor *s, char const *name) {
  struct needs *n = &s->needs;
  struct need *empty = 0;

  for (unsigned i = 0; i < n->top; i++) {
    struct need *one = &n->list[i];
    if (one->kind && !strcmp(one->name, name)) return one;
    if (!one->kind && !empty) empty = one;
  }
  if (!empty && n->top < NEEDS_MOST) empty = &n->list[n->top++];
  if (!empty) return 0;
  *empty = (struct need){.dir = -1, .events = -1};
  strcpy(empty->name, name);
  return empty;
}

struct listing {
  struct supervisor *s;
  char const *file;
  uint8_t kind;
};

static void note(void *context, char const *name) {
  struct listing const *in = context;
  struct need *one;
  char const *wrong = 0, *instead = "only the others";

  if (name[0] == '.') return;
  if (!path_is_service_name(name))
    wrong = "has an entry with a name that no service can bear";
  else if (in->kind == NEED_ORDER && !strcmp(name, need_own_name(in->s)))
    wrong = "names the service itself";
  else if (!(one = needs_place(in->s, name))) {
    wrong = "has more entries than 64, both directories together";
    instead = "the 64 that were found first";
  } else {
    one->found |= in->kind;
    one->kind |= in->kind;
  }
  if (wrong) complain(in->s, in->file, wrong, instead);
}

static int list(struct supervisor *s, char const *file, uint8_t kind) {
  struct listing in = {.s = s, .file = file, .kind = kind};
  int fd = open(file, O_RDONLY | O_DIRECTORY | O_CLOEXEC), good;

  if (fd < 0) return errno == ENOENT;
  good = path_each_name(fd, note, &in);
  close(fd);
  return good;
}

/* 1, or 0 when they cannot be read just now. */
static int read_directories(struct supervisor *s) {
  struct needs *n = &s->needs;

  for (unsigned i = 0; i < n->top; i++)
    n->list[i].found = 0;
  if (s->definition.has & HAS_NEEDS && !list(s, "needs", NEED_READY)) return 0;
  if (s->definition.has & HAS_AFTER && !list(s, "after", NEED_ORDER)) return 0;
  for (unsigned i = 0; i < n->top; i++) {
    struct need *one = &n->list[i];
    if (one->kind && !one->found) need_drop(s, one);
    if (one->kind != one->found) one->registered = 0; /* as something else */
    one->kind = one->found;
  }
  return 1;
}

/* --- how they stand --------------------------------------------------------------------------
 */

/* A cycle is refused by name, an order that would be one ignored. */
void needs_judge_cycle(struct supervisor *s, struct need *one) {
  char text[NEEDS_TEXT];

  if (one->cyclic) one->cyclic = (uint8_t)cycle_find(s, one, text);
  if (one->cyclic && one->kind & NEED_READY) one->stand = NEED_CYCLE;
}

void needs_sum_up(struct supervisor *s) {
  struct needs *n = &s->needs;

  n->lost = 0;
  for (unsigned i = 0; i < n->top; i++)
    if (n->list[i].kind & NEED_READY) n->lost |= n->list[i].lost;
}

unsigned needs_stand(struct supervisor const *s) {
  struct needs const *n = &s->needs;
  unsigned first = NEED_MET;

  for (unsigned i = 0; i < n->top; i++)
    if (n->list[i].kind && n->list[i].stand != NEED_MET &&
        (first == NEED_MET || (!need_is_hopeless(first) && need_is_hopeless(n->list[i].stand))))
      first = n->list[i].stand;
  return first;
}

static void add(char text[NEEDS_TEXT], char const *part) {
  text_add(text, NEEDS_TEXT, part);
}

static void describe_one(struct supervisor *s, struct need const *one, char text[NEEDS_TEXT]) {
  text[0] = 0;
  if (one->stand == NEED_CYCLE && cycle_find(s, one, text)) return;
  text[0] = 0;
  add(text, one->name);
  add(text, " ");
  add(text, status_need_text(one->stand));
}

/* As many as there is room for, and how many more there are. */
void needs_describe(struct supervisor *s, char text[NEEDS_TEXT]) {
  struct needs const *n = &s->needs;
  char next[NEEDS_TEXT], number[UINT_FMT + 1];
  unsigned more = 0;

  text[0] = 0;
  for (unsigned i = 0; i < n->top; i++) {
    struct need const *one = &n->list[i];
    if (!one->kind || one->stand == NEED_MET) continue;
    describe_one(s, one, next);
    if (text[0] && strlen(text) + strlen(next) + sizeof ",  and 64 more" > NEEDS_TEXT) {
      more++;
      continue;
    }
    if (text[0]) add(text, ", ");
    add(text, next);
  }
  if (!more) return;
  number[uint_fmt(number, more)] = 0;
  add(text, " and ");
  add(text, number);
  add(text, " more");
}

uint32_t needs_sum_of(char const *text) {
  uint32_t sum = 2166136261u;

  for (; *text; text++)
    sum = (sum ^ (unsigned char)*text) * 16777619u;
  return sum;
}

int needs_show_wait(struct supervisor *s) {
  char text[NEEDS_TEXT];
  uint32_t sum;

  needs_describe(s, text);
  sum = needs_sum_of(text);
  if (s->needs.shown == sum) return 0;
  texts_wait_for(s, text);
  s->needs.shown = sum;
  return 1;
}

static int is_started_anew(struct supervisor const *s) {
  struct state_record const *r = &s->state;

  return r->starts && s->definition.age.sum != r->definition;
}

/* Links of a service that runs may have been changed so that a start closes a cycle. */
void needs_find_cycles(struct supervisor *s) {
  struct needs *n = &s->needs;

  for (unsigned i = 0; i < n->top; i++) {
    struct need *one = &n->list[i];
    if (!one->kind) continue;
    one->cyclic = 1;
    needs_judge_cycle(s, one);
    if (one->cyclic && one->kind == NEED_ORDER && one->stand != NEED_MET) {
      complain(s, "after", "would be a wait for ourselves", "no order where that is so");
      one->stand = NEED_MET;
    }
  }
}

int needs_are_met(struct supervisor *s) {
  struct needs *n = &s->needs;

  if (!(s->definition.has & (HAS_NEEDS | HAS_AFTER)) && !n->top) return 1;
  if (n->fresh && n->definition == s->definition.age.sum) return 1;
  if (s->is_log) {
    complain(s, "needs", "is not for a logger, nor is after", "neither");
    return 1;
  }
  if (!n->scan && s->definition.has & HAS_NEEDS)
    complain(s, "needs", "names services, and nobody says in which directory (option -n)",
             "nothing: it waits");
  if (!read_directories(s)) {
    if (!n->said_unable) report_warning_errno("unable to read needs/ or after/, trying again");
    n->said_unable = n->unread = 1;
    n->look_at = deadline_add_ms(clock_now(), RETRY_MS);
    return 0;
  }
  n->unread = 0;
  n->definition = s->definition.age.sum;
  (void)texts_reserve(s);
  n->look_at = DEADLINE_NEVER;
  if (s->state.machine.state != STATE_WAITING)
    n->patience = deadline_add_ms(clock_now(), PATIENCE_MS);
  for (unsigned i = 0; i < n->top; i++) {
    if (!n->list[i].kind) continue;
    n->list[i].woken = 0;
    need_find(s, &n->list[i]);
    need_look(s, &n->list[i], 1);
    needs_judge_cycle(s, &n->list[i]);
  }
  needs_sum_up(s);
  if (is_started_anew(s)) needs_find_cycles(s);
  n->state = STATE_COUNT; /* look at what follows from it */
  if (n->look_at.ns == DEADLINE_NEVER.ns) n->said_unable = 0;
  if (needs_stand(s) == NEED_MET) return 1;
  n->walk_at = deadline_add_ms(clock_now(), NEEDS_LASTING_MS);
  return 0;
}
