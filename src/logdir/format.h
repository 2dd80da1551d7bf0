/* One line as an action wants it: stamps, prefix, JSON, without ANSI sequences. What comes out
 * depends on the script and the stamp alone, so that a chunk can be built again.
 */

#ifndef LARES_LOGDIR_FORMAT_H
#define LARES_LOGDIR_FORMAT_H

#include <lares/logdir.h>

#define LOG_JSON_HEAD 3400 /* service and prefix of 255 bytes, six for each */
#define LOG_JSON_FIXED 200 /* the names, the times, the end */
#define LOG_JSON_BYTE 8    /* most bytes that one of the input becomes: \ufffd and two digits */

struct logformatter {
  struct logformat const *format;
  struct loglabel label; /* of the line that is next */
  size_t prefix_len;
  /* JSON: all that stands before the message, but for the last digits of the times; of it the
   * last head_len bytes, from the service on, are the same in each line. */
  size_t front_len, head_len;
  size_t decimal, hex; /* where these digits are; 0: there is none */
  unsigned unit;       /* the decimal one */
  char front[LOG_JSON_HEAD + 200];
};

extern void logformatter_start(struct logformatter *, struct logformat const *,
                               char const *service, uint64_t ns);
/* The next line, one nanosecond later. */
extern void logformatter_next(struct logformatter *);
/* Writes at most to limit, and blindly LOG_SLACK bytes more: the end of what was written, or 0
 * if it does not fit. The line comes without its newline and gets one, unless it goes on
 * (more): then as JSON it is a line of its own, with a member that says so. */
extern char *logformat_line(struct logformatter const *, char *out, char const *limit,
                            char const *line, size_t len, int more);
/* The same for the middle of a text line, which has nothing in front and no end. */
extern char *logformat_rest(struct logformatter const *, char *out, char const *limit,
                            char const *in, size_t len);
/* What stands in front of the text, at most; for JSON, all but the message. */
extern size_t logformat_overhead(struct logformatter const *);
/* So many of these bytes certainly fit into room as one JSON line; no character is divided. */
extern size_t logformat_piece(struct logformatter const *, size_t room, char const *in,
                              size_t len);

#endif
