/* How lines are shown. lares-logtail(8) documents the forms; a field of JSON is never taken
 * away or given another meaning without a new "version". Text is gathered in a buffer of our
 * own: whole blocks of lines go through without being copied into it. */

#include <skalibs/nonposix.h>
#include "print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/strerr.h>

#include <lares/exitcode.h>

#define WIDTH_MOST 24 /* names are padded to that on a terminal */

struct printer *printer_new(struct tail const *t) {
  struct printer *p = calloc(1, sizeof *p);

  if (!p) strerr_diefusys(EXIT_SYSTEM, "allocate");
  p->tail = t;
  p->utc.form = TIME_AS_UTC;
  switch (t->request.stamps) {
  case STAMPS_ISO:
    p->writer.form = TIME_AS_ISO;
    break;
  case STAMPS_UTC:
    p->writer.form = TIME_AS_UTC;
    break;
  default:
    p->writer.form = TIME_AS_LOCAL;
  }
  return p;
}

/* Whoever read us may have seen enough. */
static _Noreturn void die_writing(void) {
  if (errno == EPIPE) _exit(EXIT_SYSTEM);
  strerr_diefusys(EXIT_SYSTEM, "write to standard output");
}

static void write_bytes(char const *text, size_t len) {
  if (allwrite(1, text, len) < len) die_writing();
}

void printer_flush(struct printer *p) {
  write_bytes(p->out, p->len);
  p->len = 0;
}

char *printer_room(struct printer *p, size_t most) {
  if (most > OUT_SIZE - p->len) printer_flush(p);
  return p->out + p->len;
}

static void put(struct printer *p, char const *text, size_t len) {
  if (len > OUT_SIZE - p->len) printer_flush(p);
  if (len >= OUT_SIZE / 2) {
    printer_flush(p);
    write_bytes(text, len);
    return;
  }
  memcpy(p->out + p->len, text, len);
  p->len += len;
}

static void puts_to(struct printer *p, char const *text) {
  put(p, text, strlen(text));
}

/* Bytes of a colour sequence, ESC [ ... m, or 0. */
static size_t color_at(char const *text, size_t len) {
  size_t i = 2;

  if (len < 3 || text[0] != '\033' || text[1] != '[') return 0;
  while (i < len && ((text[i] >= '0' && text[i] <= '9') || text[i] == ';' || text[i] == ':'))
    i++;
  return i < len && text[i] == 'm' ? i + 1 : 0;
}

/* What a terminal would take for more than text becomes `?', but for the colours of a line:
 * those of a name would go on in the line. */
static void put_clean(struct printer *p, char const *text, size_t len, int may_color) {
  while (len) {
    size_t run = 0, color;
    while (run < len && ((unsigned char)text[run] >= ' ' || text[run] == '\t') &&
           text[run] != 0x7f &&
           !(text[run] == '\xc2' && run + 1 < len && (unsigned char)text[run + 1] < 0xa0))
      run++;
    put(p, text, run);
    text += run;
    len -= run;
    if (!len) return;
    color = may_color ? color_at(text, len) : 0;
    if (color) {
      put(p, text, color);
      p->colored = 1;
    } else {
      color = *text == '\xc2' ? 2 : 1;
      puts_to(p, "?");
    }
    text += color;
    len -= color;
  }
}

static void put_prefix(struct printer *p, struct source const *s) {
  static char const *const colors[] = {"\033[36m", "\033[33m", "\033[32m",
                                       "\033[35m", "\033[34m", "\033[31m"};
  static char const blanks[] = "                        ";
  struct request const *q = &p->tail->request;
  size_t len = strlen(s->name), widest = 0;

  if (q->prefix != WHEN_ALWAYS) return;
  if (q->color == WHEN_ALWAYS) puts_to(p, colors[s->number % 6]);
  if (q->clean)
    put_clean(p, s->name, len, 0);
  else
    put(p, s->name, len);
  puts_to(p, ":");
  if (q->color == WHEN_ALWAYS) puts_to(p, "\033[0m");
  for (unsigned i = 0; q->clean && i < p->tail->source_count; i++) {
    size_t other = strlen(p->tail->sources[i]->name);
    if (other > widest) widest = other;
  }
  if (widest > WIDTH_MOST) widest = WIDTH_MOST;
  put(p, blanks, widest > len ? widest - len : 0);
  puts_to(p, " ");
}

/* How much of the line is the stamp, which has been dealt with: shown, or left out. */
static size_t put_stamp(struct printer *p, struct line const *line) {
  struct request const *q = &p->tail->request;
  size_t len = line->label.len, blank = len < line->len;
  unsigned written;

  if (!len || q->stamps == STAMPS_KEEP) return 0;
  if (q->stamps == STAMPS_NONE) return len + blank;
  if (OUT_SIZE - p->len < 2 * TIME_TEXT) printer_flush(p);
  if (q->color == WHEN_ALWAYS) puts_to(p, "\033[2m");
  written = time_write(&p->writer, p->out + p->len, &line->label.at);
  p->len += written;
  if (!written) put(p, line->text, len);
  if (q->color == WHEN_ALWAYS) puts_to(p, "\033[0m");
  return len;
}

static void print_text(struct printer *p, struct source const *s) {
  struct request const *q = &p->tail->request;
  struct line const *line = &s->line;
  size_t done = 0;

  if (line->begins) {
    put_prefix(p, s);
    done = put_stamp(p, line);
  }
  if (q->clean) {
    put_clean(p, line->text + done, line->len - done, 1);
    if (p->colored && line->ends) puts_to(p, "\033[0m");
    if (line->ends) p->colored = 0;
  } else {
    put(p, line->text + done, line->len - done + (size_t)line->newline);
    if (line->newline) return;
  }
  if (line->ends) puts_to(p, "\n");
}

void print_line(struct printer *p, struct source const *s) {
  if (p->tail->request.json)
    print_json(p, s);
  else
    print_text(p, s);
}
