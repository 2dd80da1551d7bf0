/* Reading a script: the words of multilog and s6-log, and our own (the list:
 * lares/logscript.h).
 *
 * Everything holds for the actions that follow, until another word says otherwise. The first t
 * or T behind an action replaces the stamps before it. Stamps that stand before the first
 * pattern and action are part of the line for patterns, which is multilog's t.
 *
 * The words of a directory's config stand before that directory and hold for what is named in
 * the config and for the directory; behind it everything is as before them.
 *
 * Numbers out of range are moved into it, as multilog does, and the caller is told.
 */

#include "parser.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_DEFAULT 99999u
#define COUNT_DEFAULT 10u
#define RETRY_DEFAULT 1000u

void parser_add(struct parser *parser, enum log_pattern_kind kind, char const *text) {
  struct logscript *script = parser->script;

  script->patterns[script->pattern_count++] =
      (struct logpattern){.kind = kind, .bare = parser->bare, .text = text};
}

/* --- a config --- */

static void enter_config(struct parser *parser) {
  parser->outside = (struct scope){.next = parser->next,
                                   .selecting = parser->selecting,
                                   .stamps_used = parser->stamps_used,
                                   .regexes = parser->regexes,
                                   .tolerance = parser->tolerance};
  parser->in_config = 1;
  parser_add(parser, LOG_PATTERN_SCOPE, 0);
}

static void leave_config(struct parser *parser) {
  parser->next = parser->outside.next;
  parser->selecting = parser->outside.selecting;
  parser->stamps_used = parser->outside.stamps_used;
  parser->regexes = parser->outside.regexes;
  parser->tolerance = parser->outside.tolerance;
  parser->in_config = 0;
  parser_add(parser, LOG_PATTERN_LEAVE, 0);
}

static int is_zero(char const *text) {
  return *text && !text[strspn(text, "0")];
}

/* svlogd's words, some of which mean something else elsewhere. s0 and n0 keep everything there;
 * to take them for the nearest number would remove what was to be kept. */
static char const *parse_config_word(struct parser *parser, char const *word, int index) {
#define REFUSE(letter, expected) {letter, expected},
  static struct {
    char letter[2];
    char const *expected;
  } const refused[] = {LOG_CONFIG_REFUSED(REFUSE)};

  if (*word == 't' && word[1])
    return parser_number(parser, word + 1, index, &parser->next.period_s, 0, LOG_TIME_MAX);
  if (*word == 's' && is_zero(word + 1))
    return "at least s4096: svlogd's s0, files of any size, is not there";
  if (*word == 'n' && is_zero(word + 1))
    return "at least n2: svlogd's n0, any number of files, is not there";
  for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++)
    if (*word == *refused[i].letter && (!strchr("eE", *word) || word[1]))
      return refused[i].expected;
  return parser_word(parser, word, index);
}

static char const *parse_placed(struct parser *parser, char const *word, int in_config,
                                int index) {
  char const *expected;

  parser->bare = in_config;
  if (in_config && !parser->in_config) enter_config(parser);
  expected =
      in_config ? parse_config_word(parser, word, index) : parser_word(parser, word, index);
  if (!in_config && parser->in_config) leave_config(parser);
  return expected;
}

void logscript_free(struct logscript *script) {
  for (unsigned i = 0; i < script->pattern_count; i++)
    free(script->patterns[i].regex);
  script->pattern_count = 0;
}

int logscript_parse(struct logscript *script, struct logpattern *patterns,
                    char const *const *words, unsigned const *lines, int count,
                    struct logscript_error *error) {
  struct parser parser = {.script = script};

  parser.next = (struct logaction){
      .size = SIZE_DEFAULT, .count = COUNT_DEFAULT, .retry_ms = RETRY_DEFAULT};
  *script = (struct logscript){.patterns = patterns};
  for (int i = 0; i < count; i++) {
    unsigned actions = script->action_count;
    char const *expected = parse_placed(&parser, words[i], lines && lines[i], i);
    if (expected) {
      logscript_free(script);
      *error = (struct logscript_error){.index = i, .expected = expected};
      return 0;
    }
    if (script->action_count > actions) script->last = i;
  }
  if (script->action_count) return 1;
  logscript_free(script);
  *error = (struct logscript_error){.index = count,
                                    .expected = "an action: a directory, 1, 2, e or =FILE"};
  return 0;
}
