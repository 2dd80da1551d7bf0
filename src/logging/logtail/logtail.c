/* logtail: shows the logs of services, and follows them. */

#include <skalibs/nonposix.h>
#include "logtail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/sig.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>

#define BUFFERS (16u << 20) /* for all sources together */
#define BUFFER_LEAST (16u << 10)
#define BUFFER_MOST (256u << 10)

char const *PROG = "lares-logtail";

/* One directory and one file of each source are open. */
static void raise_limit(void) {
  struct rlimit limit;

  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static void fail(struct tail *t, int code) {
  if (code > t->code) t->code = code;
}

static void say_missing(struct tail *t, struct place const *place) {
  struct stat st;

  fail(t, EXIT_SYSTEM);
  if (stat(place->path, &st) < 0)
    strerr_warnwusys("read ", place->path);
  else if (place->scan)
    strerr_warnwusys("list ", place->path);
  else
    strerr_warnw(place->path,
                 ": no log directory: neither it nor log/ in it, nor a directory in "
                 "these, has a file current or @*.s");
}

static void begin_source(struct tail *t, struct source *s) {
  watch_files(t, s); /* before anything is read: what changes after that is told */
  if (source_begin(s, t->begun)) return;
  if (t->request.awaits && (errno == ENOENT || errno == ENOTDIR)) return;
  fail(t, EXIT_SYSTEM);
  strerr_warnwusys("read ", s->path);
}

/* Directories that came, and those that lead elsewhere now. */
static void look(struct tail *t) {
  unsigned known = t->source_count;

  t->look = t->look_again = 0;
  for (unsigned i = 0; i < t->place_count; i++)
    place_resolve(t, &t->places[i]);
  for (unsigned i = 0; i < known; i++)
    if (!source_look(t->sources[i])) t->look_again = 1;
  for (unsigned i = known; i < t->source_count; i++)
    begin_source(t, t->sources[i]);
}

/* Its old directory has nothing more to give. */
static int change_directory(struct tail *t, struct source *s) {
  if (!s->replaced || s->file.fd >= 0) return 0;
  watch_files(t, s);
  if (source_open_dir(s)) return 1;
  if (errno != ENOENT && errno != ENOTDIR) source_trouble(s);
  return 0;
}

static int next_line(struct tail *t, struct source *s) {
  for (;;) {
    if (source_next(s)) return 1;
    if (s->over || !change_directory(t, s)) return 0;
  }
}

/* Everything that there is. A line that is shown in parts is shown to its end. */
static void show(struct tail *t, struct merger *m, struct printer *p) {
  struct source *s;

  for (unsigned i = 0; i < t->source_count; i++) {
    s = t->sources[i];
    if (!s->dirty) continue;
    s->dirty = s->retry = 0;
    if (next_line(t, s) && !merger_add(m, s)) strerr_diefusys(EXIT_SYSTEM, "merge lines");
  }
  while ((s = merger_first(m))) {
    print_line(p, s);
    merger_next(m, next_line(t, s));
  }
  printer_flush(p);
}

static void begin(struct tail *t, int count, char const *const *paths) {
  t->place_count = (unsigned)count;
  t->places = calloc(t->place_count, sizeof *t->places);
  if (!t->places) strerr_diefusys(EXIT_SYSTEM, "allocate");
  if (t->request.follow && !watch_begin(t)) strerr_diefusys(EXIT_SYSTEM, "allocate");
  t->buffer = BUFFER_MOST;
  for (unsigned i = 0; i < t->place_count; i++)
    t->places[i] = (struct place){.path = paths[i], .scan = t->request.scan};
  for (unsigned i = 0; i < t->place_count; i++) {
    place_resolve(t, &t->places[i]);
    if (!t->places[i].found && !t->request.awaits) say_missing(t, &t->places[i]);
  }
}

/* Buffers were made before it was known how many there are. */
static void share_buffers(struct tail *t) {
  size_t size = BUFFERS / (t->source_count ? t->source_count : 1);

  if (size > BUFFER_MOST) size = BUFFER_MOST;
  if (size < BUFFER_LEAST) size = BUFFER_LEAST;
  t->buffer = size;
  for (unsigned i = 0; i < t->source_count; i++) {
    struct source *s = t->sources[i];
    s->buf = realloc(s->buf, size + 1);
    if (!s->buf) strerr_diefusys(EXIT_SYSTEM, "read so many directories");
    s->size = size;
  }
}

static void settle(struct tail *t) {
  struct request *q = &t->request;

  if (q->prefix == WHEN_AUTO)
    q->prefix = t->source_count > 1 || t->place_count > 1 || q->scan ? WHEN_ALWAYS : WHEN_NEVER;
  q->plain = t->source_count == 1 && q->prefix == WHEN_NEVER && !q->json && !q->clean &&
             q->stamps == STAMPS_KEEP && !q->selection.count && !q->has_until && !q->follow;
}

int main(int argc, char const *const *argv) {
  static struct tail t;
  static struct merger merger;
  static struct printer *printer;
  int first = options_parse(&t.request, argc, argv);

  if (!sig_altignore(SIGPIPE)) strerr_diefusys(EXIT_SYSTEM, "ignore SIGPIPE");
  raise_limit();
  begin(&t, argc - first, argv + first);
  share_buffers(&t);
  settle(&t);
  printer = printer_new(&t);
  for (unsigned i = 0; i < t.source_count; i++)
    begin_source(&t, t.sources[i]);
  t.begun = 1;
  t.look = t.request.follow; /* what has come since the places were looked through */
  for (;;) {
    if (t.look) look(&t);
    show(&t, &merger, printer);
    if (!t.request.follow || (!t.request.awaits && !t.source_count)) break;
    if (!t.look && !watch_wait(&t)) return EXIT_SYSTEM;
  }
  for (unsigned i = 0; i < t.source_count; i++)
    if (t.sources[i]->failed) fail(&t, EXIT_SYSTEM);
  return t.code;
}
