/* The driver of fuzz.h where libFuzzer is not: kept inputs, mutations of them without knowing
 * what they reach, the child that they run in and what is said when it dies. Included by fuzz.h
 * only. */

#ifndef FUZZ_MAIN_H
#define FUZZ_MAIN_H

#include <ftw.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#ifndef FUZZ_WORDS
#define FUZZ_WORDS
#endif

#define FUZZ_MAX 4096 /* bytes of an input */
#define FUZZ_KEPT 512 /* inputs */
#define FUZZ_HANG 30  /* seconds for one input */

static char const *const fuzz_words[] = {FUZZ_WORDS 0};

static struct fuzz {
  struct fuzz_present { /* shared */
    size_t len;
    uint64_t runs;
    uint8_t bytes[FUZZ_MAX];
  } * present;
  struct {
    uint8_t *bytes;
    size_t len;
  } kept[FUZZ_KEPT];
  unsigned count;
  uint64_t random;
} fuzz;

static uint32_t fuzz_random(uint32_t below) {
  fuzz.random ^= fuzz.random >> 12;
  fuzz.random ^= fuzz.random << 25;
  fuzz.random ^= fuzz.random >> 27;
  return below ? (uint32_t)((fuzz.random * 2685821657736338717ull >> 33) % below) : 0;
}

/* A copy of exactly its size, so that the address sanitizer sees what reads beyond it. */
static void fuzz_run(void) {
  size_t len = fuzz.present->len;
  uint8_t *copy = malloc(len ? len : 1);

  need(copy);
  memcpy(copy, fuzz.present->bytes, len);
  alarm(FUZZ_HANG);
  LLVMFuzzerTestOneInput(copy, len);
  alarm(0);
  free(copy);
  fuzz.present->runs++;
}

static void fuzz_load(char const *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got;

  need(fd >= 0 && fuzz.count < FUZZ_KEPT);
  need((fuzz.kept[fuzz.count].bytes = malloc(FUZZ_MAX)) != 0);
  got = read(fd, fuzz.kept[fuzz.count].bytes, FUZZ_MAX);
  need(got >= 0);
  fuzz.kept[fuzz.count++].len = (size_t)got;
  close(fd);
}

static void fuzz_load_kept(char const *name) {
  char const *source = getenv("LARES_SOURCE");
  char path[1024];
  struct dirent **entries;
  int count;

  snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s", source ? source : ".", name);
  count = scandir(path, &entries, 0, alphasort);
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s/%s", source ? source : ".", name,
             entries[i]->d_name);
    if (entries[i]->d_name[0] != '.') fuzz_load(path);
    free(entries[i]);
  }
  if (count >= 0) free(entries);
}

static void fuzz_use(unsigned which) {
  fuzz.present->len = fuzz.kept[which].len;
  memcpy(fuzz.present->bytes, fuzz.kept[which].bytes, fuzz.present->len);
}

/* Replaces old bytes at a place by len others (which may lie in the input itself). */
static void fuzz_replace(size_t at, size_t old, void const *bytes, size_t len) {
  struct fuzz_present *p = fuzz.present;
  uint8_t copy[64];

  if (len > sizeof copy) len = sizeof copy;
  if (old > p->len - at) old = p->len - at;
  if (p->len - old + len > FUZZ_MAX) return;
  memcpy(copy, bytes, len);
  memmove(p->bytes + at + len, p->bytes + at + old, p->len - at - old);
  memcpy(p->bytes + at, copy, len);
  p->len = p->len - old + len;
}

static void fuzz_mutate(void) {
  static uint8_t const telling[] = {0, 1, 0x7f, 0x80, 0xff, '\n', ' ', '*', '+', '-', '0', '9'};
  struct fuzz_present *p = fuzz.present;
  uint32_t at = fuzz_random((uint32_t)p->len + 1), words = sizeof fuzz_words / sizeof(char *);
  uint32_t some = 1 + fuzz_random(fuzz_random(4) ? 8 : 64), from, other;
  uint8_t bytes[8];

  for (unsigned i = 0; i < sizeof bytes; i++)
    bytes[i] =
        fuzz_random(2) ? telling[fuzz_random(sizeof telling)] : (uint8_t)fuzz_random(256);
  switch (fuzz_random(8)) {
  case 0:
    if (at < p->len) p->bytes[at] ^= (uint8_t)(1u << fuzz_random(8));
    break;
  case 1:
    fuzz_replace(at, 1 + fuzz_random(8), bytes, 1 + fuzz_random(8));
    break;
  case 2:
    fuzz_replace(at, 0, bytes, 1 + fuzz_random(8));
    break;
  case 3:
    fuzz_replace(at, some, bytes, 0);
    break;
  case 4: /* a part again, elsewhere */
    from = fuzz_random((uint32_t)p->len + 1);
    if (some > p->len - from) some = (uint32_t)p->len - from;
    fuzz_replace(at, fuzz_random(2) ? some : 0, p->bytes + from, some);
    break;
  case 5: /* a part of another input */
    other = fuzz_random(fuzz.count);
    from = fuzz_random((uint32_t)fuzz.kept[other].len + 1);
    if (some > fuzz.kept[other].len - from) some = (uint32_t)fuzz.kept[other].len - from;
    fuzz_replace(at, fuzz_random(2) ? some : 0, fuzz.kept[other].bytes + from, some);
    break;
  case 6:
    if (at < p->len) p->bytes[at] = (uint8_t)(p->bytes[at] + fuzz_random(9) - 4);
    break;
  default:
    if (words < 2) break;
    from = fuzz_random(words - 1);
    fuzz_replace(at, fuzz_random(2) ? strlen(fuzz_words[from]) : 0, fuzz_words[from],
                 strlen(fuzz_words[from]));
  }
}

/* The child: the kept inputs, then mutations until the time is over. */
static void fuzz_child(unsigned seconds) {
  struct timespec now, end;

  for (unsigned i = 0; i < fuzz.count; i++) {
    fuzz_use(i);
    fuzz_run();
  }
  if (!seconds) return;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += seconds;
  do {
    fuzz_use(fuzz_random(fuzz.count));
    for (uint32_t times = 1 + fuzz_random(3); times--;) {
      for (uint32_t more = 1 + fuzz_random(4); more--;)
        fuzz_mutate();
      fuzz_run();
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
}

static void fuzz_save(char const *program, int wstat) {
  char path[1024];
  int fd;

  if (WIFSIGNALED(wstat))
    diag("killed by signal %d%s", WTERMSIG(wstat),
         WTERMSIG(wstat) == SIGALRM ? ": a hang" : "");
  else
    diag("exit code %d", WEXITSTATUS(wstat));
  for (size_t i = 0; i < fuzz.present->len; i++)
    fprintf(stderr, "%s%02x",
            i % 40 ? ""
            : i    ? "\n# "
                   : "# the input in hexadecimal: ",
            fuzz.present->bytes[i]);
  fputc('\n', stderr);
  snprintf(path, sizeof path, "%s.failed", program);
  fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd >= 0 && write(fd, fuzz.present->bytes, fuzz.present->len) >= 0)
    diag("saved as %s; keep it in tests/fuzz/corpus", path);
  if (fd >= 0) close(fd);
}

static int fuzz_remove(char const *path, struct stat const *st, int kind, struct FTW *walk) {
  (void)st;
  (void)kind;
  (void)walk;
  return remove(path);
}

/* In a directory that is gone with everything at the end; in memory where that can be had,
 * which is five times as fast. The wait status. */
static int fuzz_in_child(unsigned seconds) {
  char in_memory[] = "/dev/shm/lares-fuzz.XXXXXX";
  char const *folder = mkdtemp(in_memory) ? in_memory : fuzz_folder();
  int wstat;
  pid_t pid;

  need((pid = fork()) >= 0);
  if (!pid) {
    need(!setenv("TMPDIR", folder, 1));
    fuzz_child(seconds);
    exit(0);
  }
  need(waitpid(pid, &wstat, 0) == pid);
  need(!nftw(folder, fuzz_remove, 8, FTW_DEPTH | FTW_PHYS));
  return wstat;
}

int main(int argc, char **argv) {
  char const *name = strrchr(argv[0], '/'), *seconds = getenv("LARES_FUZZ_SECONDS");
  char const *seed = getenv("LARES_SEED"), *text = getenv("LARES_LONG");
  unsigned long start = seed && *seed ? strtoul(seed, 0, 10) : (unsigned long)time(0);
  unsigned limit = seconds && *seconds ? (unsigned)atoi(seconds) : text && *text ? 60 : 2;
  int wstat;

  fuzz.present =
      mmap(0, sizeof *fuzz.present, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  need(fuzz.present != MAP_FAILED);
  fuzz.random = start * 2 + 1;
  for (int i = 1; i < argc; i++)
    fuzz_load(argv[i]);
  if (argc == 1) fuzz_load_kept(name ? name + 1 : argv[0]);
  ok(fuzz.count, "there are inputs");
  if (!fuzz.count) return tap_done();
  printf("# seed %lu (LARES_SEED), %u s (LARES_FUZZ_SECONDS)\n", start, argc > 1 ? 0 : limit);
  fflush(stdout);
  wstat = fuzz_in_child(argc > 1 ? 0 : limit);
  if (wstat) fuzz_save(argv[0], wstat);
  printf("# %u kept inputs, %llu in all\n", fuzz.count, (unsigned long long)fuzz.present->runs);
  ok(fuzz.present->runs >= fuzz.count, "the kept inputs");
  ok(!wstat, "and mutations of them");
  return tap_done();
}

#endif
