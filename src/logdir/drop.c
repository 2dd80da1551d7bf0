/* What a directory drops when it may (o) and must. Counts stand in the buffer, so that they
 * outlive us; the line that tells them is announced and settled like any chunk. Of a line that
 * is dropped in part the rest is counted when it comes, and nothing is told before.
 */

#include <skalibs/nonposix.h>
#include "buffer.h"
#include "dir.h"
#include "format.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lares/killpoint.h>

static void count_lines(struct logdrops *drops, char const *data, size_t len) {
  drops->bytes += len;
  for (char const *end = data + len; data < end; data++)
    drops->lines += *data == '\n';
}

/* The rest of a line of which the beginning or the middle was dropped is not wanted either. */
static void cut_line(struct logplace *place, struct logdrops *drops) {
  if (place->inside != LOG_LINE_SELECTED) return;
  place->inside = LOG_LINE_CUT;
  drops->lines++;
}

static int is_cut(struct logaction const *action, struct logplace const *place) {
  return place->inside == LOG_LINE_CUT && action->kind != LOG_TO_ALERT &&
         action->kind != LOG_TO_STATUS;
}

/* Of a line that has been counted, the bytes. */
static void count_rest(struct logwork const *work, struct logaction const *action,
                       struct logplace *place, struct logdrops *drops) {
  char const *data;
  size_t len;

  if (!is_cut(action, place)) return;
  place->inside = LOG_LINE_SELECTED;
  while (place->inside == LOG_LINE_SELECTED &&
         logwork_next(work, action, 1, place, &data, &len))
    drops->bytes += len;
  if (place->inside == LOG_LINE_SELECTED) place->inside = LOG_LINE_CUT;
}

int logwork_skip(struct logwork const *work, struct logaction const *action,
                 struct logrecord *record, struct logrecord const *teller) {
  struct logplace place = record->place;
  struct logdrops count = {.lines = 0};

  count_rest(work, action, &place, &count);
  if (place.offset != record->place.offset)
    logbuf_drop(work->buf, record, teller, &place, &count);
  return is_cut(action, &place);
}

void logwork_drop(struct logwork const *work, struct logaction const *action,
                  struct logrecord *record, struct logrecord const *teller) {
  struct logplace place = record->place;
  struct logdrops count = {.lines = 0};
  char const *data;
  size_t len;

  count_rest(work, action, &place, &count);
  while (logwork_next(work, action, 0, &place, &data, &len))
    count_lines(&count, data, len);
  cut_line(&place, &count);
  logbuf_drop(work->buf, record, teller, &place, &count);
}

void logdir_drop(struct logdir *dir, struct logwork const *work) {
  logwork_drop(work, dir->action, dir->record, dir->record);
}

/* A file that cannot even be cut keeps the beginning of the chunk, as after a crash; the rest
 * is dropped. */
void logdir_retreat(struct logdir *dir, struct logwork const *work) {
  struct logrecord *record = dir->record;
  struct logplace next = record->next;
  struct logdrops count = {.lines = 0};
  struct logchunk chunk;

  if (logdir_take_back(dir)) return;
  if (record->intent == LOG_INTENT_CHUNK && logdir_build(dir, &chunk, work))
    count_lines(&count, chunk.data + dir->written, chunk.len - dir->written);
  cut_line(&next, &count);
  logbuf_drop(work->buf, record, record, &next, &count);
  dir->written = 0;
  if (dir->fd >= 0) close(dir->fd);
  dir->fd = -1;
}

/* The stamp is one between those of the last line that was dropped and the next. */
size_t logwork_notice(struct logwork const *work, struct logaction const *action,
                      struct logplace const *place, struct logdrops const *drops, int in_line) {
  struct logformatter formatter;
  char text[200], *out = work->chunk, *end;
  int len = snprintf(text, sizeof text,
                     "lares-log: %llu lines, %llu bytes, were dropped here: they could not be "
                     "written",
                     (unsigned long long)drops->lines, (unsigned long long)drops->bytes);

  logformatter_start(&formatter, &action->format, work->service,
                     logbuf_stamp(work->buf, place) - 1);
  if (in_line) *out++ = '\n';
  end = logformat_line(&formatter, out, out + LOG_SIZE_MIN - 1, text, (size_t)len, 0);
  return end ? (size_t)(end - work->chunk) : 0;
}
