/* Building chunks. A chunk is what one write() gets. It ends at the end of a line and within
 * the file's limit; only a line that is longer than a file, than a chunk, or than the input
 * buffer goes out in pieces, and then it begins in an empty file unless it is known to fit.
 * Building depends on nothing but the place, the size of current and the input, so that after a
 * failure the same chunk comes again.
 */

#include "dir.h"
#include "lines.h"
#include "stamped.h"

#include <string.h>

struct source { /* whole lines, or the beginning of one */
  char const *data;
  size_t len;
  size_t room; /* bytes that current can still take */
};

static void build_stamped(struct logchunk *chunk, struct source const *source,
                          struct loglabel const *label, char *out) {
  size_t room = source->room < LOG_CHUNK ? source->room : LOG_CHUNK;
  struct stamped stamped = {.in = source->data,
                            .end = source->data + source->len,
                            .out = out,
                            .limit = out + room,
                            .label = *label};

  stamped_put(&stamped);
  chunk->data = out;
  chunk->len = (size_t)(stamped.out - out);
  chunk->next.line += stamped.label.ns - label->ns;
  chunk->next.offset += (uint64_t)(stamped.in - source->data);
}

/* Without stamps and patterns the input itself is written. */
static void build_plain(struct logchunk *chunk, struct source const *source) {
  size_t len = source->len < source->room ? source->len : source->room;

  while (len && source->data[len - 1] != '\n')
    len--;
  chunk->data = source->data;
  chunk->len = len;
  chunk->next.offset += len;
}

/* Lines that go out as they are, but for stamps. */
static int is_simple(struct logaction const *action) {
  struct logformat const *format = &action->format;

  return action->kind != LOG_TO_ALERT && action->kind != LOG_TO_STATUS && !action->patterns &&
         !action->records && !action->tolerance && !format->prefix && !format->stream &&
         !format->strip;
}

size_t logtask_rest(struct logtask const *task, struct logbuf const *buf, char const **data) {
  size_t len = logbuf_rest(buf, task->place, data);
  char const *newline = task->single && len ? memchr(*data, '\n', len) : 0;

  return newline ? (size_t)(newline - *data) + 1 : len;
}

int logchunk_build(struct logchunk *chunk, struct logtask const *task,
                   struct logwork const *work) {
  struct logplace const *place = task->place;
  struct logformat const *format = &task->action->format;
  struct source source;
  struct loglabel label;

  source.len = logtask_rest(task, work->buf, &source.data);
  source.room = (size_t)task->room;
  if (!source.len) return 0;
  *chunk = (struct logchunk){.next = *place};
  if (log_in_line(place->inside) || !is_simple(task->action))
    loglines_build(chunk, task, work);
  else if (format->tai || format->iso) {
    loglabel_start(&label, format->tai, format->iso, logbuf_stamp(work->buf, place));
    build_stamped(chunk, &source, &label, work->chunk);
  } else
    build_plain(chunk, &source);
  if (chunk->next.offset == place->offset && !chunk->full) loglines_piece(chunk, task, work);
  return 1;
}
