/* The journal with arbitrary content. Input: most (1), appends (1), after (1), then slots: a
 * control byte, then a number (2) for a whole record, or 64 bytes for anything at all. Whatever
 * is there, the writer goes on behind the highest number, and the reader gives what was
 * appended in order and without a gap. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#include <errno.h>

#include "fuzz.h"

#define SLOTS_MAX 300

static char file[600];

struct model {
  uint64_t highest; /* number that a record in the file bears */
  unsigned slots;
  int newer; /* a newer lares wrote one of them */
};

static size_t make_slot(struct fuzz_input *in, char slot[HISTORY_RECORD_SIZE]) {
  uint8_t kind = fuzz_byte(in);
  uint8_t const *bytes;
  struct history_record record = {.event = EVENT_WANT_UP, .pid = kind};
  size_t len;

  if (kind < 200) {
    record.sequence = fuzz_number(in, kind < 190 ? 1 : 8);
    if (kind >= 195) record.sequence |= UINT64_MAX - 7;
    history_record_pack(slot, &record);
    if (kind >= 150 && kind < 170) slot[fuzz_byte(in) % HISTORY_RECORD_SIZE] ^= 4;
    return HISTORY_RECORD_SIZE;
  }
  len = fuzz_take(in, kind < 240 ? HISTORY_RECORD_SIZE : kind - 200, &bytes);
  memset(slot, 0, HISTORY_RECORD_SIZE);
  memcpy(slot, bytes, len);
  return kind < 250 ? HISTORY_RECORD_SIZE : len;
}

static void make_file(struct fuzz_input *in, struct model *model) {
  int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  struct history_record record;
  char slots[SLOTS_MAX * HISTORY_RECORD_SIZE];
  size_t len = 0;

  need(fd >= 0);
  while (in->left && len + HISTORY_RECORD_SIZE <= sizeof slots)
    len += make_slot(in, slots + len);
  need(write(fd, slots, len) == (ssize_t)len);
  close(fd);
  *model = (struct model){.slots = (unsigned)(len / HISTORY_RECORD_SIZE)};
  for (unsigned i = 0; i < model->slots; i++) {
    int known = history_record_unpack(slots + i * HISTORY_RECORD_SIZE, &record);
    if (known && record.sequence > model->highest) model->highest = record.sequence;
    if (!known && errno == EPROTONOSUPPORT) model->newer = 1;
  }
}

struct seen {
  uint64_t first, last, count;
};

static int each(void *context, struct history_record const *record) {
  struct seen *seen = context;

  fuzz_check(!seen->count || record->sequence > seen->last, "read in order");
  if (!seen->count) seen->first = record->sequence;
  seen->last = record->sequence;
  seen->count++;
  return 1;
}

static void check_read(uint64_t after, uint64_t highest, uint64_t whole_from) {
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  struct seen seen = {0, 0, 0};
  uint64_t lost;

  need(fd >= 0);
  fuzz_check(history_read(fd, after, &lost, each, &seen), "it can be read");
  close(fd);
  if (after >= highest) {
    fuzz_check(!seen.count && !lost, "nothing that comes after everything");
    return;
  }
  fuzz_check(seen.count && seen.first > after, "what comes after");
  fuzz_check(seen.count + lost == seen.last - after, "what is lost is counted");
  if (after >= whole_from)
    fuzz_check(seen.last == highest && !lost, "all that was appended, and no more");
}

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
  struct fuzz_input in = {data, size};
  struct history_writer writer;
  struct history_record last, record = {.event = EVENT_WANT_DOWN};
  struct model model;
  uint32_t most = HISTORY_LEAST + fuzz_byte(&in) % 128, appends = fuzz_byte(&in);
  uint64_t after = fuzz_byte(&in), room;
  struct stat st;

  if (!*file) snprintf(file, sizeof file, "%s/history", fuzz_folder());
  make_file(&in, &model);
  if (model.newer) {
    fuzz_check(!history_open(&writer, file, most, &last) && errno == EPROTONOSUPPORT,
               "what a newer lares wrote is not written over");
    need(!unlink(file));
    return 0;
  }
  fuzz_check(history_open(&writer, file, most, &last), "it can be opened");
  fuzz_check(last.sequence == model.highest, "the last record is found");
  for (uint32_t i = 1; i <= appends; i++) {
    fuzz_check(history_append(&writer, &record), "a record can be appended");
    fuzz_check(record.sequence == model.highest + i, "numbers go on");
  }
  close(writer.fd);
  need(!stat(file, &st));
  room = model.slots > most ? model.slots : most;
  fuzz_check((uint64_t)st.st_size <= (room + 1) * HISTORY_RECORD_SIZE, "it keeps its size");
  /* As many as there is room for are kept; an early damaged slot costs no more than itself. */
  check_read(model.highest, model.highest + appends,
             appends <= HISTORY_LEAST ? model.highest : model.highest + appends - 1);
  check_read(after, model.highest + appends, model.highest + appends);
  fuzz_check(history_open(&writer, file, most, &last), "it can be opened again");
  fuzz_check(last.sequence == model.highest + appends, "and goes on where it was");
  close(writer.fd);
  need(!unlink(file));
  return 0;
}
