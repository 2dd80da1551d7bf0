/* Scripts of the log writer, words ended by NUL, against a second reading of what doc/man's
 * lares-log says about them. A word behind a byte 1 stands in a config: it holds to the next
 * one that does not. */

#include <skalibs/nonposix.h>
#include <lares/logscript.h>

#define FUZZ_WORDS                                                                             \
  "t", "T", "s4095", "s1099511627777", "n2", "n1000001", "./a", "/", "+*", "-*",               \
      "s18446744073709551616", "n4294967298", "S5", "l9", "R1", "A1", "r1", "1", "2", "e",     \
      "=x", "f", "E", "M", "+(a|b)*", "-[", "F", "c", "x", "a", "b", "o", "y", "yr", "yn",     \
      "y5", "pab", "j", "jerr", "z", "z-", "zgzip", "!a", "!", "\1t60", "\1s0", "\1N5", "\1t", \
      "\1-*", "\1n3", "\1./b",
#include "fuzz.h"

#define WORDS 64

/* What the words before one came to. */
struct reading {
  struct logaction next;
  unsigned patterns, actions; /* pluses and so on; actions count as patterns too */
  int seen, stamped;          /* a pattern; stamps that an action has used */
  int tai, iso;
  int clamped;
  int inside; /* a config; what was before it: */
  struct logaction next_outside;
  int seen_outside, stamped_outside;
  int regexes, regexes_outside;
};

/* Digits only, at most 64 bits. 1 if it is one. */
static int number(char const *text, uint64_t *value) {
  *value = 0;
  if (!*text) return 0;
  for (; *text; text++) {
    if (*text < '0' || *text > '9') return 0;
    uint64_t digit = (uint64_t)(*text - '0');
    if (*value > (UINT64_MAX - digit) / 10) return 0;
    *value = *value * 10 + digit;
  }
  return 1;
}

static int read_number(struct reading *reading, char const *word, int index, uint64_t *to) {
  static struct {
    char letter;
    uint64_t least, most;
  } const ranges[] = {{'s', 4096, 1ull << 40}, {'n', 2, 1000000},    {'S', 0, UINT64_MAX},
                      {'l', 0, 1ull << 39},    {'R', 0, 1000000000}, {'A', 0, 1000000000},
                      {'r', 10, 1000000000},   {'y', 1, 1000000000}};
  unsigned i = 0;

  if (!number(word + 1, to)) return 0;
  while (ranges[i].letter != *word)
    i++;
  if (*to < ranges[i].least || *to > ranges[i].most) reading->clamped = index;
  if (*to < ranges[i].least) *to = ranges[i].least;
  if (*to > ranges[i].most) *to = ranges[i].most;
  return 1;
}

static int read_action(struct reading *reading) {
  reading->patterns++;
  reading->stamped = 1;
  return reading->actions++ < 24;
}

static int read_sync(struct reading *reading, char const *word, int index) {
  uint64_t ms;

  reading->next.sync = !word[1]              ? LOG_SYNC_READ
                       : !strcmp(word, "yr") ? LOG_SYNC_END
                       : !strcmp(word, "yn") ? LOG_SYNC_NEVER
                                             : LOG_SYNC_AFTER;
  if (reading->next.sync != LOG_SYNC_AFTER) return 1;
  if (!read_number(reading, word, index, &ms)) return 0;
  reading->next.sync_ms = (uint32_t)ms;
  return 1;
}

static int is_name(char const *text) {
  size_t len = 0;

  for (; text[len]; len++) {
    char c = text[len];
    if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
        c != '_' && c != '.' && c != '-')
      return 0;
  }
  return len <= 64;
}

/* Words of one letter. */
static int read_letter(struct reading *reading, char letter) {
  struct logformat *format = &reading->next.format;

  switch (letter) {
  case 't':
  case 'T':
    if (reading->stamped) format->tai = format->iso = reading->stamped = 0;
    *(letter == 't' ? &format->tai : &format->iso) = 1;
    if (!reading->seen && !reading->actions && !reading->inside)
      *(letter == 't' ? &reading->tai : &reading->iso) = 1;
    return 1;
  case 'a':
    return format->strip = 1;
  case 'x':
    memset(format, 0, sizeof *format);
    return 1;
  case 'c':
    return reading->next.records = 1;
  case 'b':
  case 'o':
    reading->next.drop = letter == 'o';
    return 1;
  case 'f':
  case 'F':
    reading->patterns++;
    return reading->seen = 1;
  case '1':
  case '2':
  case 'e':
    return read_action(reading);
  case 'E':
  case 'M':
    reading->regexes = letter == 'E';
    return 1;
  default:
    return 0;
  }
}

/* Words with a number. */
static int read_limit(struct reading *reading, char const *word, int index) {
  struct logaction *next = &reading->next;
  uint64_t value;

  if (!read_number(reading, word, index, &value)) return 0;
  if (*word == 's') next->size = value;
  if (*word == 'S') next->total = value;
  if (*word == 'l') next->tolerance = value;
  if (*word == 'n') next->count = (uint32_t)value;
  if (*word == 'R') next->period_s = (uint32_t)value;
  if (*word == 'A') next->age_s = (uint32_t)value;
  if (*word == 'r') next->retry_ms = (uint32_t)value;
  return 1;
}

/* 1 if the word may stand here. */
static int read_common(struct reading *reading, char const *word, int index) {
  struct logaction *next = &reading->next;
  char const *text = *word ? word + 1 : word;

  if (*word && strchr("snSlRAr", *word)) return read_limit(reading, word, index);
  switch (*word) {
  case 'p':
    next->format.prefix = *text ? text : 0;
    return strlen(text) <= 255 && !strchr(text, '\n');
  case 'j':
    next->format.stream = *text ? text : "stdout";
    return is_name(text);
  case '+':
  case '-':
    if (reading->regexes) {
      static struct logregex regex;
      if (logregex_compile(&regex, text)) return 0;
    }
    reading->patterns++;
    return reading->seen = 1;
  case '!':
    next->processor = *text ? text : 0;
    return 1;
  case 'z':
    next->compress = *text == '-' ? 0 : text;
    return !*text || !strcmp(text, "-") || !strcmp(text, "zstd") || !strcmp(text, "gzip");
  case 'y':
    return read_sync(reading, word, index);
  case '=':
    return *text && read_action(reading);
  case '.':
  case '/':
    return read_action(reading);
  default:
    return *word && !*text && read_letter(reading, *word);
  }
}

static int read_config_word(struct reading *reading, char const *word, int index) {
  struct logaction *next = &reading->next;
  uint64_t value;

  if (*word == 't' && word[1]) {
    if (!number(word + 1, &value)) return 0;
    if (value > 1000000000) reading->clamped = index;
    next->period_s = (uint32_t)(value > 1000000000 ? 1000000000 : value);
    return 1;
  }
  if (*word && strchr("sn", *word) && word[1] && strspn(word + 1, "0") == strlen(word + 1))
    return 0;
  if (*word && strchr("NuU", *word)) return 0;
  return read_common(reading, word, index);
}

static int read_word(struct reading *reading, char const *word, int in_config, int index) {
  if (in_config && !reading->inside) {
    reading->patterns++;
    reading->next_outside = reading->next;
    reading->seen_outside = reading->seen;
    reading->stamped_outside = reading->stamped;
    reading->regexes_outside = reading->regexes;
    reading->inside = 1;
  }
  return in_config ? read_config_word(reading, word, index) : read_common(reading, word, index);
}

/* Behind the word that is the first outside the config. */
static void read_behind(struct reading *reading, int in_config) {
  if (in_config || !reading->inside) return;
  reading->patterns++;
  reading->next = reading->next_outside;
  reading->seen = reading->seen_outside;
  reading->stamped = reading->stamped_outside;
  reading->regexes = reading->regexes_outside;
  reading->inside = 0;
}

static int same_text(char const *one, char const *other) {
  return one == other || (one && other && !strcmp(one, other));
}

static void check_action(struct logaction const *action, struct reading const *reading,
                         char const *word) {
  struct logaction const *want = &reading->next;
  uint64_t tolerance = want->tolerance > want->size / 2 ? want->size / 2 : want->tolerance;

  fuzz_check(action->path == (*word == '='           ? word + 1
                              : strchr("12e", *word) ? 0
                                                     : word),
             "its path");
  fuzz_check(action->size == want->size && action->count == want->count &&
                 action->total == want->total && action->tolerance == tolerance &&
                 action->period_s == want->period_s && action->age_s == want->age_s &&
                 action->retry_ms == want->retry_ms,
             "its numbers");
  fuzz_check(action->sync == want->sync && action->sync_ms == want->sync_ms &&
                 action->drop == want->drop && action->records == want->records,
             "how it writes");
  fuzz_check(action->format.tai == want->format.tai && action->format.iso == want->format.iso &&
                 action->format.strip == want->format.strip &&
                 action->format.prefix == want->format.prefix &&
                 same_text(action->format.stream, want->format.stream),
             "its format");
  fuzz_check(action->processor == want->processor &&
                 same_text(action->compress, want->compress),
             "what its files go through");
  fuzz_check(action->patterns == (reading->seen ? reading->patterns - 1 : 0),
             "the patterns before it");
}

static int is_action(char const *word) {
  return *word == '.' || *word == '/' || *word == '=' || (*word && strchr("12e", *word));
}

static void reading_start(struct reading *reading) {
  *reading = (struct reading){.clamped = -1};
  reading->next = (struct logaction){.size = 99999, .count = 10, .retry_ms = 1000};
}

/* There is no more room for it when there were many. l can have been moved to half of s, too.
 */
static int is_told(struct logscript const *script, int index) {
  if (index < 0 || script->moved_count == LOG_MOVED_MAX) return 1;
  for (unsigned i = 0; i < script->moved_count; i++)
    if (script->moved[i].index == index) return 1;
  return 0;
}

static void check_all(struct logscript const *script, char const *const *words,
                      unsigned const *lines, int count) {
  struct reading reading;

  reading_start(&reading);
  for (int i = 0; i < count; i++) {
    struct logpattern const *pattern;
    fuzz_check(read_word(&reading, words[i], lines[i] != 0, i),
               "a word was taken that means nothing");
    if (is_action(words[i]))
      check_action(script->actions + reading.actions - 1, &reading, words[i]);
    if (*words[i] == '+' || *words[i] == '-') {
      pattern = script->patterns + reading.patterns - 1;
      fuzz_check(pattern->text == words[i] + 1 &&
                     !pattern->bare == !(lines[i] || reading.regexes) &&
                     !pattern->regex == !reading.regexes &&
                     pattern->kind == (*words[i] == '+' ? LOG_PATTERN_PLUS : LOG_PATTERN_MINUS),
                 "a pattern");
    }
    read_behind(&reading, lines[i] != 0);
  }
  fuzz_check(script->action_count == reading.actions && reading.actions,
             "the number of actions");
  fuzz_check(script->pattern_count == reading.patterns, "the number of patterns");
  fuzz_check(!script->tai == !reading.tai && !script->iso == !reading.iso, "the stamps");
  fuzz_check(is_told(script, reading.clamped), "the number that was moved into its range");
}

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
  char *text = malloc(size + 1);
  char const *words[WORDS];
  unsigned lines[WORDS];
  struct logpattern patterns[2 * WORDS];
  struct logscript script;
  struct logscript_error error = {.index = -1};
  struct reading reading;
  int count = 0;

  need(text);
  reading_start(&reading);
  memcpy(text, data, size);
  text[size] = 0;
  for (size_t at = 0; at <= size && count < WORDS; at += strlen(text + at) + 1) {
    lines[count] = text[at] == 1;
    words[count++] = text + at + (text[at] == 1);
  }
  if (logscript_parse(&script, patterns, words, lines, count, &error)) {
    check_all(&script, words, lines, count);
    logscript_free(&script);
  } else {
    fuzz_check(error.index >= 0 && error.index <= count && error.expected,
               "says what is wrong");
    for (int i = 0; i < error.index; i++) {
      fuzz_check(read_word(&reading, words[i], lines[i] != 0, i),
                 "a later word than the first wrong one");
      read_behind(&reading, lines[i] != 0);
    }
    fuzz_check(error.index == count
                   ? !reading.actions
                   : !read_word(&reading, words[error.index], lines[error.index] != 0, 0),
               "refused without need");
  }
  free(text);
  return 0;
}
