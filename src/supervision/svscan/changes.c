/* Reading what inotify reports and telling those whom it concerns. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <lares/path.h>

#ifdef __linux__
#include <sys/inotify.h>

/* Its number means nothing any more: what it watched was deleted or unmounted. */
static void watch_is_gone(struct scan *s, int watch) {
  if (s->watch == watch) s->watch = -1;
  if (s->definitions.watch == watch) s->definitions.watch = -1;
  for (uint32_t i = 0; i < s->top; i++) {
    struct entry *e = s->table[i];
    if (!e) continue;
    if (e->watch_dir == watch) e->watch_dir = -1;
    if (e->watch_log == watch) e->watch_log = -1;
    if (e->watch_parent == watch) e->watch_parent = -1;
    if (e->watch_definition == watch) e->watch_definition = -1;
    if (e->watch_definition_log == watch) e->watch_definition_log = -1;
  }
}

/* Something happened in a directory that entries have an interest in. */
static void tell_entries(struct scan *s, int watch, uint32_t mask, char const *name) {
  uint32_t hash = hash_bytes(name, strlen(name));

  for (uint32_t i = 0; i < s->top; i++) {
    struct entry *e = s->table[i];
    if (!e) continue;
    if (e->watch_dir == watch || e->watch_log == watch) settle_touched(s, e, watch, name);
    if (e->watch_parent == watch &&
        (e->target_hash == hash || mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT)) &&
        mask & ~(uint32_t)(IN_ATTRIB | IN_CLOSE_WRITE)) {
      char copy[PATH_NAME_MAX + 1];
      memcpy(copy, e->name, strlen(e->name) + 1);
      scan_name(s, copy);
    }
  }
  for (uint32_t i = 0; i < s->top; i++) {
    struct entry *e = s->table[i];
    if (e && (e->watch_definition == watch || e->watch_definition_log == watch))
      definition_touched(s, e, watch, !!(mask & ~(uint32_t)(IN_ATTRIB | IN_CLOSE_WRITE)), name);
  }
}

static void scan_directory_event(struct scan *s, uint32_t mask, char const *name) {
  if (mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED))
    lost_check(s);
  else if (mask & ~(uint32_t)(IN_ATTRIB | IN_CLOSE_WRITE) && *name) {
    if (!strcmp(name, ".lares")) {
      /* Taken away, perhaps with everything else, which we must not disturb. */
      if (mask & (IN_DELETE | IN_MOVED_FROM)) scan_later(s, RETRY_MS);
    } else if (*name == '.')
      ;
    else if (is_template(name))
      definitions_instances(s, name);
    else if (mask & (IN_CREATE | IN_MOVED_TO))
      scan_new_name(s, name);
    else
      scan_name(s, name);
  }
}

void watch_read(struct scan *s) {
  _Alignas(struct inotify_event) char buf[16384];
  ssize_t len;

  while ((len = read(s->inotify, buf, sizeof buf)) > 0)
    for (char *at = buf; at < buf + len;) {
      struct inotify_event const *event = (struct inotify_event const *)(void const *)at;
      char const *name = event->len ? event->name : "";
      at += sizeof *event + event->len;
      if (event->mask & IN_Q_OVERFLOW) {
        report_info("too many changes at once: looking at everything");
        scan_later(s, 0);
        continue;
      }
      if (event->wd == s->watch) scan_directory_event(s, event->mask, name);
      if (event->wd == s->definitions.watch) definitions_event(s, event->mask, name);
      tell_entries(s, event->wd, event->mask, name);
      if (event->mask & IN_IGNORED) watch_is_gone(s, event->wd);
    }
  if (len < 0) loop_cannot_read(s, "changes of the scan directory");
}

#else

void watch_read(struct scan *s) {
  (void)s;
}

#endif
