/* The formats of supervise/ stay what they are: files as their versions wrote them, kept in
 * tests/formats/VERSION, are read, and today's lares packs the same bytes as long as it writes
 * that version. A format that gets a version 2 keeps reading these: its folder 2 comes beside
 * them, and only the packing is compared with that.
 *
 * A sample is text: lines `OFFSET: HEX...`, what is not there is zero, the last line is `SIZE
 * end`. `formats --make DIR` writes them; that is done once for each version. */

#include <skalibs/nonposix.h>
#include <lares/logdir.h>
#include <lares/status.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

#define MOST 16384
#define SECOND 1000000000ll

static struct stamp const at = {.tai = STAMP_EPOCH + 1700000000, .nano = 123456789};

static struct identity_record const identity = {
    .state = IDENTITY_EXITED,
    .role = ROLE_FINISH,
    .who = {.pid = 12345, .inode = 0x1122334455667788, .start = 987654, .boot = 0xfedcba9876},
    .wstat = 3 << 8,
    .started = {.tai = STAMP_EPOCH + 1700000000, .nano = 5},
    .began = {77 * SECOND}};

/* Since version 2. */
static struct identity_record const forking = {
    .state = IDENTITY_FORKING,
    .role = ROLE_RUN,
    .who = {.pid = 12345, .inode = 0x1122334455667788, .start = 987654, .boot = 0xfedcba9876},
    .wstat = WSTAT_UNKNOWN,
    .started = {.tai = STAMP_EPOCH + 1700000000, .nano = 5},
    .began = {77 * SECOND}};

static struct state_record const state = {
    .machine = {STATE_UP, WANT_UP, ROLE_RUN, STOP_NONE, FLAG_READY, 7},
    .marks = MARK_ADOPTED | MARK_HAS_LOG,
    .reason = REASON_KILLED,
    .detail = 9,
    .pid = 12345,
    .last_wstat = 9,
    .rest = 2,
    .boot = 0xfedcba9876,
    .inode = 0x1122334455667788,
    .start = 987654,
    .sequence = 42,
    .starts = 4,
    .deaths = 3,
    .since = {.tai = STAMP_EPOCH + 1, .nano = 1},
    .changed = {.tai = STAMP_EPOCH + 2, .nano = 2},
    .ready = {.tai = STAMP_EPOCH + 3, .nano = 3},
    .last_exit = {.tai = STAMP_EPOCH + 4, .nano = 4},
    .defined = {.tai = STAMP_EPOCH + 5, .nano = 5},
    .deadline = {INT64_MAX},
    .died = {6 * SECOND},
    .began = {7 * SECOND},
    .awaited = 23456, /* from here on since version 2 */
    .awaited_name = "fifteen letters",
    .unattributed = 3,
    .definition = 0x12345678, /* since version 3 */
    .group = 12344,           /* since version 4 */
    .session = 12343,
    .reaper = 321,
    .until = 987655};

static struct told const told = {.inode = 0xabcdef012345, .sequence = 4711};
static struct history_record const history = {
    .sequence = 42,
    .at = {.tai = STAMP_EPOCH + 1700000000, .nano = 123456789},
    .machine = {STATE_BACKOFF, WANT_UP, ROLE_NONE, STOP_NONE, 0, 7},
    .event = EVENT_RUN_DIED,
    .reason = REASON_EXITED,
    .detail = 3,
    .pid = 12345,
    .moment = {77 * SECOND}, /* since version 2 */
    .wstat = 3 << 8};

static struct text_record const texts = {.boot = 0xfedcba9876,
                                         .start = 4,
                                         .watchdog = 30000,
                                         .status = "accepting \xc3\xa4lteste requests",
                                         .waiting = "db"};

static struct classic_status const classic = {
    .changed = {.tai = STAMP_EPOCH + 1700000000, .nano = 123456789},
    .pid = 0x01020304,
    .paused = 1,
    .want = 'u',
    .got_term = 1,
    .process = 2};

/* --- samples --------------------------------------------------------------------------------
 */

static char sample[MOST], packed[MOST];
static size_t size;

static int load_version(char const *name, unsigned version) {
  char path[4096], line[256];
  char const *source = getenv("LARES_SOURCE");
  unsigned long end = 0;
  FILE *in;

  snprintf(path, sizeof path, "%s/tests/formats/%u/%s", source ? source : ".", version, name);
  in = fopen(path, "r");
  if (!in) return 0;
  memset(sample, 0, sizeof sample);
  while (!end && fgets(line, sizeof line, in)) {
    char *at_byte;
    unsigned long offset = strtoul(line, &at_byte, 10);
    unsigned byte;
    if (!strcmp(at_byte, " end\n")) end = offset;
    for (at_byte++; sscanf(at_byte, " %2x", &byte) == 1 && offset < MOST; at_byte += 3)
      sample[offset++] = (char)byte;
  }
  fclose(in);
  size = end;
  return end > 0;
}

/* Of the version that is written now. */
static int load(char const *name) {
  return load_version(name, !strcmp(name, "state")                                 ? 4
                            : !strcmp(name, "forking") || !strcmp(name, "history") ? 2
                                                                                   : 1);
}

static void save(char const *dir, char const *name, size_t len) {
  char path[4096];
  FILE *out;

  snprintf(path, sizeof path, "%s/%s", dir, name);
  out = fopen(path, "w");
  need(out != 0);
  for (size_t line = 0; line < len; line += 16) {
    size_t n = len - line < 16 ? len - line : 16, used = 0;
    for (size_t i = 0; i < n; i++)
      used = packed[line + i] ? i + 1 : used;
    if (used) fprintf(out, "%zu:", line);
    for (size_t i = 0; i < used; i++)
      fprintf(out, " %02x", (unsigned char)packed[line + i]);
    if (used) fprintf(out, "\n");
  }
  fprintf(out, "%zu end\n", len);
  fclose(out);
}

/* A logger's buffer that was left with half a line in it. */
static int temporary_file(void) {
  FILE *file = tmpfile();

  return file ? fileno(file) : -1;
}

static size_t pack_buffer(void) {
  static char const text[] = "one line\nhalf";
  struct logbuf buf;
  int fds[2], fd = temporary_file();

  need(fd >= 0 && !ftruncate(fd, MOST) && !pipe(fds) &&
       write(fds[1], text, sizeof text - 1) == sizeof text - 1);
  need(logbuf_map(&buf, fd) && logbuf_read(&buf, fds[0], sizeof text) == sizeof text - 1);
  need(pread(fd, packed, MOST, 0) == MOST);
  munmap(buf.head, buf.map_size);
  close(fds[0]);
  close(fds[1]);
  return MOST;
}

static void make(char const *dir) {
  identity_record_pack(packed, &identity);
  save(dir, "identity", IDENTITY_RECORD_SIZE);
  identity_record_pack(packed, &forking);
  save(dir, "forking", IDENTITY_RECORD_SIZE);
  state_record_pack(packed, &state);
  save(dir, "state", STATE_RECORD_SIZE);
  text_record_pack(packed, &texts);
  save(dir, "text", TEXT_RECORD_SIZE);
  history_record_pack(packed, &history);
  save(dir, "history", HISTORY_RECORD_SIZE);
  told_pack(packed, &told);
  save(dir, "told", TOLD_SIZE);
  classic_status_pack(packed, &classic);
  save(dir, "status", CLASSIC_STATUS_SIZE);
  save(dir, "buf", pack_buffer());
}

/* --- reading them ---------------------------------------------------------------------------
 */

static void check_identity(void) {
  struct identity_record r = {.state = 0};

  ok(load("identity") && size == IDENTITY_RECORD_SIZE, "identity: the sample");
  ok(identity_record_unpack(sample, &r), "identity: is read");
  ok(r.state == identity.state && r.role == identity.role && r.wstat == identity.wstat &&
         identity_equal(&r.who, &identity.who) && r.who.start == identity.who.start &&
         !stamp_compare(&r.started, &identity.started) && r.began.ns == identity.began.ns,
     "identity: says what was said");
  identity_record_pack(packed, &identity);
  is_mem(packed, size, sample, size, "identity: the same bytes are written");
}

static void check_forking(void) {
  struct identity_record r = {.state = 0};

  ok(load("forking") && size == IDENTITY_RECORD_SIZE, "forking: the sample");
  ok(identity_record_unpack(sample, &r), "forking: is read");
  ok(r.state == IDENTITY_FORKING && r.role == ROLE_RUN && r.wstat == WSTAT_UNKNOWN &&
         identity_equal(&r.who, &forking.who) && !stamp_compare(&r.started, &forking.started),
     "forking: says what was said");
  identity_record_pack(packed, &forking);
  is_mem(packed, size, sample, size, "forking: the same bytes are written");
  r.state = IDENTITY_RUNNING;
  identity_record_pack(packed, &r);
  is_int(packed[2], 1, "what is not forking is of version 1 still");
}

/* `child`: who launched counts only with the main process of the same start. */
static void check_launcher(void) {
  struct identity_record main = forking, found = {.state = 0}, end = identity;
  int fd = temporary_file();

  main.state = IDENTITY_RUNNING;
  main.who.pid = 23456;
  main.who.inode++;
  need(fd >= 0);
  ok(identity_record_end(fd, &end), "child: an end");
  ok(!identity_record_launcher(fd, &main, &found), "nobody has launched");
  ok(identity_record_settle(fd, &main, &forking), "child: a daemon in the background");
  ok(identity_record_read(fd, &found) && found.who.pid == 23456, "its main process");
  ok(identity_record_last_end(fd, &found) && found.who.pid == 12345, "the end before stays");
  ok(identity_record_launcher(fd, &main, &found) && identity_equal(&found.who, &forking.who),
     "who launched it");
  main.started.nano++;
  ok(!identity_record_launcher(fd, &main, &found), "not of another start");
  main.started.nano--;
  main.who.boot++;
  ok(!identity_record_launcher(fd, &main, &found), "nor of another boot");
  main.who.boot--;
  main.state = IDENTITY_EXITED;
  ok(!identity_record_launcher(fd, &main, &found), "nor of one that has ended");
  close(fd);
}

static int says_what_was_said(struct state_record const *r) {
  return r->pid == state.pid && r->sequence == state.sequence && r->starts == state.starts &&
         r->machine.state == STATE_UP && r->machine.early == 7 && r->marks == state.marks &&
         !stamp_compare(&r->defined, &state.defined) && r->began.ns == state.began.ns;
}

static void check_state(void) {
  struct state_record r = {.pid = 0};

  ok(load_version("state", 1) && size == STATE_RECORD_SIZE, "state: the sample of version 1");
  ok(state_record_unpack(sample, &r), "state: version 1 is read");
  ok(says_what_was_said(&r), "state: it says what was said");
  ok(!r.awaited && !r.awaited_name[0] && !r.unattributed, "state: and nothing it did not know");
  sample[171] = 1;
  errno = 0;
  ok(!state_record_unpack(sample, &r) && errno == EPROTO, "state: of version 1 it is damage");
  ok(load_version("state", 2) && state_record_unpack(sample, &r), "state: version 2 is read");
  ok(says_what_was_said(&r) && r.awaited == 23456 && !r.definition, "state: no sum yet");
  sample[124] = 1;
  ok(!state_record_unpack(sample, &r) && errno == EPROTO, "state: of version 2 it is damage");
  ok(load_version("state", 3) && state_record_unpack(sample, &r), "state: version 3 is read");
  ok(says_what_was_said(&r) && r.definition == state.definition && !r.group && !r.session &&
         !r.until,
     "state: no group yet");
  sample[231] = 1;
  ok(!state_record_unpack(sample, &r) && errno == EPROTO, "state: of version 3 it is damage");
  ok(load("state") && size == STATE_RECORD_SIZE, "state: the sample");
  ok(state_record_unpack(sample, &r), "state: is read");
  state_record_pack(packed, &r);
  is_mem(packed, size, sample, size, "state: and written, the same bytes");
  ok(says_what_was_said(&r) && r.awaited == 23456 && r.unattributed == 3 &&
         r.definition == state.definition && r.group == state.group &&
         r.session == state.session && r.reaper == state.reaper && r.until == state.until &&
         !strcmp(r.awaited_name, state.awaited_name),
     "state: says what was said");
  state_record_pack(packed, &state);
  is_mem(packed, size, sample, size, "state: the same bytes are written");
}

static void check_text(void) {
  struct text_record r = {.boot = 0};

  ok(load("text") && size == TEXT_RECORD_SIZE, "text: the sample");
  ok(text_record_unpack(sample, &r), "text: is read");
  ok(r.boot == texts.boot && r.start == 4 && r.watchdog == 30000 &&
         !memcmp(r.status, texts.status, sizeof r.status) &&
         !memcmp(r.waiting, texts.waiting, sizeof r.waiting),
     "text: says what was said");
  text_record_pack(packed, &texts);
  is_mem(packed, size, sample, size, "text: the same bytes are written");
}

static void check_told(void) {
  struct told t = {.sequence = 0};

  ok(load("told") && size == TOLD_SIZE, "told: the sample");
  ok(told_unpack(sample, &t), "told: is read");
  ok(t.inode == told.inode && t.sequence == told.sequence, "told: says what was said");
  told_pack(packed, &told);
  is_mem(packed, size, sample, size, "told: the same bytes are written");
  sample[17] ^= 1;
  ok(!told_unpack(sample, &t) && errno == EPROTO, "told: damage is seen");
}

static void check_history(void) {
  struct history_record r = {.sequence = 0};

  ok(load("history") && size == HISTORY_RECORD_SIZE, "history: the sample");
  ok(history_record_unpack(sample, &r), "history: is read");
  ok(r.sequence == 42 && !stamp_compare(&r.at, &at) && r.event == EVENT_RUN_DIED &&
         r.machine.state == STATE_BACKOFF && r.detail == 3 && r.pid == 12345 &&
         r.wstat == 3 << 8,
     "history: says what was said");
  is_int(r.moment.ns, 77 * SECOND, "history: and when by the monotonic clock");
  history_record_pack(packed, &history);
  is_mem(packed, size, sample, size, "history: the same bytes are written");
  ok(load_version("history", 1) && history_record_unpack(sample, &r) && r.wstat == 3 << 8 &&
         !r.moment.ns,
     "history: version 1 is read");
}

static void check_classic(void) {
  struct classic_status r = {.pid = 0};

  ok(load("status") && size == CLASSIC_STATUS_SIZE, "status: the sample");
  ok(classic_status_unpack(sample, size, &r) && !stamp_compare(&r.changed, &at) &&
         r.pid == classic.pid && r.paused && r.want == 'u' && r.got_term && r.process == 2,
     "status: is read");
  classic_status_pack(packed, &classic);
  is_mem(packed, size, sample, size, "status: the same bytes are written");
}

/* The buffer is of one machine and its byte order. */
static void check_buffer(void) {
  struct logplace place = {.offset = 0};
  struct logbuf buf;
  char const *bytes = "";
  uint16_t one = 1;
  size_t rest;
  int fd = temporary_file();

  if (!*(char *)&one) {
    tap_skip(4, "the sample is of a little-endian machine");
    return;
  }
  ok(load("buf") && size == MOST, "buf: the sample");
  need(fd >= 0 && write(fd, sample, size) == (ssize_t)size);
  ok(logbuf_map(&buf, fd), "buf: is taken");
  logbuf_resume(&buf);
  rest = logbuf_rest(&buf, &place, &bytes);
  is_mem(bytes, rest, "one line\n", 9, "buf: what is in it is found");
  ok(logbuf_in_line(&buf), "buf: and the beginning of a line");
  munmap(buf.head, buf.map_size);
}

/* --- other versions -------------------------------------------------------------------------
 */

static int refusal(char const *name, int (*reads)(void), unsigned char version,
                   unsigned where) {
  need(load(name));
  sample[where] = (char)version;
  errno = 0;
  return reads() ? 0 : errno;
}

static int reads_identity(void) {
  struct identity_record r;
  return identity_record_unpack(sample, &r);
}
static int reads_state(void) {
  struct state_record r;
  return state_record_unpack(sample, &r);
}
static int reads_text(void) {
  struct text_record r;
  return text_record_unpack(sample, &r);
}
static int reads_history(void) {
  struct history_record r;
  return history_record_unpack(sample, &r);
}
static int reads_told(void) {
  struct told t;
  return told_unpack(sample, &t);
}
static int reads_buffer(void) {
  struct logbuf buf;
  int fd = temporary_file();

  need(fd >= 0 && write(fd, sample, size) == (ssize_t)size);
  return logbuf_map(&buf, fd);
}

static void check_versions(void) {
  is_int(refusal("identity", reads_identity, 2, 2), EPROTO, "identity: 2 is for forking");
  is_int(refusal("forking", reads_identity, 1, 2), EPROTO, "and that for 2");
  is_int(refusal("identity", reads_identity, 3, 2), EPROTO, "and 3 for condition");
  is_int(refusal("identity", reads_identity, 4, 2), EPROTONOSUPPORT, "identity of version 4");
  is_int(refusal("identity", reads_identity, 255, 2), EPROTONOSUPPORT, "of version 255");
  is_int(refusal("identity", reads_identity, 0, 2), EPROTO, "of none");
  is_int(refusal("state", reads_state, 5, 2), EPROTONOSUPPORT, "state of version 5");
  is_int(refusal("state", reads_state, 0, 2), EPROTO, "of none");
  is_int(refusal("text", reads_text, 2, 2), EPROTONOSUPPORT, "text of version 2");
  is_int(refusal("text", reads_text, 0, 2), EPROTO, "of none");
  is_int(refusal("history", reads_history, 3, 2), EPROTONOSUPPORT, "history of version 3");
  is_int(refusal("history", reads_history, 0, 2), EPROTO, "of none");
  is_int(refusal("told", reads_told, 2, 2), EPROTONOSUPPORT, "told of version 2");
  is_int(refusal("told", reads_told, 0, 2), EPROTO, "of none");
  is_int(refusal("buf", reads_buffer, '2', 7), EPROTONOSUPPORT, "buf of version 2");
  is_int(refusal("buf", reads_buffer, '0', 7), EPROTO, "of none");
}

/* What tells whether a record of a newer version may be about something that lives. */
static void check_boot(void) {
  static char const *const names[] = {"identity", "state", "text"};

  for (unsigned i = 0; i < 3; i++) {
    int fd = temporary_file();
    need(fd >= 0 && load(names[i]));
    sample[2] = 99;
    need(write(fd, sample, size) == (ssize_t)size);
    ok(status_of_boot(fd, 0xfedcba9876), "a newer record of this boot");
    ok(!status_of_boot(fd, 0xfedcba9877), "and one of another");
    ok(status_of_boot(fd, 0), "what cannot be known is supposed");
    close(fd);
  }
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "--make")) {
    make(argv[2]);
    return 0;
  }
  check_identity();
  check_forking();
  check_launcher();
  check_state();
  check_text();
  check_history();
  check_told();
  check_classic();
  check_buffer();
  check_versions();
  check_boot();
  return tap_done();
}
