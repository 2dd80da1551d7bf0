/* Reasons and ends of processes in words, for people. The words never contain what readers of
 * svstat's classic line look for (compat.md 3.1): tests/unit/describe.c. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <skalibs/sig.h>
#include <skalibs/types.h>

#include <lares/path.h>

struct text {
  char *buf;
  size_t len;
};

static void add(struct text *text, char const *s) {
  size_t len = strlen(s);

  if (len > STATUS_TEXT - 1 - text->len) len = STATUS_TEXT - 1 - text->len;
  memcpy(text->buf + text->len, s, len);
  text->len += len;
  text->buf[text->len] = 0;
}

static void add_number(struct text *text, uint32_t n) {
  char number[UINT32_FMT + 1];

  number[uint32_fmt(number, n)] = 0;
  add(text, number);
}

static void add_signal(struct text *text, uint32_t number) {
  char const *name = number < INT32_MAX ? sig_name((int)number) : "???";

  if (name[0] == '?') {
    add(text, "signal ");
    add_number(text, number);
  } else {
    add(text, "SIG");
    add(text, name);
  }
}

#define NEED_TEXT(name, text) text,
static char const *const need_texts[] = {STATUS_NEEDS(NEED_TEXT)};
#undef NEED_TEXT

char const *status_need_text(unsigned need) {
  return need < NEED_COUNT ? need_texts[need] : "?";
}

/* TOO_MANY_DEATHS of the list as too-many-deaths. */
char const *status_reason_name(char buf[STATUS_REASON_NAME], unsigned reason) {
#define REASON_NAME(name, text) #name,
  static char const *const names[] = {STATUS_REASONS(REASON_NAME)};
#undef REASON_NAME
  char const *name = reason < REASON_COUNT ? names[reason] : "UNKNOWN";
  size_t len = 0;

  for (; *name && len < STATUS_REASON_NAME - 1; name++)
    buf[len++] = *name == '_' ? '-' : (char)(*name - 'A' + 'a');
  buf[len] = 0;
  return buf;
}

char const *status_reason_describe(char buf[STATUS_TEXT], unsigned reason, uint32_t detail) {
  struct text text = {buf, 0};
  char letter[2] = {(char)detail, 0};

  buf[0] = 0;
  add(&text, status_reason_text(reason));
  switch (reason) {
  case REASON_COMMAND:
    if (detail <= ' ' || detail >= 0x7f) break;
    add(&text, " by command ");
    add(&text, letter);
    break;
  case REASON_KILLED:
    add(&text, " ");
    add_signal(&text, detail);
    break;
  case REASON_NO_EXEC:
  case REASON_NO_FORK:
  case REASON_REST:
    add(&text, ": ");
    add(&text, strerror((int)detail));
    break;
  case REASON_EXITED:
    add(&text, " ");
    add_number(&text, detail);
    break;
  case REASON_START_FAILED:
  case REASON_CONDITION:
  case REASON_CONDITION_FAILED:
  case REASON_TOO_MANY_DEATHS:
    add(&text, ": ");
    add_number(&text, detail);
    break;
  case REASON_NEEDS:
    if (detail == NEED_MET || detail >= NEED_COUNT) break;
    add(&text, ": one ");
    add(&text, status_need_text(detail));
    break;
  default:
    break;
  }
  return buf;
}

static int is_changed(char const *dir, struct stamp const *at) {
  char path[4096];
  struct stamp changed;
  struct stat st;

  if (!path_join(path, sizeof path, dir, "run") || stat(path, &st) < 0) return 1;
  stamp_from_timespec(&changed, &st.st_ctim);
  return stamp_compare(&changed, at) > 0;
}

char const *status_reason_explain(char buf[STATUS_TEXT], char const *dir, unsigned reason,
                                  uint32_t detail, struct stamp const *at) {
  struct text text = {buf, 0};
  char why[PATH_UNEXECUTED];

  if (reason != REASON_NO_EXEC || detail != ENOENT || (at && is_changed(dir, at)) ||
      !path_interpreter_missing(why, dir, "run"))
    return status_reason_describe(buf, reason, detail);
  add(&text, status_reason_text(reason));
  add(&text, ": ");
  add(&text, why);
  return buf;
}

char const *status_wstat_describe(char buf[STATUS_TEXT], int32_t wstat) {
  if (wstat == WSTAT_UNKNOWN) return status_reason_describe(buf, REASON_UNKNOWN_DEATH, 0);
  if (WIFSIGNALED(wstat))
    return status_reason_describe(buf, REASON_KILLED, (uint32_t)WTERMSIG(wstat));
  return status_reason_describe(buf, REASON_EXITED, (uint32_t)WEXITSTATUS(wstat));
}
