/* Stamps in front of lines. Most lines have the second of the line before them, which then is
 * compared instead of converted. */

#include <lares/logread.h>

#include <string.h>

#define TAI_SECOND 17 /* @ and the 16 digits of the second */
#define ISO_SECOND 19 /* 2026-11-29T10:00:00 */

static int ends(char const *line, size_t len, unsigned at) {
  return at == len || line[at] == ' ' || line[at] == '\n';
}

#define EACH(byte) (0x0101010101010101 * (uint64_t)(byte))

/* Eight hexadecimal digits at once, a byte for each. Those from a on have the bit 64, and are
 * 39 further behind 0 than their value is. */
static int scan_nano(uint32_t *nano, char const *text) {
  unsigned char const *s = (unsigned char const *)text;
  uint64_t digits = (uint64_t)s[0] << 56 | (uint64_t)s[1] << 48 | (uint64_t)s[2] << 40 |
                    (uint64_t)s[3] << 32 | (uint64_t)s[4] << 24 | (uint64_t)s[5] << 16 |
                    (uint64_t)s[6] << 8 | s[7];
  uint64_t letters = digits >> 6 & EACH(1), values = (digits & EACH(15)) + letters * 9;

  if (values & EACH(0xf0) || values + EACH('0') + letters * 39 != digits ||
      ((values + EACH(6)) >> 4 & EACH(1)) != letters)
    return 0;
  values = (values | values >> 4) & 0x00ff00ff00ff00ff;
  values = (values | values >> 8) & 0x0000ffff0000ffff;
  *nano = (uint32_t)(values | values >> 16);
  return *nano <= 999999999;
}

static unsigned scan_tai(struct label_reader *reader, struct label *label, char const *line,
                         size_t len) {
  if (len < STAMP_FMT || !ends(line, len, STAMP_FMT)) return 0;
  if (reader->len != TAI_SECOND || memcmp(line, reader->second, TAI_SECOND) != 0) {
    if (!stamp_scan(line, &label->at)) return 0;
    memcpy(reader->second, line, TAI_SECOND);
    reader->len = TAI_SECOND;
    reader->tai = label->at.tai;
    return STAMP_FMT;
  }
  label->at.tai = reader->tai;
  return scan_nano(&label->at.nano, line + TAI_SECOND) ? STAMP_FMT : 0;
}

/* s6-log's time is local, which its blank in the middle tells from the others. The whole second
 * is compared, as which hour of two it is depends on nothing else. */
static int second_of(struct label_reader *reader, struct date const *date, char const *line,
                     uint64_t *tai) {
  int64_t seconds;

  if (reader->len != ISO_SECOND || memcmp(line, reader->second, ISO_SECOND) != 0) {
    if (line[10] != ' ')
      seconds = date_seconds(date->year, date->month, date->day, date->seconds);
    else if (!date_local_seconds(&seconds, date->year, date->month, date->day, date->seconds))
      return 0;
    memcpy(reader->second, line, ISO_SECOND);
    reader->len = ISO_SECOND;
    reader->tai = STAMP_EPOCH + (uint64_t)seconds;
  }
  *tai = reader->tai;
  return 1;
}

static unsigned scan_iso(struct label_reader *reader, struct label *label, char const *line,
                         size_t len) {
  struct date date;
  unsigned used = date_scan(&date, line, len, "T_ ");

  if (!used) return 0;
  if (used < len && line[used] == 'Z' && line[10] == 'T') used++;
  if (!ends(line, len, used)) return 0;
  if (!second_of(reader, &date, line, &label->at.tai)) return 0;
  label->at.nano = date.nano;
  /* s6-log puts two blanks behind it. */
  if (line[10] == ' ' && len - used > 1 && line[used] == ' ' && line[used + 1] == ' ') used++;
  return used;
}

#define JSON "{\"time\":\""
#define JSON_LEN (sizeof JSON - 1)

static int scan_json(struct label_reader *reader, struct label *label, char const *line,
                     size_t len) {
  struct date date;
  unsigned used;

  if (len <= JSON_LEN || memcmp(line, JSON, JSON_LEN) != 0) return 0;
  used = date_scan(&date, line + JSON_LEN, len - JSON_LEN, "T");
  if (!used || len - JSON_LEN - used < 2 || memcmp(line + JSON_LEN + used, "Z\"", 2) != 0)
    return 0;
  label->at.nano = date.nano;
  return second_of(reader, &date, line + JSON_LEN, &label->at.tai);
}

int label_scan(struct label_reader *reader, struct label *label, char const *line, size_t len) {
  struct label_reader none = {.len = 0};
  struct label second;
  unsigned more;

  label->len = 0;
  if (len < ISO_SECOND) return 0;
  if (*line == '{') return scan_json(reader, label, line, len);
  if (*line != '@') return (label->len = scan_iso(reader, label, line, len)) != 0;
  label->len = scan_tai(reader, label, line, len);
  if (!label->len) return 0;
  if (len < STAMP_FMT + 1 + ISO_SECOND || line[STAMP_FMT + 5] != '-') return 1;
  more = scan_iso(&none, &second, line + STAMP_FMT + 1, len - STAMP_FMT - 1);
  if (more) label->len += 1 + more;
  return 1;
}
