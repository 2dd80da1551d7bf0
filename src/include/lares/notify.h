/* sd_notify(3): a service tells its supervisor how far it is, by datagrams of lines KEY=VALUE
 * to the socket that NOTIFY_SOCKET names. Both sides: what a datagram says, making, reading and
 * using such a socket. Nothing here waits.
 */

#ifndef LARES_NOTIFY_H
#define LARES_NOTIFY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NOTIFY_MOST 4096     /* bytes of a datagram; longer ones say nothing */
#define NOTIFY_NAME_MOST 107 /* of a socket: a path, or @ and an abstract name */

enum notify_word {
  NOTIFY_READY = 1,
  NOTIFY_RELOADING = 2,
  NOTIFY_STOPPING = 4,
  NOTIFY_ALIVE = 8,         /* WATCHDOG=1 */
  NOTIFY_TRIGGER = 16,      /* WATCHDOG=trigger: as if it had not said that for too long */
  NOTIFY_STATUS = 32,       /* with status, status_len */
  NOTIFY_MAIN_PID = 64,     /* with main_pid */
  NOTIFY_WATCHDOG_MS = 128, /* with watchdog_ms, 0: none wanted */
  NOTIFY_EXTEND = 256,      /* with extend_ms */
  NOTIFY_BARRIER = 512,
  NOTIFY_FDSTORE = 1024
};

struct notify_message {
  uint32_t words; /* enum notify_word */
  int32_t main_pid;
  uint32_t watchdog_ms, extend_ms; /* at least 1 when it says any time, at most 2^31 - 1 */
  char const *status;              /* in the datagram */
  size_t status_len;
  char const *malformed; /* a key whose value is none; the key counts as not there. Or 0 */
};
/* What a datagram says. The first line with a key counts, unknown keys do not; STOPPING goes
 * before READY, that before RELOADING. 1, or 0 when it is no such datagram at all (a NUL). */
extern int notify_parse(struct notify_message *, char const *bytes, size_t len);

struct notify_from {
  pid_t pid; /* in our pid namespace; 0 unknown */
  uid_t uid;
  uint8_t has_descriptors;
  uint8_t too_long;
};
/* The first datagram, which stays where it is: its length (at most NOTIFY_MOST), or -1 with
 * errno (EAGAIN: there is none). What is read and acted on, and only then taken, is not lost
 * when the reader is killed in between. Descriptors that came with it never become ours. */
extern ssize_t notify_peek(int fd, char bytes[NOTIFY_MOST], struct notify_from *);
/* Drop the first datagram; the descriptors that came with it are closed by that. 1 or 0. */
extern int notify_take(int fd);
/* A socket with this name that tells who sends: close-on-exec, everybody may write; -1 with
 * errno. What is there under a path is replaced. */
extern int notify_listen(char const *name);
/* Is this descriptor the socket with that name? */
extern int notify_is(int fd, char const *name);
/* Send a message, and a descriptor with it unless that is -1; pid: as from that process, if we
 * may, 0 as from us. 1, or 0 with errno (EAGAIN: nobody has read for a while). */
extern int notify_send(char const *name, char const *message, size_t len, int descriptor,
                       pid_t pid);

#endif
