/* Building chunks line by line: selection, records, formats. A record is a line and, with c,
 * those behind it that begin with a blank: it is selected as its first line is, and not divided
 * between files while it fits into one and what came late fits into the eighth of a file that
 * is kept for it.
 *
 * e and = want the beginning of a line only, = that of the last line.
 */

#include "lines.h"
#include "format.h"

#include <string.h>

#define ALERT_MAX 200
#define STATUS_MAX 1000

struct builder {
  struct logtask const *task;
  struct logwork const *work;
  struct logchunk *chunk;
  struct logformatter formatter;
  struct loglabel seen; /* what patterns see in front of the line */
  char const *data;     /* of the place */
  size_t len;
  size_t room; /* for one chunk */
};

/* Where a record can be taken back to. */
struct mark {
  char const *in;
  char *out;
  uint64_t line;
  int selected;
};

static void builder_start(struct builder *builder, struct logchunk *chunk,
                          struct logtask const *task, struct logwork const *work) {
  uint64_t ns = logbuf_stamp(work->buf, task->place);

  builder->task = task;
  builder->work = work;
  builder->chunk = chunk;
  builder->len = logtask_rest(task, work->buf, &builder->data);
  builder->room = task->room < LOG_CHUNK ? (size_t)task->room : LOG_CHUNK;
  logformatter_start(&builder->formatter, &task->action->format, work->service, ns);
  loglabel_start(&builder->seen, work->script->tai, work->script->iso, ns);
}

static int is_cut(struct logaction const *action) {
  return action->kind == LOG_TO_ALERT || action->kind == LOG_TO_STATUS;
}

/* out has room for LOG_SLACK bytes. */
static int select_line(struct builder const *builder, char const *line, size_t len, char *out) {
  struct loglabel const *seen = &builder->seen;
  struct logpattern const *patterns = builder->work->script->patterns;
  unsigned count = builder->task->action->patterns;
  size_t most = builder->work->script->regexes ? LOG_REGEX_MAX : LOG_MATCH_MAX;

  if (!count) return 1;
  if (!seen->len) return logmatch_select(patterns, count, line, len, 0);
  if (len > most) len = most;
  loglabel_show(seen, out);
  memcpy(out + seen->len, line, len);
  return logmatch_select(patterns, count, out, seen->len + len, seen->len);
}

/* The beginning of a line, as e and = have it. */
static char *cut_line(struct builder const *builder, char *out, char const *line, size_t len) {
  size_t most = builder->task->action->kind == LOG_TO_ALERT ? ALERT_MAX : STATUS_MAX;
  struct logformatter const *formatter = &builder->formatter;
  char const *limit = out + LOG_CHUNK;
  char *end;

  if (formatter->format->stream) {
    size_t piece = logformat_piece(formatter, LOG_SIZE_MIN, line, len);
    return logformat_line(formatter, out, limit, line, piece, piece < len);
  }
  if (len > STATUS_MAX + 1) len = STATUS_MAX + 1;
  end = logformat_line(formatter, out, limit, line, len, 0);
  if ((size_t)(end - out) <= most + 1) return end;
  end = out + most;
  if (most == ALERT_MAX) memcpy(end, "...", 3), end += 3;
  *end++ = '\n';
  return end;
}

static char *put_line(struct builder const *builder, char *out, char const *limit,
                      char const *line, size_t len) {
  if (is_cut(builder->task->action)) {
    if (limit - out < (ptrdiff_t)LOG_SIZE_MIN) return 0;
    return cut_line(builder, out, line, len);
  }
  return logformat_line(&builder->formatter, out, limit, line, len, 0);
}

/* A status file is padded with newlines, which is how its reader knows that it is whole. */
static size_t pad_status(struct builder const *builder, char *start, size_t len) {
  if (!len || builder->task->action->kind != LOG_TO_STATUS || len > STATUS_MAX) return len;
  memset(start + len, '\n', STATUS_MAX + 1 - len);
  return STATUS_MAX + 1;
}

static uint64_t line_end_inside(struct logaction const *action, int selected) {
  return action->records && !selected ? LOG_RECORD_SKIPPED : LOG_LINE_START;
}

static int continues(struct logaction const *action, char c) {
  return action->records && (c == ' ' || c == '\t');
}

/* How many bytes of the room lines may have begun in. */
static uint64_t begin_room(struct logtask const *task) {
  uint64_t late =
      task->action->records && task->action->kind == LOG_TO_DIR ? task->action->size / 8 : 0;

  return task->begin > late ? task->begin - late : 0;
}

static void build_lines(struct builder *builder) {
  struct logtask const *task = builder->task;
  struct logaction const *action = task->action;
  struct logchunk *chunk = builder->chunk;
  char const *in = builder->data, *end = in + builder->len, *newline;
  char *start = builder->work->chunk, *out = start, *limit = start + builder->room;
  uint64_t begin = begin_room(task);
  struct mark mark = {0}, now = {.in = in,
                                 .out = out,
                                 .line = chunk->next.line,
                                 .selected = task->place->inside != LOG_RECORD_SKIPPED};

  while (now.in < end && (newline = memchr(now.in, '\n', (size_t)(end - now.in)))) {
    size_t len = (size_t)(newline - now.in);
    int selected = now.selected;
    if (!continues(action, *now.in)) {
      mark = now;
      selected = select_line(builder, now.in, len, now.out);
      if (selected && (uint64_t)(now.out - start) >= begin && (now.out > start || !task->empty))
        goto begin_new;
    }
    if (selected) {
      if (action->kind == LOG_TO_STATUS) now.out = start;
      out = put_line(builder, now.out, limit, now.in, len);
      if (!out) goto no_room;
      now.out = out;
    }
    logformatter_next(&builder->formatter);
    loglabel_next(&builder->seen);
    now.selected = selected;
    now.in = newline + 1;
    now.line++;
  }
  goto done;

no_room: /* a record whose first line is in this chunk can begin the next file */
  if (!action->records || !mark.in || builder->room == LOG_CHUNK ||
      (mark.in == in && task->empty))
    goto done;
  now = mark;

begin_new:
  if (now.in == in) chunk->full = 1;

done:
  chunk->data = start;
  chunk->len = pad_status(builder, start, (size_t)(now.out - start));
  chunk->next.offset += (uint64_t)(now.in - in);
  chunk->next.line = now.line;
  if (now.in > in) chunk->next.inside = line_end_inside(action, now.selected);
}

/* JSON: each piece is a line of its own, of at least this many bytes of the input. */
#define PIECE_LEAST 64

static void json_piece(struct builder *builder, char const *newline) {
  struct logchunk *chunk = builder->chunk;
  char *out = builder->work->chunk;
  size_t len = newline ? (size_t)(newline - builder->data) : builder->len;
  size_t piece = logformat_piece(&builder->formatter, builder->room, builder->data, len);
  int more = piece < len || !newline;
  int fits = logformat_overhead(&builder->formatter) <= builder->room &&
             (piece == len || piece >= PIECE_LEAST);

  if (!fits && !builder->task->empty) {
    chunk->full = 1;
    return;
  }
  chunk->data = out;
  chunk->len = (size_t)(logformat_line(&builder->formatter, out, out + builder->room,
                                       builder->data, piece, more) -
                        out);
  chunk->next.offset += piece + !more;
  chunk->next.inside = more ? LOG_LINE_SELECTED : LOG_LINE_START;
  chunk->next.line += !more;
}

static void text_piece(struct builder *builder, char const *newline) {
  struct logchunk *chunk = builder->chunk;
  char *out = builder->work->chunk;
  size_t len = newline ? (size_t)(newline - builder->data) + 1 : builder->len;

  if (!builder->room) {
    chunk->full = 1;
    return;
  }
  if (len > builder->room) {
    len = builder->room;
    newline = 0;
  }
  chunk->data = out;
  chunk->len = (size_t)(logformat_rest(&builder->formatter, out, out + builder->room,
                                       builder->data, len) -
                        out);
  chunk->next.offset += len;
  if (!newline) return;
  chunk->next.inside = LOG_LINE_START;
  chunk->next.line++;
}

static void next_piece(struct builder *builder) {
  struct logchunk *chunk = builder->chunk;
  struct logaction const *action = builder->task->action;
  char const *newline = memchr(builder->data, '\n', builder->len);

  if (chunk->next.inside == LOG_LINE_SELECTED) {
    if (action->format.stream)
      json_piece(builder, newline);
    else
      text_piece(builder, newline);
    return;
  }
  chunk->next.offset += newline ? (size_t)(newline - builder->data) + 1 : builder->len;
  if (!newline) return;
  chunk->next.inside = line_end_inside(action, chunk->next.inside == LOG_LINE_CUT);
  chunk->next.line++;
}

void loglines_build(struct logchunk *chunk, struct logtask const *task,
                    struct logwork const *work) {
  struct builder builder;

  builder_start(&builder, chunk, task, work);
  if (log_in_line(task->place->inside))
    next_piece(&builder);
  else
    build_lines(&builder);
}

/* A line without an end goes to an empty file, since nobody knows how long it is. */
static int wants_new_file(struct builder const *builder, char const *newline) {
  struct logtask const *task = builder->task;
  size_t each = task->action->format.stream ? LOG_JSON_BYTE : 1;

  if (task->empty) return 0;
  return !newline ||
         logformat_overhead(&builder->formatter) + each * builder->len + 1 > task->room;
}

void loglines_piece(struct logchunk *chunk, struct logtask const *task,
                    struct logwork const *work) {
  struct builder builder;
  char const *newline;
  char *out = work->chunk;
  size_t len;
  int selected = task->place->inside != LOG_RECORD_SKIPPED;

  builder_start(&builder, chunk, task, work);
  newline = memchr(builder.data, '\n', builder.len);
  len = newline ? (size_t)(newline - builder.data) : builder.len;
  chunk->data = out;
  if (!continues(task->action, *builder.data))
    selected = select_line(&builder, builder.data, len, out);
  if (!selected || is_cut(task->action)) {
    if (selected)
      chunk->len =
          pad_status(&builder, out, (size_t)(cut_line(&builder, out, builder.data, len) - out));
    chunk->next.offset += len;
    chunk->next.inside = selected ? LOG_LINE_CUT : LOG_LINE_SKIPPED;
    return;
  }
  builder.len = len;
  if (wants_new_file(&builder, newline)) {
    chunk->full = 1;
    return;
  }
  if (task->action->format.stream) {
    json_piece(&builder, newline);
    return;
  }
  if (len > builder.room - logformat_overhead(&builder.formatter))
    len = builder.room - logformat_overhead(&builder.formatter);
  chunk->len = (size_t)(logformat_line(&builder.formatter, out, out + builder.room,
                                       builder.data, len, 1) -
                        out);
  chunk->next.offset += len;
  chunk->next.inside = LOG_LINE_SELECTED;
}
