/* Upgrade of a tree: the scanner is told once, it tells the supervisors; we only watch. Whether
 * a process has followed is told by the file it runs, why one has not by the link `refused`
 * beside its lock. */

#include <skalibs/nonposix.h>
#include "svscanctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/buffer.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include <lares/exitcode.h>
#include <lares/path.h>

#define SCANNER "lares-svscan"
#define SUPERVISE "lares-supervise"
#define PROGRESS_MS 1000
#define NAMED 10 /* so many of those that lag behind are named */

struct count {
  char const *bindir;
  unsigned all, upgraded, refused;
  int tell; /* name those that have not followed */
};

/* What a supervisor has to run to have followed: without a directory that was asked for, what
 * the scanner starts; one that is older does not say what that is. */
static int is_new(int32_t pid, char const *bindir) {
  struct stat st;

  return !bindir && !stat(NOTE, &st) ? look_runs(pid, NOTE)
                                     : look_is_new(pid, bindir, SUPERVISE);
}

static int reason(char const *name, char text[1024]) {
  char path[PATH_NAME_MAX + 32] = "";
  ssize_t len;

  if (name) {
    strcpy(path, name);
    strcat(path, "/supervise/refused");
  }
  len = readlink(name ? path : REFUSED, text, 1023);
  if (len < 0) return 0;
  text[len] = 0;
  return 1;
}

static void forget_refusal(void *context, char const *name, int32_t pid) {
  char path[PATH_NAME_MAX + 32];

  (void)context;
  (void)pid;
  strcpy(path, name);
  strcat(path, "/supervise/refused");
  (void)unlink(path);
}

static void count_one(void *context, char const *name, int32_t pid) {
  struct count *c = context;
  char text[1024], number[UINT32_FMT + 1];

  c->all++;
  if (is_new(pid, c->bindir)) {
    c->upgraded++;
    return;
  }
  number[int32_fmt(number, pid)] = 0;
  if (reason(name, text)) {
    c->refused++;
    if (c->tell) strerr_warnw(name, ", supervisor pid ", number, ", refused: ", text);
  } else if (c->tell && c->all - c->upgraded - c->refused <= NAMED)
    strerr_warnw(name, ", supervisor pid ", number, ", has not followed");
}

static void look(struct count *c, char const *bindir, int tell) {
  unsigned closed;

  *c = (struct count){.bindir = bindir, .tell = tell};
  if (!look_at_supervisors(count_one, c, &closed))
    strerr_diefusys(EXIT_SYSTEM, "list the scan directory");
}

static void put_count(buffer *out, struct count const *c, char const *before,
                      char const *after) {
  char upgraded[UINT_FMT], all[UINT_FMT];

  upgraded[uint_fmt(upgraded, c->upgraded)] = 0;
  all[uint_fmt(all, c->all)] = 0;
  buffer_puts(out, before);
  buffer_puts(out, upgraded);
  buffer_puts(out, " of ");
  buffer_puts(out, all);
  buffer_puts(out, " supervisors upgraded");
  buffer_puts(out, after);
  buffer_flush(out);
}

/* How far it is, on standard error: a line that is written over on a terminal, elsewhere one a
 * second while it goes on. */
struct progress {
  struct deadline next;
  int terminal;
};

static void progress_begin(struct progress *p) {
  p->terminal = isatty(2);
  p->next = deadline_add_ms(clock_now(), p->terminal ? 0 : PROGRESS_MS);
}

static void progress_show(struct progress *p, struct count const *c) {
  struct deadline now = clock_now();

  if (!deadline_passed(p->next, now)) return;
  put_count(buffer_2, c, p->terminal ? "\r" : "", p->terminal ? "" : "\n");
  p->next = deadline_add_ms(now, p->terminal ? LOOK_MS : PROGRESS_MS);
}

static void progress_end(struct progress *p, struct count const *c) {
  if (p->terminal) put_count(buffer_2, c, "\r", "\n");
  if (!p->terminal || !isatty(1)) put_count(buffer_1small, c, "", "\n");
}

static void check_program(char const *dir, char const *name) {
  char path[PATH_SIZE];
  struct stat st;

  if (!path_join(path, sizeof path, dir, name))
    strerr_diefusys(EXIT_USAGE, "name a program in ", dir);
  if (stat(path, &st) < 0 || (!S_ISREG(st.st_mode) && (errno = EACCES)) ||
      access(path, X_OK) < 0)
    strerr_diefusys(EXIT_USAGE, "upgrade: ", path, " cannot be executed");
}

/* Atomically, and beside the one that is in force: only the new scanner puts it there. */
static void ask_for(char const *dir) {
  static char const new[] = NEXT_BINDIR ".new";
  size_t len = strlen(dir);
  int fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (fd < 0 || allwrite(fd, dir, len) != len || allwrite(fd, "\n", 1) != 1 || fsync(fd) < 0 ||
      close(fd) < 0 || rename(new, NEXT_BINDIR) < 0) {
    int saved = errno;
    (void)unlink(new);
    errno = saved;
    strerr_diefusys(EXIT_SYSTEM, "write " NEXT_BINDIR);
  }
}

/* How the scanner was when it was told. */
struct before {
  struct stat note; /* NOTE; st_ino 0: there was none */
  int ran;          /* this very file */
};

static void look_before(struct before *b, char const *bindir) {
  int32_t pid;

  if (lstat(NOTE, &b->note) < 0) b->note.st_ino = 0;
  b->ran = look_at_lock(LOCK, &pid) && look_is_new(pid, bindir, SCANNER);
}

/* The note has been made anew, or could not be. */
static int has_begun(struct before const *b) {
  struct stat now;

  if (!b->note.st_ino) return 0;
  if (lstat(NOTE, &now) < 0) return errno == ENOENT;
  return now.st_ino != b->note.st_ino || now.st_dev != b->note.st_dev ||
         now.st_ctim.tv_sec != b->note.st_ctim.tv_sec ||
         now.st_ctim.tv_nsec != b->note.st_ctim.tv_nsec;
}

/* 1 when it has become the new program. What was asked for is gone when it has been done, when
 * it was refused, and when another scanner began: that one knows nothing of it. A scanner that
 * ran this very file before has not looked until then, and may still refuse; where nothing was
 * asked for, the file it runs does not even say which one it is to become. */
static int wait_scanner(char const *bindir, struct before const *b, struct deadline until,
                        char text[1024]) {
  *text = 0;
  for (;;) {
    struct deadline now = clock_now();
    int gone = bindir && access(NEXT_BINDIR, F_OK) < 0, begun = !bindir && has_begun(b);
    int32_t pid;
    if (!look_at_lock(LOCK, &pid)) {
      strcpy(text, "the scanner has gone");
      return 0;
    }
    if (reason(0, text)) return 0;
    if (begun) return 1;
    if ((gone || !b->ran || (!bindir && !b->note.st_ino)) && look_is_new(pid, bindir, SCANNER))
      return 1;
    if (gone) {
      strcpy(text, "it has gone, and another one taken its place");
      return 0;
    }
    if (deadline_passed(until, now)) return 0;
    clock_pause_until(deadline_earlier(until, deadline_add_ms(now, LOOK_MS)));
  }
}

/* A look at a large tree takes its time: no more of it than waiting. */
static struct deadline next_look(struct deadline began, struct deadline until) {
  int64_t took = (clock_now().ns - began.ns) / 1000000;

  return deadline_earlier(
      until, deadline_add_ms(clock_now(), took > LOOK_MS ? (uint64_t)took : LOOK_MS));
}

static int wait_supervisors(char const *bindir, struct deadline until) {
  struct progress shown;
  struct count c;

  progress_begin(&shown);
  for (;;) {
    struct deadline now = clock_now();
    look(&c, bindir, 0);
    if (c.upgraded + c.refused == c.all || deadline_passed(until, now)) break;
    progress_show(&shown, &c);
    clock_pause_until(next_look(now, until));
  }
  progress_end(&shown, &c);
  if (c.upgraded == c.all) return EXIT_DONE;
  if (c.upgraded + c.refused != c.all) strerr_warnw("the time is over");
  look(&c, bindir, 1);
  return c.upgraded + c.refused == c.all ? EXIT_NO : EXIT_TIMEOUT;
}

int upgrade_tree(char const *bindir, struct deadline until) {
  char before[PATH_SIZE], text[1024];
  int had = path_own_line(before, sizeof before, BINDIR) && before[0] == '/';
  struct before scanner;
  unsigned closed;

  if (!bindir && had) bindir = before;
  if (bindir) {
    check_program(bindir, SCANNER);
    check_program(bindir, SUPERVISE);
  }
  (void)unlink(REFUSED);
  if (!look_at_supervisors(forget_refusal, 0, &closed))
    strerr_diefusys(EXIT_SYSTEM, "list the scan directory");
  look_before(&scanner, bindir);
  if (bindir) ask_for(bindir);
  tell_scanner('Z');
  if (wait_scanner(bindir, &scanner, until, text)) return wait_supervisors(bindir, until);
  if (*text) (void)unlink(NEXT_BINDIR);
  (void)unlink(REFUSED);
  if (!*text) strerr_dief(EXIT_TIMEOUT, "the time is over: the scanner has not followed");
  strerr_dief(EXIT_NO, "upgrade refused by the scanner: ", text);
}
