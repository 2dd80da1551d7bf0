/* A supervisor that does only what it is told: it holds supervise/'s FIFOs and writes the files
 * exactly as the lines on its standard input say, so that clients can be tested in any state
 * and any order of events.
 *
 *   fakesv DIR
 *
 * Words of a line, carried out from left to right:
 *   state= want= role= stop= reason= event=   by number or by the name the machine prints
 *   flags= marks= detail= pid= wstat= starts= deaths= early= rest= awaited= name= (of the
 *     awaited) unattributed= age=SECONDS deadline=MS
 *   status-text= waiting-for=   of the text record; `%XX' is a byte; and start= of which start
 *   text              write text
 *   starts+ deaths+   one more
 *   read              wait for letters, print "letters LETTERS"
 *   journal           append to history       state   write state and status
 *   wake              wake subscribers        publish journal, state, wake
 *   foreign           from now on supervise/state is not there (and status has 18 bytes)
 *   say=WORD          print it                quit    leave, the files stay
 */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/event.h>
#include <lares/status.h>

struct fake {
  struct state_record record;
  struct text_record texts;
  struct history_writer history;
  int control;
  int foreign;
  unsigned event;
};

static void need(int good, char const *what) {
  if (good) return;
  fprintf(stderr, "fakesv: unable to %s: %s\n", what, strerror(errno));
  exit(111);
}

static void write_file(char const *file, char const *bytes, size_t len) {
  int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

  need(fd >= 0 && pwrite(fd, bytes, len, 0) == (ssize_t)len && !ftruncate(fd, (off_t)len),
       file);
  close(fd);
}

static void write_state(struct fake *f) {
  char packed[STATE_RECORD_SIZE], status[CLASSIC_STATUS_SIZE];
  struct classic_status classic;

  f->record.sequence = f->history.sequence;
  state_record_pack(packed, &f->record);
  if (f->foreign)
    unlink("supervise/state");
  else
    write_file("supervise/state", packed, sizeof packed);
  classic_status_from_state(&classic, &f->record);
  classic_status_pack(status, &classic);
  write_file("supervise/status.new", status,
             f->foreign ? CLASSIC_STATUS_DJB_SIZE : CLASSIC_STATUS_SIZE);
  need(!rename("supervise/status.new", "supervise/status"), "rename status");
}

static void write_text(struct fake *f) {
  char packed[TEXT_RECORD_SIZE];

  text_record_pack(packed, &f->texts);
  write_file("supervise/text", packed, sizeof packed);
}

/* What supervise would make of it; blanks end a word here. */
static int set_text(char text[TEXT_MOST + 1], char const *value) {
  char raw[512];
  size_t len = 0;

  for (; *value && len < sizeof raw; len++) {
    char digits[3] = {0};
    raw[len] = *value;
    if (*value++ != '%' || !value[0] || !value[1]) continue;
    memcpy(digits, value, 2);
    raw[len] = (char)strtol(digits, 0, 16);
    value += 2;
  }
  text_clean(text, raw, len);
  return 1;
}

static void write_journal(struct fake *f) {
  struct history_record r = {.machine = f->record.machine,
                             .event = (uint8_t)f->event,
                             .reason = f->record.reason,
                             .detail = f->record.detail,
                             .pid = f->record.pid};

  if (f->event == EVENT_RUN_DIED || f->event == EVENT_FINISH_DONE)
    r.wstat = f->record.last_wstat;
  clock_stamp(&r.at);
  need(history_append(&f->history, &r), "append to history");
}

static void read_letters(struct fake *f) {
  struct pollfd fd = {.fd = f->control, .events = POLLIN};
  char buf[256];
  ssize_t got;

  need(poll(&fd, 1, -1) == 1, "poll");
  got = read(f->control, buf, sizeof buf);
  need(got > 0, "read control");
  printf("letters %.*s\n", (int)got, buf);
}

static unsigned by_name(char const *value, char const *(*name)(unsigned)) {
  for (unsigned i = 0; i < 64; i++)
    if (!strcmp(name(i), value)) return i;
  return (unsigned)atoi(value);
}

static void age(struct fake *f, unsigned seconds) {
  struct state_record *s = &f->record;

  clock_stamp(&s->since);
  s->since.tai -= seconds;
  s->changed = s->ready = s->last_exit = s->since;
}

static int set(struct fake *f, char const *key, char const *value) {
  struct state_record *s = &f->record;
  long number = strtol(value, 0, 0);

#define FIELD(name, place, text)                                                               \
  if (!strcmp(key, name)) return (place = (text), 1)
  FIELD("state", s->machine.state, (uint8_t)by_name(value, &machine_state_name));
  FIELD("want", s->machine.want, (uint8_t)by_name(value, &machine_want_name));
  FIELD("role", s->machine.role, (uint8_t)by_name(value, &machine_role_name));
  FIELD("event", f->event, by_name(value, &machine_event_name));
  FIELD("stop", s->machine.stop, (uint8_t)number);
  FIELD("flags", s->machine.flags, (uint8_t)number);
  FIELD("early", s->machine.early, (uint16_t)number);
  FIELD("marks", s->marks, (uint16_t)number);
  FIELD("reason", s->reason, (uint8_t)number);
  FIELD("detail", s->detail, (uint32_t)number);
  FIELD("pid", s->pid, (int32_t)number);
  FIELD("wstat", s->last_wstat, (int32_t)number);
  FIELD("starts", s->starts, (uint64_t)number);
  FIELD("deaths", s->deaths, (uint64_t)number);
  FIELD("rest", s->rest, (uint32_t)number);
  FIELD("awaited", s->awaited, (int32_t)number);
  FIELD("unattributed", s->unattributed, (uint32_t)number);
  FIELD("deadline", s->deadline,
        number < 0 ? DEADLINE_NEVER : deadline_add_ms(clock_now(), (uint64_t)number));
#undef FIELD
  if (!strcmp(key, "status-text")) return set_text(f->texts.status, value);
  if (!strcmp(key, "waiting-for")) return set_text(f->texts.waiting, value);
  if (!strcmp(key, "start")) return (f->texts.start = (uint64_t)number, 1);
  if (!strcmp(key, "age")) return (age(f, (unsigned)number), 1);
  if (!strcmp(key, "name"))
    return (strncpy(s->awaited_name, value, sizeof s->awaited_name - 1), 1);
  if (!strcmp(key, "say")) return (printf("%s\n", value), 1);
  return 0;
}

static void obey(struct fake *f, char *word) {
  char *value = strchr(word, '=');

  if (value) {
    *value++ = 0;
    if (set(f, word, value)) return;
  }
  if (!strcmp(word, "quit")) exit(0);
  if (!strcmp(word, "foreign")) {
    f->foreign = 1;
  } else if (!strcmp(word, "starts+")) {
    f->record.starts++;
  } else if (!strcmp(word, "deaths+")) {
    f->record.deaths++;
  } else if (!strcmp(word, "read")) {
    read_letters(f);
  } else if (!strcmp(word, "journal")) {
    write_journal(f);
  } else if (!strcmp(word, "state")) {
    write_state(f);
  } else if (!strcmp(word, "text")) {
    write_text(f);
  } else if (!strcmp(word, "wake")) {
    need(event_wake("supervise/event", ".", 1), "wake");
  } else if (!strcmp(word, "publish")) {
    write_journal(f);
    write_state(f);
    need(event_wake("supervise/event", ".", 1), "wake");
  } else {
    fprintf(stderr, "fakesv: unknown word %s\n", word);
    exit(100);
  }
}

int main(int argc, char **argv) {
  struct fake f = {.record = {.deadline = DEADLINE_NEVER}};
  struct history_record last;
  char line[512];

  setvbuf(stdout, 0, _IOLBF, 0);
  signal(SIGPIPE, SIG_IGN);
  need(argc == 2 && !chdir(argv[1]), "chdir");
  need(!mkdir("supervise", 0700) || errno == EEXIST, "mkdir");
  need(!mkfifo("supervise/ok", 0600) || errno == EEXIST, "mkfifo");
  need(!mkfifo("supervise/control", 0600) || errno == EEXIST, "mkfifo");
  need(event_directory("supervise/event"), "mkdir event");
  need(history_open(&f.history, "supervise/history", HISTORY_DEFAULT, &last), "open history");
  age(&f, 0);
  write_state(&f);
  f.control = open("supervise/control", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  need(f.control >= 0 && open("supervise/ok", O_RDWR | O_NONBLOCK | O_CLOEXEC) >= 0, "open");
  printf("begun\n");
  while (fgets(line, sizeof line, stdin))
    for (char *word = strtok(line, " \n"); word; word = strtok(0, " \n"))
      obey(&f, word);
  return 0;
}
