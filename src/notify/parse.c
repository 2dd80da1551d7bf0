/* What a datagram of sd_notify says. Anybody may have written it. */

#include <lares/notify.h>

#include <string.h>

#define MOST_MS 2147483647u

/* A line's value: 1, or 0. */
typedef int value_reader(struct notify_message *, char const *value, size_t len);

/* The whole of it is a decimal number. What does not fit is the largest. */
static int scan_number(uint64_t *number, char const *value, size_t len) {
  *number = 0;
  for (size_t i = 0; i < len; i++) {
    uint64_t digit = (uint64_t)(value[i] - '0');
    if (value[i] < '0' || value[i] > '9') return 0;
    *number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *number * 10 + digit;
  }
  return len > 0;
}

static int is_text(char const *value, size_t len, char const *text) {
  return strlen(text) == len && !memcmp(value, text, len);
}

static int say(struct notify_message *m, enum notify_word word, int good) {
  if (good) m->words |= (uint32_t)word;
  return good;
}

static int read_ready(struct notify_message *m, char const *value, size_t len) {
  return say(m, NOTIFY_READY, is_text(value, len, "1"));
}

static int read_reloading(struct notify_message *m, char const *value, size_t len) {
  return say(m, NOTIFY_RELOADING, is_text(value, len, "1"));
}

static int read_stopping(struct notify_message *m, char const *value, size_t len) {
  return say(m, NOTIFY_STOPPING, is_text(value, len, "1"));
}

static int read_barrier(struct notify_message *m, char const *value, size_t len) {
  return say(m, NOTIFY_BARRIER, is_text(value, len, "1"));
}

static int read_fdstore(struct notify_message *m, char const *value, size_t len) {
  return say(m, NOTIFY_FDSTORE, is_text(value, len, "1"));
}

static int read_watchdog(struct notify_message *m, char const *value, size_t len) {
  return say(m, NOTIFY_ALIVE, is_text(value, len, "1")) ||
         say(m, NOTIFY_TRIGGER, is_text(value, len, "trigger"));
}

static int read_status(struct notify_message *m, char const *value, size_t len) {
  m->status = value;
  m->status_len = len;
  return say(m, NOTIFY_STATUS, 1);
}

static int read_main_pid(struct notify_message *m, char const *value, size_t len) {
  uint64_t pid;

  if (!scan_number(&pid, value, len) || pid < 2 || pid > INT32_MAX) return 0;
  m->main_pid = (int32_t)pid;
  return say(m, NOTIFY_MAIN_PID, 1);
}

/* Microseconds; 0 stays 0. */
static int scan_time(uint32_t *ms, char const *value, size_t len) {
  uint64_t usec;

  if (!scan_number(&usec, value, len)) return 0;
  *ms = usec / 1000 > MOST_MS ? MOST_MS : (uint32_t)(usec / 1000);
  if (usec && !*ms) *ms = 1;
  return 1;
}

/* As in systemd the largest number means none as well. */
static int read_watchdog_usec(struct notify_message *m, char const *value, size_t len) {
  uint64_t usec;

  if (!scan_number(&usec, value, len) || !scan_time(&m->watchdog_ms, value, len)) return 0;
  if (usec == UINT64_MAX) m->watchdog_ms = 0;
  return say(m, NOTIFY_WATCHDOG_MS, 1);
}

static int read_extend(struct notify_message *m, char const *value, size_t len) {
  return say(m, NOTIFY_EXTEND, scan_time(&m->extend_ms, value, len) && m->extend_ms);
}

static struct {
  char const *key;
  value_reader *read;
} const keys[] = {
    {"READY", read_ready},
    {"RELOADING", read_reloading},
    {"STOPPING", read_stopping},
    {"STATUS", read_status},
    {"MAINPID", read_main_pid},
    {"WATCHDOG", read_watchdog},
    {"WATCHDOG_USEC", read_watchdog_usec},
    {"EXTEND_TIMEOUT_USEC", read_extend},
    {"BARRIER", read_barrier},
    {"FDSTORE", read_fdstore},
};
#define KEY_COUNT (sizeof keys / sizeof *keys)

static void read_line(struct notify_message *m, char const *line, size_t len, uint32_t *seen) {
  char const *sign = memchr(line, '=', len);
  size_t name = sign ? (size_t)(sign - line) : len;

  for (unsigned i = 0; sign && i < KEY_COUNT; i++) {
    if (!is_text(line, name, keys[i].key) || *seen & 1u << i) continue;
    *seen |= 1u << i;
    if (!keys[i].read(m, sign + 1, len - name - 1) && !m->malformed) m->malformed = keys[i].key;
  }
}

int notify_parse(struct notify_message *m, char const *bytes, size_t len) {
  uint32_t seen = 0;

  *m = (struct notify_message){.words = 0};
  if (len && !bytes[len - 1]) len--; /* some send a string with its end */
  if (memchr(bytes, 0, len)) return 0;
  while (len) {
    char const *end = memchr(bytes, '\n', len);
    size_t line = end ? (size_t)(end - bytes) : len;
    read_line(m, bytes, line, &seen);
    line += end != 0;
    bytes += line;
    len -= line;
  }
  if (m->words & NOTIFY_STOPPING) m->words &= ~(uint32_t)(NOTIFY_READY | NOTIFY_RELOADING);
  if (m->words & NOTIFY_READY) m->words &= ~(uint32_t)NOTIFY_RELOADING;
  return 1;
}
