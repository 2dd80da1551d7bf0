/* svhist: the journals of services, as text or as JSON lines. */

#ifndef LARES_SVHIST_H
#define LARES_SVHIST_H

#include <stdint.h>

#include <lares/follow.h>

struct request {
  int json, follow, many; /* many: more than one directory, so each line says which */
  int has_last, has_from;
  uint64_t last; /* -n */
  uint64_t from; /* -s */
};

/* What is to be printed of one directory: kept until all have been read, then merged. */
struct piece {
  enum follow_what what;
  struct history_record record;
  uint64_t first, last;
};
struct source {
  struct follow follow;
  struct piece *pieces; /* owned */
  uint32_t count, room, told;
  struct deadline look;
  int failed; /* errno when there was no memory */
  int complained;
};

/* print.c */
extern void print_piece(struct request const *, char const *dir, struct piece const *);

/* source.c: 1, or 0 with errno */
extern int source_open(struct source *, char const *dir, struct request const *);
/* Read what is new into pieces. */
extern int source_read(struct source *);
/* Print the pieces of all in the order of their times, and forget them. */
extern void sources_print(struct source *, unsigned count, struct request const *);

#endif
