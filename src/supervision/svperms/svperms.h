/* lares-svperms: who besides its owner may read how a service is, command it, and be woken.
 *
 * Modes and groups of what is in supervise/ are all there is to it:
 *
 *   supervise/            0700 nobody; 02710 members of its group read; 03710 and command (the
 *                         sticky bit says so, for a supervisor that has to make `control`
 * anew); 02711 everybody reads; 03711 and its group commands status state history text   0644
 * always: the directory decides ok                    0600, 0620, 0622: whoever reads may ask
 * whether a supervisor runs control               0600, 0620 event/                03730 its
 * group, 01733 everybody who gets there pipe                  of a logger: 0622 where nobody
 * gets there; 0602 with the readers' group, who may not write then, while a service of another
 * user may; 0600 everything else       for its owner alone
 */

#ifndef LARES_SVPERMS_H
#define LARES_SVPERMS_H

#include <sys/stat.h>
#include <sys/types.h>

enum readers { READ_OWNER, READ_GROUP, READ_PUBLIC };
enum subscribers { EVENTS_KEEP, EVENTS_GROUP, EVENTS_PUBLIC };

struct request {
  int change; /* status and control are to be set */
  enum readers readers;
  int control; /* the group may command */
  gid_t group; /* of these */
  enum subscribers subscribers;
  gid_t event_group;
  int show;
};

struct place {
  char const *name; /* the service directory, as given */
  int fd;           /* of supervise/ */
  struct stat st;   /* of it */
};

/* 1, or 0 when it was said what is wrong. */
extern int place_open(struct place *, char const *dir);
extern int place_apply(struct place const *, struct request const *);
extern int place_show(struct place *);
/* What makes all this worthless, or worse. */
extern void place_warn(struct place const *);

/* A name in supervise/ that others may read where they get there. */
extern int is_readable_name(char const *name);

#endif
