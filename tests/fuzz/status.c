/* The records of supervise/: what unpacks packs back to the same bytes, anything else is
 * refused with the right errno, and what is refused changes nothing. Input: which record and
 * whether its checksum is made right, then its bytes. */

#include <skalibs/nonposix.h>
#include <lares/status.h>

#define FUZZ_WORDS                                                                             \
  "LI\1", "LS\1", "LH\1", "LI\2", "LI\3", "LS\2", "LS\3", "LS\4", "LH\2", "LT\1",              \
      "\xff\xff\xff\xff",
#include "fuzz.h"

#define MOST TEXT_RECORD_SIZE

/* FNV-1a, as the manual page gives it. */
static void seal(uint8_t *record, size_t size) {
  uint32_t sum = 0x811c9dc5;

  for (size_t i = 0; i < size - 4; i++) {
    sum ^= record[i];
    sum *= 0x01000193;
  }
  for (unsigned i = 0; i < 4; i++)
    record[size - 4 + i] = (uint8_t)(sum >> (24 - 8 * i));
}

/* What may stand at these offsets in any record, as far as its format binds it. */
static void check_refusal(int error, uint8_t const *in, char second) {
  static uint8_t const newest[] = {['I'] = 3, ['S'] = 4, ['H'] = 2, ['T'] = 1};
  int newer = in[0] == 'L' && in[1] == (uint8_t)second && in[2] > newest[(uint8_t)second];

  fuzz_check(error == (newer ? EPROTONOSUPPORT : EPROTO), "the right errno");
}

static void check_texts(unsigned reason, uint32_t detail, int32_t wstat) {
  char text[STATUS_TEXT];

  fuzz_check(status_reason_describe(text, reason, detail) == text &&
                 memchr(text, 0, sizeof text),
             "a reason in words");
  fuzz_check(status_wstat_describe(text, wstat) == text && memchr(text, 0, sizeof text),
             "an end in words");
}

static void check_identity(uint8_t const *in) {
  char const untouched = 0x5a;
  struct identity_record record, before;
  char again[IDENTITY_RECORD_SIZE];

  memset(&record, untouched, sizeof record);
  before = record;
  errno = 0;
  if (!identity_record_unpack((char const *)in, &record)) {
    check_refusal(errno, in, 'I');
    fuzz_check(!memcmp(&record, &before, sizeof record), "a refused record changes nothing");
    return;
  }
  fuzz_check(record.who.pid >= 0 && record.state <= IDENTITY_FORKING &&
                 record.role < ROLE_COUNT,
             "a process that can be");
  identity_record_pack(again, &record);
  fuzz_check(!memcmp(again, in, sizeof again), "identity: the same bytes");
  fuzz_check(!identity_equal(&record.who, &record.who) ==
                 !(record.who.inode || record.who.start),
             "equal to itself");
  check_texts(0, 0, record.wstat);
}

static void check_state(uint8_t const *in) {
  struct classic_status classic;
  struct state_record record;
  char again[STATE_RECORD_SIZE], status[CLASSIC_STATUS_SIZE];
  struct stamp next = {.nano = 0};

  errno = 0;
  if (!state_record_unpack((char const *)in, &record)) {
    check_refusal(errno, in, 'S');
    return;
  }
  fuzz_check(record.pid >= 0 && machine_plausible(&record.machine), "a state that can be");
  state_record_pack(again, &record);
  if (in[2] < again[2]) { /* of a version before nothing may be lost */
    again[2] = (char)in[2];
    seal((uint8_t *)again, sizeof again);
  }
  fuzz_check(!memcmp(again, in, sizeof again), "state: the same bytes");
  check_texts(record.reason, record.detail, record.last_wstat);
  state_record_next(&record, &next);
  fuzz_check(next.nano < 1000000000, "a time that can be");
  classic_status_from_state(&classic, &record);
  classic_status_pack(status, &classic);
  fuzz_check((status[17] == 'u' || status[17] == 'd') && (uint8_t)status[19] <= 2,
             "a classic status that old clients know");
}

static int is_one_line(char const text[TEXT_MOST + 1]) {
  size_t len = strnlen(text, TEXT_MOST + 1);

  for (size_t i = 0; i < len; i++)
    if ((uint8_t)text[i] < ' ' || text[i] == 0x7f) return 0;
  return len <= TEXT_MOST;
}

static void check_text(uint8_t const *in, uint8_t const *bytes, size_t len) {
  struct text_record record;
  char again[TEXT_RECORD_SIZE], once[TEXT_MOST + 1], twice[TEXT_MOST + 1];

  text_clean(once, (char const *)bytes, len);
  fuzz_check(is_one_line(once), "clean: one line");
  text_clean(twice, once, strlen(once));
  fuzz_check(!memcmp(once, twice, sizeof once), "clean: what is clean stays as it is");
  errno = 0;
  if (!text_record_unpack((char const *)in, &record)) {
    check_refusal(errno, in, 'T');
    return;
  }
  text_record_pack(again, &record);
  fuzz_check(!memcmp(again, in, sizeof again), "text: the same bytes");
  fuzz_check(is_one_line(record.status) && is_one_line(record.waiting), "text: one line");
}

static void check_history(uint8_t const *in) {
  struct history_record record;
  char again[HISTORY_RECORD_SIZE];

  errno = 0;
  if (!history_record_unpack((char const *)in, &record)) {
    check_refusal(errno, in, 'H');
    return;
  }
  fuzz_check(record.pid >= 0, "history: a process that can be");
  history_record_pack(again, &record);
  if (in[2] < again[2]) { /* as in check_state */
    again[2] = (char)in[2];
    seal((uint8_t *)again, sizeof again);
  }
  fuzz_check(!memcmp(again, in, sizeof again), "history: the same bytes");
  check_texts(record.reason, record.detail, record.wstat);
  fuzz_check(*machine_event_name(record.event) && *machine_state_name(record.machine.state),
             "names");
}

/* Other programs write it too, and there any value but 0 is "yes". */
static void check_classic(uint8_t const *in, size_t len) {
  struct classic_status first, second;
  char again[CLASSIC_STATUS_SIZE];

  if (!classic_status_unpack((char const *)in, len, &first)) {
    fuzz_check(errno == EPROTO && len < 18, "a classic status is refused for its length only");
    return;
  }
  classic_status_pack(again, &first);
  fuzz_check(!memcmp(again, in, 16) && (uint8_t)again[17] == in[17], "classic: the same bytes");
  if (len >= 20) fuzz_check((uint8_t)again[19] == in[19], "classic: the same process");
  fuzz_check(!again[16] == !in[16], "classic: the same pause");
  fuzz_check(classic_status_unpack(again, sizeof again, &second), "classic: ours is good");
  fuzz_check(first.paused == second.paused && first.got_term == second.got_term &&
                 first.process == second.process && first.pid == second.pid,
             "classic: it means the same");
}

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
  static size_t const sizes[] = {IDENTITY_RECORD_SIZE, STATE_RECORD_SIZE, HISTORY_RECORD_SIZE,
                                 TEXT_RECORD_SIZE};
  uint8_t record[MOST] = {0};
  unsigned which = size ? data[0] & 3 : 0;

  if (!size) return 0;
  if (which == 3 && data[0] & 16)
    ; /* a text */
  else if (which == 3) {
    uint8_t *exact = malloc(size);
    need(exact);
    memcpy(exact, data + 1, size - 1);
    check_classic(exact, size - 1);
    free(exact);
    return 0;
  }
  memcpy(record, data + 1, size - 1 < MOST ? size - 1 : MOST);
  if (data[0] & 4) {
    record[0] = 'L';
    record[1] = (uint8_t) "ISHT"[which];
    if (data[0] & 8) record[2] = 1;
    seal(record, sizes[which]);
  }
  if (which == 0)
    check_identity(record);
  else if (which == 1)
    check_state(record);
  else if (which == 2)
    check_history(record);
  else
    check_text(record, data + 1, size - 1);
  return 0;
}
