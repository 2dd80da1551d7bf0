/* What a script has come to so far, for script.c and words.c. */

#ifndef LARES_LOGSCRIPT_PARSER_H
#define LARES_LOGSCRIPT_PARSER_H

#include <lares/logscript.h>

struct parser {
  struct logscript *script;
  struct logaction next; /* what the words so far come to for the next action */
  int selecting;         /* a pattern was seen */
  int stamps_used;       /* by an action: the next stamp begins anew */
  int in_config;         /* one holds; it ends with the directory behind it */
  int bare;              /* the word stands in one */
  int regexes;           /* patterns are expressions */
  int tolerance;         /* the index of the l that holds */
  struct scope {         /* what was before the config */
    struct logaction next;
    int selecting, stamps_used, regexes, tolerance;
  } outside;
};

extern void parser_add(struct parser *, enum log_pattern_kind, char const *text);
/* Each: 0, or what is expected. index: the word's. */
extern char const *parser_word(struct parser *, char const *word, int index);
extern char const *parser_number(struct parser *, char const *text, int index, uint32_t *value,
                                 uint64_t min, uint64_t max);

#endif
