/* POSIX extended regular expressions of bytes, as s6-log's directives have them, which says of
 * a line whether it matches and nothing else. libc's regexec() keeps every state that it has
 * met, so what somebody writes into a log could make a log writer grow; here all memory is
 * known when the expression is compiled, a match takes time proportional to the line and to the
 * expression, and cannot fail.
 *
 * The expression becomes steps; a match follows all ways through them at once, byte by byte.
 * What only some libcs know (a backslash before a letter or digit, collating symbols) is
 * refused.
 */

#include <lares/logscript.h>

#include <string.h>

enum op { OP_SET, OP_SPLIT, OP_BEGIN, OP_END, OP_MATCH };

struct compiler {
  struct logregex *regex;
  char const *at;
  char const *expected; /* what is wrong, once something is */
  unsigned depth;
};

#define DEPTH_MAX 50
#define REPEAT_MAX 255

static void compile_any(struct compiler *);

static unsigned emit(struct compiler *compiler, enum op op, unsigned next, unsigned other) {
  struct logregex *regex = compiler->regex;

  if (regex->count == LOGREGEX_STEPS - 1) {
    compiler->expected = "a smaller regular expression";
    return 0;
  }
  regex->steps[regex->count] = (struct logregex_step){
      .op = (uint8_t)op, .next = (uint16_t)next, .other = (uint16_t)other};
  return regex->count++;
}

static void emit_set(struct compiler *compiler, uint8_t const set[32]) {
  struct logregex *regex = compiler->regex;
  unsigned step = emit(compiler, OP_SET, regex->count + 1u, 0), i = 0;

  if (compiler->expected) return;
  while (i < regex->set_count && memcmp(regex->sets[i], set, 32))
    i++;
  if (i == LOGREGEX_SETS) {
    compiler->expected = "a regular expression with fewer different bytes and brackets";
    return;
  }
  if (i == regex->set_count) memcpy(regex->sets[regex->set_count++], set, 32);
  regex->steps[step].other = (uint16_t)i;
}

static void add(uint8_t set[32], unsigned c) {
  set[c / 8] |= (uint8_t)(1u << c % 8);
}

/* --- [...] --- */

static int in_class(char const *name, unsigned c) {
  int upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
  int graph = c > 32 && c < 127;

  if (!strcmp(name, "alpha")) return upper || lower;
  if (!strcmp(name, "digit")) return digit;
  if (!strcmp(name, "alnum")) return upper || lower || digit;
  if (!strcmp(name, "upper")) return upper;
  if (!strcmp(name, "lower")) return lower;
  if (!strcmp(name, "space")) return c == 32 || (c >= 9 && c <= 13);
  if (!strcmp(name, "blank")) return c == 32 || c == 9;
  if (!strcmp(name, "punct")) return graph && !upper && !lower && !digit;
  if (!strcmp(name, "print")) return graph || c == 32;
  if (!strcmp(name, "graph")) return graph;
  if (!strcmp(name, "cntrl")) return c < 32 || c == 127;
  if (!strcmp(name, "xdigit")) return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  return -1;
}

static void add_class(struct compiler *compiler, uint8_t set[32]) {
  char const *end = strstr(compiler->at, ":]");
  char name[8] = {0};

  if (end && (size_t)(end - compiler->at) < sizeof name)
    memcpy(name, compiler->at, (size_t)(end - compiler->at));
  if (in_class(name, 0) < 0) {
    compiler->expected = "a class as [:alpha:] in brackets";
    return;
  }
  for (unsigned c = 1; c < 256; c++)
    if (in_class(name, c)) add(set, c);
  compiler->at = end + 2;
}

#define BRACKETS "brackets of bytes, rising ranges and classes, ended by ]"

static void compile_brackets(struct compiler *compiler) {
  uint8_t set[32] = {0};
  int inverted = *compiler->at == '^';
  char const *first;

  compiler->at += inverted;
  first = compiler->at;
  while (!compiler->expected && *compiler->at &&
         (*compiler->at != ']' || compiler->at == first)) {
    unsigned from = (unsigned char)*compiler->at++, to = from;
    if (from == '[' && *compiler->at == ':') {
      compiler->at++;
      add_class(compiler, set);
      continue;
    }
    if (from == '[' && (*compiler->at == '.' || *compiler->at == '=')) break;
    if (*compiler->at == '-' && compiler->at[1] && compiler->at[1] != ']') {
      to = (unsigned char)compiler->at[1];
      compiler->at += 2;
      if (to == '[' || to < from) {
        compiler->expected = BRACKETS;
        return;
      }
    }
    for (unsigned c = from; c <= to; c++)
      add(set, c);
  }
  if (!compiler->expected && *compiler->at != ']') compiler->expected = BRACKETS;
  if (compiler->expected) return;
  compiler->at++;
  for (unsigned i = 0; inverted && i < 32; i++)
    set[i] = (uint8_t)~set[i];
  set[0] &= 0xfe;
  emit_set(compiler, set);
}

/* --- what can be repeated --- */

static void compile_byte(struct compiler *compiler, unsigned c) {
  uint8_t set[32] = {0};

  add(set, c);
  emit_set(compiler, set);
}

static void compile_group(struct compiler *compiler) {
  if (++compiler->depth > DEPTH_MAX) {
    compiler->expected = "at most 50 parentheses within each other";
    return;
  }
  compile_any(compiler);
  compiler->depth--;
  if (compiler->expected) return;
  if (*compiler->at != ')')
    compiler->expected = "a ) for each (";
  else
    compiler->at++;
}

static void compile_escape(struct compiler *compiler) {
  unsigned c = (unsigned char)*compiler->at;

  if (!c || in_class("alnum", c) || c > 127 || c == '<' || c == '>' || c == '`' || c == '\'') {
    compiler->expected = "a special character behind a backslash";
    return;
  }
  compiler->at++;
  compile_byte(compiler, c);
}

static void compile_atom(struct compiler *compiler) {
  static uint8_t all[32];
  unsigned c = (unsigned char)*compiler->at++;

  switch (c) {
  case '(':
    compile_group(compiler);
    return;
  case '[':
    compile_brackets(compiler);
    return;
  case '.':
    memset(all, 0xff, sizeof all);
    all[0] = 0xfe;
    emit_set(compiler, all);
    return;
  case '^':
  case '$':
    emit(compiler, c == '^' ? OP_BEGIN : OP_END, compiler->regex->count + 1u, 0);
    return;
  case '\\':
    compile_escape(compiler);
    return;
  case '*':
  case '+':
  case '?':
  case '{':
    compiler->expected = "something to repeat before *, +, ? or {";
    return;
  default:
    compile_byte(compiler, c);
  }
}

/* --- repeating --- */

/* {m}, {m,} or {m,n}; most is REPEAT_MAX + 1 for no end. */
static void read_interval(struct compiler *compiler, unsigned *least, unsigned *most) {
  unsigned values[2] = {0, 0}, which = 0, digits = 0;

  for (compiler->at++; *compiler->at != '}'; compiler->at++) {
    char c = *compiler->at;
    if (c == ',' && !which && digits)
      which = 1, digits = 0;
    else if (c >= '0' && c <= '9' && values[which] <= REPEAT_MAX)
      values[which] = values[which] * 10 + (unsigned)(c - '0'), digits++;
    else
      break;
  }
  *least = values[0];
  *most = !which ? values[0] : digits ? values[1] : REPEAT_MAX + 1;
  if (*compiler->at != '}' || (!which && !digits) || *least > REPEAT_MAX || *most < *least ||
      *most > REPEAT_MAX + (unsigned)(which && !digits))
    compiler->expected = "{N}, {N,} or {N,M}, at most 255, M not less than N";
  else
    compiler->at++;
}

static void read_repeat(struct compiler *compiler, unsigned *least, unsigned *most) {
  char c = *compiler->at;

  if (c == '{') {
    read_interval(compiler, least, most);
    return;
  }
  *least = c == '+';
  *most = c == '?' ? 1 : REPEAT_MAX + 1;
  compiler->at++;
}

/* The steps from start on once more. */
static void copy(struct compiler *compiler, struct logregex_step const *steps, unsigned start,
                 unsigned count) {
  unsigned to = compiler->regex->count;

  for (unsigned i = 0; i < count && !compiler->expected; i++) {
    struct logregex_step step = steps[i];
    step.next = (uint16_t)(step.next - start + to);
    if (step.op == OP_SPLIT) step.other = (uint16_t)(step.other - start + to);
    emit(compiler, (enum op)step.op, step.next, step.other);
  }
}

static void repeat(struct compiler *compiler, unsigned start, unsigned least, unsigned most) {
  struct logregex *regex = compiler->regex;
  struct logregex_step steps[LOGREGEX_STEPS];
  unsigned count = regex->count - start, split;

  memcpy(steps, regex->steps + start, count * sizeof *steps);
  regex->count = (uint16_t)start;
  for (unsigned i = 0; i < least; i++)
    copy(compiler, steps, start, count);
  if (most > REPEAT_MAX) {
    split = emit(compiler, OP_SPLIT, regex->count + 1u, 0);
    copy(compiler, steps, start, count);
    emit(compiler, OP_SPLIT, split, split);
    regex->steps[split].other = regex->count;
    return;
  }
  for (unsigned i = least; i < most && !compiler->expected; i++) {
    split = emit(compiler, OP_SPLIT, regex->count + 1u, 0);
    copy(compiler, steps, start, count);
    regex->steps[split].other = regex->count;
  }
}

/* A ) for which there is no ( is itself, as in libc. */
static void compile_row(struct compiler *compiler) {
  while (!compiler->expected && *compiler->at && *compiler->at != '|' &&
         (*compiler->at != ')' || !compiler->depth)) {
    unsigned start = compiler->regex->count, least, most;
    compile_atom(compiler);
    while (!compiler->expected && *compiler->at && strchr("*+?{", *compiler->at)) {
      read_repeat(compiler, &least, &most);
      if (!compiler->expected) repeat(compiler, start, least, most);
    }
  }
}

/* a|b: a split before each alternative but the last, and a way from each end to the end. */
static void compile_any(struct compiler *compiler) {
  struct logregex *regex = compiler->regex;
  unsigned ends[LOGREGEX_STEPS / 2], count = 0, start;

  for (;;) {
    start = regex->count;
    compile_row(compiler);
    if (compiler->expected || *compiler->at != '|') break;
    compiler->at++;
    {
      struct logregex_step steps[LOGREGEX_STEPS];
      unsigned length = regex->count - start;
      memcpy(steps, regex->steps + start, length * sizeof *steps);
      regex->count = (uint16_t)start;
      emit(compiler, OP_SPLIT, start + 1, 0);
      copy(compiler, steps, start, length);
      ends[count++] = emit(compiler, OP_SPLIT, 0, 0);
      regex->steps[start].other = regex->count;
    }
  }
  while (count--)
    regex->steps[ends[count]].next = regex->steps[ends[count]].other = regex->count;
}

char const *logregex_compile(struct logregex *regex, char const *text) {
  struct compiler compiler = {.regex = regex, .at = text};

  regex->count = regex->set_count = 0;
  compile_any(&compiler);
  if (compiler.expected) return compiler.expected;
  regex->steps[regex->count++] = (struct logregex_step){.op = OP_MATCH};
  return 0;
}

/* --- matching --- */

struct ways { /* steps that are next, each once */
  uint16_t count;
  uint16_t steps[LOGREGEX_STEPS];
  uint8_t has[LOGREGEX_STEPS];
};

/* All that can be reached without a byte; 1 if the end can. */
static int follow(struct logregex const *regex, struct ways *ways, unsigned from, int begin,
                  int end) {
  uint16_t stack[2 * LOGREGEX_STEPS];
  unsigned depth = 0;

  stack[depth++] = (uint16_t)from;
  while (depth) {
    unsigned at = stack[--depth];
    struct logregex_step const *step = regex->steps + at;
    if (ways->has[at]) continue;
    ways->has[at] = 1;
    if (step->op == OP_MATCH) return 1;
    if (step->op == OP_SET) ways->steps[ways->count++] = (uint16_t)at;
    if (step->op == OP_SPLIT || (step->op == OP_BEGIN && begin) || (step->op == OP_END && end))
      stack[depth++] = step->next;
    if (step->op == OP_SPLIT) stack[depth++] = step->other;
  }
  return 0;
}

static void forget(struct logregex const *regex, struct ways *ways) {
  ways->count = 0;
  memset(ways->has, 0, regex->count);
}

int logregex_match(struct logregex const *regex, char const *line, size_t len) {
  struct ways both[2], *now = both, *next = both + 1;

  forget(regex, now);
  for (size_t i = 0;; i++) {
    struct ways *swap = now;
    unsigned c;
    if (follow(regex, now, 0, !i, i == len)) return 1;
    if (i == len) return 0;
    c = (unsigned char)line[i];
    forget(regex, next);
    for (unsigned way = 0; way < now->count; way++) {
      struct logregex_step const *step = regex->steps + now->steps[way];
      if (!(regex->sets[step->other][c / 8] >> c % 8 & 1)) continue;
      if (follow(regex, next, step->next, 0, i + 1 == len)) return 1;
    }
    now = next;
    next = swap;
  }
}
