/* What is in the scan directory: each name is judged by itself, whenever there is reason to.
 * Names that are gone are dealt with before new ones, so that a renamed service is not taken
 * for a second name of itself. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include <lares/path.h>

static struct entry *add(struct scan *s, char const *name, struct verdict const *v,
                         enum entry_phase phase) {
  struct entry *e = entry_new(s, name, v->dev, v->ino, phase);

  if (e) {
    if (v->is_link) e->flags |= ENTRY_LINK;
    e->reason = (int16_t)v->reason;
    return e;
  }
  if (trouble(s, TROUBLE_MEMORY)) report_warning_errno("unable to take up ", name);
  scan_later(s, RETRY_MS);
  s->unseen = s->unlisted = 1;
  s->unfound = 1; /* it may vanish before, and run */
  return 0;
}

/* With -k: the directory of an entry that was let go is back under its name. */
static int taken_back(struct scan *s, struct entry *owner, char const *name) {
  if (owner->phase != PHASE_KEPT || strcmp(owner->name, name)) return 0;
  if (!index_add(&s->by_name, owner->name_hash, owner->number)) return 0;
  owner->phase = PHASE_ACTIVE;
  owner->flags &= (uint8_t)~ENTRY_VANISHED;
  if (owner->slot[SERVICE].state == SLOT_NONE) owner->slot[SERVICE].state = SLOT_AWAITING;
  home_record(s, owner);
  watch_target(s, owner);
  definition_watch(s, owner);
  settle_begin(s, owner);
  return 1;
}

/* What changed before it was watched is looked at once more. */
static void follow_definition(struct scan *s, struct entry *e) {
  e->flags |= ENTRY_BUILT;
  definition_watch(s, e);
  (void)definition_apply(s, e->name);
}

/* It could not be told before that it is built, or what it is built from was not there yet. */
static int is_unfollowed(struct scan const *s, struct entry const *e) {
  return e->phase == PHASE_ACTIVE &&
         (!(e->flags & ENTRY_BUILT) || (s->inotify >= 0 && e->watch_definition < 0));
}

static void take_up(struct scan *s, char const *name, struct verdict const *v, int built) {
  struct entry *owner = v->reason ? 0 : entry_of_inode(s, v->dev, v->ino), *e;

  if (s->new_name && v->is_link && (v->reason || owner)) {
    scan_later(s, FRESH_MS);
    return;
  }
  if (v->reason == NOT_DEFINED && home_stop_undefined(s, name, v->dev, v->ino)) return;
  if (v->reason) {
    e = add(s, name, v, PHASE_REJECTED);
    if (!e) return;
    name_report(name, v->reason);
    watch_target(s, e);
    return;
  }
  if (owner && taken_back(s, owner, name)) return;
  if (owner) {
    if (!add(s, name, v, PHASE_ALIAS) || owner->phase != PHASE_ACTIVE) return;
    report_warning("`", name, "' is another name of `", owner->name, "', which is supervised");
    return;
  }
  e = add(s, name, v, PHASE_ACTIVE);
  if (!e) return;
  trouble_over(s, TROUBLE_MEMORY);
  s->arrived = 1;
  e->slot[SERVICE].state = SLOT_AWAITING;
  watch_target(s, e);
  if (built) follow_definition(s, e);
  if (s->new_name && v->is_link)
    settle_later(s, e);
  else
    settle_begin(s, e);
}

/* Is what the entry was taken for still what its name leads to? */
static int still(struct scan const *s, struct entry const *e, struct verdict const *v) {
  if (e->phase == PHASE_REJECTED) return e->reason == v->reason;
  if (v->reason || e->dev != v->dev || e->ino != v->ino) return 0;
  return e->phase != PHASE_ALIAS || entry_of_inode(s, e->dev, e->ino);
}

/* A known entry again. 1 when its name is free for what is there now. */
static int look_again(struct scan *s, struct entry *e, struct verdict const *v) {
  if (e->phase == PHASE_GOING) return 0; /* examined when it has gone */
  /* What runs is not stopped because we cannot look. */
  if (e->phase == PHASE_ACTIVE && (is_shortage(v->reason) || v->reason == EACCES)) return 0;
  if (still(s, e, v)) {
    if (e->phase == PHASE_ACTIVE) e->flags &= (uint8_t)~ENTRY_VANISHED;
    if (e->phase == PHASE_ACTIVE) settle_touched(s, e, -1, "");
    return 0;
  }
  if (e->phase == PHASE_ACTIVE && !(e->flags & ENTRY_FRESH)) {
    int keep = s->keep;
    entry_vanished(s, e);
    return keep;
  }
  /* Never looked at, it may have left something that runs; .lares/run/ knows. */
  if (e->phase == PHASE_REJECTED && is_shortage(e->reason)) {
    s->unfound = 1;
    scan_later(s, 0);
  }
  entry_free(s, e);
  return 1;
}

void scan_name(struct scan *s, char const *name) {
  struct entry *e;
  struct verdict v;
  struct applied applied;

  if (s->stopping || s->lost || name[0] == '.') return;
  e = entry_find(s, name);
  applied = definition_apply(s, name);
  if (applied.wrong && !e && !definition_tidy(s, name)) return; /* tried again */
  name_judge(name, &v);
  if (!v.reason) v.reason = applied.wrong;
  if (applied.own && !e)
    report_info("`", name,
                "' is not built from its definition: the scan directory has its own");
  if (is_shortage(v.reason)) {
    scan_later(s, RETRY_MS);
    /* It may be a service that runs, under a supervisor of a scanner before us. */
    if (!e || e->phase == PHASE_REJECTED) s->unseen = s->unlisted = 1;
  }
  if (e && applied.built && is_unfollowed(s, e)) follow_definition(s, e);
  if (e && !look_again(s, e, &v)) return;
  if (v.reason == ENOENT || v.reason == ENAMETOOLONG) return;
  if (!v.reason && home_find_moved(s, name)) return;
  if (!entry_find(s, name)) take_up(s, name, &v, applied.built);
}

/* With a name that is known already nothing is new. */
void scan_new_name(struct scan *s, char const *name) {
  s->new_name = !entry_find(s, name);
  scan_name(s, name);
  s->new_name = 0;
}

static void look_at_known(struct scan *s) {
  for (uint32_t i = 0; i < s->top; i++) {
    struct entry *e = s->table[i];
    char name[PATH_NAME_MAX + 1];
    if (!e || e->phase == PHASE_KEPT) continue;
    memcpy(name, e->name, strlen(e->name) + 1);
    scan_name(s, name);
  }
}

/* Somebody took .lares/ away, or it could not be made before. */
static void home_again(struct scan *s) {
  int32_t holder;

  if (!home_open(s, &holder)) {
    char number[REPORT_NUMBER];
    if (holder && trouble(s, TROUBLE_HOME))
      report_error("another scanner, pid ", report_number(number, holder), ", runs here too");
    return;
  }
  home_listen(s);
  for (uint32_t i = 0; i < s->top; i++)
    if (s->table[i]) s->table[i]->flags &= (uint8_t)~ENTRY_RECORDED;
}

static void record_all(struct scan *s) {
  for (uint32_t i = 0; i < s->top; i++) {
    struct entry *e = s->table[i];
    if (e && e->phase == PHASE_ACTIVE &&
        (slot_busy(&e->slot[SERVICE]) || slot_busy(&e->slot[LOGGER])))
      home_record(s, e);
  }
}

void scan_all(struct scan *s) {
  struct dirent *d;
  DIR *dir;

  s->rescan_at = DEADLINE_NEVER;
  if (s->stopping) return;
  lost_check(s);
  if (s->lost) return;
  definitions_check(s);
  if (s->polls) scan_later(s, POLL_MS);
  if (!home_intact(s)) home_again(s);
  if (s->has_home && !control_intact(s)) control_begin(s);
  if (s->has_home && !store_intact(s)) store_begin(s);
  if (s->unfound) home_find_vanished(s);
  s->unseen = 0;
  look_at_known(s);
  record_all(s);
  definitions_scan(s);
  s->unlisted = 1;
  dir = opendir(".");
  if (!dir) {
    if (trouble(s, TROUBLE_LIST)) report_warning_errno("unable to list the scan directory");
    scan_later(s, RETRY_MS);
    return;
  }
  while (errno = 0, (d = readdir(dir)))
    if (d->d_name[0] != '.' && strlen(d->d_name) <= PATH_NAME_MAX && !entry_find(s, d->d_name))
      scan_name(s, d->d_name);
  if (errno) {
    if (trouble(s, TROUBLE_LIST)) report_warning_errno("unable to list the scan directory");
    scan_later(s, RETRY_MS);
  } else {
    s->unlisted = s->unseen;
    trouble_over(s, TROUBLE_LIST);
  }
  closedir(dir);
  home_tell_rescan(s);
}

void scan_at(struct scan *s, struct deadline when) {
  s->rescan_at = deadline_earlier(s->rescan_at, when);
  need_look(s, s->rescan_at);
}

void scan_later(struct scan *s, uint32_t ms) {
  scan_at(s, deadline_add_ms(clock_now(), ms));
}

/* HUP: everything anew, also what left on purpose, what is put off, what was complained of. */
void scan_rescan(struct scan *s) {
  if (s->stopping) return;
  s->asked = 1;
  notify_reloading(s);
  for (uint32_t i = 0; i < s->top; i++) {
    struct entry *e = s->table[i];
    if (!e) continue;
    e->flags &= (uint8_t)~ENTRY_SAID;
    definition_believe(e);
    if (e->phase == PHASE_REJECTED) entry_free(s, e);
    if (!s->table[i] || e->phase != PHASE_ACTIVE) continue;
    for (unsigned w = 0; w < 2; w++)
      if (e->slot[w].state == SLOT_LEFT || e->slot[w].state == SLOT_DUE) {
        e->slot[w].state = SLOT_DUE;
        e->slot[w].moment = clock_now();
        e->slot[w].deaths = 0;
        e->slot[w].flags &= (uint8_t)~SLOT_EARLIER;
      }
    home_record(s, e);
  }
  s->troubles = 0;
  s->idle_hooks = 0;
  s->definitions.trust = 1;
  script_look(s);
  hook_look(s);
  if (s->polls) watch_all(s);
  s->hold = (struct deadline){0};
  scan_later(s, 0);
}
