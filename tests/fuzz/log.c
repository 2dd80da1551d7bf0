/* Arbitrary bytes in arbitrary pieces through the log writer's buffer into a small directory,
 * with rotations, restarts and kills in between: what is in the files is what was written, the
 * files are within the bound after each step. Input: setup (1), count and format (1), then
 * steps. */

#include <skalibs/nonposix.h>
#include <lares/logdir.h>

#include "fuzz.h"
#include "fuzz_log.h"
#include "logjson.h"

#define TEXT_MAX 65536
#define STAMPED_MAX (120 * TEXT_MAX) /* a JSON object for each newline */

static struct logger logger;
static char text[TEXT_MAX];      /* everything that was written */
static char output[STAMPED_MAX]; /* what is in the files */
static size_t text_len;
static int ends[2];

/* All that is in the pipe, in reads of at most that many bytes. */
static void log_all(size_t most) {
  for (;;) {
    int waiting;
    need(!ioctl(ends[0], FIONREAD, &waiting));
    if (!waiting) return;
    fuzz_check(logbuf_read(&logger.buf, ends[0], most) > 0, "there is room in the buffer");
    logger_work(&logger);
    fuzz_check(logger_bounded(&logger), "within the bound");
  }
}

static void feed(char const *bytes, size_t len, size_t most) {
  if (text_len + len > TEXT_MAX - 100) return;
  if (len) memcpy(text + text_len, bytes, len);
  text_len += len;
  need(write(ends[1], bytes, len) == (ssize_t)len);
  log_all(most > len / 20 ? most : len / 20 + 1); /* it is looked at after each read */
}

/* A last line gets its end before the logger goes. */
static void end_line(void) {
  logbuf_finish_line(&logger.buf);
  logger_work(&logger);
  if (text_len && text[text_len - 1] != '\n' && text_len < TEXT_MAX) text[text_len++] = '\n';
}

static void step(struct fuzz_input *in) {
  static char run[16384];
  uint8_t what = fuzz_byte(in);
  uint8_t const *bytes;
  size_t len;

  switch (what & 7) {
  case 0: /* closed and opened again */
    end_line();
    logger_stop(&logger, 0);
    logger_start(&logger);
    break;
  case 1: /* killed */
    if (!logger.shared) break;
    logger_stop(&logger, 1);
    logger_start(&logger);
    break;
  case 2:
    logger.dir.rotate = 1;
    logger_work(&logger);
    break;
  case 3: /* a long run of one byte */
    len = (size_t)fuzz_number(in, 2) % sizeof run;
    memset(run, fuzz_byte(in), len);
    feed(run, len, (what >> 3) * 700u);
    break;
  default:
    len = fuzz_take(in, what & 4 ? what >> 3 : (what >> 3) * 8u, &bytes);
    feed((char const *)bytes, len, fuzz_byte(in));
  }
  fuzz_check(logger_bounded(&logger), "within the bound");
}

/* Lines that are selected. */
static size_t wanted(char *out) {
  size_t len = 0;

  for (char *line = text, *next; line < text + text_len; line = next) {
    size_t size;
    next = (char *)memchr(line, '\n', (size_t)(text + text_len - line)) + 1;
    size = (size_t)(next - line);
    if (logger.script.pattern_count &&
        memchr(line, 'a', size - 1 < LOG_MATCH_MAX ? size - 1 : LOG_MATCH_MAX))
      continue;
    memmove(out + len, line, size);
    len += size;
  }
  return len;
}

/* Takes the stamps away, which must rise: the new length. */
static size_t without_stamps(char *out, size_t len) {
  char last[STAMP_FMT] = "@";
  struct stamp stamp;
  size_t at = 0, kept = 0;

  while (at < len) {
    char *newline = memchr(out + at, '\n', len - at);
    size_t end = newline ? (size_t)(newline - out) + 1 : len;
    fuzz_check(end - at > STAMP_FMT && stamp_scan(out + at, &stamp) && out[at + 25] == ' ',
               "each line has its stamp");
    fuzz_check(memcmp(last, out + at, STAMP_FMT) < 0, "stamps rise");
    memcpy(last, out + at, STAMP_FMT);
    at += STAMP_FMT + 1;
    memmove(out + kept, out + at, end - at);
    kept += end - at;
    at = end;
  }
  return kept;
}

static size_t without_prefix(char *out, size_t len) {
  size_t at = 0, kept = 0;

  while (at < len) {
    char *newline = memchr(out + at, '\n', len - at);
    size_t end = newline ? (size_t)(newline - out) + 1 : len;
    fuzz_check(end - at > 2 && !memcmp(out + at, "a ", 2), "each line has its prefix");
    memmove(out + kept, out + at + 2, end - at - 2);
    kept += end - at - 2;
    at = end;
  }
  return kept;
}

static void check_output(void) {
  static char expected[TEXT_MAX];
  size_t want = wanted(expected), got = logger_read(&logger, output, sizeof output);

  if (logger.format.stream) {
    ptrdiff_t len = logjson_lines(output, got);
    fuzz_check(len >= 0, "all of it is JSON");
    got = (size_t)len;
  } else if (logger.script.tai)
    got = without_stamps(output, got);
  if (logger.format.prefix) got = without_prefix(output, got);
  fuzz_check(got <= want, "nothing is there twice");
  fuzz_check(!memcmp(output, expected + want - got, got),
             "what is there was written, in order");
  if (logger.count > 100)
    fuzz_check(got == want, "all that was written is there");
  else /* all but one file are full but for a line, of pieces or whole */
    fuzz_check(got == want || got, "the newest is there");
}

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
  struct fuzz_input in = {data, size};
  uint8_t setup = fuzz_byte(&in), count = fuzz_byte(&in);

  if (!ends[1]) need(!pipe(ends));
  text_len = 0;
  logger_setup(&logger, setup & 1, setup & 2 ? 1000 : 2 + count % 4,
               4096 + (setup >> 4) * 100u);
  if (setup & 4) logger.script.tai = 1, logger.count = 1000;
  if (!(setup & 4) && setup & 8) logger_select(&logger, "*a*");
  if (logger.count >= 1000 && count & 64) logger.format.stream = "stdout", logger.count = 9000;
  if (logger.count >= 1000 && !(count & 64) && count & 128) logger.format.prefix = "a";
  logger.records = logger.format.prefix && count & 32 && !logger.script.pattern_count;
  logger_start(&logger);
  while (in.left)
    step(&in);
  end_line();
  fuzz_check(!logdir_behind(&logger.dir, &logger.buf), "nothing is held back");
  check_output();
  logger_stop(&logger, 0);
  logger_remove(&logger);
  return 0;
}
