/* What stands in the scan directory, a line each: name, supervisor, state, remarks. */

#include <skalibs/nonposix.h>
#include "svscanctl.h"

#include <errno.h>
#include <string.h>

#include <skalibs/buffer.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/control.h>
#include <lares/exitcode.h>
#include <lares/status.h>

#include "entries.h"

static void put(char const *text) {
  if (buffer_puts(buffer_1, text) < 0) strerr_diefusys(EXIT_SYSTEM, "write to standard output");
}

/* A name may contain a backslash or bytes that no terminal should get: as \xHH, which also
 * keeps a tab from being a column. */
static void put_name(char const *name) {
  static char const hex[] = "0123456789abcdef";

  for (; *name; name++) {
    unsigned char c = (unsigned char)*name;
    char escaped[] = {'\\', 'x', hex[c >> 4], hex[c & 15], 0}, plain[] = {*name, 0};
    put(c >= 0x20 && c != 0x7f && c != '\\' ? plain : escaped);
  }
}

struct line {
  char const *name, *state;
  int32_t pid; /* 0 none */
  unsigned remarks;
};

static void begin(struct line const *l) {
  char number[UINT32_FMT + 1];

  number[int32_fmt(number, l->pid)] = 0;
  put_name(l->name);
  put("\t");
  put(l->pid ? number : "-");
  put("\t");
  put(l->state);
}

static void remark(struct line *l, char const *text, char const *more) {
  put(l->remarks++ ? ", " : "\t");
  put(text);
  if (more) put_name(more);
}

static void end(struct line *l) {
  put(l->remarks ? "\n" : "\t\n");
}

/* One of a service and its logger. 0 when it may not be looked into. */
static int list_one(struct bereft const *bereft, struct entry const *e, char const *name) {
  struct line l = {.name = name, .state = "-"};
  char path[PATH_NAME_MAX + 32], built[PATH_SIZE], template[PATH_QUOTED];
  struct state_record s;
  int held, known, closed, alone;

  strcpy(path, name);
  strcat(path, "/supervise/lock");
  held = look_at_lock(path, &l.pid);
  closed = errno == EACCES;
  known = !closed && state_record_load(name, &s);
  alone = !held && !closed && (l.pid = bereft_find(bereft, name));
  if (known && held) l.state = machine_state_name(s.machine.state);
  if (closed) l.state = "?";
  begin(&l);
  if (closed)
    remark(&l, "permission denied", 0);
  else if (alone)
    remark(&l, "its supervise/ was taken away", 0);
  else if (!held)
    remark(&l,
           known && s.marks & MARK_LEFT ? "its supervisor was told to leave" : "not supervised",
           0);
  if (e->wrong && !strcmp(e->name, name))
    remark(&l, e->wrong, entry_lacks_template(e, template) ? template : 0);
  if (held && known && s.machine.flags & FLAG_LEAVING) remark(&l, "leaving", 0);
  if (held && known && s.drain.ns) remark(&l, "draining", 0);
  if (held && known && s.marks & MARK_ADOPTED) remark(&l, "adopted", 0);
  if (!strcmp(e->name, name) && entry_built_from(name, built)) remark(&l, "built from ", built);
  end(&l);
  return !closed;
}

static void list_other(struct entries const *all, struct entry const *e) {
  struct line l = {.name = e->name, .state = "-"};

  begin(&l);
  switch (e->kind) {
  case ENTRY_ALIAS:
    remark(&l, "alias of ", all->list[e->main].name);
    break;
  case ENTRY_TEMPLATE:
    remark(&l, "template", 0);
    break;
  case ENTRY_GOING:
    remark(&l, "being stopped", 0);
    break;
  case ENTRY_UNBUILT:
    remark(&l, "defined, not built", 0);
    break;
  default:
    remark(&l, e->wrong, 0);
    break;
  }
  end(&l);
}

int list_entries(void) {
  struct entries all = {.list = 0};
  struct bereft bereft = {.list = 0};
  unsigned closed = 0;
  char number[UINT_FMT + 1], log[PATH_NAME_MAX + 8];

  if (!entries_read(&all)) strerr_diefusys(EXIT_SYSTEM, "list the scan directory");
  bereft_read(&bereft);
  for (size_t i = 0; i < all.count; i++) {
    struct entry const *e = &all.list[i];
    if (e->kind != ENTRY_SERVICE) {
      list_other(&all, e);
      continue;
    }
    closed += !list_one(&bereft, e, e->name);
    strcpy(log, e->name);
    strcat(log, "/log");
    if (e->has_log) closed += !list_one(&bereft, e, log);
  }
  if (!buffer_flush(buffer_1)) strerr_diefusys(EXIT_SYSTEM, "write to standard output");
  number[uint_fmt(number, closed)] = 0;
  if (closed)
    strerr_dief(EXIT_SYSTEM, "unable to look into ", number,
                " of the directories supervise: permission denied");
  return EXIT_DONE;
}
