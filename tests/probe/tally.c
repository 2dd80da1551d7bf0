/* A service whose every life, end and line can be accounted for afterwards. For tests only.
 *
 * tally DIR NAME LIFE_MS PAUSE_MS [ ignore-term | ends ]
 *
 * Takes DIR/NAME.lock; if somebody has it, two run at once, which DIR/NAME.double tells. Adds a
 * record of who it is to DIR/NAME.lives, writes its pid to DIR/NAME.pid, then "NAME LIFE N"
 * with N from 0 to stdout every PAUSE_MS, for LIFE_MS (0: for ever) or until TERM.
 * DIR/NAME.tally holds for each life the number of lines that were written, a host's u64 at 8 *
 * LIFE. With `ends` it lives for a random time of twice LIFE_MS at most and ends in a random
 * way: by an exit code or by a signal. How it will end is in its record before it does. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <lares/killpoint.h>

#define PIDFS_MAGIC 0x50494446
#define UNPLANNED (-1)

static volatile sig_atomic_t told;

static void on_term(int sig) {
  (void)sig;
  told = 1;
}

static int open_in(char const *dir, char const *name, char const *suffix, int flags) {
  char path[4096];
  int fd;

  snprintf(path, sizeof path, "%s/%s.%s", dir, name, suffix);
  fd = open(path, flags | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) exit(111);
  return fd;
}

static int64_t now_ms(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(long ms) {
  struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

  (void)nanosleep(&t, 0);
}

/* 40 bytes of DIR/NAME.lives, a host's numbers. */
struct life {
  uint64_t pid, inode, start; /* pidfs inode and field 22 of /proc/PID/stat; 0 unknown */
  int64_t planned;            /* wait status it is going to end with, or UNPLANNED */
  int64_t began_ms;
};

static uint64_t own_inode(void) {
  struct statfs fs;
  struct stat st;
#ifdef SYS_pidfd_open
  int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
#else
  int fd = -1;
#endif

  if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0) return 0;
  close(fd);
  return (uint32_t)fs.f_type == PIDFS_MAGIC ? st.st_ino : 0;
}

static uint64_t own_start(void) {
  char text[1024], *at;
  int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

  if (fd >= 0) close(fd);
  if (got <= 0) return 0;
  text[got] = 0;
  at = strrchr(text, ')');
  for (unsigned blanks = 0; at && blanks < 20; blanks++)
    at = strchr(at + 1, ' ');
  return at ? strtoull(at, 0, 10) : 0;
}

static uint64_t next_life(int lives) {
  struct life life = {.pid = (uint64_t)getpid(),
                      .inode = own_inode(),
                      .start = own_start(),
                      .planned = UNPLANNED,
                      .began_ms = now_ms()};
  struct stat st;
  uint64_t number;

  if (fstat(lives, &st) < 0) exit(111);
  number = (uint64_t)st.st_size / sizeof life;
  if (pwrite(lives, &life, sizeof life, (off_t)(number * sizeof life)) != sizeof life)
    exit(111);
  return number;
}

static unsigned random_number(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (unsigned)(t.tv_nsec / 13 ^ t.tv_sec * 7919 ^ getpid() * 104729L) % 1000003;
}

/* The plan is on record before it is carried out. */
static void end(int lives, uint64_t number, int ends) {
  static int const signals[] = {SIGTERM, SIGHUP, SIGUSR1, SIGALRM};
  unsigned choice = random_number();
  int sig = ends && !told && choice % 3 == 0 ? signals[choice / 3 % 4] : 0;
  int code = ends && !told && !sig ? (int)(choice / 3 % 100) : 0;
  int64_t planned = sig ? sig : code << 8;

  if (pwrite(lives, &planned, sizeof planned,
             (off_t)(number * sizeof(struct life) + offsetof(struct life, planned))) !=
      sizeof planned)
    exit(111);
  if (!sig) exit(code);
  signal(sig, SIG_DFL);
  raise(sig);
}

static void live(char const *name, uint64_t life, int tally, long ms, long pause) {
  int64_t end = ms ? now_ms() + ms : INT64_MAX;
  uint64_t count = 0;

  while (!told && now_ms() < end) {
    char line[300];
    int len = snprintf(line, sizeof line, "%s %llu %llu\n", name, (unsigned long long)life,
                       (unsigned long long)count);
    /* Short enough for a pipe to take all or nothing. */
    if (write(1, line, (size_t)len) != len) {
      if (errno == EINTR) continue;
      exit(111);
    }
    count++;
    if (pwrite(tally, &count, sizeof count, (off_t)(8 * life)) != sizeof count) exit(111);
    if (pause) pause_ms(pause);
  }
}

int main(int argc, char **argv) {
  struct sigaction on = {.sa_handler = on_term};
  char const *word = argc > 5 ? argv[5] : "";
  char text[32];
  uint64_t number;
  int fd, lives;
  long ms;

  KILL_POINT(BORN);
  if (argc < 5) return 100;
  fd = open_in(argv[1], argv[2], "lock", O_RDWR);
  if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
    fd = open_in(argv[1], argv[2], "double", O_WRONLY | O_APPEND);
    (void)!write(fd, "x", 1);
    return 99;
  }
  if (!strcmp(word, "ignore-term")) on.sa_handler = SIG_IGN;
  sigaction(SIGTERM, &on, 0);
  lives = open_in(argv[1], argv[2], "lives", O_RDWR);
  number = next_life(lives);
  fd = open_in(argv[1], argv[2], "pid", O_WRONLY | O_TRUNC);
  snprintf(text, sizeof text, "%ld\n", (long)getpid());
  if (write(fd, text, strlen(text)) < 0) return 111;
  ms = atol(argv[3]);
  if (ms && !strcmp(word, "ends")) ms = 1 + (long)(random_number() % (2 * (unsigned long)ms));
  live(argv[2], number, open_in(argv[1], argv[2], "tally", O_RDWR), ms, atol(argv[4]));
  end(lives, number, !strcmp(word, "ends"));
  return 111;
}
