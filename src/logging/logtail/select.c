/* Patterns: extended regular expressions, as of grep -E. One that means just itself is looked
 * for by memmem(), which is ten times as fast. */

#include <skalibs/nonposix.h>
#include "logtail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int selection_add(struct selection *selection, char const *text, int exclude, char *error,
                  size_t size) {
  struct pattern *all = realloc(selection->all, (selection->count + 1) * sizeof *all), *pattern;
  int wrong;

  if (!all) return (snprintf(error, size, "no memory"), 0);
  selection->all = all;
  pattern = &all[selection->count];
  *pattern = (struct pattern){.len = strlen(text), .exclude = exclude};
  wrong = regcomp(&pattern->regex, text, REG_EXTENDED | REG_NOSUB | selection->flags);
  if (wrong) {
    regerror(wrong, &pattern->regex, error, size);
    return 0;
  }
  if (!selection->flags && !text[strcspn(text, "\\.[]()*+?{}|^$")]) pattern->literal = text;
  selection->count++;
  if (!exclude) selection->wanting++;
  return 1;
}

void selection_free(struct selection *selection) {
  for (unsigned i = 0; i < selection->count; i++)
    regfree(&selection->all[i].regex);
  free(selection->all);
  *selection = (struct selection){.all = 0};
}

static int matches(struct pattern const *pattern, char *line, size_t len) {
  if (pattern->literal) return memmem(line, len, pattern->literal, pattern->len) != 0;
  return !regexec(&pattern->regex, line, 0, 0, 0);
}

int selection_takes(struct selection const *selection, char *line, size_t len) {
  int wanted = !selection->wanting, refused = 0;
  char behind = line[len];

  line[len] = 0;
  for (unsigned i = 0; i < selection->count && !refused; i++) {
    struct pattern const *pattern = &selection->all[i];
    if (pattern->exclude)
      refused = matches(pattern, line, len);
    else if (!wanted)
      wanted = matches(pattern, line, len);
  }
  line[len] = behind;
  return wanted && !refused;
}
