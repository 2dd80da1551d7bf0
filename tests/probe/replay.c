/* Lays a supervisor's history beside the pure machine's. For tests only.
 *
 *   replay HISTORY LETTERS FACT... KEY=VALUE...
 *
 * HISTORY is supervise/history, LETTERS what was written to supervise/control since the
 * service's first supervisor began, in order. FACTs (names as in lares/machine.h) hold whenever
 * they are asked for; with a question mark (`rest?`) they may hold or not.
 * restart=always|on-failure|never and what the records say give the others. Every record has to
 * be what machine_step makes of the one before: directly, or after steps that show nothing (a
 * signal, a deadline in a stop, a command that changes nothing). Letters are used up in order,
 * each once, all of them.
 *
 * `!' among the letters: the supervisor was killed there. The letters just before it may be
 * lost, as many as had not been obeyed. What the next one finds started by a command that is
 * lost it says to have been `up' or, of what was done, `restart'. `|': all before it have been
 * obeyed.
 *
 * Prints "cell STATE EVENT" for each cell of the table that a record went through, and "wrong
 * ..." with exit code 1 when there is no such way.
 */

#include <skalibs/nonposix.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lares/control.h>
#include <lares/status.h>

#define WAYS_MOST 4096

enum restart { ALWAYS, ON_FAILURE, NEVER };

/* Where the supervisor may be: its machine, and how many letters it has obeyed. */
struct way {
  struct machine m;
  unsigned letters;
  int fresh; /* a new supervisor, before its first record */
};

struct replay {
  uint32_t facts; /* that always hold */
  uint32_t maybe; /* hold or not */
  int restart;
  char const *letters;
  unsigned letter_count;
  struct way ways[WAYS_MOST];
  unsigned count;
  int32_t last_wstat; /* of `run` */
  uint64_t records;
  struct history_record held; /* a death told together with the start that failed */
  int has_held;
};

static int is_same(struct machine const *a, struct machine const *b) {
  return a->state == b->state && a->want == b->want && a->role == b->role &&
         a->stop == b->stop && a->flags == b->flags && a->early == b->early;
}

static void add(struct replay *r, struct machine const *m, unsigned letters, int fresh) {
  for (unsigned i = 0; i < r->count; i++)
    if (r->ways[i].letters == letters && r->ways[i].fresh == fresh && is_same(&r->ways[i].m, m))
      return;
  if (r->count == WAYS_MOST) {
    fprintf(stderr, "replay: too many ways\n");
    exit(111);
  }
  r->ways[r->count++] = (struct way){*m, letters, fresh};
}

static int is_command(unsigned event) {
  return event >= EVENT_WANT_UP && event <= EVENT_UPGRADE;
}

/* The facts that the supervisor has found with this event. */
static uint32_t facts_of(struct replay const *r, struct machine const *m, unsigned event,
                         int32_t wstat) {
  uint32_t facts = r->facts;
  int dead = event == EVENT_RUN_DIED || event == EVENT_FINISH_DONE || event == EVENT_EMPTY;
  int32_t last = event == EVENT_RUN_DIED ? wstat : r->last_wstat;
  int success = last == 0 && m->stop != STOP_LAPSE;

  if (!dead && event != EVENT_START_BAD) facts &= ~(uint32_t)(FACT_EARLY | FACT_LATER);
  if (event == EVENT_START_BAD) facts |= FACT_EARLY;
  if (dead && success) facts |= FACT_SUCCESS;
  if (r->restart == NEVER && (dead || event == EVENT_START_BAD)) facts |= FACT_ENDED;
  if (r->restart == ON_FAILURE && dead && success) facts |= FACT_ENDED;
  if (event == EVENT_FINISH_DONE && WIFEXITED(wstat) && WEXITSTATUS(wstat) == 125)
    facts |= FACT_GIVEUP;
  return facts;
}

/* The next choice of what may hold or not; 0 again after the last. */
static uint32_t next_choice(struct replay const *r, uint32_t choice) {
  return (choice - r->maybe) & r->maybe;
}

/* Steps that show nothing lead on to further ways. */
static void step_hidden(struct replay *r, struct way way, unsigned event, unsigned letters) {
  uint32_t more = 0;

  if (!machine_possible(&way.m, (enum machine_event)event)) return;
  do {
    struct machine m = way.m;
    machine_deeds deeds =
        machine_step(&m, (enum machine_event)event, facts_of(r, &way.m, event, 0) | more);
    if (!(deeds & (DO_BUG | DO_PUBLISH))) add(r, &m, letters, 0);
    more = next_choice(r, more);
  } while (more);
}

static void step_killed(struct replay *r, struct way const *way) {
  unsigned letters = way->letters + (unsigned)strcspn(r->letters + way->letters, "|!");

  if (r->letters[letters] == '!') add(r, &way->m, letters + 1, 1);
}

static unsigned event_of(struct replay const *r, unsigned letter) {
  struct control_letter const *found = control_find(r->letters[letter]);

  return found ? found->event : (unsigned)EVENT_COUNT;
}

static void close_over_hidden(struct replay *r) {
  static unsigned const silent[] = {EVENT_DEADLINE, EVENT_EMPTY,     EVENT_READY,
                                    EVENT_UNREADY,  EVENT_NEEDS_MET, EVENT_NEEDS_LOST,
                                    EVENT_FORKING,  EVENT_MISFORKED, EVENT_LAPSE};

  for (unsigned i = 0; i < r->count; i++) {
    unsigned letters = r->ways[i].letters;
    for (unsigned k = 0; k < sizeof silent / sizeof *silent; k++)
      step_hidden(r, r->ways[i], silent[k], letters);
    step_killed(r, &r->ways[i]);
    if (letters == r->letter_count || r->letters[letters] == '!') continue;
    if (event_of(r, letters) == EVENT_COUNT)
      add(r, &r->ways[i].m, letters + 1, 0); /* means nothing */
    else
      step_hidden(r, r->ways[i], event_of(r, letters), letters + 1);
  }
}

static int is_made_up(struct way const *way, unsigned event) {
  return way->fresh && (event == EVENT_WANT_UP || event == EVENT_RESTART);
}

static void try_once(struct replay *r, struct way way, struct history_record const *record,
                     uint32_t more, unsigned letters) {
  unsigned event = record->event;
  struct machine m = way.m;
  machine_deeds deeds = machine_step(&m, (enum machine_event)event,
                                     facts_of(r, &way.m, event, record->wstat) | more);

  if (deeds & DO_BUG || (!(deeds & DO_PUBLISH) && event != EVENT_BOOT && !(deeds & DO_GONE)))
    return;
  if (!is_same(&m, &record->machine)) return;
  printf("cell %s %s\n", machine_state_name(way.m.state), machine_event_name(event));
  add(r, &m, letters, 0);
}

static void try_step(struct replay *r, struct way way, struct history_record const *record) {
  unsigned event = record->event, letter = way.letters;
  uint32_t more = 0;

  if (!machine_possible(&way.m, (enum machine_event)event)) return;
  do {
    if (!is_command(event) || is_made_up(&way, event)) try_once(r, way, record, more, letter);
    if (is_command(event) && letter < r->letter_count && event_of(r, letter) == event)
      try_once(r, way, record, more, letter + 1);
    more = next_choice(r, more);
  } while (more);
}

static void print_machine(struct machine const *m) {
  printf("%s want %s role %s stop %u flags %u early %u", machine_state_name(m->state),
         machine_want_name(m->want), machine_role_name(m->role), m->stop, m->flags, m->early);
}

static void complain(struct replay const *r, struct way const *ways, unsigned count,
                     struct history_record const *record) {
  printf("wrong at record %llu: %s -> ", (unsigned long long)record->sequence,
         machine_event_name(record->event));
  print_machine(&record->machine);
  printf(" (wait status %d, last %d); it could have been", record->wstat, r->last_wstat);
  for (unsigned i = 0; i < count && i < 400; i++) {
    printf("%s ", i ? " or" : "");
    print_machine(&ways[i].m);
    printf(" at letter %u", ways[i].letters);
  }
  printf("\n");
}

static int take(void *context, struct history_record const *record) {
  static struct way before[WAYS_MOST];
  struct replay *r = context;
  unsigned count;

  if (record->sequence != ++r->records) {
    printf("wrong: record %llu is not the next\n", (unsigned long long)record->sequence);
    exit(1);
  }
  if (r->records > 1) close_over_hidden(r);
  count = r->count;
  memcpy(before, r->ways, count * sizeof *before);
  r->count = 0;
  for (unsigned i = 0; i < count; i++)
    try_step(r, before[i], record);
  if (!r->count) {
    complain(r, before, count, record);
    exit(1);
  }
  if (record->event == EVENT_RUN_DIED) r->last_wstat = record->wstat;
  return 1;
}

static int take_argument(struct replay *r, char const *word) {
#define FACT_NAME(name, text) {text, FACT_##name},
  static struct {
    char const *name;
    uint32_t fact;
  } const names[] = {MACHINE_FACTS(FACT_NAME)};
#undef FACT_NAME
  static char const *const restarts[] = {"restart=always", "restart=on-failure",
                                         "restart=never"};

  for (int i = 0; i < 3; i++)
    if (!strcmp(word, restarts[i])) return (r->restart = i, 1);
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    size_t len = strlen(names[i].name);
    if (strncmp(word, names[i].name, len)) continue;
    if (!word[len]) return (r->facts |= names[i].fact, 1);
    if (!strcmp(word + len, "?")) return (r->maybe |= names[i].fact, 1);
  }
  return 0;
}

int main(int argc, char **argv) {
  static struct replay r = {.last_wstat = WSTAT_UNKNOWN};
  uint64_t lost;
  int fd;

  if (argc < 3 || (fd = open(argv[1], O_RDONLY | O_CLOEXEC)) < 0) return 111;
  r.letters = argv[2];
  r.letter_count = (unsigned)strlen(argv[2]);
  for (int i = 3; i < argc; i++)
    if (!take_argument(&r, argv[i])) {
      fprintf(stderr, "replay: what is %s?\n", argv[i]);
      return 100;
    }
  add(&r, &MACHINE_ZERO, 0, 0);
  if (!history_read(fd, 0, &lost, &take, &r) || lost) {
    printf("wrong: %llu records lost\n", (unsigned long long)lost);
    return 1;
  }
  close_over_hidden(&r);
  for (unsigned i = 0; i < r.count; i++)
    if (r.ways[i].letters == r.letter_count) return 0;
  printf("wrong: not all letters were obeyed, at most %u of %u\n",
         r.count ? r.ways[r.count - 1].letters : 0, r.letter_count);
  return 1;
}
