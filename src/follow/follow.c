/* Following one service: what wakes us, and reading on in its journal. */

#include <skalibs/nonposix.h>
#include <lares/follow.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/control.h>
#include <lares/path.h>

#define PATH_ROOM 4096

static void listen_to(struct follow *f) {
  char path[PATH_ROOM];

  event_unsubscribe(&f->events);
  if (path_join(path, sizeof path, f->dir, "supervise/event"))
    (void)event_subscribe(&f->events, path);
}

int follow_open(struct follow *f, char const *dir) {
  char path[PATH_ROOM];
  struct stat st;

  *f = (struct follow){.dir = dir, .events = {.read = -1, .write = -1}, .ok = -1, .kept = -1};
  if (!path_join(path, sizeof path, dir, "supervise")) return 0;
  if (stat(path, &st) < 0) return 0;
  if (!S_ISDIR(st.st_mode)) return (errno = ENOTDIR, 0);
  listen_to(f);
  f->ok = control_watch(dir);
  return 1;
}

void follow_close(struct follow *f) {
  event_unsubscribe(&f->events);
  if (f->ok >= 0) close(f->ok);
  if (f->kept >= 0) close(f->kept);
  f->ok = f->kept = -1;
}

void follow_many(void) {
  struct rlimit limit;

  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

char const *follow_absent(char const *dir) {
  struct stat st;

  if (!stat(dir, &st)) return S_ISDIR(st.st_mode) ? 0 : "it is no directory";
  return errno == ENOENT ? "there is no such directory" : 0;
}

/* Nobody writes to a FIFO whose directory was taken away. */
static int is_listed(struct follow const *f) {
  struct stat st;

  return f->events.read >= 0 && !fstat(f->events.read, &st) && st.st_nlink;
}

void follow_renew(struct follow *f) {
  if (!is_listed(f)) listen_to(f);
  if (f->ok < 0) f->ok = control_watch(f->dir);
}

void follow_watch(struct follow const *f, struct pollfd fds[2]) {
  fds[0] = (struct pollfd){.fd = f->events.read, .events = POLLIN};
  /* No event asked for: what comes is POLLERR, nobody reads any more. */
  fds[1] = (struct pollfd){.fd = f->ok};
}

/* What cannot be read goes on waking us: not at once again. */
int follow_woken(struct follow *f, struct pollfd const fds[2]) {
  if (fds[0].revents && event_drain(&f->events) < 0) clock_pause(FOLLOW_LOOK_MS);
  if (fds[1].revents && f->ok >= 0) {
    close(f->ok);
    f->ok = -1;
  }
  return fds[0].revents || fds[1].revents;
}

struct deadline follow_deadline(struct follow const *f) {
  if (f->events.read < 0) return deadline_add_ms(clock_now(), FOLLOW_LOOK_MS);
  return f->ok < 0 ? deadline_add_ms(clock_now(), FOLLOW_GONE_MS) : DEADLINE_NEVER;
}

int follow_state(struct follow const *f, struct state_record *record) {
  return state_record_load_settled(f->dir, record);
}

static int open_journal(struct follow const *f, struct stat *st) {
  char path[PATH_ROOM];
  int fd, error;

  if (!path_join(path, sizeof path, f->dir, "supervise/history")) return -1;
  fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return -1;
  if (!fstat(fd, st) && S_ISREG(st->st_mode)) return fd;
  error = errno;
  close(fd);
  errno = S_ISREG(st->st_mode) ? error : EPROTO;
  return -1;
}

struct reading {
  struct follow *follow;
  int (*each)(void *context, struct follow_news const *);
  void *context;
  uint64_t seen;
  int enough;
};

static int tell(void *context, struct history_record const *r) {
  struct reading *in = context;
  struct follow_news lost = {FOLLOW_LOST, 0, in->seen + 1, r->sequence - 1};
  struct follow_news news = {FOLLOW_RECORD, r, r->sequence, r->sequence};

  if (lost.last >= lost.first && !in->each(in->context, &lost)) in->enough = 1;
  in->seen = r->sequence;
  if (!in->enough && !in->each(in->context, &news)) in->enough = 1;
  return !in->enough;
}

void follow_keep(struct follow *f) {
  struct stat st;

  f->keeps = 1;
  if (f->kept >= 0 || (f->kept = open_journal(f, &st)) < 0) return;
  f->device = st.st_dev;
  f->inode = st.st_ino;
}

static int read_on(struct reading *in, int fd, uint64_t latest) {
  enum history_outcome outcome = HISTORY_READ;

  while (!in->enough &&
         (outcome = history_read_on(fd, &in->follow->place, latest, &tell, in))) {
    struct follow_news anew = {FOLLOW_ANEW, 0, 0, in->seen};
    if (outcome == HISTORY_READ) break;
    in->seen = 0;
    if (!in->each(in->context, &anew)) in->enough = 1;
    latest = UINT64_MAX;
  }
  return in->enough || outcome != HISTORY_FAILED;
}

static void put_away(struct follow *f, int fd) {
  int error = errno;

  if (f->keeps) {
    if (f->kept >= 0) close(f->kept);
    f->kept = fd;
  } else
    close(fd);
  errno = error;
}

/* The journal that was read last may have an end that was not read, when it is not there any
 * more or another has taken its place. */
int follow_read(struct follow *f, uint64_t latest,
                int (*each)(void *context, struct follow_news const *), void *context) {
  struct reading in = {f, each, context, f->place.seen, 0};
  struct stat st;
  int fd = open_journal(f, &st), another, good;

  if (fd < 0) return errno == ENOENT && f->kept >= 0 && read_on(&in, f->kept, UINT64_MAX);
  another = f->inode && (st.st_ino != f->inode || st.st_dev != f->device);
  if (another) latest = UINT64_MAX; /* are the numbers lower now? */
  if (another && f->kept >= 0) (void)read_on(&in, f->kept, UINT64_MAX);
  f->device = st.st_dev;
  f->inode = st.st_ino;
  good = read_on(&in, fd, latest);
  put_away(f, fd);
  return good;
}

struct span {
  uint64_t lowest, highest;
};

static int widen(void *context, struct history_record const *r) {
  struct span *span = context;

  if (!span->lowest) span->lowest = r->sequence;
  span->highest = r->sequence;
  return 1;
}

int follow_span(struct follow const *f, uint64_t *lowest, uint64_t *highest) {
  struct span span = {0, 0};
  struct history_place place = {.seen = 0};
  struct stat st;
  int fd = open_journal(f, &st), good;

  if (fd < 0) return 0;
  good = history_read_on(fd, &place, UINT64_MAX, &widen, &span) != HISTORY_FAILED;
  close(fd);
  *lowest = span.lowest;
  *highest = span.highest;
  return good;
}
