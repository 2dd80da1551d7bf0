/* The line for people: daemontools' own to the letter, then what lares adds.
 *
 * Programs read this line too (Ansible, Puppet, Salt, Nagios plugins): nothing of what is added
 * contains " up ", " down ", " want ", "N seconds" or "(pid N)"; tests/process/svstat.t holds
 * their patterns against it.
 */

#include <string.h>

#include "svstat.h"

static void put_tenths(uint64_t ms) {
  put_unsigned(ms / 1000);
  put(".");
  put_unsigned(ms / 100 % 10);
  put(" s");
}

static void put_classic(struct report const *r) {
  struct classic_status const *c = &r->classic;
  int up = report_is_up(r);

  put(up ? "up " : "down ");
  if (up) {
    put("(pid ");
    put_unsigned(c->pid);
    put(") ");
  }
  put_unsigned(stamp_seconds(&c->changed, &r->now));
  put(" seconds");
  if (up && !r->normally_up) put(", normally down");
  if (!up && r->normally_up) put(", normally up");
  if (up && c->paused) put(", paused");
  if (!up && c->want == 'u') put(", want up");
  if (up && c->want == 'd') put(", want down");
}

static void put_reason(struct report const *r, char const *before) {
  struct state_record const *s = &r->state;
  char text[STATUS_TEXT];

  status_reason_explain(text, r->dir, s->reason, s->detail, 0);
  if (!text[0]) return;
  put(before);
  put(text);
}

static void put_next(struct report const *r, char const *before) {
  struct stamp next;

  if (!state_record_next(&r->state, &next)) return;
  put(before);
  put_tenths(report_ms_until(r, r->state.deadline));
}

static void put_down(struct report const *r) {
  struct state_record const *s = &r->state;

  if (s->reason == REASON_CONDITION)
    put_reason(r, ", not wanted here: ");
  else if (s->reason == REASON_COMMAND && s->starts)
    put_reason(r, ", stopped: ");
  else if (s->starts)
    put_reason(r, ", ended: ");
  else
    put(", never started");
  if (!s->starts && s->reason != REASON_COMMAND && s->reason != REASON_CONDITION &&
      s->reason != REASON_DOWN_FILE)
    put_reason(r, ": ");
}

/* A program may call itself anything; its name shall not look like a part of our line. */
static void put_name(char const *name) {
  for (; *name; name++)
    put_bytes((unsigned char)*name > ' ' && *name < 0x7f ? name : "_", 1);
}

static int has_short_seconds(char const *text) {
  while ((text = strchr(text, ' '))) {
    size_t digits = strspn(++text, "0123456789");
    if (digits && text[digits] == 's') return 1;
  }
  return 0;
}

/* Words of others, of which nothing shall look like a part of our line either: those in which
 * something does are joined. */
static void put_joined(char const *text) {
  static char const *const taken[] = {" up ", " down ", " want ", "seconds", "(pid", "\""};
  int joined = has_short_seconds(text);

  for (unsigned i = 0; i < sizeof taken / sizeof *taken; i++)
    if (strstr(text, taken[i])) joined = 1;
  for (; *text; text++)
    put_bytes(joined && (*text == ' ' || *text == '"') ? "_" : text, 1);
}

static void put_words(char const *text) {
  put(", \"");
  put_joined(text);
  put("\"");
}

/* Names of services are in it. */
static void put_needs(struct report const *r) {
  put(" (");
  put_joined(r->texts.waiting);
  put(")");
}

static void put_awaited(struct report const *r) {
  struct state_record const *s = &r->state;
  uint32_t others = s->pid || !s->rest ? s->rest : s->rest - 1;

  if (s->marks & MARK_HELD) {
    put(": first those that need it");
    if (r->texts.waiting[0]) put_needs(r);
    return;
  }
  if (!s->awaited) {
    if (s->machine.role == ROLE_NONE) put(" what it left behind");
    return;
  }
  put(": waiting for pid ");
  put_number(s->awaited);
  put(" (");
  put_name(s->awaited_name);
  put(")");
  if (!others) return;
  put(" and ");
  put_unsigned(others);
  put(" more");
}

static void put_waiting(struct report const *r) {
  put(", waiting");
  if (r->texts.waiting[0])
    put_needs(r);
  else
    put_reason(r, ": ");
}

static void put_starting(struct state_record const *s) {
  put(", starting");
  if (s->machine.role == ROLE_START) put(": start runs");
  if (s->machine.role == ROLE_CONDITION) put(": condition runs");
  if (s->machine.role == ROLE_RUN && !s->pid)
    put(": going into the background");
  else if (s->machine.role == ROLE_RUN && s->marks & MARK_NOTIFIES)
    put(": not ready yet");
}

static void put_state(struct report const *r) {
  struct state_record const *s = &r->state;

  switch (s->machine.state) {
  case STATE_DOWN:
    put_down(r);
    break;
  case STATE_WAITING:
    put_waiting(r);
    break;
  case STATE_STARTING:
    put_starting(s);
    break;
  case STATE_UP:
    if (!(s->machine.flags & FLAG_READY) && s->marks & MARK_NOTIFIES) put(", reloading");
    if (!(s->machine.flags & FLAG_READY)) break;
    put(", ready ");
    put_unsigned(stamp_seconds(&s->ready, &r->now));
    put(" s");
    break;
  case STATE_STOPPING:
    put(", stopping");
    put_awaited(r);
    put(", since ");
    put_unsigned(stamp_seconds(&s->since, &r->now));
    put(" s");
    if (s->machine.flags & FLAG_KILLED)
      put(", KILL sent");
    else if (s->deadline.ns != DEADLINE_NEVER.ns) {
      put(", KILL in ");
      put_tenths(report_ms_until(r, s->deadline));
    }
    break;
  case STATE_FINISHING:
    put(", finishing");
    if (s->pid) {
      put(" as pid ");
      put_number(s->pid);
    }
    break;
  case STATE_BACKOFF:
    put(", backoff");
    put_reason(r, ": ");
    put_next(r, ", next start in ");
    break;
  case STATE_FAILED:
    put(", failed");
    put_reason(r, ": ");
    put_next(r, ", next start in ");
    break;
  case STATE_DONE:
    if (s->marks & MARK_HELD) put(", stopping");
    if (s->marks & MARK_HELD) put_awaited(r);
    put(", done");
    break;
  }
}

/* A logger that was told to leave works off what its service has left in the pipe; or could not
 * in time, and its supervisor stays until that is safe. */
static void put_drain(struct report const *r) {
  struct state_record const *s = &r->state;

  put(", draining");
  if (s->machine.flags & FLAG_LEAVING || s->drain.ns == DEADLINE_NEVER.ns) return;
  put(" for at most ");
  put_tenths(report_ms_until(r, s->drain));
}

static void put_rest(struct report const *r) {
  struct state_record const *s = &r->state;
  char text[STATUS_TEXT];

  if (s->machine.want == WANT_ONCE) put(", once");
  if (s->machine.flags & FLAG_LEAVING) put(", leaving");
  if (s->drain.ns) put_drain(r);
  if (s->marks & MARK_ADOPTED) put(", adopted");
  if (report_outdated(r) > 0) put(", older than its definition");
  if (s->starts > 1) {
    put(", restarts ");
    put_unsigned(s->starts - 1);
  }
  if (s->deaths) {
    put(", last run ");
    put(status_wstat_describe(text, s->last_wstat));
    put(" ");
    put_unsigned(stamp_seconds(&s->last_exit, &r->now));
    put(" s ago");
  }
  if (s->rest) {
    put(", processes left behind ");
    put_unsigned(s->rest);
  }
  if (s->unattributed) {
    put(", strays of unknown origin ");
    put_unsigned(s->unattributed);
  }
}

/* Of the service's own answers to commands: whose script runs, and what comes behind it. */
static void put_letters(struct report const *r) {
  char letters[STATE_PENDING + 2], first[2] = "";

  if (!*report_letters(letters, r)) return;
  first[0] = letters[0];
  put(", running control/");
  if (r->state.custom) put("t or control/");
  put(first);
  if (letters[1]) put(", then ");
  put(letters + 1);
}

static void put_dropped(struct report const *r) {
  if (!r->dropped[0] && !r->dropped[1]) return;
  put(", lines of the log dropped: ");
  put_unsigned(r->dropped[0]);
}

void print_text(struct report const *r) {
  put(r->dir);
  put(": ");
  if (r->kind == REPORT_NOT_RUNNING) {
    put("supervise not running");
    if (r->is_scandir) put(", it is a scan directory: -s shows its services");
  } else if (r->kind == REPORT_FAILED) {
    put(r->what);
    put(": ");
    put(r->why);
  } else {
    put_classic(r);
    if (r->has_state) {
      put_state(r);
      if (r->texts.status[0]) put_words(r->texts.status);
      put_letters(r);
      put_rest(r);
      put_dropped(r);
    }
  }
  put("\n");
}
