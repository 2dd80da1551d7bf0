/* A field in one of its forms: `"name":value` of a JSON object, or the bare value for -o, of
 * the one that is wanted. There it is a word without blanks: what would not do in one is shown
 * as _, what is not the case as NA or, of numbers, -1. */

#include <string.h>

#include <lares/json.h>

#include "svstat.h"

static void put_plain(char const *text) {
  if (!*text) put("NA");
  for (; *text; text++)
    put_bytes((unsigned char)*text > ' ' && *text != 0x7f ? text : "_", 1);
}

/* Is this field to be printed? In JSON its name is then. */
static int begin(struct form *f, char const *name) {
  if (f->kind == FORM_JSON) {
    put(f->started ? ",\"" : "\"");
    put(name);
    put("\":");
    f->started = 1;
    return 1;
  }
  if (strlen(name) != f->len || memcmp(name, f->wanted, f->len)) return 0;
  f->found = 1;
  return f->kind == FORM_FIELD;
}

void form_word(struct form *f, char const *name, char const *value) {
  if (!begin(f, name)) return;
  if (f->kind == FORM_FIELD)
    put_plain(value ? value : "");
  else if (value)
    json_string(value);
  else
    put("null");
}

void form_name(struct form *f, char const *name, char const *value) {
  if (!begin(f, name)) return;
  if (f->kind == FORM_FIELD) return put_plain(value);
  if (!json_string(value)) json_hex(name, value, strlen(value));
}

void form_truth(struct form *f, char const *name, int known, int value) {
  if (!begin(f, name)) return;
  put(known ? value ? "true" : "false" : f->kind == FORM_JSON ? "null" : "NA");
}

void form_flag(struct form *f, char const *name, int value) {
  form_truth(f, name, 1, value);
}

void form_number(struct form *f, char const *name, int known, int64_t value) {
  if (!begin(f, name)) return;
  if (known)
    put_number(value);
  else
    put(f->kind == FORM_JSON ? "null" : "-1");
}

void form_count(struct form *f, char const *name, uint64_t value) {
  if (begin(f, name)) put_unsigned(value);
}

void form_stamp(struct form *f, char const *name, struct stamp const *value) {
  char text[STAMP_ISO + 1];

  if (value) {
    stamp_iso(text, value);
    text[STAMP_ISO] = 0;
  }
  form_word(f, name, value ? text : 0);
}

void form_open(struct form *f, char const *name) {
  if (f->kind != FORM_JSON) return;
  if (begin(f, name)) put("{");
  f->started = 0;
}

void form_close(struct form *f) {
  if (f->kind == FORM_JSON) put("}");
  f->started = 1;
}
