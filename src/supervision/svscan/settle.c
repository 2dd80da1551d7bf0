/* When an entry's supervisors may start. A link leads to a finished directory and starts at
 * once, but for a new one, which may be meant to replace another (`ln -sfn' makes it under a
 * name of its own and renames it then): it must have stayed for FRESH_MS. A real directory may
 * be on its way in (cp -r): it starts when nothing has changed in it or its log/ for SETTLE_MS.
 * The ctimes decide whether that is so already; if not, time is measured with a stopwatch, as
 * the wall clock may be set. What has nothing to run is told once and awaited, which needs no
 * time at all. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <lares/path.h>

struct look {
  uint32_t signature;
  uint8_t runnable, has_log;
  uint8_t quiet;  /* by its ctimes */
  uint8_t closed; /* it may not be searched */
  int failed;     /* errno of what could not be asked just now, 0 */
  char const *wrong;
  char template[PATH_QUOTED]; /* to be said behind that */
};

static void consider(struct look *look, struct stat const *st, struct timespec const *now) {
  int64_t age = ((int64_t)now->tv_sec - st->st_ctim.tv_sec) * 1000 +
                (now->tv_nsec - st->st_ctim.tv_nsec) / 1000000;

  if (age < SETTLE_MS) look->quiet = 0;
  look->signature =
      look->signature * 31 +
      hash_number((uint64_t)st->st_ctim.tv_sec * 1000000000u + (uint64_t)st->st_ctim.tv_nsec +
                  st->st_ino + (uint64_t)st->st_size);
}

/* Is it there? A passing failure must not be taken for a no. */
static int stat_in(struct scan const *s, struct entry const *e, char const *file,
                   struct look *look, struct stat *st) {
  char path[PATH_SIZE];

  if (!slot_path(s, e, SERVICE, file, path)) return 0;
  if (!stat(path, st)) return 1;
  if (is_shortage(errno)) look->failed = errno;
  if (errno == EACCES) look->closed = 1;
  return 0;
}

/* Whether `run` can run, the supervisor finds out and says; here it matters only whether what
 * there is can be the whole definition. A oneshot need not have a `run`. */
static void look_at_run(struct scan const *s, struct entry const *e, struct look *look,
                        struct timespec const *now) {
  char path[PATH_SIZE];
  struct stat st;

  if (!slot_path(s, e, SERVICE, "run", path)) return;
  if (!stat_in(s, e, "run", look, &st)) {
    look->wrong = path_run_wrong(path);
    if (look->closed) return;
    if (!(e->flags & ENTRY_BUILT) &&
        path_template_missing(look->template, e->name, path, s->definitions.path))
      look->wrong = PATH_NO_TEMPLATE;
    if (stat_in(s, e, "type", look, &st) || stat_in(s, e, "start", look, &st)) {
      consider(look, &st, now);
      look->runnable = 1;
    }
    return;
  }
  consider(look, &st, now);
  look->wrong = path_run_wrong(path);
  if (!look->wrong)
    look->runnable = 1;
  else if (is_shortage(errno))
    look->failed = errno;
}

static void look_at(struct scan const *s, struct entry const *e, struct look *look) {
  int built = e->flags & ENTRY_BUILT; /* just now, perhaps; what counts is the definition */
  struct timespec now;
  struct stat st;

  *look = (struct look){.quiet = 1, .wrong = "it cannot be searched"};
  clock_gettime(CLOCK_REALTIME, &now);
  if (!stat_in(s, e, built ? BUILT : "", look, &st)) return;
  consider(look, &st, &now);
  look_at_run(s, e, look, &now);
  if (stat_in(s, e, "log", look, &st) && S_ISDIR(st.st_mode)) {
    look->has_log = 1;
    if (!built || stat_in(s, e, BUILT "/log", look, &st)) consider(look, &st, &now);
    if (stat_in(s, e, "log/run", look, &st)) consider(look, &st, &now);
  }
}

static void put_off(struct scan *s, struct slot *slot, enum slot_state state, uint32_t ms) {
  slot->state = (uint8_t)state;
  slot->moment = deadline_add_ms(clock_now(), ms);
  need_look(s, slot->moment);
}

static void watch_directories(struct scan *s, struct entry *e, int has_log) {
  char path[PATH_SIZE];

  if (e->watch_dir < 0 && slot_path(s, e, SERVICE, "", path)) e->watch_dir = watch_add(s, path);
  if (has_log && e->watch_log < 0 && slot_path(s, e, LOGGER, "", path))
    e->watch_log = watch_add(s, path);
}

void settle_watch(struct scan *s, struct entry *e) {
  char path[PATH_SIZE];

  if (e->slot[SERVICE].state == SLOT_AWAITING || e->slot[SERVICE].state == SLOT_SETTLING)
    watch_directories(s, e, 1);
  else if (e->slot[LOGGER].state <= SLOT_SETTLING && slot_path(s, e, SERVICE, "", path))
    e->watch_dir = watch_add_appearing(s, path);
}

/* There is no log/; a supervisor of it may run all the same. */
static void have_no_log(struct scan *s, struct entry *e) {
  struct slot *logger = &e->slot[LOGGER];

  logger->state = SLOT_NONE;
  logger->moment = DEADLINE_NEVER;
  if (outside_find(s, e) < 0) put_off(s, logger, SLOT_SETTLING, RETRY_MS);
}

/* Both may start. Its directory is watched on only for a log/ that may come. */
static void settled(struct scan *s, struct entry *e, int has_log) {
  char path[PATH_SIZE];

  e->flags &= (uint8_t)~ENTRY_SAID;
  watch_drop(s, &e->watch_log);
  if (has_log)
    watch_drop(s, &e->watch_dir);
  else if (slot_path(s, e, SERVICE, "", path)) {
    if (e->watch_dir >= 0)
      watch_reduce(s, path, e->watch_dir);
    else
      e->watch_dir = watch_add_appearing(s, path);
  }
  if (e->slot[SERVICE].state == SLOT_SETTLING || e->slot[SERVICE].state == SLOT_AWAITING)
    put_off(s, &e->slot[SERVICE], SLOT_DUE, 0);
  if (has_log && e->slot[LOGGER].state <= SLOT_AWAITING)
    put_off(s, &e->slot[LOGGER], SLOT_DUE, 0);
  else if (!has_log && e->slot[LOGGER].state == SLOT_NONE)
    have_no_log(s, e);
  home_record(s, e);
}

/* 1 when the look is no answer and will be repeated. */
static int look_failed(struct scan *s, struct entry *e, enum which which,
                       struct look const *look) {
  if (!look->failed) return 0;
  errno = look->failed;
  if (trouble(s, TROUBLE_LOOK)) report_warning_errno("unable to look at `", e->name, "'");
  put_off(s, &e->slot[which], SLOT_SETTLING, RETRY_MS);
  return 1;
}

/* What dead supervisors have left is taken over whether or not there is anything to run: the
 * locks say nothing of it. 1 when the service was, or when that cannot be told yet; its logger
 * can be alone. */
static int take_over_left(struct scan *s, struct entry *e, int has_log) {
  struct slot *logger = &e->slot[LOGGER];
  enum probe probe;

  if (slot_is_owed(s, e, SERVICE)) {
    settled(s, e, has_log);
    return 1;
  }
  if (!has_log || logger->state > SLOT_AWAITING) return 0;
  probe = found_probe(s, e, LOGGER);
  if (probe == PROBE_FAILED) {
    put_off(s, &e->slot[SERVICE], SLOT_SETTLING, RETRY_MS);
    return 1;
  }
  if (probe == PROBE_FREE && !orphan_lives(s, e, LOGGER)) return 0;
  if (!slot_busy(logger)) put_off(s, logger, SLOT_DUE, 0);
  home_record(s, e);
  return 0;
}

static void settle(struct scan *s, struct entry *e, int at_once) {
  struct slot *slot = &e->slot[SERVICE];
  struct look look;
  int watched;

  look_at(s, e, &look);
  if (look_failed(s, e, SERVICE, &look)) return;
  trouble_over(s, TROUBLE_LOOK);
  if (!at_once && !look.quiet && look.signature != e->signature) {
    e->signature = look.signature;
    watch_directories(s, e, look.has_log);
    put_off(s, slot, SLOT_SETTLING, SETTLE_MS);
    return;
  }
  e->signature = look.signature;
  if (look.runnable) {
    settled(s, e, look.has_log);
    return;
  }
  if (take_over_left(s, e, look.has_log)) return;
  slot->state = SLOT_AWAITING;
  slot->moment = DEADLINE_NEVER;
  watched = e->watch_dir >= 0;
  watch_directories(s, e, look.has_log);
  if (!watched &&
      e->watch_dir >= 0) { /* what came between the look and the watch is not told */
    settle(s, e, at_once);
    return;
  }
  if (e->flags & ENTRY_SAID) return;
  e->flags |= ENTRY_SAID;
  report_warning("waiting for `", e->name, "': ", look.wrong, look.template);
}

/* A supervisor that runs is ours whatever its directory looks like: the locks are asked when
 * the slots become due. One that died during an upgrade still counts as running. */
void settle_begin(struct scan *s, struct entry *e) {
  char path[PATH_SIZE];
  struct look look;
  struct stat st;

  if (!slot_busy(&e->slot[SERVICE]) &&
      (!slot_path(s, e, SERVICE, "supervise/lock", path) || stat(path, &st) < 0 ||
       (found_probe(s, e, SERVICE) != PROBE_HELD &&
        !(s->upgrade.resumed && found_dead(s, e, SERVICE))))) {
    settle(s, e, e->flags & ENTRY_LINK);
    return;
  }
  look_at(s, e, &look);
  settled(s, e, look.has_log);
  if (!look.has_log && !slot_busy(&e->slot[LOGGER])) (void)look_failed(s, e, LOGGER, &look);
}

void settle_later(struct scan *s, struct entry *e) {
  e->flags |= ENTRY_FRESH;
  put_off(s, &e->slot[SERVICE], SLOT_SETTLING, FRESH_MS);
}

void settle_look(struct scan *s, struct entry *e) {
  if (!(e->flags & ENTRY_FRESH)) {
    settle(s, e, 0);
    return;
  }
  e->flags &= (uint8_t)~ENTRY_FRESH;
  settle_begin(s, e);
}

void settle_look_log(struct scan *s, struct entry *e) {
  struct slot *slot = &e->slot[LOGGER];
  struct look look;

  look_at(s, e, &look);
  if (look_failed(s, e, LOGGER, &look)) return;
  if (!look.has_log) {
    have_no_log(s, e);
    watch_drop(s, &e->watch_log);
  } else if (look.quiet || look.signature == e->signature)
    settled(s, e, 1);
  else {
    e->signature = look.signature;
    watch_directories(s, e, 1);
    put_off(s, slot, SLOT_SETTLING, SETTLE_MS);
  }
}

void settle_touched(struct scan *s, struct entry *e, int watch, char const *name) {
  struct slot *service = &e->slot[SERVICE], *logger = &e->slot[LOGGER];

  if (e->phase != PHASE_ACTIVE) return;
  if (service->state == SLOT_AWAITING || service->state == SLOT_SETTLING) {
    if (watch >= 0)
      put_off(s, service, SLOT_SETTLING, SETTLE_MS);
    else if (service->state == SLOT_AWAITING)
      settle_look(s, e);
  } else if (logger->state == SLOT_SETTLING && watch >= 0)
    put_off(s, logger, SLOT_SETTLING, SETTLE_MS);
  else if (logger->state == SLOT_NONE && (watch < 0 || !strcmp(name, "log"))) {
    e->signature = 0;
    settle_look_log(s, e);
  }
}
