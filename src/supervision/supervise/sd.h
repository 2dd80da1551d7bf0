/* sd_notify: what socket.c, sd.c and watchdog.c offer. */

#ifndef LARES_SUPERVISE_SD_H
#define LARES_SUPERVISE_SD_H

#include <stdint.h>

#include <skalibs/types.h>

#include <lares/clock.h>
#include <lares/machine.h>
#include <lares/notify.h>

struct supervisor;
struct child_plan;

/* The text of this link is the name of the present run's socket. */
#define FILE_SOCKET "supervise/socket"

struct sd {
  int fd;                /* owned, -1 */
  uint8_t has_link;      /* FILE_SOCKET is there */
  uint8_t lost;          /* words of a run that is not ready yet may have been */
  uint8_t said_stranger; /* these once a run */
  uint8_t said_malformed;
  uint8_t said_long;
  uint8_t said_main;
  uint8_t said_store; /* and these once */
  uint8_t said_name;
  uint8_t said_deaf;
  uint32_t watchdog_ms;     /* of the present run, 0 none */
  struct deadline watchdog; /* a sign of life is due */
  struct deadline give;     /* to the scanner, or listen, again */
  char socket_variable[sizeof "NOTIFY_SOCKET=" + NOTIFY_NAME_MOST];
  char usec_variable[sizeof "WATCHDOG_USEC=" + UINT64_FMT];
  char pid_variable[sizeof "WATCHDOG_PID=" + PID_FMT];
};

/* socket.c: at the beginning: what the link names, handed to us by whoever started us. */
extern void sd_begin(struct supervisor *);
/* Before anybody can see that we are there: the socket of a run that lives, if it was not
 * handed over; then, when it is known where that is, what it has asked for. */
extern void sd_listen(struct supervisor *);
extern void sd_resume(struct supervisor *);
/* Before each start of `run`: its socket, if it is to have one, without a word in it, and its
 * variables. 1, or 0 with errno. */
extern int sd_prepare(struct supervisor *, struct child_plan *);
/* Its variables are taken away. */
extern void sd_prepared(struct supervisor *);
/* No socket any more. */
extern void sd_end(struct supervisor *);
/* Give it to the scanner, which keeps it for our successor. */
extern void sd_give(struct supervisor *);

/* sd.c: some of what was said; 1 when there may be more at once, -1 with errno when it cannot
 * be read. */
extern int sd_read(struct supervisor *);
/* `run` is ended, or told that it is over: why, and with which signal (0 none). */
extern void sd_lapse(struct supervisor *, unsigned reason, int sig);

/* watchdog.c: a sign of life; another time; the machine has made a step; the deadline. */
extern void watchdog_alive(struct supervisor *);
extern void watchdog_set(struct supervisor *, uint32_t ms);
extern void watchdog_follow(struct supervisor *);
extern void watchdog_look(struct supervisor *, struct deadline now);

#endif
