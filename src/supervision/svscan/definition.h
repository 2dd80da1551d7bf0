/* lares-svscan: services that are built from a definition elsewhere (-d, and instances). */

#ifndef LARES_SVSCAN_DEFINITION_H
#define LARES_SVSCAN_DEFINITION_H

#include <stdint.h>

struct scan;
struct entry;

#define BUILT ".definition"     /* in what was built: a link to what it was built from */
#define BUILDING ".definition+" /* the same, while that is not finished */

/* Reasons beside errno's own: why a name is no service. */
#define NOT_DEFINED EIDRM /* it was built, and its definition has gone */
#define TEMPLATE ENOTUNIQ /* it ends in @ */

struct definitions {
  char const *path; /* -d, absolute; 0 */
  uint64_t dev, ino;
  int watch;     /* of inotify, -1 */
  uint8_t lost;  /* it is not there, or not to be believed: nothing is concluded from it */
  uint8_t trust; /* an empty one is believed, as HUP was sent */
};

/* definition.c */
extern void definitions_begin(struct scan *);
/* Is it still there? Before every full scan. */
extern void definitions_check(struct scan *);
extern void definitions_watch(struct scan *);
/* All that is defined and has no entry yet. */
extern void definitions_scan(struct scan *);
/* Something happened in the directory of definitions. */
/* A template was changed: look at every instance. */
extern void definitions_instances(struct scan *, char const *name);
extern void definitions_event(struct scan *, uint32_t mask, char const *name);
extern int is_template(char const *name);
/* May this name be one that is built? If not there is nothing to ask. */
extern int definition_concerns(struct scan const *, char const *name);
/* Build what is to be behind this name, or bring it up to date. */
struct applied {
  int wrong; /* with the name: NOT_DEFINED, or 0 */
  int own;   /* there is a definition, and a directory of somebody's own */
  int built; /* it is a built one */
};
extern struct applied definition_apply(struct scan *, char const *name);
/* If the next look does not find its definition, it has gone. */
extern void definition_believe(struct entry *);
/* Has it been built from something that is gone? Where that cannot be told now, no, and it is
 * looked at again. */
extern int definition_gone(struct scan *, char const *name);
/* Nothing runs there any more: take away what was built, if its definition has gone. 0: that
 * failed, which was said and is tried again; 1: there was nothing to do, or it is done. */
extern int definition_tidy(struct scan *, char const *name);
/* The entry is a built one: watch what it is built from. */
extern void definition_watch(struct scan *, struct entry *);
/* Something happened in what the entry is built from; names: one came or went. */
extern void definition_touched(struct scan *, struct entry *, int watch, int names,
                               char const *name);

/* built.c: a directory of links; names are relative to the scan directory. 1, or 0 with errno.
 */
extern int built_from(char const *name, char *path, unsigned size);
/* Can it be built here: nothing there, an empty directory, or one that was not finished? */
extern int built_may(char const *name, int must_exist);
extern int built_sync(char const *name, char const *from);
/* Its definition has gone: take away the links that lead nowhere, of which its supervisor would
 * complain. */
extern void built_prune(char const *name);
extern int built_remove(char const *name);

#endif
