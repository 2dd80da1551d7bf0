/* lares-svscanctl: what stands in a scan directory, and what has become of it. */

#ifndef LARES_SVSCANCTL_ENTRIES_H
#define LARES_SVSCANCTL_ENTRIES_H

#include <stddef.h>
#include <stdint.h>

#include <lares/path.h>

enum entry_kind {
  ENTRY_SERVICE,
  ENTRY_ALIAS,    /* another name of one */
  ENTRY_TEMPLATE, /* its name ends in @ */
  ENTRY_NOTHING,  /* a file, what is not defined any more ... */
  ENTRY_BROKEN,   /* a link to nowhere, what cannot be looked at: it was meant to be one */
  ENTRY_GOING,    /* it is recorded, and not there any more, or another directory is */
  ENTRY_UNBUILT   /* it is defined (svscan -d), and not there yet */
};

struct entry {
  uint64_t dev, ino;
  size_t main;       /* ENTRY_ALIAS: of which one */
  char const *wrong; /* why it cannot run, or is nothing; 0 */
  uint8_t kind;      /* enum entry_kind */
  uint8_t recorded;  /* the scanner has taken it up, as this directory */
  uint8_t has_log;
  char name[PATH_NAME_MAX + 1];
};

struct entries {
  struct entry *list; /* owned; by name */
  size_t count, size;
};

/* 1, or 0 with errno. What was in it before is forgotten. */
extern int entries_read(struct entries *);
/* That is what is wrong; quoted is to be said behind it, "" when it is something else. */
extern int entry_lacks_template(struct entry const *, char quoted[PATH_QUOTED]);
/* What it was built from, in a buffer of PATH_SIZE: 1, or 0. */
extern int entry_built_from(char const *name, char *path);

#endif
