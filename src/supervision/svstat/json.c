/* Every field that there is to say, for programs: of the state record and of how the directory
 * was found. lares-status-json(5) documents them; a field is never taken away or given another
 * meaning without a new "version". The same list serves -o, see form.c. */

#include <string.h>
#include <sys/wait.h>

#include "svstat.h"

#define JSON_VERSION 1

static void put_reason(struct form *f, struct report const *r) {
  struct state_record const *s = &r->state;
  char name[STATUS_REASON_NAME], text[STATUS_TEXT];

  form_word(f, "reason", status_reason_name(name, s->reason));
  form_count(f, "reason_detail", s->detail);
  form_word(f, "reason_text", status_reason_explain(text, r->dir, s->reason, s->detail, 0));
}

static void put_last_exit(struct form *f, struct state_record const *s) {
  char text[STATUS_TEXT];
  int known = s->deaths && s->last_wstat != WSTAT_UNKNOWN;

  form_stamp(f, "last_exit", s->deaths ? &s->last_exit : 0);
  form_word(f, "last_exit_text", s->deaths ? status_wstat_describe(text, s->last_wstat) : 0);
  form_number(f, "last_exit_code", known && WIFEXITED(s->last_wstat),
              known ? WEXITSTATUS(s->last_wstat) : 0);
  form_number(f, "last_exit_signal", known && WIFSIGNALED(s->last_wstat),
              known ? WTERMSIG(s->last_wstat) : 0);
}

static void put_awaited(struct form *f, struct state_record const *s) {
  form_number(f, "awaited_pid", s->awaited != 0, s->awaited);
  form_word(f, "awaited_command", s->awaited ? s->awaited_name : 0);
  form_count(f, "awaited", s->awaited ? s->rest + (s->pid != 0) : 0);
}

static void put_texts(struct form *f, struct report const *r) {
  char letters[STATE_PENDING + 2];

  form_word(f, "status_text", r->texts.status[0] ? r->texts.status : 0);
  form_word(f, "waiting_for", r->texts.waiting[0] ? r->texts.waiting : 0);
  form_word(f, "control_letters", *report_letters(letters, r) ? letters : 0);
}

static void put_times(struct form *f, struct report const *r) {
  struct state_record const *s = &r->state;
  struct stamp next;

  form_stamp(f, "since", &s->since);
  form_count(f, "since_seconds", stamp_seconds(&s->since, &r->now));
  form_stamp(f, "ready_since", s->machine.flags & FLAG_READY ? &s->ready : 0);
  form_stamp(f, "defined", s->defined.tai ? &s->defined : 0);
  form_stamp(f, "definition_changed", r->age_known ? &r->age.changed : 0);
  if (f->kind == FORM_JSON) form_word(f, "last_output", r->output[0] ? r->output : 0);
  form_stamp(f, "next_start", state_record_next(s, &next) ? &next : 0);
  form_number(f, "deadline_ms", s->deadline.ns != DEADLINE_NEVER.ns,
              (int64_t)report_ms_until(r, s->deadline));
}

static void put_state(struct form *f, struct report const *r) {
  static char const *const stops[] = {"none", "full", "again", "lapse"};
  struct state_record const *s = &r->state;
  uint8_t flags = s->machine.flags;
  char boot[17];

  form_word(f, "state", machine_state_name(s->machine.state));
  form_word(f, "process", machine_role_name(s->machine.role));
  form_word(f, "stop", s->machine.stop < 4 ? stops[s->machine.stop] : "unknown");
  form_flag(f, "ready", flags & FLAG_READY);
  form_flag(f, "leaving", flags & FLAG_LEAVING);
  form_flag(f, "finish_owed", flags & FLAG_OWED);
  form_flag(f, "killed", flags & FLAG_KILLED);
  form_flag(f, "adopted", s->marks & MARK_ADOPTED);
  form_flag(f, "termed", s->marks & MARK_TERMED);
  form_flag(f, "notifies", s->marks & MARK_NOTIFIES);
  form_flag(f, "has_log", s->marks & MARK_HAS_LOG);
  form_flag(f, "is_log", s->marks & MARK_IS_LOG);
  form_flag(f, "left", s->marks & MARK_LEFT);
  form_flag(f, "needed", s->marks & MARK_NEEDED);
  form_flag(f, "held", s->marks & MARK_HELD);
  form_flag(f, "deliberate", s->marks & MARK_DELIBERATE);
  form_flag(f, "draining", s->drain.ns != 0);
  put_reason(f, r);
  form_count(f, "starts", s->starts);
  form_count(f, "restarts", s->starts > 1 ? s->starts - 1 : 0);
  form_count(f, "deaths", s->deaths);
  form_count(f, "early_deaths", s->machine.early);
  form_count(f, "left_behind", s->rest);
  form_count(f, "unattributed", s->unattributed);
  form_flag(f, "orphaned", s->marks & MARK_ORPHANED);
  put_awaited(f, s);
  put_texts(f, r);
  form_number(f, "dropped_lines", r->is_logger, (int64_t)r->dropped[0]);
  form_number(f, "dropped_bytes", r->is_logger, (int64_t)r->dropped[1]);
  put_last_exit(f, s);
  put_times(f, r);
  form_truth(f, "outdated", report_outdated(r) >= 0, report_outdated(r) > 0);
  form_count(f, "sequence", s->sequence);
  for (unsigned i = 0; i < 16; i++)
    boot[i] = "0123456789abcdef"[s->boot >> (60 - 4 * i) & 15];
  boot[16] = 0;
  form_word(f, "boot", boot);
}

static char const *want_of(struct report const *r) {
  if (r->has_state) return machine_want_name(r->state.machine.want);
  return r->classic.want == 'u' ? "up" : r->classic.want == 'd' ? "down" : "once";
}

static void put_error(struct form *f, struct report const *r) {
  form_open(f, "error");
  form_word(f, "text", r->what);
  form_word(f, "why", r->why);
  form_close(f);
}

static char const *suite_of(struct report const *r) {
  if (r->has_state || r->is_newer) return "lares";
  return r->size == CLASSIC_STATUS_DJB_SIZE ? "daemontools" : "other";
}

void print_all(struct form *f, struct report const *r) {
  form_number(f, "version", 1, JSON_VERSION);
  form_name(f, "directory", r->dir);
  if (r->kind == REPORT_FAILED) {
    put_error(f, r);
    return;
  }
  form_flag(f, "supervised", r->kind == REPORT_GOOD);
  form_flag(f, "normally_up", r->normally_up);
  if (r->kind != REPORT_GOOD) return;
  form_word(f, "suite", suite_of(r));
  form_flag(f, "up", report_is_up(r));
  form_word(f, "want", want_of(r));
  form_count(f, "pid", r->classic.pid);
  form_flag(f, "paused", r->classic.paused);
  form_stamp(f, "changed", &r->classic.changed);
  form_count(f, "changed_seconds", stamp_seconds(&r->classic.changed, &r->now));
  if (r->has_state) put_state(f, r);
}
