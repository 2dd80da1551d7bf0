/* Service directories whose files hold anything, against a second reading of what the manual
 * page lares-servicedir says. Input: files, each as name (1), kind (1), length (1, in fours
 * when the kind is odd) and content. */

#include <skalibs/nonposix.h>
#include <lares/svdir.h>

#define FUZZ_WORDS                                                                             \
  "SIGTERM", "TERM\n", "usr1", "0 1000*30 2000", "4294967296", "18446744073709551621",         \
      "2147483648", "*", "65536", "on-failure", "oneshot", "forking", "tree", "sd", "SIGSIG",  \
      "3", "4096 1000", "\n",
#include <signal.h>
#include <strings.h>

#include "fuzz.h"
#include "svdir_case.h"

enum form { NUMBER, DESCRIPTOR, WORD, SIGNAL, PATH, DELAYS, DEATHS, MARK, FOLDER };

static struct row {
  char const *name;
  enum form form;
  uint32_t least, most;
  size_t offset;
  char const *words[4];
} const rows[] = {
#define AT(field) offsetof(struct svdir, field)
#define MS 0, 2147483647u
    {"type", WORD, 0, 0, AT(type), {"longrun", "oneshot", "forking"}},
    {"restart", WORD, 0, 0, AT(restart), {"always", "on-failure", "never"}},
    {"notify", WORD, 0, 0, AT(notify_sd), {"none", "sd"}},
    {"kill-mode", WORD, 0, 0, AT(kill_mode), {"tree", "group", "process"}},
    {"restart-delays", DELAYS, 0, 0, 0, {0}},
    {"max-deaths", DEATHS, 0, 0, 0, {0}},
    {"restart-reset", NUMBER, MS, AT(restart_reset), {0}},
    {"retry-failed", NUMBER, MS, AT(retry_failed), {0}},
    {"max-death-tally", NUMBER, 0, 4096, AT(max_death_tally), {0}},
    {"max-history", NUMBER, 64, 1048576, AT(max_history), {0}},
    {"notification-fd", DESCRIPTOR, 3, 32767, AT(notification_fd), {0}},
    {"lock-fd", DESCRIPTOR, 3, 32767, AT(lock_fd), {0}},
    {"down-signal", SIGNAL, 1, 64, AT(down_signal), {0}},
    {"reload-signal", SIGNAL, 1, 64, AT(reload_signal), {0}},
    {"timeout-start", NUMBER, MS, AT(timeout_start), {0}},
    {"timeout-ready", NUMBER, MS, AT(timeout_ready), {0}},
    {"timeout-kill", NUMBER, MS, AT(timeout_kill), {0}},
    {"timeout-finish", NUMBER, MS, AT(timeout_finish), {0}},
    {"run", MARK, HAS_RUN, 0, 0, {0}},
    {"finish", MARK, HAS_FINISH, 0, 0, {0}},
    {"stop", MARK, HAS_STOP, 0, 0, {0}},
    {"down", MARK, HAS_DOWN, 0, 0, {0}},
    {"log", FOLDER, HAS_LOG, 0, 0, {0}},
    {"flag-newpidns", MARK, HAS_NEWPIDNS, 0, 0, {0}},
    {"pid-file", PATH, 0, 0, AT(has_pid_file), {0}},
};
#define ROWS (sizeof rows / sizeof *rows)

/* The value of a file: 0 if there is none. */
static int trim(char *text, size_t len) {
  char *start = text;

  if (len > 1023 || strlen(text) != len) return 0;
  while (len && strchr(" \t\r\n", text[len - 1]))
    text[--len] = 0;
  while (*start && strchr(" \t\r\n", *start))
    start++;
  memmove(text, start, strlen(start) + 1);
  return *text && !strchr(text, '\n');
}

static int number(char const *text, uint32_t least, uint32_t most, uint32_t *out) {
  size_t digits = strspn(text, "0123456789");
  unsigned long long value;

  if (!digits || text[digits]) return 0;
  text += strspn(text, "0");
  value = strlen(text) > 12 ? UINT32_MAX * 2ull : strtoull(text, 0, 10);
  *out = (uint32_t)value;
  return value >= least && value <= most;
}

static int signal_number(char const *text, uint32_t *out) {
  static struct {
    char const *name;
    int number;
  } const names[] = {
#define NAME(name) {#name, SIG##name}
      NAME(ABRT),   NAME(ALRM), NAME(BUS),  NAME(CHLD),       NAME(CONT), NAME(FPE),
      NAME(HUP),    NAME(ILL),  NAME(INT),  NAME(IO),         NAME(IOT),  NAME(KILL),
      NAME(PIPE),   NAME(POLL), NAME(PROF), NAME(PWR),        NAME(QUIT), NAME(SEGV),
      NAME(STKFLT), NAME(STOP), NAME(SYS),  NAME(TERM),       NAME(TRAP), NAME(TSTP),
      NAME(TTIN),   NAME(TTOU), NAME(URG),  NAME(USR1),       NAME(USR2), NAME(VTALRM),
      NAME(WINCH),  NAME(XCPU), NAME(XFSZ), {"CLD", SIGCHLD},
#undef NAME
  };

  if (*text >= '0' && *text <= '9') return number(text, 1, 64, out);
  if (!strncasecmp(text, "SIG", 3)) text += 3;
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcasecmp(text, names[i].name)) return *out = (uint32_t)names[i].number, 1;
  return 0;
}

static int delays(struct svdir *svdir, char *text) {
  struct svdir read = *svdir;
  uint32_t ms, count;

  read.delay_count = 0;
  for (char *word = strtok(text, " \t"); word; word = strtok(0, " \t")) {
    char *star = strchr(word, '*');
    if (star) *star = 0;
    count = 1;
    if (read.delay_count == SVDIR_DELAYS || !number(word, 0, 2147483648u, &ms)) return 0;
    if (star && !number(star + 1, 1, 65535, &count)) return 0;
    read.delays[read.delay_count++] = (struct svdir_delay){ms, (uint16_t)count};
  }
  *svdir = read;
  return 1;
}

static int deaths(struct svdir *svdir, char *text) {
  char *first = strtok(text, " \t"), *second = strtok(0, " \t");
  uint32_t count, within;

  if (!second || strtok(0, " \t")) return 0;
  if (!number(first, 1, 4096, &count) || !number(second, 1, 2147483647u, &within)) return 0;
  svdir->max_deaths = count;
  svdir->max_deaths_within = within;
  return 1;
}

/* 1 if the value is good and in *svdir now. */
static int take(struct svdir *svdir, struct row const *row, char *text) {
  char *field = (char *)svdir + row->offset;
  uint32_t value;

  switch (row->form) {
  case NUMBER:
    if (!number(text, row->least, row->most, &value)) return 0;
    return memcpy(field, &value, sizeof value), 1;
  case DESCRIPTOR:
    if (!number(text, row->least, row->most, &value)) return 0;
    {
      int16_t fd = (int16_t)value;
      return memcpy(field, &fd, sizeof fd), 1;
    }
  case WORD:
    for (uint8_t i = 0; i < 4 && row->words[i]; i++)
      if (!strcmp(text, row->words[i])) return memcpy(field, &i, 1), 1;
    return 0;
  case SIGNAL:
    if (!signal_number(text, &value)) return 0;
    return *field = (char)value, 1;
  case PATH:
    return *field = text[strlen(text) - 1] != '/';
  case DELAYS:
    return delays(svdir, text);
  default:
    return deaths(svdir, text);
  }
}

struct file {
  int there, folder;
  size_t len;
  char text[1100];
};

static void make_file(struct fuzz_input *in, struct file *files) {
  unsigned which = fuzz_byte(in) % ROWS, kind = fuzz_byte(in);
  size_t len = fuzz_byte(in) * (kind & 1 ? 4u : 1u);
  struct file *file = files + which;
  uint8_t const *bytes;

  if (file->there) case_clear(rows[which].name);
  *file = (struct file){.there = 1, .folder = kind >= 250};
  if (file->folder) {
    need(!mkdir(case_path(rows[which].name), 0755));
    return;
  }
  file->len = fuzz_take(in, len, &bytes);
  if (file->len) memcpy(file->text, bytes, file->len);
  case_write(rows[which].name, file->text, file->len);
}

/* What is to come out of these files; the names that are to be complained of, each with a |. */
static void expect(struct svdir *svdir, struct file *files, char *complaints) {
  svdir_default(svdir);
  for (unsigned i = 0; i < ROWS; i++) {
    struct file *file = files + i;
    if (!file->there) continue;
    if (rows[i].form >= MARK) {
      int folder = rows[i].form == FOLDER;
      if (file->folder == folder || rows[i].least & (HAS_DOWN | HAS_NEWPIDNS))
        svdir->has |= rows[i].least;
      else if (rows[i].least)
        sprintf(complaints + strlen(complaints), "%s|", rows[i].name);
      continue;
    }
    if (file->folder || !trim(file->text, file->len) || !take(svdir, rows + i, file->text))
      sprintf(complaints + strlen(complaints), "%s|", rows[i].name);
    if (!i && svdir->type == TYPE_ONESHOT) svdir->restart = RESTART_ON_FAILURE;
    if (!i && svdir->type == TYPE_FORKING) svdir->timeout_start = 10000;
  }
  if (svdir->has & HAS_FINISH) svdir->has &= (uint16_t)~HAS_STOP;
  if (svdir->has & HAS_STOP) svdir->has |= HAS_FINISH;
}

struct said {
  unsigned count;
  char const *expected;
};

static void complain(void *context, char const *file, char const *wrong, char const *instead) {
  struct said *said = context;
  char name[64];

  snprintf(name, sizeof name, "%s|", file);
  if (!strstr(said->expected, name)) diag("%s: %s", file, wrong);
  fuzz_check(strstr(said->expected, name), "a complaint about a good file");
  fuzz_check(*wrong && *instead && strlen(wrong) < 160, "it says what is wrong");
  for (char const *c = wrong; *c; c++)
    fuzz_check(*c >= ' ' && *c <= '~', "in one printable line");
  said->count++;
}

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
  static struct file files[ROWS];
  struct fuzz_input in = {data, size};
  struct svdir svdir, wanted;
  char complaints[1024] = "";
  struct said said = {0, complaints};

  if (!*case_dir) case_begin();
  memset(files, 0, sizeof files);
  while (in.left)
    make_file(&in, files);
  expect(&wanted, files, complaints);
  fuzz_check(svdir_read(&svdir, case_dir, complain, &said), "it can be read");
  for (char const *c = complaints; *c; c++)
    said.count -= *c == '|';
  fuzz_check(!said.count, "one complaint for each bad file");
  if (*case_changes(&wanted, &svdir)) diag("got: %s", case_changes(&wanted, &svdir));
  fuzz_check(!*case_changes(&wanted, &svdir), "the values are what the files say");
  for (uint32_t early = 0; early < 70000; early = early * 2 + 1)
    fuzz_check(svdir_delay_ms(&svdir, early) <= 2147483648u, "a delay that can be");
  for (unsigned i = 0; i < ROWS; i++)
    if (files[i].there) case_clear(rows[i].name);
  return 0;
}
