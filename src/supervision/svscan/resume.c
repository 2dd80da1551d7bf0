/* Upgrade in place, the new image's side. Supervisors are found by their locks as after a
 * death; those that died in the meantime wait as zombies and are taken for ours again before
 * anything is reaped, so that how they ended is known. Then every supervisor is told to upgrade
 * too, a batch at a time. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/killpoint.h>

/* 0 also when it cannot be asked, with another errno than EPROTO then. */
static int is_kind(int fd, mode_t kind) {
  struct stat st = {.st_mode = 0};

  if (fd > 2 && fstat(fd, &st) < 0 && errno != EBADF) return 0;
  errno = EPROTO;
  return (st.st_mode & S_IFMT) == kind;
}

/* -r: descriptors kept over the exec, as LOCK,READ,WRITE. That they are still what .lares/ has
 * is looked at with every scan. */
void resume_descriptors(struct scan *s, char const *given) {
  unsigned fds[3];

  KILL_POINT(RENEWED);
  for (unsigned i = 0; i < 3; i++) {
    size_t len = uint_scan(given, &fds[i]);
    if (!len || given[len] != (i < 2 ? ',' : 0))
      strerr_dief(EXIT_USAGE, "-r is for lares-svscan itself; it takes three descriptors");
    given += len + 1;
  }
  s->lock = (int)fds[0];
  s->control = (struct channel){.read = (int)fds[1], .write = (int)fds[2]};
  if (!is_kind(s->lock, S_IFREG) || !is_kind(s->control.read, S_IFIFO) ||
      !is_kind(s->control.write, S_IFIFO) || flock(s->lock, LOCK_EX | LOCK_NB) < 0) {
    if (errno == EPROTO || errno == EWOULDBLOCK)
      strerr_dief(EXIT_USAGE, "-r: these are not the descriptors of the lock and control FIFO");
    cannot_begin(s, "take over the lock and control FIFO");
  }
  for (unsigned i = 0; i < 3; i++)
    (void)fcntl((int)fds[i], F_SETFD, FD_CLOEXEC);
  s->has_home = 1;
  KILL_POINT(TAKEN_OVER);
}

static void resume_slot(struct scan *s, struct entry *e, enum which which) {
  struct slot *slot = &e->slot[which];

  if (slot->state == SLOT_DUE && !(slot->flags & SLOT_PROBED) &&
      found_probe(s, e, which) == PROBE_FREE)
    slot->flags |= SLOT_PROBED;
  if (slot->state != SLOT_RUNNING && slot->state != SLOT_FOUND) {
    slot->flags |= SLOT_EARLIER;
    (void)found_dead(s, e, which);
  }
  if (slot->state == SLOT_RUNNING || slot->state == SLOT_DUE) orphan_expect(s, e, which);
}

void resume_begin(struct scan *s) {
  report_info("upgraded in place; telling the supervisors to follow");
  s->asked = 1; /* the one before us may have been, and not have looked yet */
  scan_all(s);
  for (uint32_t i = 0; i < s->top; i++)
    for (unsigned w = 0; s->table[i] && w < 2; w++)
      if (s->table[i]->phase == PHASE_ACTIVE) resume_slot(s, s->table[i], (enum which)w);
  store_resume(s);
  orphan_reap_all(s);
  s->upgrade.tell_at = clock_now();
  need_look(s, s->upgrade.tell_at);
}

static void tell(struct scan *s, struct entry *e, enum which which) {
  struct slot *slot = &e->slot[which];

  if (slot->flags & SLOT_TOLD || (slot->state != SLOT_RUNNING && slot->state != SLOT_FOUND))
    return;
  /* One that has just been started may not have its control FIFO yet: what is written then goes
   * with us. */
  if (!slot_listens(s, e, which)) {
    s->upgrade.untold = 1;
    return;
  }
  slot->flags |= SLOT_TOLD;
  slot_poke(s, e, which, "Z");
}

void resume_tell_late(struct scan *s) {
  struct upgrade *u = &s->upgrade;

  if (!u->resumed) return;
  u->rounds = 0;
  u->untold = 1;
  u->tell_at = deadline_earlier(u->tell_at, deadline_add_ms(clock_now(), TELL_MS));
  need_look(s, u->tell_at);
}

void resume_tell(struct scan *s, struct deadline now) {
  struct upgrade *u = &s->upgrade;

  if (deadline_passed(u->tell_at, now)) {
    for (unsigned i = 0; i < TELL_BATCH && u->tell_next < s->top; i++, u->tell_next++)
      for (unsigned w = 0; s->table[u->tell_next] && w < 2; w++)
        tell(s, s->table[u->tell_next], (enum which)w);
    u->tell_at = DEADLINE_NEVER;
    if (u->tell_next < s->top)
      u->tell_at = deadline_add_ms(now, TELL_MS);
    else if (u->untold && ++u->rounds < TELL_ROUNDS) {
      u->untold = 0;
      u->tell_next = 0;
      u->tell_at = deadline_add_ms(now, TELL_AGAIN_MS);
    }
  }
  need_look(s, u->tell_at);
}
