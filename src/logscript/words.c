/* The words of a script, one by one (the list: lares/logscript.h): what each does to the words
 * before it. What holds when and where: script.c. */

#include "parser.h"

#include <stdlib.h>
#include <string.h>

#include <skalibs/uint64.h>

#define STREAM_DEFAULT "stdout"

#define WORDS                                                                                  \
  "one of t, T, pPREFIX, j[STREAM], a, x, -PATTERN, +PATTERN, E, M, f, F, c, sSIZE, nNUM, "    \
  "STOTAL, "                                                                                   \
  "lBYTES, RSECONDS, ASECONDS, rMS, !PROGRAM, z[PROGRAM], b, o, y[r|n|MS], 1, 2, e, =FILE, "   \
  "or a "                                                                                      \
  "directory that starts with . or /"

/* What holds for several actions can be moved for each of them, to the same number. */
static void note_moved(struct logscript *script, int index, uint64_t used) {
  unsigned count = script->moved_count;

  if (count && script->moved[count - 1].index == index && script->moved[count - 1].used == used)
    return;
  if (count == LOG_MOVED_MAX) return;
  script->moved[script->moved_count++] = (struct logmoved){.index = index, .used = used};
}

static char const *parse_number(struct parser *parser, char const *text, int index,
                                uint64_t *value, uint64_t min, uint64_t max) {
  uint64_t number;

  if (!uint640_scan(text, &number)) return "a decimal number after the letter";
  if (number < min || number > max) {
    number = number < min ? min : max;
    note_moved(parser->script, index, number);
  }
  *value = number;
  return 0;
}

char const *parser_number(struct parser *parser, char const *text, int index, uint32_t *value,
                          uint64_t min, uint64_t max) {
  uint64_t number = *value;
  char const *expected = parse_number(parser, text, index, &number, min, max);

  *value = (uint32_t)number;
  return expected;
}

static char const *parse_limit(struct parser *parser, char const *word, int index) {
  struct logaction *next = &parser->next;
  char const *text = word + 1;

  switch (*word) {
  case 's':
    return parse_number(parser, text, index, &next->size, LOG_SIZE_MIN, LOG_SIZE_MAX);
  case 'n':
    return parser_number(parser, text, index, &next->count, LOG_COUNT_MIN, LOG_COUNT_MAX);
  case 'S':
    return parse_number(parser, text, index, &next->total, 0, UINT64_MAX);
  case 'l':
    parser->tolerance = index;
    return parse_number(parser, text, index, &next->tolerance, 0, LOG_SIZE_MAX / 2);
  case 'R':
    return parser_number(parser, text, index, &next->period_s, 0, LOG_TIME_MAX);
  case 'A':
    return parser_number(parser, text, index, &next->age_s, 0, LOG_TIME_MAX);
  default:
    return parser_number(parser, text, index, &next->retry_ms, LOG_RETRY_MIN, LOG_TIME_MAX);
  }
}

static char const *parse_stamp(struct parser *parser, int iso) {
  struct logscript *script = parser->script;
  struct logformat *format = &parser->next.format;

  if (parser->stamps_used) format->tai = format->iso = 0;
  parser->stamps_used = 0;
  *(iso ? &format->iso : &format->tai) = 1;
  if (!parser->selecting && !script->action_count && !parser->in_config)
    *(iso ? &script->iso : &script->tai) = 1;
  return 0;
}

static char const *parse_pattern(struct parser *parser, enum log_pattern_kind kind,
                                 char const *text) {
  struct logpattern *pattern;

  parser_add(parser, kind, text);
  parser->selecting = 1;
  if (!text || !parser->regexes) return 0;
  pattern = parser->script->patterns + parser->script->pattern_count - 1;
  pattern->regex = malloc(sizeof *pattern->regex);
  if (!pattern->regex) return "less: there is no memory";
  pattern->bare = parser->script->regexes = 1;
  return logregex_compile(pattern->regex, text);
}

/* What an action took is noted among the patterns, for an f that may follow. */
static char const *parse_action(struct parser *parser, enum log_action_kind kind,
                                char const *path) {
  struct logscript *script = parser->script;
  struct logaction *action = script->actions + script->action_count;

  if (script->action_count == LOG_ACTIONS_MAX) return "at most 24 actions";
  script->action_count++;
  *action = parser->next;
  action->kind = kind;
  action->path = path;
  action->patterns = parser->selecting ? script->pattern_count : 0;
  if (action->tolerance > action->size / 2) {
    action->tolerance = action->size / 2;
    if (kind == LOG_TO_DIR) note_moved(script, parser->tolerance, action->tolerance);
  }
  parser_add(parser, LOG_PATTERN_ACTION, 0);
  parser->stamps_used = 1;
  return 0;
}

static char const *parse_prefix(struct parser *parser, char const *text) {
  if (strlen(text) > LOG_PREFIX_MAX || strchr(text, '\n'))
    return "a prefix of at most 255 bytes without a newline";
  parser->next.format.prefix = *text ? text : 0;
  return 0;
}

static char const *parse_stream(struct parser *parser, char const *text) {
  static char const allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_.-";

  if (strlen(text) > LOG_STREAM_MAX || text[strspn(text, allowed)])
    return "a stream's name after j: at most 64 of letters, digits, and _.-";
  parser->next.format.stream = *text ? text : STREAM_DEFAULT;
  return 0;
}

static char const *parse_compress(struct parser *parser, char const *text) {
  if (*text && strcmp(text, "-") && strcmp(text, "zstd") && strcmp(text, "gzip"))
    return "z, zzstd, zgzip or z-";
  parser->next.compress = *text == '-' ? 0 : text;
  return 0;
}

static char const *parse_sync(struct parser *parser, char const *text, int index) {
  struct logaction *next = &parser->next;

  if (!*text)
    next->sync = LOG_SYNC_READ;
  else if (!strcmp(text, "r"))
    next->sync = LOG_SYNC_END;
  else if (!strcmp(text, "n"))
    next->sync = LOG_SYNC_NEVER;
  else {
    next->sync = LOG_SYNC_AFTER;
    if (parser_number(parser, text, index, &next->sync_ms, 1, LOG_TIME_MAX))
      return "y, yr, yn, or y and a number of milliseconds";
  }
  return 0;
}

/* Words of one letter. */
static char const *parse_letter(struct parser *parser, char letter) {
  struct logaction *next = &parser->next;

  switch (letter) {
  case 't':
  case 'T':
    return parse_stamp(parser, letter == 'T');
  case 'a':
    next->format.strip = 1;
    return 0;
  case 'x':
    next->format = (struct logformat){.tai = 0};
    return 0;
  case 'f':
    return parse_pattern(parser, LOG_PATTERN_REST, 0);
  case 'F':
    return parse_pattern(parser, LOG_PATTERN_NONE, 0);
  case 'E':
  case 'M':
    parser->regexes = letter == 'E';
    return 0;
  case 'c':
    next->records = 1;
    return 0;
  case 'b':
  case 'o':
    next->drop = letter == 'o';
    return 0;
  case '1':
    return parse_action(parser, LOG_TO_STDOUT, 0);
  case '2':
    return parse_action(parser, LOG_TO_STDERR, 0);
  case 'e':
    return parse_action(parser, LOG_TO_ALERT, 0);
  default:
    return WORDS;
  }
}

char const *parser_word(struct parser *parser, char const *word, int index) {
  switch (*word) {
  case 's':
  case 'n':
  case 'S':
  case 'l':
  case 'R':
  case 'A':
  case 'r':
    return parse_limit(parser, word, index);
  case 'p':
    return parse_prefix(parser, word + 1);
  case 'j':
    return parse_stream(parser, word + 1);
  case '-':
    return parse_pattern(parser, LOG_PATTERN_MINUS, word + 1);
  case '+':
    return parse_pattern(parser, LOG_PATTERN_PLUS, word + 1);
  case '!':
    parser->next.processor = word[1] ? word + 1 : 0;
    return 0;
  case 'z':
    return parse_compress(parser, word + 1);
  case 'y':
    return parse_sync(parser, word + 1, index);
  case '=':
    return word[1] ? parse_action(parser, LOG_TO_STATUS, word + 1) : "a file's name after =";
  case '.':
  case '/':
    return parse_action(parser, LOG_TO_DIR, word);
  default:
    return *word && !word[1] ? parse_letter(parser, *word) : WORDS;
  }
}
