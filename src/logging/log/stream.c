/* Writing lines to descriptors that others share. The non-blocking flag goes on a description
 * of our own, as in src/report; a file is written through the inherited one, whose offset is
 * shared, since it does not block.
 */

#include <skalibs/nonposix.h>
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

#define OPEN_FLAGS (O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define ASKED_WRITE 4096 /* a pipe that is writable for poll() takes that without blocking */

static int open_standard(struct stream *stream, int number) {
  struct stat st;
  int fd = -1;

  if (fstat(number, &st) < 0) return 0;
  stream->fd = number;
  stream->is_socket = S_ISSOCK(st.st_mode);
  if (S_ISREG(st.st_mode) || stream->is_socket) return 1;
  fd = open(number == 1 ? "/proc/self/fd/1" : "/proc/self/fd/2", OPEN_FLAGS);
  if (fd >= 0)
    stream->fd = fd;
  else
    stream->ask = 1;
  return 1;
}

/* multilog's mode. */
static int open_status(struct stream *stream, char const *path) {
  struct stat st;

  stream->fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);
  if (stream->fd < 0) return 0;
  if (!fstat(stream->fd, &st) && S_ISREG(st.st_mode)) return 1;
  close(stream->fd);
  return errno = EINVAL, 0;
}

/* Records of streams lie beside those of directories; no directory has that device. */
static int find_record(struct stream *stream, struct logbuf *buf, unsigned number) {
  uint64_t which = (uint64_t)stream->action->kind << 32 | (number + 1);
  int found;

  stream->record = logbuf_record(buf, UINT64_MAX, which, &found);
  if (!stream->record) return 0;
  stream->drops = logbuf_drops(buf, stream->record);
  return 1;
}

int stream_open(struct stream *stream, struct logaction const *action, struct logbuf *buf,
                unsigned number) {
  *stream = (struct stream){.action = action, .fd = -1};
  if (action->kind == LOG_TO_STATUS
          ? !open_status(stream, action->path)
          : !open_standard(stream, action->kind == LOG_TO_STDOUT ? 1 : 2))
    return 0;
  stream->pending = malloc(2 * LOG_CHUNK);
  return stream->pending && find_record(stream, buf, number);
}

void stream_renew(struct stream *stream, struct logaction const *action) {
  stream->action = action;
  stream->next = 0;
  stream->joined = 0;
}

void stream_close(struct stream *stream) {
  free(stream->pending);
  if (stream->fd > 2) close(stream->fd);
  stream->pending = 0;
  stream->fd = -1;
}

static ssize_t write_some(struct stream *stream, char const *data, size_t len) {
  struct pollfd ready = {.fd = stream->fd, .events = POLLOUT};

  if (stream->is_socket) return send(stream->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (stream->ask) {
    if (poll(&ready, 1, 0) != 1) return errno = EAGAIN, -1;
    if (len > ASKED_WRITE) len = ASKED_WRITE;
  }
  return fd_write(stream->fd, data, len);
}

/* A reader who has gone does not come back. */
static int is_gone(int error) {
  return error == EPIPE || error == ECONNRESET;
}

static int write_pending(struct stream *stream) {
  while (stream->at < stream->len) {
    ssize_t wrote = write_some(stream, stream->pending + stream->at, stream->len - stream->at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      if (!wrote) errno = ENOSPC;
      if (errno == EWOULDBLOCK) errno = EAGAIN;
      if (is_gone(errno)) {
        stream->closed = 1;
        stream->at = stream->len = 0;
      }
      return 0;
    }
    stream->at += (size_t)wrote;
  }
  stream->at = stream->len = 0;
  return 1;
}

/* Its reader may look at any moment: the whole in one write, and only then cut off what an
 * earlier longer one left. */
static int write_status(struct stream *stream) {
  struct stat st;
  ssize_t wrote = pwrite(stream->fd, stream->pending, stream->len, 0);

  if (wrote < 0) return 0;
  if ((size_t)wrote < stream->len) return errno = ENOSPC, 0;
  if (!fstat(stream->fd, &st) && (size_t)st.st_size > stream->len &&
      ftruncate(stream->fd, wrote) < 0)
    return 0;
  stream->len = 0;
  return 1;
}

static int write_out(struct stream *stream) {
  if (!stream->len) return 1;
  return stream->action->kind == LOG_TO_STATUS ? write_status(stream) : write_pending(stream);
}

/* Of a status file only the last line counts. */
static int tell_dropped(struct stream *stream, struct logwork const *work) {
  if (!stream->drops->bytes) return 1;
  if (stream->action->kind != LOG_TO_STATUS) {
    stream->len = logwork_notice(work, stream->action, &stream->record->place, stream->drops,
                                 stream->in_line);
    memcpy(stream->pending, work->chunk, stream->len);
  }
  *stream->drops = (struct logdrops){.lines = 0};
  stream->in_line = 0;
  return write_out(stream);
}

void stream_drop(struct stream *stream, struct logwork const *work) {
  for (struct stream *one = stream; one; one = one->next) {
    stream->in_line |=
        one->record->place.inside == LOG_LINE_SELECTED && !one->action->format.stream;
    logwork_drop(work, one->action, one->record, stream->record);
  }
}

static int has_standard_error(struct stream const *stream) {
  return stream->action->kind == LOG_TO_STDERR || stream->action->kind == LOG_TO_ALERT;
}

void stream_join(struct stream *stream, struct stream *earlier) {
  if (stream->action->kind == LOG_TO_STATUS || earlier->joined ||
      earlier->action->kind == LOG_TO_STATUS ||
      has_standard_error(stream) != has_standard_error(earlier))
    return;
  stream->joined = 1;
  /* What it has not got rid of, when words have changed. */
  if (stream->len && !earlier->len) {
    char *pending = earlier->pending;
    earlier->pending = stream->pending;
    earlier->at = stream->at;
    earlier->len = stream->len;
    stream->pending = pending;
    stream->at = stream->len = 0;
  }
  earlier->drops->lines += stream->drops->lines;
  earlier->drops->bytes += stream->drops->bytes;
  *stream->drops = (struct logdrops){.lines = 0};
  while (earlier->next)
    earlier = earlier->next;
  earlier->next = stream;
}

/* The next line, or as much as there is, of one action, to what is pending; 1 if there was
 * something. */
static int take_lines(struct stream *stream, struct stream *first, struct logwork const *work) {
  struct logplace place = stream->record->place;
  char const *data;
  size_t len;

  if (!logwork_next(work, stream->action, first->next != 0, &place, &data, &len)) return 0;
  if (!first->closed) {
    if (len) memcpy(first->pending + first->len, data, len);
    first->len += len;
  }
  stream->record->place = place;
  return 1;
}

/* 1: a line that was dropped in part goes on. */
static int skip_rest(struct stream *stream, struct logwork const *work) {
  int goes_on = 0;

  for (struct stream *one = stream; one; one = one->next)
    goes_on |= logwork_skip(work, one->action, one->record, stream->record);
  return goes_on;
}

/* pending has room for two chunks and is written out when it has one. */
int stream_work(struct stream *stream, struct logwork const *work) {
  int any;

  if (stream->joined) return 1;
  if (!write_out(stream)) return 0;
  if (!skip_rest(stream, work) && !tell_dropped(stream, work)) return 0;
  do {
    any = 0;
    for (struct stream *one = stream; one; one = one->next) {
      any |= take_lines(one, stream, work);
      if ((stream->len >= LOG_CHUNK || stream->action->kind == LOG_TO_STATUS) &&
          !write_out(stream))
        return 0;
    }
  } while (any);
  return write_out(stream);
}

char const *stream_name(struct stream const *stream) {
  if (stream->action->kind == LOG_TO_STATUS) return stream->action->path;
  return stream->action->kind == LOG_TO_STDOUT ? "standard output" : "standard error";
}
