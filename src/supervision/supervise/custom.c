/* A service's own answers to commands: `control/C`, run before what letter C does; exit 0
 * replaces that. Nothing waits for it but what comes after it.
 *
 * A stop is under way at once, whatever its script does: only the down-signal waits for
 * `control/t` and then for `control/d` (x: to leave, r: to restart), and KILL comes after
 * timeout-kill all the same. Of other letters the whole action waits, and with it the letters
 * behind it: `pending` of the state, by which the next supervisor runs the script again and
 * goes on. A letter whose process has ended meanwhile is dropped. Loggers have none (runit). */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include <lares/report.h>
#include <lares/shortage.h>

#include "supervise.h"

#define SCRIPT_MS 10000 /* it has, where no time-out of the service bounds it */
#define TO_GROUP_BIT 0x80
#define SCRIPT_PATH 10

static void put_path(char path[SCRIPT_PATH], char letter) {
  memcpy(path, "control/?", SCRIPT_PATH);
  path[8] = letter;
}

static int has_script(struct supervisor const *s, char letter) {
  char path[SCRIPT_PATH];
  struct stat st;

  if (s->is_log || !(s->definition.has & HAS_CONTROL)) return 0;
  put_path(path, letter);
  if (stat(path, &st) < 0 && errno == ENOENT) return 0;
  errno = 0;
  if (!stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK)) return 1;
  if (is_shortage(errno))
    report_warning_errno("unable to look at ", path, "; it is not run");
  else
    report_warning(path, " is no executable file; it is not run");
  return 0;
}

/* Its arguments: the name of the service, and the pid of the main process. */
static int start_script(struct supervisor *s, char letter, uint32_t ms, helper_ended *ended) {
  char path[SCRIPT_PATH], pid[PID_FMT + 1];
  char const *argv[] = {path, s->name, pid, 0};

  if (!has_script(s, letter)) return 0;
  put_path(path, letter);
  pid[pid_fmt(pid, s->state.pid)] = 0;
  if (helper_start(s, HELPER_CONTROL, argv, ms, ended)) return 1;
  report_warning_errno("unable to run ", path);
  return 0;
}

static void say_late(char letter) {
  char path[SCRIPT_PATH];

  put_path(path, letter);
  report_warning(path, " took too long and was killed");
}

static void write_down(struct supervisor *s) {
  s->unshown = 1;
  show(s, "", 0);
}

/* --- stops ------------------------------------------------------------------------------- */

static void stop_script_ended(struct supervisor *s, int32_t wstat, int late);

static void stop_on(struct supervisor *s) {
  uint32_t ms = s->definition.timeout_kill ? s->definition.timeout_kill : SCRIPT_MS;
  struct machine const *m = &s->state.machine;

  while (s->custom_stage < 2) {
    char letter = s->custom_stage++ ? s->state.custom : 't';
    if (start_script(s, letter, ms, stop_script_ended)) return;
  }
  s->state.custom = 0;
  if (!s->custom_replaced && m->state == STATE_STOPPING && m->role == ROLE_RUN)
    send_down_signal(s);
  s->unshown = 1;
}

static void stop_script_ended(struct supervisor *s, int32_t wstat, int late) {
  if (late) say_late(s->custom_stage == 1 ? 't' : s->state.custom);
  if (wstat == 0) s->custom_replaced = 1;
  stop_on(s);
  if (s->state.pending[0])
    custom_go_on(s); /* letters that came behind the stop */
  else
    show(s, "", 0);
}

int custom_stop(struct supervisor *s) {
  struct machine const *m = &s->state.machine;
  char letter = m->flags & FLAG_LEAVING ? 'x' : m->stop == STOP_AGAIN ? 'r' : 'd';

  if (s->is_log || !(s->definition.has & HAS_CONTROL) || m->role != ROLE_RUN ||
      m->stop == STOP_LAPSE)
    return 0;
  if (s->state.custom) return 1;
  if (helper_runs(s, HELPER_CONTROL) || !(has_script(s, 't') || has_script(s, letter)))
    return 0;
  s->state.custom = letter;
  s->custom_stage = s->custom_replaced = 0;
  s->unshown = 1;
  stop_on(s);
  return 1;
}

/* --- other letters ------------------------------------------------------------------------ */

static struct control_letter first_pending(struct supervisor const *s) {
  unsigned char byte = (unsigned char)s->state.pending[0];
  struct control_letter const *known = control_find((char)(byte & ~TO_GROUP_BIT));
  struct control_letter letter = known ? *known : (struct control_letter){.letter = 0};

  letter.target = byte & TO_GROUP_BIT ? TO_GROUP : TO_PROCESS;
  return letter;
}

static void drop_first(struct supervisor *s) {
  memmove(s->state.pending, s->state.pending + 1, STATE_PENDING - 1);
  s->state.pending[STATE_PENDING - 1] = 0;
}

/* Would it do anything now that a script can replace? */
static int is_open(struct supervisor const *s, struct control_letter const *letter) {
  struct machine const *m = &s->state.machine;

  switch (letter->event) {
  case EVENT_WANT_UP:
  case EVENT_ONCE:
    return m->role == ROLE_NONE;
  case EVENT_WANT_DOWN:
  case EVENT_EXIT:
  case EVENT_RESTART:
    return 0; /* see above */
  default:
    return m->role == ROLE_RUN;
  }
}

static void script_ended(struct supervisor *s, int32_t wstat, int late) {
  struct control_letter letter = first_pending(s);
  int is_another = letter.event != EVENT_WANT_UP && letter.event != EVENT_ONCE &&
                   (s->custom_starts != s->state.starts || s->state.machine.role != ROLE_RUN);

  if (late) say_late(letter.letter);
  drop_first(s);
  if (wstat != 0 && !is_another) obey_command(s, &letter);
  custom_go_on(s);
}

/* As far as nothing is waited for. */
void custom_go_on(struct supervisor *s) {
  while (s->state.pending[0] && !s->quit && !helper_runs(s, HELPER_CONTROL)) {
    struct control_letter letter = first_pending(s);
    s->custom_starts = s->state.starts;
    if (letter.letter && is_open(s, &letter) &&
        start_script(s, letter.letter, SCRIPT_MS, script_ended))
      break;
    drop_first(s);
    if (letter.letter) obey_command(s, &letter);
  }
  write_down(s);
}

size_t custom_room(struct supervisor const *s) {
  return STATE_PENDING - 1 - strlen(s->state.pending);
}

int custom_command(struct supervisor *s, struct control_letter const *letter) {
  size_t len = strlen(s->state.pending);
  char byte = letter->letter;

  if (s->is_log || letter->event == EVENT_UPGRADE || !custom_room(s)) return 0;
  if (!len && !(is_open(s, letter) && has_script(s, byte))) return 0;
  if (letter->target == TO_GROUP) byte = (char)(byte | TO_GROUP_BIT);
  s->state.pending[len] = byte;
  custom_go_on(s);
  return 1;
}

/* What the supervisor before us was at: its script has died with it. */
void custom_resume(struct supervisor *s) {
  struct machine const *m = &s->state.machine;

  s->custom_stage = s->custom_replaced = 0;
  if (s->state.custom && (m->state != STATE_STOPPING || m->role != ROLE_RUN))
    s->state.custom = 0;
  if (s->state.custom) stop_on(s);
  if (s->state.pending[0]) custom_go_on(s);
}
