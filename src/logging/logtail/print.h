/* What is gathered for standard output, by whoever has a form for it. */

#ifndef LARES_LOGTAIL_PRINT_H
#define LARES_LOGTAIL_PRINT_H

#include "logtail.h"

#define OUT_SIZE 65536

struct printer {
  struct tail const *tail;   /* borrowed */
  struct time_writer writer; /* of stamps */
  struct time_writer utc;    /* of JSON */
  int colored;               /* the line has colours of its own */
  size_t len;
  char out[OUT_SIZE];
};

/* So many bytes, at most OUT_SIZE, can be written behind len now. */
extern char *printer_room(struct printer *, size_t most);
/* json.c */
extern void print_json(struct printer *, struct source const *);

#endif
