/* -o: chosen fields, separated by blanks: s6-svstat's, which are here, and all that --json has.
 * What is not the case is -1 or NA. */

#include <string.h>
#include <sys/wait.h>

#include <skalibs/sig.h>

#include "svstat.h"

static void put_truth(int value) {
  put(value ? "true" : "false");
}

static void put_label(struct stamp const *stamp) {
  char label[STAMP_FMT];

  if (!stamp) return put("NA");
  stamp_fmt(label, stamp);
  put_bytes(label, STAMP_FMT);
}

static int is_ready(struct report const *r) {
  return r->has_state && r->state.machine.flags & FLAG_READY;
}

/* -1: it is up, has not ended yet, or nobody knows how it did. */
static int last_wstat(struct report const *r) {
  return r->has_state && r->state.deaths && !report_is_up(r) ? r->state.last_wstat : -1;
}

static int last_signal(struct report const *r) {
  int wstat = last_wstat(r);

  return wstat >= 0 && WIFSIGNALED(wstat) ? WTERMSIG(wstat) : -1;
}

static void put_pid(struct report const *r) {
  put_number(report_is_up(r) ? (int64_t)r->classic.pid : -1);
}

static void put_up(struct report const *r) {
  put_truth(report_is_up(r));
}

static void put_wantedup(struct report const *r) {
  put_truth(r->classic.want == 'u');
}

static void put_normallyup(struct report const *r) {
  put_truth(r->normally_up);
}

static void put_ready(struct report const *r) {
  put_truth(is_ready(r));
}

static void put_paused(struct report const *r) {
  put_truth(r->classic.paused);
}

static void put_exitcode(struct report const *r) {
  int wstat = last_wstat(r);

  put_number(wstat >= 0 && WIFEXITED(wstat) ? WEXITSTATUS(wstat) : -1);
}

static void put_signal(struct report const *r) {
  int number = last_signal(r);

  if (number < 0) return put("NA");
  put("SIG");
  put(sig_name(number));
}

static void put_signum(struct report const *r) {
  put_number(last_signal(r));
}

static void put_since(struct report const *r) {
  put_label(&r->classic.changed);
}

static void put_readysince(struct report const *r) {
  put_label(is_ready(r) ? &r->state.ready : 0);
}

static void put_for(struct report const *r) {
  put_unsigned(stamp_seconds(&r->classic.changed, &r->now));
}

static void put_readyfor(struct report const *r) {
  put_number(is_ready(r) ? (int64_t)stamp_seconds(&r->state.ready, &r->now) : -1);
}

/* A service is the leader of a group of its own. */
static struct {
  char const *name;
  void (*put)(struct report const *);
} const fields[] = {
    {"up", &put_up},         {"wantedup", &put_wantedup}, {"normallyup", &put_normallyup},
    {"ready", &put_ready},   {"paused", &put_paused},     {"pid", &put_pid},
    {"pgid", &put_pid},      {"exitcode", &put_exitcode}, {"signal", &put_signal},
    {"signum", &put_signum}, {"updownsince", &put_since}, {"readysince", &put_readysince},
    {"updownfor", &put_for}, {"readyfor", &put_readyfor},
};
#define FIELD_COUNT (sizeof fields / sizeof *fields)

static unsigned find(char const *name, unsigned len) {
  unsigned i = 0;

  while (i < FIELD_COUNT &&
         (strlen(fields[i].name) != len || memcmp(fields[i].name, name, len)))
    i++;
  return i;
}

/* Is it one of --json? A report in which everything is known has them all. */
static int is_general(char const *name, unsigned len) {
  struct report r = {.dir = ".", .kind = REPORT_GOOD, .has_state = 1};
  struct form f = {.kind = FORM_LOOKUP, .wanted = name, .len = len};

  print_all(&f, &r);
  return f.found;
}

char const *fields_check(char const *list, unsigned *len) {
  for (;;) {
    *len = (unsigned)strcspn(list, ",");
    if (find(list, *len) == FIELD_COUNT && !is_general(list, *len)) return list;
    if (!list[*len]) return 0;
    list += *len + 1;
  }
}

static void put_general(struct report const *r, char const *name, unsigned len) {
  struct form f = {.kind = FORM_FIELD, .wanted = name, .len = len};

  print_all(&f, r);
  if (!f.found) put("NA"); /* a supervisor of another suite does not know */
}

void print_fields(struct report const *r, char const *list) {
  for (;;) {
    unsigned len = (unsigned)strcspn(list, ","), i = find(list, len);
    if (i < FIELD_COUNT)
      fields[i].put(r);
    else
      put_general(r, list, len);
    if (!list[len]) break;
    put(" ");
    list += len + 1;
  }
  put("\n");
}
