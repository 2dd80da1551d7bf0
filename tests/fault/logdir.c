/* The log directories with each system call failing in turn, and with the process killed before
 * and after each.
 *
 * Numbered lines of many lengths go through a pipe that outlives the logger, into a buffer that
 * outlives it too. Whatever happens, the files together must say exactly what was fed, their
 * stamps must rise, and after every call the files must be within the bound.
 */

/* LINK: -Wl,--wrap=write,--wrap=read,--wrap=openat,--wrap=renameat */
/* LINK: -Wl,--wrap=unlinkat,--wrap=fchmod,--wrap=ftruncate */

#include <skalibs/nonposix.h>
#include <lares/logdir.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "logjson.h"
#include "tap.h"

enum mode { MODE_NONE, MODE_FAIL, MODE_PERSIST, MODE_KILL_BEFORE, MODE_KILL_AFTER, MODE_TORN };

static struct {
  enum mode mode;
  long at, calls, persist_until;
  int watch; /* descriptor of the directory whose bound is checked after each call, or -1 */
  uint64_t bound;
  unsigned over;
} fault = {.watch = -1};

#define FEED_MAX (220 * 1024)
#define LIMIT 4096u
static char feed[FEED_MAX + 8192];
static size_t feed_len;

static uint64_t total_size(int dirfd) {
  int copy = dup(dirfd);
  DIR *dir = fdopendir(copy);
  struct dirent *entry;
  uint64_t total = 0;

  need(dir);
  rewinddir(dir);
  while ((entry = readdir(dir))) {
    struct stat st;
    if (!fstatat(dirfd, entry->d_name, &st, 0) && S_ISREG(st.st_mode))
      total += (uint64_t)st.st_size;
  }
  closedir(dir);
  return total;
}

static void after_call(void) {
  if (fault.watch >= 0 && total_size(fault.watch) > fault.bound) fault.over++;
  if (fault.mode == MODE_KILL_AFTER && fault.calls == fault.at) _exit(99);
}

/* 1: the call is to fail. */
static int before_call(void) {
  fault.calls++;
  if (fault.mode == MODE_PERSIST && fault.calls >= fault.at && fault.calls < fault.at + 5)
    return errno = ENOSPC, 1;
  if (fault.calls != fault.at) return 0;
  if (fault.mode == MODE_KILL_BEFORE) _exit(99);
  if (fault.mode == MODE_FAIL) return errno = EIO, 1;
  return 0;
}

#define WRAP(type, name, parameters, arguments)                                                \
  extern type __real_##name parameters;                                                        \
  extern type __wrap_##name parameters;                                                        \
  type __wrap_##name parameters {                                                              \
    type result;                                                                               \
    if (before_call()) return -1;                                                              \
    result = __real_##name arguments;                                                          \
    after_call();                                                                              \
    return result;                                                                             \
  }

WRAP(int, renameat, (int from, char const *a, int to, char const *b), (from, a, to, b))
WRAP(int, unlinkat, (int fd, char const *a, int flag), (fd, a, flag))
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, ftruncate, (int fd, off_t size), (fd, size))
WRAP(ssize_t, read, (int fd, void *to, size_t len), (fd, to, len))

extern int __real_openat(int, char const *, int, mode_t);
extern int __wrap_openat(int, char const *, int, mode_t);
int __wrap_openat(int dirfd, char const *name, int flags, mode_t mode) {
  int fd;

  if (before_call()) return -1;
  fd = __real_openat(dirfd, name, flags, mode);
  after_call();
  return fd;
}

/* A failing write writes half of it first; with MODE_PERSIST the rest then fails. */
extern ssize_t __real_write(int, void const *, size_t);
extern ssize_t __wrap_write(int, void const *, size_t);
ssize_t __wrap_write(int fd, void const *data, size_t len) {
  ssize_t wrote;

  if (fd <= 2) return __real_write(fd, data, len);
  if (before_call()) {
    if (len > 1 && fault.calls == fault.at) return __real_write(fd, data, len / 2);
    return -1;
  }
  if (fault.mode == MODE_TORN && fault.calls == fault.at) {
    wrote = __real_write(fd, data, len / 2);
    _exit(99);
  }
  wrote = __real_write(fd, data, len);
  after_call();
  return wrote;
}

/* Lines "N xxxx...", most short, some longer than a file, none longer than the pipe can hold.
 */
static void make_feed(void) {
  unsigned number = 0, seed = 12345;

  feed_len = 0;
  while (feed_len < FEED_MAX) {
    seed = seed * 1103515245 + 12345;
    unsigned length = seed >> 16 & 127;
    if ((seed >> 24 & 127) == 0) length = 300 + (seed >> 8 & 4095);
    if (number % 400 == 399) length = 7000;
    feed_len += (size_t)sprintf(feed + feed_len, "%u ", number++);
    memset(feed + feed_len, number % 7 ? 'x' : 0, length);
    if (length) feed[feed_len + length - 1] = 'y';
    feed_len += length;
    feed[feed_len++] = '\n';
  }
}

struct setup {
  char dir[64], buf[64];
  int pipe; /* read end */
  char const *words[10];
};

enum form { FORM_PLAIN, FORM_STAMPED, FORM_JSON, FORM_FORMATTED, FORM_DROPPING };

static char const *const form_words[][6] = {
    [FORM_STAMPED] = {"t"},
    [FORM_JSON] = {"t", "j"},
    [FORM_FORMATTED] = {"t", "pa", "a", "c", "+*"},
    [FORM_DROPPING] = {"o"},
};

static int patient(void) {
  return fault.mode == MODE_FAIL || fault.mode == MODE_PERSIST;
}

/* 1 when more can be read, 0 when the logger gives up. */
static int work_once(struct logdir *dir, struct logwork *work, int ended) {
  while (!logdir_work(dir, work)) {
    if (!patient()) return 0;
    if (!dir->action->drop) continue;
    logdir_retreat(dir, work);
    if (ended) continue;
    if (!logbuf_full(work->buf)) return 1;
    logdir_drop(dir, work);
    break;
  }
  logbuf_turn(work->buf, &dir->record->place);
  return 1;
}

/* What lares-log does: 0 when all was written. */
static int run_logger(struct setup const *setup) {
  static struct logpattern patterns[8];
  struct logscript script;
  struct logscript_error error;
  struct logdir dir;
  struct logbuf buf;
  struct logwork work = {
      .buf = &buf, .script = &script, .chunk = malloc(LOG_CHUNK + LOG_SLACK)};
  int count = 0, fd = open(setup->buf, O_RDWR | O_CLOEXEC), ended = 0;

  while (setup->words[count])
    count++;
  if (!logscript_parse(&script, patterns, setup->words, 0, count, &error)) return 1;
  if (fd < 0 || !logbuf_map(&buf, fd)) return 2;
  while (!logdir_open(&dir, script.actions, &buf))
    if (!patient()) return 3;
  logbuf_forget(&buf);
  logbuf_resume(&buf);
  fault.watch = dir.dirfd;
  for (;;) {
    ssize_t got;
    if (!work_once(&dir, &work, ended)) return 4;
    if (ended) break;
    got = logbuf_read(&buf, setup->pipe, 3000);
    if (!got) {
      logbuf_finish_line(&buf);
      ended = 1;
    }
    if (got < 0 && errno != EIO && errno != ENOSPC) return 5;
  }
  logdir_close(&dir);
  free(dir.archives.ring);
  free(work.chunk);
  close(fd);
  return fault.over ? 6 : 0;
}

static int by_name(void const *a, void const *b) {
  return strcmp(a, b);
}

/* All files of the directory in the order of their names, current last. */
static size_t collect(char const *path, char *out, size_t room) {
  static char names[4096][256];
  size_t count = 0, len = 0;
  DIR *dir = opendir(path);
  struct dirent *entry;

  need(dir);
  while ((entry = readdir(dir)))
    if (entry->d_name[0] == '@' || !strcmp(entry->d_name, "current"))
      snprintf(names[count++], 256, "%s", entry->d_name);
  closedir(dir);
  qsort(names, count, 256, by_name);
  for (size_t i = 0; i < count; i++) {
    char file[512];
    int fd;
    ssize_t got;
    snprintf(file, sizeof file, "%s/%s", path, names[i]);
    fd = open(file, O_RDONLY);
    need(fd >= 0);
    while ((got = __real_read(fd, out + len, room - len)) > 0)
      len += (size_t)got;
    close(fd);
  }
  return len;
}

static void clean(struct setup const *setup) {
  DIR *dir = opendir(setup->dir);
  struct dirent *entry;

  while (dir && (entry = readdir(dir)))
    if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2)
      (void)!__real_unlinkat(dirfd(dir), entry->d_name, 0);
  if (dir) closedir(dir);
  rmdir(setup->dir);
  unlink(setup->buf);
}

static void prepare(struct setup *setup, char const *base) {
  int ends[2], fd;

  snprintf(setup->dir, sizeof setup->dir, "%s/d", base);
  snprintf(setup->buf, sizeof setup->buf, "%s/buf", base);
  fd = open(setup->buf, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  need(fd >= 0 && !__real_ftruncate(fd, 16384));
  close(fd);
  need(!pipe(ends));
  need(fcntl(ends[1], F_SETPIPE_SZ, 1024 * 1024) >= (int)feed_len);
  need(__real_write(ends[1], feed, feed_len) == (ssize_t)feed_len);
  close(ends[1]);
  setup->pipe = ends[0];
}

/* Takes the stamps out; 0 if they do not rise. A piece of a long line has none. */
static int strip(char *text, size_t *len) {
  char last[STAMP_FMT] = {0};
  size_t to = 0;

  for (size_t at = 0; at < *len;) {
    char *end = memchr(text + at, '\n', *len - at);
    size_t line = end ? (size_t)(end - text) + 1 - at : *len - at;
    if (line <= STAMP_FMT + 1 || text[at] != '@') return 0;
    if (memcmp(text + at, last, STAMP_FMT) <= 0) return 0;
    memcpy(last, text + at, STAMP_FMT);
    memmove(text + to, text + at + STAMP_FMT + 1, line - STAMP_FMT - 1);
    to += line - STAMP_FMT - 1;
    at += line;
  }
  *len = to;
  return 1;
}

/* The same of stamps and the prefix. */
static int strip_prefix(char *text, size_t *len) {
  size_t to = 0;

  if (!strip(text, len)) return 0;
  for (size_t at = 0; at < *len;) {
    char *end = memchr(text + at, '\n', *len - at);
    size_t line = end ? (size_t)(end - text) + 1 - at : *len - at;
    if (line < 3 || memcmp(text + at, "a ", 2)) return 0;
    memmove(text + to, text + at + 2, line - 2);
    to += line - 2;
    at += line;
  }
  *len = to;
  return 1;
}

static int unpack(enum form form, char *text, size_t *len) {
  ptrdiff_t left = (ptrdiff_t)*len;

  if (form == FORM_STAMPED) return strip(text, len);
  if (form == FORM_FORMATTED) return strip_prefix(text, len);
  if (form == FORM_JSON) left = logjson_lines(text, *len);
  *len = (size_t)left;
  return left >= 0;
}

static unsigned long count_lines(char const *text, size_t len) {
  unsigned long lines = 0;

  for (size_t i = 0; i < len; i++)
    lines += text[i] == '\n';
  return lines;
}

/* Lines that are there and those that were told as dropped are all. Of a line that was dropped
 * half way the beginning may be there, or all but its newline. */
static int check_dropped(char const *text, size_t len, unsigned long *dropped) {
  unsigned long seen = 0, last = 0, notices = 0, told, all = count_lines(feed, feed_len);
  char const *end = text + len, *newline;

  *dropped = 0;
  for (; text < end && (newline = memchr(text, '\n', (size_t)(end - text)));
       text = newline + 1) {
    unsigned long number;
    if (newline == text) continue;
    if (sscanf(text, "lares-log: %lu lines", &told) == 1) {
      *dropped += told;
      notices++;
      continue;
    }
    if (newline[-1] != 'y' && newline[-1] != ' ') continue;
    number = strtoul(text, 0, 10);
    if (seen && number <= last) return diag("line %lu after %lu", number, last), 0;
    last = number;
    seen++;
  }
  if (seen + *dropped >= all && seen + *dropped <= all + notices) return 1;
  return diag("%lu seen, %lu dropped, of %lu", seen, *dropped, all), 0;
}

static unsigned long dropped_in_all;

/* One life with the fault, then lives without until all is written. */
static int survive(struct setup *setup, enum mode mode, long at, enum form form, int *hit) {
  static char all[FEED_MAX * 3];
  size_t len;

  *hit = 0;
  for (int life = 0; life < 3; life++) {
    int status;
    pid_t pid;
    fflush(stdout);
    pid = fork();
    need(pid >= 0);
    if (!pid) {
      fault.mode = life ? MODE_NONE : mode;
      fault.at = at;
      status = run_logger(setup);
      _exit(status                                                             ? status
            : (mode == MODE_FAIL || mode == MODE_PERSIST) && fault.calls >= at ? 98
                                                                               : 0);
    }
    need(waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status)) return diag("died of signal %d", WTERMSIG(status)), 0;
    status = WEXITSTATUS(status);
    if (status == 98 || status == 99) *hit = 1;
    if (status == 99) continue;
    if (status && status != 98) return diag("logger says %d", status), 0;
    break;
  }
  len = collect(setup->dir, all, sizeof all);
  if (form == FORM_DROPPING) {
    unsigned long dropped;
    int good = check_dropped(all, len, &dropped);
    dropped_in_all += dropped;
    return good;
  }
  if (!unpack(form, all, &len)) return diag("stamps, prefixes or JSON"), 0;
  if (len == feed_len && !memcmp(all, feed, len)) return 1;
  for (size_t i = 0; i < len && i < feed_len; i++)
    if (all[i] != feed[i]) {
      diag("differs at %zu of %zu and %zu", i, len, feed_len);
      return 0;
    }
  return diag("%zu bytes, not %zu", len, feed_len), 0;
}

/* Until the logger ends without having come to the call; a torn write needs the call to be one.
 */
static void campaign(char const *base, enum mode mode, enum form form, long least,
                     char const *name) {
  long at, hits = 0, step = getenv("LARES_LONG") ? 1 : form > FORM_STAMPED ? 19 : 7;
  long each = form > FORM_STAMPED ? 3 : 60;
  long last = mode == MODE_TORN ? 500 : mode == MODE_NONE ? 1 : 1000000;
  int hit = 1, good = 1;

  for (at = 1; good && at <= last && (hit || at < 40 || mode == MODE_TORN);
       at += at < each ? 1 : step) {
    struct setup setup = {.words = {0}};
    int count = 0;
    prepare(&setup, base);
    for (unsigned i = 0; form_words[form][i]; i++)
      setup.words[count++] = form_words[form][i];
    setup.words[count++] = "s4096";
    setup.words[count++] = "n1000";
    setup.words[count++] = setup.dir;
    fault.bound = 1000 * LIMIT;
    good = survive(&setup, mode, at, form, &hit);
    hits += hit;
    if (!good) diag("at call %ld", at);
    close(setup.pipe);
    clean(&setup);
  }
  ok(good && hits >= least, name);
  diag("%s: %ld points", name, hits);
}

/* A small bound, watched after every call; what is there must be the end of what was fed. */
static void bounded(char const *base, char const *size, char const *number, uint64_t bound) {
  static char all[FEED_MAX * 3];
  struct setup setup = {.words = {0}};
  int status;
  size_t len;
  pid_t pid;

  prepare(&setup, base);
  setup.words[0] = size;
  setup.words[1] = number;
  setup.words[2] = setup.dir;
  fflush(stdout);
  pid = fork();
  if (!pid) {
    fault.bound = bound;
    _exit(run_logger(&setup));
  }
  need(waitpid(pid, &status, 0) == pid);
  is_int(status, 0, "never over the bound, after any call");
  len = collect(setup.dir, all, sizeof all);
  ok(len > bound / 3 && len <= bound, "and not far below it");
  is_mem(all + len - 3000, 3000, feed + feed_len - 3000, 3000, "the newest lines are there");
  close(setup.pipe);
  clean(&setup);
}

int main(void) {
  char base[] = "/dev/shm/lares-logdir.XXXXXX", other[] = "./lares-logdir.XXXXXX";
  char *dir = mkdtemp(base);

  if (!dir) dir = mkdtemp(other);
  need(dir);
  make_feed();
  bounded(dir, "s4096", "n2", 2 * LIMIT);
  bounded(dir, "s5000", "n3", 15000);
  campaign(dir, MODE_NONE, FORM_STAMPED, 0, "without faults");
  campaign(dir, MODE_FAIL, FORM_PLAIN, 100, "each call failing once, writes half way");
  campaign(dir, MODE_PERSIST, FORM_STAMPED, 100, "five calls failing in a row");
  campaign(dir, MODE_KILL_BEFORE, FORM_STAMPED, 100, "killed before each call");
  campaign(dir, MODE_KILL_AFTER, FORM_STAMPED, 100, "killed after each call");
  campaign(dir, MODE_TORN, FORM_PLAIN, 10, "killed in the middle of a write");
  campaign(dir, MODE_FAIL, FORM_JSON, 20, "JSON: each call failing once");
  campaign(dir, MODE_TORN, FORM_JSON, 3, "JSON: killed in the middle of a write");
  campaign(dir, MODE_KILL_AFTER, FORM_JSON, 20, "JSON: killed after each call");
  campaign(dir, MODE_PERSIST, FORM_FORMATTED, 20, "prefix, records: five calls failing");
  campaign(dir, MODE_TORN, FORM_FORMATTED, 3, "prefix, records: killed in a write");
  campaign(dir, MODE_PERSIST, FORM_DROPPING, 20, "dropping: five calls failing");
  ok(dropped_in_all > 0, "and lines were dropped");
  campaign(dir, MODE_KILL_BEFORE, FORM_DROPPING, 20, "dropping: killed before each call");
  rmdir(dir);
  return tap_done();
}
