/* An entry of the scan directory and its two slots. */

#ifndef LARES_SVSCAN_ENTRY_H
#define LARES_SVSCAN_ENTRY_H

#include <stdint.h>

#include <lares/clock.h>

enum slot_state {
  SLOT_NONE,     /* no supervisor, and none wanted */
  SLOT_SETTLING, /* the directory is being written; looked at again at `moment` */
  SLOT_AWAITING, /* there is nothing to run yet */
  SLOT_DUE,      /* to be started at `moment` */
  SLOT_RUNNING,  /* our child `pid`, started at `moment` */
  SLOT_FOUND,    /* another's child, found by its lock; without pidfd looked at at `moment` */
  SLOT_LEFT      /* it left on purpose */
};

enum slot_flag {
  SLOT_PROBED = 1,   /* we have looked whether one runs already */
  SLOT_ASKED = 2,    /* told to stop and leave */
  SLOT_UNSURE = 4,   /* its supervisor died; what it started may come to us */
  SLOT_ASKING = 8,   /* to be told so at `moment`: it has hardly begun */
  SLOT_EARLIER = 16, /* what it left before the upgrade still counts */
  SLOT_TOLD = 32,    /* told to upgrade, or new enough */
  SLOT_ASTRAY = 128, /* its supervisor is in a directory that has taken the entry's name */
  SLOT_GOES = 64     /* it is to go on with a stop that was not meant for what is there now */
};

struct slot {
  struct deadline moment;
  int32_t pid;    /* of the supervisor, 0 */
  int32_t orphan; /* a process of the service that became our child, 0 */
  int pidfd;      /* owned; -1 */
  int store;      /* owned, -1: the socket on which the service speaks */
  uint8_t state;  /* enum slot_state */
  uint8_t flags;  /* enum slot_flag */
  uint8_t deaths; /* in a row, each soon after the start */
  uint8_t looks;  /* since SLOT_ASKING */
};

enum which { SERVICE, LOGGER };

enum entry_phase {
  PHASE_ACTIVE,
  PHASE_GOING,   /* being stopped; the name is examined again when it has gone */
  PHASE_KEPT,    /* vanished, and -k: waited for, not stopped; not found by name */
  PHASE_ALIAS,   /* a second name of another entry's directory */
  PHASE_REJECTED /* no service; kept so that it is said only once */
};

enum entry_flag {
  ENTRY_LINK = 1,
  ENTRY_RECORDED = 2,   /* .lares/run/NAME is there */
  ENTRY_VANISHED = 4,   /* NAME does not lead to it any more */
  ENTRY_SAID = 8,       /* nothing to run: reported */
  ENTRY_FRESH = 16,     /* a new link; nothing has been done about it yet */
  ENTRY_BUILT = 64,     /* from a definition, see definition.h */
  ENTRY_DRAINED = 32,   /* being stopped, and its logger's supervisor has left in order */
  ENTRY_UNDEFINED = 128 /* its definition is not there; believed at `gone_at` */
};

struct entry {
  uint64_t dev, ino;
  struct slot slot[2];
  struct deadline gone_at; /* ENTRY_UNDEFINED */
  uint32_t number;         /* in the table */
  uint32_t name_hash;
  uint32_t target_hash;                   /* of the last component of a link's target */
  uint32_t signature;                     /* of what is being written, when last looked at */
  int watch_dir, watch_log, watch_parent; /* of inotify, -1; may be shared */
  int watch_definition, watch_definition_log;
  int log_pipe;   /* owned, -1: a reading end of the logger's pipe while it is being stopped */
  char *moved_to; /* owned, 0: where it is, while that cannot be recorded */
  uint8_t phase, flags;
  int16_t reason; /* PHASE_REJECTED: errno that says why */
  char name[];
};

#endif
