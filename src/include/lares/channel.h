/* FIFOs with a name, and who holds which end.
 *
 * A FIFO whose both ends the supervisor holds never gives EOF or EPIPE and outlives any single
 * process: its content is gone only with its last holder.
 */

#ifndef LARES_CHANNEL_H
#define LARES_CHANNEL_H

#include <sys/types.h>

struct channel {
  int read;  /* owned, -1; non-blocking, close-on-exec */
  int write; /* owned, -1; non-blocking, close-on-exec */
};
#define CHANNEL_NONE ((struct channel){.read = -1, .write = -1})

/* Make the FIFO unless it is there: 1, or 0 with errno (EEXIST: something else has the name, or
 * it is not ours). mode is set exactly, whatever the umask. */
extern int channel_make(char const *file, mode_t mode);
/* Open both ends; never blocks. 1, or 0 with errno and both -1. */
extern int channel_open(struct channel *, char const *file);
extern void channel_close(struct channel *);
/* The read end only, for `ok` and the notification FIFO: -1 with errno. Never blocks. */
extern int channel_open_read(char const *file);
/* Write letters to a supervisor's control FIFO. Opened for both: that its reader has just died
 * is no error and no SIGPIPE then. 1, or 0 with errno (EAGAIN: it is full). */
extern int channel_poke(char const *file, char const *letters);
/* The same, the file named from the directory behind a descriptor. */
extern int channel_poke_at(int dir, char const *file, char const *letters);
/* A directory of ours: made with mode, or found to be ours, a directory (links are followed and
 * a dangling one gets its target made) and not writable by others. 1, or 0 with errno (EPERM:
 * somebody else's, ENOTDIR, EACCES: group- or world-writable). */
extern int channel_directory(char const *dir, mode_t mode);

#endif
