/* Waiting, and turning what happens into events. One wake-up handles, in this order: readiness
 * (a service may say it and die), deaths, commands, deadlines. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>

#include <lares/report.h>

#include "supervise.h"

#define NO_POLL_MS 100
#define COMMANDS_MOST 256 /* read at once */

#define LAST_WORDS 256 /* reads; what is left then is more than a pipe holds */

/* poll() fails for want of kernel memory only, and what it called readable can be read unless
 * something is very wrong; asking again at once would burn the processor. */
static void wait_a_moment(struct supervisor *s, char const *unable) {
  if (!s->said_no_poll) report_warning_errno("unable to ", unable, "; trying again");
  s->said_no_poll = 1;
  clock_pause(NO_POLL_MS);
}

static void cannot_read(struct supervisor *s) {
  if (errno != EAGAIN && errno != EINTR)
    wait_a_moment(s, "read signals, commands or notifications");
}

/* 1 when there may be more to read at once. */
static int read_notify(struct supervisor *s) {
  char bytes[256];
  ssize_t got = read(s->notify, bytes, sizeof bytes);

  if (got < 0) {
    cannot_read(s);
    return errno == EINTR;
  }
  if (got > 0 && !memchr(bytes, '\n', (size_t)got)) return 1; /* bounded: at the next turn */
  close(s->notify);
  s->notify = -1;
  if (got > 0)
    happen(s, EVENT_READY);
  else if (s->notify_reopened)
    take_for_ready(s); /* the supervisor before us may have read it, and no more */
  else {
    s->notify_mute = 1;
    (void)unlink(FILE_NOTIFY);
  }
  return 0;
}

/* What it said before it died is told first, also when it said that after poll() had looked; it
 * may have been that another is the main process. */
static void main_process_ended(struct supervisor *s, int32_t wstat) {
  pid_t main = s->child.who.pid;
  unsigned reads = 0;

  if (s->state.machine.role == ROLE_RUN && s->notify >= 0 && !forking_is_unsettled(s))
    while (read_notify(s) && ++reads < LAST_WORDS)
      ;
  if (s->state.machine.role == ROLE_RUN && s->sd.fd >= 0)
    while (sd_read(s) > 0 && ++reads < LAST_WORDS)
      ;
  if (s->child.who.pid == main) process_ended(s, wstat);
}

/* One that was somebody else's child, and has come to us with its parent's end, is now ours
 * like any other. */
static int is_main(struct supervisor *s, pid_t pid) {
  if (pid != s->child.who.pid) return 0;
  if (s->child.pidfd >= 0) close(s->child.pidfd);
  s->child.pidfd = -1;
  return 1;
}

/* Our own child, or what it left: SIGCHLD stands for any number of deaths. One life of the
 * service ends per turn of the loop: one that dies as fast as it is started must not keep us
 * from reading commands. */
unsigned reap(struct supervisor *s) {
  unsigned ended = 0, left = 0;
  int32_t wstat;
  pid_t pid;

  s->more_deaths = 0;
  while (!s->more_deaths && child_peek_any(&pid, &wstat) == 1) {
    if (pid == s->probe)
      upgrade_probed(s, wstat);
    else if (helper_reap(s, pid, wstat))
      continue;
    else if (!is_main(s, pid)) {
      child_reap(pid);
      s->left_wstat = wstat;
      left++;
    } else if (!ended++)
      main_process_ended(s, wstat);
    else
      s->more_deaths = 1;
  }
  if (left) rest_recount(s);
  return left + ended;
}

static void adopted_ended(struct supervisor *s) {
  main_process_ended(s, end_of_stranger(&s->child));
}

/* Adopted, and its end will not be told: the system has no pidfds, or none was to be had. */
static int is_unwatched(struct supervisor const *s) {
  return s->state.marks & MARK_ADOPTED && s->child.who.pid && s->child.pidfd < 0;
}

/* Asked for at every turn, and every RETRY_MS, until there is a pidfd. */
static void look_at_unwatched(struct supervisor *s) {
  int pidfd;

  if (!is_unwatched(s)) return;
  if (identity_prove(&s->abilities, &s->child.who, &pidfd) == IDENTITY_GONE)
    adopted_ended(s);
  else
    s->child.pidfd = pidfd;
}

void obey_command(struct supervisor *s, struct control_letter const *letter) {
  struct control_letter const *outer = s->command;

  if (s->quit) return;
  s->command = letter;
  if (letter->event != EVENT_EXIT || !drain_begin(s)) happen(s, letter->event);
  if (letter->event == EVENT_KILL) drain_give_up(s);
  s->command = outer;
}

static void command(void *context, struct control_letter const *letter) {
  struct supervisor *s = context;

  if (!s->quit && !custom_command(s, letter)) obey_command(s, letter);
}

/* What cannot be put off stays in the FIFO. */
static size_t commands_room(struct supervisor const *s) {
  return s->definition.has & HAS_CONTROL ? custom_room(s) : COMMANDS_MOST;
}

static void read_control(struct supervisor *s) {
  char bytes[COMMANDS_MOST];
  size_t room = commands_room(s);
  ssize_t got = read(s->control.read, bytes, room);

  if (got > 0 && memchr(bytes, POKE_NEEDED[0], (size_t)got)) hold_told(s);
  if (got > 0)
    control_decode(bytes, (size_t)got, command, s);
  else if (got < 0)
    cannot_read(s);
}

static void read_signals(struct supervisor *s) {
  for (;;) {
    int sig = selfpipe_read();
    switch (sig) {
    case -1:
      cannot_read(s);
      return;
    case 0:
      return;
    case SIGCHLD:
      reap(s);
      break;
    case SIGTERM:
    case SIGINT:
      command(s, control_find('x'));
      break;
    case SIGQUIT:
      happen(s, EVENT_LEAVE);
      break;
    case SIGHUP:            /* by a scanner, too, that has just begun */
      s->names.settled = 0; /* also where directories have no time of change */
      (void)read_definition(s);
      sd_give(s);
      /* Its links may be others. */
      if (s->state.machine.state == STATE_WAITING) happen(s, EVENT_NEEDS_MET);
      break;
    default:
      break;
    }
    if (s->quit) return;
  }
}

enum watched {
  WATCH_SIGNALS,
  WATCH_CONTROL,
  WATCH_NOTIFY,
  WATCH_SD,
  WATCH_ADOPTED,
  WATCH_STRAY,
  WATCH_CGROUP,
  WATCH_NEEDS,
  WATCH_COUNT
};

/* Not ready in time, it would be ended; but it may have said so when nobody could hear it. */
static int is_unheard(struct supervisor *s) {
  struct machine const *m = &s->state.machine;

  if (!s->sd.lost || m->state != STATE_STARTING || m->role != ROLE_RUN) return 0;
  report_warning("not ready in time, but it may have said so while nobody listened: taking it "
                 "for ready");
  happen(s, EVENT_READY);
  return 1;
}

static void pass_deadlines(struct supervisor *s) {
  struct deadline now = clock_now();

  if (deadline_passed(s->reshow, now)) show(s, ".", 1);
  if (deadline_passed(s->probe_until, now)) upgrade_late(s);
  if (deadline_passed(s->sd.give, now)) sd_give(s);
  watchdog_look(s, now);
  check_look(s, now);
  helper_look(s);
  if (!deadline_passed(s->state.deadline, now)) return;
  s->state.deadline = DEADLINE_NEVER;
  if (!forking_in_time(s) && !is_unheard(s)) happen(s, EVENT_DEADLINE);
}

/* Nobody tells of the end of an adopted process without a pidfd: that is looked for. */
static struct deadline next_deadline(struct supervisor const *s) {
  struct deadline next = deadline_earlier(s->state.deadline, s->reshow);

  next = deadline_earlier(next, s->probe_until);
  next = deadline_earlier(next, deadline_earlier(s->sd.watchdog, s->sd.give));
  next = deadline_earlier(next, s->check.next);
  next = deadline_earlier(next, helper_deadline(s));
  next = deadline_earlier(next, drain_deadline(s));
  next = deadline_earlier(next, needs_deadline(s));
  next = deadline_earlier(next, hold_deadline(s));
  if (s->forking != FORKING_NOT) next = deadline_earlier(next, s->look);
  if (s->more_deaths) return clock_now();
  if (is_unwatched(s)) next = deadline_earlier(next, deadline_add_ms(clock_now(), RETRY_MS));
  return deadline_earlier(next, rest_next(s));
}

void loop(struct supervisor *s, int selfpipe) {
  /* A stop may have been under way when the one before us ended; and in an upgrade, what died
   * before our signals were caught told nobody. */
  reap(s);
  forking_look(s);
  rest_look(s);
  needs_step(s);
  hold_step(s);
  drain_step(s);
  while (!s->quit) {
    /* Who says that it is ready has to be there first. */
    int notify = forking_is_unsettled(s) ? -1 : s->notify, adopted = s->child.pidfd;
    int sd = s->sd.fd;
    struct pollfd fds[WATCH_COUNT] = {
        [WATCH_SIGNALS] = {.fd = selfpipe, .events = POLLIN},
        [WATCH_CONTROL] = {.fd = commands_room(s) ? s->control.read : -1, .events = POLLIN},
        [WATCH_NOTIFY] = {.fd = notify, .events = POLLIN},
        [WATCH_SD] = {.fd = sd, .events = POLLIN},
        [WATCH_ADOPTED] = {.fd = s->child.pidfd, .events = POLLIN},
        [WATCH_STRAY] = {.fd = s->rest.stray, .events = POLLIN},
        [WATCH_CGROUP] = {.fd = rest_events(s), .events = POLLPRI},
        [WATCH_NEEDS] = {.fd = s->needs.epoll, .events = POLLIN},
    };

    if (clock_poll(fds, WATCH_COUNT, next_deadline(s)) < 0) {
      wait_a_moment(s, "wait for events");
      continue;
    }
    if (fds[WATCH_NOTIFY].revents && s->notify == notify && notify >= 0) read_notify(s);
    if (fds[WATCH_SD].revents && s->sd.fd == sd && sd >= 0 && sd_read(s) < 0) cannot_read(s);
    if (s->more_deaths) reap(s);
    /* Those that end us come before SIGCHLD: what dies together with them is not started again.
     */
    if (fds[WATCH_SIGNALS].revents) read_signals(s);
    if (fds[WATCH_ADOPTED].revents && s->child.pidfd == adopted && adopted >= 0)
      adopted_ended(s);
    if (fds[WATCH_STRAY].revents) rest_ended(s);
    if (fds[WATCH_CGROUP].revents) rest_cgroup_changed(s);
    look_at_unwatched(s);
    forking_look(s);
    rest_look(s);
    if (fds[WATCH_CONTROL].revents && !s->quit) read_control(s);
    if (!s->quit) pass_deadlines(s);
    if (fds[WATCH_NEEDS].revents) s->needs.woken = 1;
    needs_step(s);
    hold_step(s);
    drain_step(s);
  }
  if (s->reshow.ns != DEADLINE_NEVER.ns) show(s, ".", 1);
}
