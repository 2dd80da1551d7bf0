/* Telling a service that this one needs it: a link in its dependents/, and one of our own in
 * supervise/needs/, made before and removed after that, so that whoever supervises us next
 * knows where we may be registered. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/shortage.h>

#include "supervise.h"

#define IN_NEEDED "dependents/"

/* Another text: who looks for the link meanwhile finds one. The name beside it is no service's,
 * and is found again by who comes after a kill; of the longest one, the first byte gives way.
 */
static int exchange_link(int dir, char const *name, char const *text) {
  char beside[sizeof DIR_RECORDED + 1 + PATH_NAME_MAX];
  char const *base = strrchr(name, '/') + 1;

  memcpy(beside, name, (size_t)(base - name));
  beside[base - name] = '.';
  strcpy(beside + (base - name) + 1, strlen(base) < PATH_NAME_MAX ? base : base + 1);
  if (unlinkat(dir, beside, 0) < 0 && errno != ENOENT) return 0;
  return !symlinkat(text, dir, beside) && !renameat(dir, beside, dir, name);
}

static int put_link(int dir, char const *name, char const *text) {
  char there[PATH_MAX];
  ssize_t len;

  if (!symlinkat(text, dir, name)) return 1;
  if (errno != EEXIST) return 0;
  len = readlinkat(dir, name, there, sizeof there);
  if (len >= 0 && (size_t)len == strlen(text) && !memcmp(there, text, (size_t)len)) return 1;
  if (len < 0 && is_shortage(errno)) return 0; /* it may be the one */
  return exchange_link(dir, name, text);
}

/* For whoever supervises us next. */
static void record(struct supervisor *s, struct need *n) {
  char path[sizeof DIR_RECORDED + 1 + PATH_NAME_MAX] = DIR_RECORDED "/";
  char const *text = n->kind & NEED_READY ? "n" : "a";

  strcat(path, n->name);
  if (n->recorded == n->kind) return;
  if (!put_link(AT_FDCWD, path, text) &&
      (errno != ENOENT || mkdir(DIR_RECORDED, 0700) < 0 || !put_link(AT_FDCWD, path, text)))
    need_unable(s, "note in " DIR_RECORDED " the need for", n->name);
  else
    n->recorded = n->kind;
}

static void name_registration(struct supervisor const *s,
                              char path[sizeof IN_NEEDED + PATH_NAME_MAX]) {
  strcpy(path, IN_NEEDED);
  strncat(path, need_own_name(s), PATH_NAME_MAX);
}

/* The link's text: n or a, by the kind, and where we are. */
void need_enrol(struct supervisor *s, struct need *n) {
  char path[sizeof IN_NEEDED + PATH_NAME_MAX], text[PATH_MAX];

  record(s, n);
  text[0] = n->kind & NEED_READY ? 'n' : 'a';
  name_registration(s, path);
  if (!getcwd(text + 1, sizeof text - 1) ||
      (!put_link(n->dir, path, text) &&
       (errno != ENOENT || (mkdirat(n->dir, "dependents", 0700) < 0 && errno != EEXIST) ||
        !put_link(n->dir, path, text)))) {
    need_unable(s, "register with", n->name);
    return;
  }
  n->registered = 1;
}

void need_withdraw(struct supervisor *s, struct need *n) {
  char path[sizeof IN_NEEDED + PATH_NAME_MAX];

  if (n->dir < 0 || !n->registered) return;
  name_registration(s, path);
  if (unlinkat(n->dir, path, 0) < 0 && errno != ENOENT) {
    need_unable(s, "withdraw from", n->name);
    return;
  }
  n->registered = 0;
  (void)channel_poke_at(n->dir, "control", POKE_NEEDED);
}

void need_drop(struct supervisor *s, struct need *n) {
  char path[sizeof DIR_RECORDED + 1 + PATH_NAME_MAX] = DIR_RECORDED "/";

  need_withdraw(s, n);
  need_leave_place(s, n);
  strcat(path, n->name);
  if (n->recorded && unlink(path) < 0 && errno != ENOENT)
    need_unable(s, "forget in " DIR_RECORDED " the need for", n->name);
  n->kind = n->recorded = 0;
}

/* What the one before us has left in writing. */
static void recall_place(struct supervisor *s, struct need *n) {
  char path[sizeof IN_NEEDED + PATH_NAME_MAX], text[1];

  need_find(s, n);
  if (n->dir < 0) return;
  name_registration(s, path);
  n->registered = readlinkat(n->dir, path, text, sizeof text) > 0;
}

static void recall(void *context, char const *name) {
  struct supervisor *s = context;
  char path[sizeof DIR_RECORDED + 1 + PATH_NAME_MAX] = DIR_RECORDED "/", kind = 0;
  struct need *one;

  strncat(path, name, PATH_NAME_MAX);
  if (!path_is_service_name(name)) return;
  if (readlink(path, &kind, 1) != 1) {
    if (is_shortage(errno)) s->needs.unknown = 1;
    return;
  }
  one = needs_place(s, name);
  if (!one) return;
  one->kind = one->recorded = kind == 'n' ? NEED_READY : NEED_ORDER;
  recall_place(s, one);
  /* Taken out of the scan directory while nobody looked. */
  one->lost = one->stand == NEED_MISSING && one->dir < 0 && one->kind == NEED_READY;
}

void needs_recall(struct supervisor *s) {
  int fd = open(DIR_RECORDED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  s->needs.unknown = 0;
  if (fd < 0 && errno == ENOENT) return;
  if (fd < 0 || !path_each_name(fd, recall, s)) s->needs.unknown = 1;
  if (s->needs.unknown) need_unable(s, "read", DIR_RECORDED);
  if (fd >= 0) close(fd);
  for (unsigned i = 0; i < s->needs.top; i++)
    s->needs.list[i].woken = 1;
  s->needs.state = STATE_COUNT;
}
