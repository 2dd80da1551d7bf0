/* lares-svscan: what building a directory of links and taking it away share. */

#ifndef LARES_SVSCAN_BUILT_H
#define LARES_SVSCAN_BUILT_H

#include <stddef.h>

#define PLACE ".lares/build" /* where a directory has no name yet, or none any more */
#define KEPT_LOG ".log"      /* what is left of a log/ that is not defined any more */

/* One directory of links. */
struct level {
  char const *dir, *from; /* links in dir to the names in from */
  char const *before;     /* what they led into before; 0 */
  int fresh, is_log;
  int keeps_down; /* the definition may come back before it has been taken away */
};

extern int built_is_directory(char const *path);
extern int built_read_link(char const *path, char *text, size_t size);
/* Calls each for the names in a directory, those with a dot apart. 1, or 0 with errno. */
extern int built_each_name(char const *dir, int (*each)(void *context, char const *name),
                           void *context);
/* Its level as context: take away a link that is ours, and of no use: it leads into another
 * definition, or to what is not there any more. */
extern int built_remove_stale(void *context, char const *name);
/* What was left there. */
extern void built_clear_place(void);
/* A supervisor holds this directory's supervise/ok open. */
extern int built_is_held(char const *dir);
/* The definition has no log/ any more. */
extern int built_drop_log(char const *name, struct level *log);

#endif
