/* Merging: lines of many sources come in the order of their times, those of a moment in the
 * order of the sources, each source's own order kept even where its times go back. And which
 * lines patterns take. */

#include <skalibs/nonposix.h>
#include "tap.h"

#include "../../src/logging/logtail/merge.c"
#include "../../src/logging/logtail/select.c"

#define SOURCES 37
#define LINES 400

static uint64_t times[SOURCES][LINES];
static unsigned next_of[SOURCES], count_of[SOURCES];
static struct source sources[SOURCES];
static uint64_t seed = 88172645463325252ull;

static uint64_t random_below(uint64_t limit) {
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return seed % limit;
}

/* The next line of a source: sets its time. */
static int advance(struct source *s) {
  unsigned i = s->number;

  if (next_of[i] == count_of[i]) return 0;
  s->at = (struct stamp){.tai = times[i][next_of[i]] / 4,
                         .nano = (uint32_t)(times[i][next_of[i]] % 4)};
  next_of[i]++;
  return 1;
}

static void make(int rising) {
  for (unsigned i = 0; i < SOURCES; i++) {
    uint64_t at = random_below(50);
    sources[i].number = i;
    next_of[i] = 0;
    count_of[i] = (unsigned)random_below(LINES + 1);
    for (unsigned j = 0; j < count_of[i]; j++)
      times[i][j] = rising ? at += random_below(5) : random_below(1000);
  }
}

/* What a search through all of them would take. */
static unsigned earliest(unsigned const at[SOURCES]) {
  unsigned best = SOURCES;

  for (unsigned i = 0; i < SOURCES; i++)
    if (at[i] < count_of[i] && (best == SOURCES || times[i][at[i]] < times[best][at[best]]))
      best = i;
  return best;
}

static void test_merge(int rising, char const *name) {
  struct merger merger = {.heap = 0};
  unsigned at[SOURCES] = {0}, wrong = 0, shown = 0, all = 0;
  struct source *s;

  make(rising);
  for (unsigned i = SOURCES; i--;) { /* whatever the order in which they come */
    all += count_of[i];
    if (advance(&sources[i])) need(merger_add(&merger, &sources[i]));
  }
  while ((s = merger_first(&merger))) {
    unsigned want = earliest(at);
    if (s->number != want) wrong++;
    at[s->number]++;
    shown++;
    merger_next(&merger, advance(s));
  }
  is_int(wrong, 0, name);
  is_int(shown, all, "all of them");
  free(merger.heap);
}

static void takes(struct selection const *selection, char const *text, int want) {
  char line[100];

  strcpy(line, text);
  line[strlen(text)] = '\n'; /* as it stands in a buffer */
  if (!ok(selection_takes(selection, line, strlen(text)) == want, text)) diag("%d", !want);
  if (line[strlen(text)] != '\n') ok(0, "the byte behind the line is as it was");
}

static void test_selection(void) {
  struct selection all = {.flags = 0}, some = {.flags = 0}, any_case = {.flags = REG_ICASE};
  char error[100] = "";

  takes(&all, "anything, without patterns", 1);
  need(selection_add(&some, "GET", 0, error, sizeof error));
  need(selection_add(&some, "^(PUT|POST) ", 0, error, sizeof error));
  need(selection_add(&some, "health", 1, error, sizeof error));
  need(selection_add(&some, "\\.(png|css)$", 1, error, sizeof error));
  takes(&some, "GET /", 1);
  takes(&some, "a GET in the middle", 1);
  takes(&some, "POST /x", 1);
  takes(&some, "xPOST /x", 0);
  takes(&some, "GET /health", 0);
  takes(&some, "GET /a.png", 0);
  takes(&some, "GET /a.png?x", 1);
  takes(&some, "get /", 0);
  need(selection_add(&any_case, "GET", 0, error, sizeof error));
  takes(&any_case, "get it, whatever its case", 1);
  ok(!selection_add(&some, "(", 0, error, sizeof error) && *error, "no expression: why");
  selection_free(&some);
  selection_free(&any_case);
}

int main(void) {
  test_merge(1, "in the order of time");
  test_merge(0, "also when the times of a source go back");
  test_selection();
  return tap_done();
}
