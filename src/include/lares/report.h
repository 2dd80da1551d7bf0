/* What a long-running program says: `<time> <level> <name> <message>` on its standard error,
 * one write a line, never blocking. (Programs that run and end say what they have to with
 * skalibs' strerr.)
 *
 * A message that the reader of descriptor 2 does not take at once is dropped and counted; the
 * count is said as soon as there is room. A process is always named `pid N`.
 */

#ifndef LARES_REPORT_H
#define LARES_REPORT_H

#include <stdint.h>

enum report_level { REPORT_ERROR, REPORT_WARNING, REPORT_INFO };

/* Longest line, the newline included; what is longer ends in "...". */
#define REPORT_MAX 1024

/* The word in front of each message: program and service, "supervise web". The pointer is kept.
 * Makes an own non-blocking description of descriptor 2 (but of a file or socket), so that the
 * flag does not change it for others who share it. Cannot fail: without one, room is asked of
 * poll() before each write.
 */
extern void report_start(char const *name);

/* parts: strings put one after the other, ended by a null pointer. errno is kept. */
extern void report_parts(enum report_level, char const *const *parts);
/* The same and ": " and the text of errno. */
extern void report_parts_errno(enum report_level, char const *const *parts);

#define report_error(...) report_parts(REPORT_ERROR, (char const *const[]){__VA_ARGS__, 0})
#define report_warning(...) report_parts(REPORT_WARNING, (char const *const[]){__VA_ARGS__, 0})
#define report_info(...) report_parts(REPORT_INFO, (char const *const[]){__VA_ARGS__, 0})
#define report_error_errno(...)                                                                \
  report_parts_errno(REPORT_ERROR, (char const *const[]){__VA_ARGS__, 0})
#define report_warning_errno(...)                                                              \
  report_parts_errno(REPORT_WARNING, (char const *const[]){__VA_ARGS__, 0})

/* Say that an upgrade is refused, and leave why as the text of the link `link`, for who has
 * asked for it and would wait in vain. error: errno, 0 none. */
extern void report_refusal(char const *link, int error, char const *what, char const *program,
                           char const *how);

/* What a program that is only tried finds wrong, for who tries it: the text of the link `link`,
 * another one, since who has asked takes the first that he sees for all there is to say. */
extern void report_untaken(char const *link, char const *why);

/* The other side: take it away; 0 when nothing was left. A longer one is cut. */
#define REPORT_UNTAKEN 512
extern int report_take(char const *link, char why[REPORT_UNTAKEN]);

/* What became of a program that was only tried, and is not what it should be: to stand behind
 * its name. Who looks at the link does not see what its dynamic loader has said. Returns buf.
 */
#define REPORT_TRIED 128
extern char const *report_tried(char buf[REPORT_TRIED], int32_t wstat);

/* How many messages were dropped and not yet said. */
extern uint32_t report_dropped(void);

/* A number as text for a part; buf of 24 bytes. Returns buf. */
#define REPORT_NUMBER 24
extern char const *report_number(char *buf, int64_t n);

#endif
