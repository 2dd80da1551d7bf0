/* When a service is started again, by a simulated clock: the schedules of other supervisors are
 * expressed by restart, restart-delays, restart-reset, max-deaths and retry-failed, and lived
 * through with the machine and a real journal. */

#include "svdir_case.h"

#include <errno.h>

#include <lares/machine.h>
#include <lares/status.h>

#define FAILED (-1)
#define DONE (-2)

static struct {
  struct svdir svdir;
  struct machine m;
  struct history_writer journal;
  int64_t now, died; /* ms */
} sim;

static char const *journal_path(void) {
  static char path[1024];

  snprintf(path, sizeof path, "%s.history", case_dir);
  return path;
}

static void tell(enum machine_event event, int32_t wstat) {
  struct history_record r = {
      .event = (uint8_t)event, .machine = sim.m, .moment = {sim.now * 1000000}, .wstat = wstat};

  need(history_append(&sim.journal, &r));
}

static void happen(enum machine_event event, uint32_t facts, int32_t wstat) {
  if (machine_step(&sim.m, event, facts) & DO_PUBLISH) tell(event, wstat);
}

/* What another supervisor finds. */
static void reopen(uint32_t most) {
  struct history_record last;

  if (sim.journal.fd > 0) close(sim.journal.fd);
  need(history_open(&sim.journal, journal_path(), most, &last));
}

/* file, content, ..., 0 */
static void begin(char const *const *files) {
  struct complaints complaints = {.count = 0};

  for (char const *const *f = files; *f; f += 2)
    case_write(f[0], f[1], strlen(f[1]));
  need(svdir_read(&sim.svdir, case_dir, case_complain, &complaints));
  is_int(complaints.count, 0, "all of it is understood");
  for (char const *const *f = files; *f; f += 2)
    case_clear(f[0]);
  unlink(journal_path());
  sim.m = MACHINE_ZERO;
  sim.now = 1000000000; /* since boot, ms */
  reopen(64);
  happen(EVENT_BOOT, FACT_WANTED, 0);
}

static uint32_t facts_of(int64_t ran, int32_t wstat) {
  struct svdir const *d = &sim.svdir;
  struct deadline since = {(sim.now - d->max_deaths_within) * 1000000};
  int early = ran < d->restart_reset;
  uint32_t facts = early ? FACT_EARLY : 0;

  if (!wstat) facts |= FACT_SUCCESS;
  if (d->restart == RESTART_NEVER || (d->restart == RESTART_ON_FAILURE && !wstat))
    facts |= FACT_ENDED;
  if (svdir_delay_ms(d, machine_early_after(&sim.m, early))) facts |= FACT_LATER;
  if (d->max_deaths &&
      1 + history_deaths(&sim.journal, since, d->max_deaths - 1, 1) >= d->max_deaths)
    facts |= FACT_GIVEUP;
  return facts;
}

/* It ran for so long and ended: the milliseconds until it is started again. */
static int64_t life(int64_t ran, int32_t wstat) {
  need(sim.m.role == ROLE_RUN);
  sim.now += ran;
  sim.died = sim.now;
  happen(EVENT_RUN_DIED, facts_of(ran, wstat), wstat);
  if (sim.m.state == STATE_FAILED) return FAILED;
  if (sim.m.state == STATE_DONE) return DONE;
  if (sim.m.state == STATE_UP) return 0;
  need(sim.m.state == STATE_BACKOFF);
  sim.now += svdir_delay_ms(&sim.svdir, sim.m.early);
  happen(EVENT_DEADLINE, 0, 0);
  return sim.now - sim.died;
}

/* The same life again and again. */
static void expect(int64_t ran, int64_t const *delays, unsigned count, char const *text) {
  unsigned wrong = 0;

  for (unsigned i = 0; i < count; i++) {
    int64_t got = life(ran, 1 << 8);
    if (got != delays[i] && !wrong++)
      diag("life %u: started again after %lld, not %lld", i, (long long)got,
           (long long)delays[i]);
  }
  is_int(wrong, 0, text);
}
#define EXPECT(ran, text, ...)                                                                 \
  expect(ran, (int64_t const[]){__VA_ARGS__},                                                  \
         sizeof((int64_t const[]){__VA_ARGS__}) / sizeof(int64_t), text)
#define BEGIN(...) begin((char const *const[]){__VA_ARGS__, 0, 0})

static void test_daemontools(void) {
  BEGIN("restart-delays", "0 1000\n");
  EXPECT(20, "daemontools: a second after each early death", 1000, 1000, 1000, 1000, 1000);
  EXPECT(1000, "at once after a second's run", 0, 0, 0);
  EXPECT(999, "and a second again", 1000, 1000);
}

static void test_default(void) {
  unsigned wrong = 0;

  BEGIN("restart", "always\n");
  for (unsigned i = 0; i < 30; i++)
    wrong += life(0, 9) != 1000;
  is_int(wrong, 0, "by default once a second for half a minute");
  EXPECT(0, "then ever slower", 2000, 4000, 8000, 15000, 15000, 15000);
  EXPECT(5000, "and at once after a good run", 0);
  EXPECT(0, "from the beginning", 1000, 1000);
}

/* startsecs 1, startretries 3: BACKOFF with a second more each time, then FATAL. */
static void test_supervisor(void) {
  BEGIN("restart-delays", "0 1000 2000 3000\n", "max-deaths", "4 10000\n");
  EXPECT(500, "Supervisor: BACKOFF, then FATAL", 1000, 2000, 3000, FAILED);
  happen(EVENT_WANT_UP, 0, 0);
  EXPECT(0, "started again by command it has all its tries", 1000, 2000, 3000, FAILED);
  happen(EVENT_DEADLINE, 0, 0);
  EXPECT(0, "and tried again by retry-failed, too", 1000, 2000, 3000, FAILED);
  happen(EVENT_WANT_UP, 0, 0);
  EXPECT(60000, "one that runs for a minute goes on for ever", 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

static void test_pm(void) {
  unsigned wrong = 0;

  BEGIN("restart-delays", "100*2 500 1000 10000 30000 60000 300000 900000\n", "restart-reset",
        "1800000\n");
  EXPECT(0, "0.1 s to 15 min", 100, 500, 1000, 10000, 30000, 60000, 300000, 900000);
  for (unsigned i = 0; i < 100; i++)
    wrong += life(1799999, 9) != 900000;
  is_int(wrong, 0, "every quarter of an hour from then on, after half an hour less a little");
  EXPECT(1800000, "back to the first step after 30 good minutes", 100, 100);
  EXPECT(0, "and on", 100, 500, 1000);
}

static void test_none(void) {
  BEGIN("restart", "never\n");
  is_int(life(5000, 1 << 8), FAILED, "none at all: failed");
  happen(EVENT_WANT_UP, 0, 0);
  is_int(life(5000, 0), DONE, "or done");
  BEGIN("restart", "on-failure\n", "restart-delays", "7\n");
  is_int(life(5000, 1 << 8), 7, "on-failure: after a failure");
  is_int(life(5000, 0), DONE, "and not after a success");
}

/* N deaths within MS, a window that moves. */
static void test_window(void) {
  BEGIN("restart-delays", "0 1\n", "restart-reset", "0\n", "max-deaths", "3 5000\n");
  EXPECT(2501, "deaths far enough apart", 0, 0, 0, 0, 0, 0);
  EXPECT(2500, "closer", 0, FAILED);
  BEGIN("restart-delays", "0\n", "max-deaths", "1 1\n");
  is_int(life(100000, 9), FAILED, "the first is one too many");
}

/* The next supervisor counts on, in a ring that wraps. */
static void test_kept(void) {
  BEGIN("restart-delays", "0\n", "restart-reset", "0\n", "max-deaths", "50 100000\n");
  for (unsigned i = 0; i < 200; i++) { /* slow enough */
    need(life(2100, 9) == 0);
    if (i % 7 == 0) reopen(64);
  }
  for (unsigned i = 0; i < 2; i++)
    reopen(64);
  for (unsigned i = 0; i < 49 && sim.m.role == ROLE_RUN; i++)
    if (life(10, 9) == FAILED) diag("failed after %u", i);
  is_int(sim.m.state, STATE_FAILED, "deaths of another supervisor's time count");
}

static void test_what_counts(void) {
  struct deadline since = {0};

  BEGIN("restart-delays", "0\n");
  (void)life(0, 9);
  (void)life(0, 0);
  is_int(history_deaths(&sim.journal, since, 100, 1), 2, "any end counts");
  is_int(history_deaths(&sim.journal, since, 100, 0), 1, "a oneshot's success does not");
  is_int(history_deaths(&sim.journal, since, 1, 1), 1,
         "no more are looked for than are enough");
  happen(EVENT_NEEDS_LOST, 0, 0);
  happen(EVENT_RUN_DIED, 0, 15);
  is_int(history_deaths(&sim.journal, since, 100, 1), 2, "nor what a stop has ended");
  happen(EVENT_RESTART, 0, 0);
  happen(EVENT_RUN_DIED, 0, 15);
  happen(EVENT_WANT_DOWN, 0, 0);
  happen(EVENT_WANT_UP, 0, 0);
  is_int(history_deaths(&sim.journal, since, 100, 1), 0, "a command to start forgives all");
  (void)life(0, 9);
  need(pwrite(sim.journal.fd, "damage", 6, (off_t)(sim.journal.next - 1) * 64) == 6);
  is_int(history_deaths(&sim.journal, since, 100, 1), 0, "damage ends the count");
  close(sim.journal.fd);
  sim.journal.fd = -1;
  is_int(history_deaths(&sim.journal, since, 100, 1), 0, "so does what cannot be read");
}

int main(void) {
  case_begin();
  test_daemontools();
  test_default();
  test_supervisor();
  test_pm();
  test_none();
  test_window();
  test_kept();
  test_what_counts();
  unlink(journal_path());
  case_end();
  return tap_done();
}
