/* A file that nobody asks for, with nearly the name of one that means something: a slip is not
 * told by anything else, as a service directory may hold what its service likes. */

#include <skalibs/nonposix.h>

#include "values.h"

#include <string.h>

#define LONGEST 32 /* of our names: 19 */
#define SHORT 5    /* letters; below that another one makes another word */
#define LONG 8     /* from here on two slips are one (seed is not needs) */

static char small(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* In small letters, with - between its words. 0 when it is too long to be one of ours. */
static int plain(char out[LONGEST], char const *name) {
  size_t len = strlen(name);

  if (len >= LONGEST) return 0;
  for (size_t i = 0; i <= len; i++)
    out[i] = name[i] == '_' || name[i] == '.' ? '-' : small(name[i]);
  return 1;
}

/* kill-timeout for timeout-kill */
static int is_turned_round(char const *a, char const *b) {
  char const *dash = strchr(a, '-');
  size_t first, rest;

  if (!dash || strlen(a) != strlen(b)) return 0;
  first = (size_t)(dash - a);
  rest = strlen(dash + 1);
  return b[rest] == '-' && !memcmp(b, dash + 1, rest) && !memcmp(b + rest + 1, a, first);
}

static unsigned least(unsigned a, unsigned b) {
  return a < b ? a : b;
}

/* The number of letters to insert, remove or replace: Levenshtein's distance. */
static unsigned slips(char const *a, char const *b) {
  unsigned row[LONGEST + 1];
  size_t across = strlen(b);

  for (unsigned k = 0; k <= across; k++)
    row[k] = k;
  for (unsigned i = 0; a[i]; i++) {
    unsigned corner = row[0];
    row[0] = i + 1;
    for (size_t k = 1; k <= across; k++) {
      unsigned above = row[k];
      row[k] = least(least(above, row[k - 1]) + 1, corner + (a[i] != b[k - 1]));
      corner = above;
    }
  }
  return row[across];
}

static char const *known(unsigned i) {
  return i < VALUE_ROW_COUNT ? svdir_values[i].file : svdir_marks[i - VALUE_ROW_COUNT].file;
}

static int is_alike(char const *name, char const *ours) {
  size_t len = strlen(ours);

  if (!strcmp(name, ours) || is_turned_round(name, ours)) return 1;
  return len >= SHORT && slips(name, ours) <= (len < LONG ? 1u : 2u);
}

char const *svdir_meant(char const *name) {
  char text[LONGEST];
  char const *meant = 0;

  if (!plain(text, name)) return 0;
  for (unsigned i = 0; i < VALUE_ROW_COUNT + MARK_COUNT; i++) {
    if (!strcmp(name, known(i))) return 0;
    if (!meant && is_alike(text, known(i))) meant = known(i);
  }
  return meant;
}
