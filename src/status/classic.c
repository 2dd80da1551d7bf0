/* The classic status: daemontools' 18 bytes and runit's 20. */

#include <lares/status.h>

#include <errno.h>
#include <stddef.h>

#include "bytes.h"
#include "load.h"

/* 20 bytes, runit's layout (0 to 17 are daemontools'):
 *   0 12  TAI64N of the last start or death, DJB's offset
 *  12  4  pid, little-endian, 0 none
 *  16  1  1: paused
 *  17  1  'u' or 'd': wanted (0: once, written by daemontools, never by us)
 *  18  1  1: TERM was sent to the present pid
 *  19  1  0 down, 1 run, 2 finish
 */
void classic_status_pack(char out[CLASSIC_STATUS_SIZE], struct classic_status const *c) {
  stamp_pack(out, &c->changed);
  uint32_pack(out + 12, c->pid);
  out[16] = (char)c->paused;
  out[17] = (char)c->want;
  out[18] = (char)c->got_term;
  out[19] = (char)c->process;
}

int classic_status_unpack(char const *in, size_t len, struct classic_status *c) {
  if (len < CLASSIC_STATUS_DJB_SIZE) return (errno = EPROTO, 0);
  stamp_unpack(in, &c->changed);
  uint32_unpack(in + 12, &c->pid);
  c->paused = in[16] != 0;
  c->want = (uint8_t)in[17];
  c->got_term = 0;
  c->process = c->pid ? 1 : 0;
  if (len >= CLASSIC_STATUS_SIZE) {
    c->got_term = in[18] != 0;
    c->process = (uint8_t)in[19];
  }
  return 1;
}

int classic_status_load(char const *dir, struct classic_status *out) {
  char packed[CLASSIC_STATUS_SIZE];
  ssize_t got = load_file(dir, "supervise/status", packed, sizeof packed);

  return got < 0 ? 0 : classic_status_unpack(packed, (size_t)got, out);
}

/* once, failed and done are "not wanted" for clients that know up and down only: runit's sv
 * would otherwise say "want up" of what nobody will start. */
void classic_status_from_state(struct classic_status *c, struct state_record const *r) {
  struct machine const *m = &r->machine;
  int ended = m->state == STATE_FAILED || m->state == STATE_DONE;

  c->changed = r->changed;
  c->pid = (uint32_t)r->pid;
  c->paused = !!(m->flags & FLAG_PAUSED);
  c->want = m->want == WANT_UP && !ended ? 'u' : 'd';
  c->got_term = r->pid && r->marks & MARK_TERMED;
  c->process = !r->pid ? 0 : m->role == ROLE_FINISH ? 2 : 1;
}
