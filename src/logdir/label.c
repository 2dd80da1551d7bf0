/* The stamps in front of lines, as text that is made once and then counted up: a full
 * conversion would cost more than everything else done to a short line.
 */

#include <lares/logdir.h>

#include <time.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000u

uint64_t lognow(void) {
  struct timespec now = {0};

  clock_gettime(CLOCK_REALTIME, &now);
  if (now.tv_sec < 0) return 0;
  return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void lognow_stamp(struct stamp *out, uint64_t ns) {
  out->tai = STAMP_EPOCH + ns / NS_PER_S;
  out->nano = (uint32_t)(ns % NS_PER_S);
}

void loglabel_start(struct loglabel *label, int tai, int iso, uint64_t ns) {
  struct stamp stamp;

  *label = (struct loglabel){.tai = tai, .iso = iso, .ns = ns};
  /* Without a TAI64N label the digit falls behind everything that is used. */
  label->moving = tai ? STAMP_FMT - 1 : sizeof label->text - 1;
  lognow_stamp(&stamp, ns);
  if (tai) {
    stamp_fmt(label->text, &stamp);
    label->text[STAMP_FMT] = ' ';
    label->len = STAMP_FMT + 1;
  }
  if (iso) {
    stamp_iso(label->text + label->len, &stamp);
    label->text[label->len + STAMP_ISO] = ' ';
    label->len += STAMP_ISO + 1;
  }
}

/* Seconds and milliseconds are whole multiples of 16 ns, so they too change only here. */
void loglabel_carry(struct loglabel *label) {
  uint64_t nano = label->ns % NS_PER_S;

  if (!nano || (label->iso && nano % NS_PER_MS == 0)) {
    loglabel_start(label, label->tai, label->iso, label->ns);
    return;
  }
  if (label->tai) {
    char *digit = label->text + STAMP_FMT - 2;
    while (*digit == 'f')
      *digit-- = '0';
    *digit = *digit == '9' ? 'a' : (char)(*digit + 1);
  }
}
