/* One line for each record. lares-svhist(8) documents both forms; a field of JSON is never
 * taken away or given another meaning without a new "version". */

#include <string.h>
#include <sys/wait.h>

#include <skalibs/buffer.h>
#include <skalibs/types.h>

#include <lares/json.h>

#include "svhist.h"

#define JSON_VERSION 1

static void put(char const *text) {
  buffer_puts(buffer_1, text);
}

static void put_number(uint64_t n) {
  char text[UINT64_FMT];

  buffer_put(buffer_1, text, uint64_fmt(text, n));
}

static char const *time_of(char buf[STAMP_ISO + 1], struct stamp const *at) {
  stamp_iso(buf, at);
  buf[STAMP_ISO] = 0;
  return buf;
}

static void print_flags(uint8_t flags) {
  if (flags & FLAG_READY) put(", ready");
  if (flags & FLAG_PAUSED) put(", paused");
  if (flags & FLAG_LEAVING) put(", leaving");
}

static void text_record(char const *dir, struct history_record const *r) {
  char text[STATUS_TEXT];
  char const *why = status_reason_explain(text, dir, r->reason, r->detail, &r->at);

  put(machine_event_name(r->event));
  put(" -> ");
  put(machine_state_name(r->machine.state));
  print_flags(r->machine.flags);
  put(", want ");
  put(machine_want_name(r->machine.want));
  if (r->pid) {
    put(", ");
    if (r->machine.role != ROLE_RUN) put(machine_role_name(r->machine.role));
    put(r->machine.role != ROLE_RUN ? " pid " : "pid ");
    put_number((uint64_t)r->pid);
  }
  if (!*why) return;
  put(" (");
  put(why);
  put(")");
}

static void print_text(struct request const *q, char const *dir, struct piece const *p) {
  char text[STAMP_ISO + 1];

  if (p->what == FOLLOW_RECORD) {
    put(time_of(text, &p->record.at));
    put(" ");
  }
  if (q->many) {
    put(dir);
    put(" ");
  }
  if (p->what == FOLLOW_RECORD) {
    put_number(p->record.sequence);
    put(" ");
    text_record(dir, &p->record);
  } else if (p->what == FOLLOW_LOST) {
    put("lost ");
    put_number(p->first);
    put(" to ");
    put_number(p->last);
  } else {
    put("another journal; the last number of the old one that was read is ");
    put_number(p->last);
  }
  put("\n");
}

static void json_end(struct history_record const *r) {
  int is_death = r->event == EVENT_RUN_DIED || r->event == EVENT_START_BAD ||
                 r->event == EVENT_FINISH_DONE;

  if (is_death && r->wstat != WSTAT_UNKNOWN && WIFEXITED(r->wstat))
    json_signed("exit_code", WEXITSTATUS(r->wstat));
  else
    json_null("exit_code");
  if (is_death && r->wstat != WSTAT_UNKNOWN && WIFSIGNALED(r->wstat))
    json_signed("exit_signal", WTERMSIG(r->wstat));
  else
    json_null("exit_signal");
}

static void json_record(char const *dir, struct history_record const *r) {
  static char const *const stops[] = {"none", "full", "again", "lapse"};
  char text[STATUS_TEXT], name[STATUS_REASON_NAME], at[STAMP_ISO + 1];
  struct machine const *m = &r->machine;

  json_unsigned("sequence", r->sequence);
  json_word("at", time_of(at, &r->at));
  json_word("event", machine_event_name(r->event));
  json_word("state", machine_state_name(m->state));
  json_word("want", machine_want_name(m->want));
  json_word("process", machine_role_name(m->role));
  json_word("stop", m->stop < 4 ? stops[m->stop] : "unknown");
  json_flag("ready", m->flags & FLAG_READY);
  json_flag("paused", m->flags & FLAG_PAUSED);
  json_flag("leaving", m->flags & FLAG_LEAVING);
  json_flag("finish_owed", m->flags & FLAG_OWED);
  json_flag("killed", m->flags & FLAG_KILLED);
  json_unsigned("early_deaths", m->early);
  json_unsigned("pid", (uint64_t)r->pid);
  json_word("reason", status_reason_name(name, r->reason));
  json_unsigned("reason_detail", r->detail);
  json_word("reason_text", status_reason_explain(text, dir, r->reason, r->detail, &r->at));
  json_end(r);
}

static void print_json(char const *dir, struct piece const *p) {
  put("{\"version\":");
  put_number(JSON_VERSION);
  if (!json_word("directory", dir)) json_hex("directory", dir, strlen(dir));
  if (p->what == FOLLOW_RECORD)
    json_record(dir, &p->record);
  else if (p->what == FOLLOW_LOST) {
    json_unsigned("lost_from", p->first);
    json_unsigned("lost_to", p->last);
  } else
    json_unsigned("anew_after", p->last);
  put("}\n");
}

void print_piece(struct request const *q, char const *dir, struct piece const *p) {
  if (q->json)
    print_json(dir, p);
  else
    print_text(q, dir, p);
}
