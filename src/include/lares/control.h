/* The control alphabet: what a byte written to supervise/control means. One list, from which
 * the options of svc, the receiver, the usage text, the manual's table and the tests are made.
 *
 * Sources: daemontools (u d o p c h a i t k x), daemontools-encore and runit (q 1 2 w e), s6
 * (r R D U O Q P C K y b); see lares-svc(8). Unknown bytes are ignored, for ever.
 */

#ifndef LARES_CONTROL_H
#define LARES_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include <lares/machine.h>

enum control_target { TO_PROCESS, TO_GROUP };
enum control_memory { REMEMBER_NOTHING, REMEMBER_DOWN, REMEMBER_UP };

/* letter, event, signal (name after SIG, or NONE; DOWN and RELOAD: as configured), target,
 * memory, help */
#define CONTROL_ALPHABET(X)                                                                    \
  X('u', WANT_UP, NONE, TO_PROCESS, REMEMBER_NOTHING,                                          \
    "up: start it now, and again whenever it ends")                                            \
  X('d', WANT_DOWN, NONE, TO_PROCESS, REMEMBER_NOTHING,                                        \
    "down: stop it with everything it started, do not restart it")                             \
  X('o', ONCE, NONE, TO_PROCESS, REMEMBER_NOTHING, "once: start it, do not restart it")        \
  X('x', EXIT, NONE, TO_PROCESS, REMEMBER_NOTHING,                                             \
    "exit: as down, then the supervisor leaves")                                               \
  X('e', EXIT, NONE, TO_PROCESS, REMEMBER_NOTHING, "the same as x (runit)")                    \
  X('r', RESTART, NONE, TO_PROCESS, REMEMBER_NOTHING,                                          \
    "restart: stop and start it again; nothing if it is down")                                 \
  X('D', WANT_DOWN, NONE, TO_PROCESS, REMEMBER_DOWN, "down, also after the next boot")         \
  X('U', WANT_UP, NONE, TO_PROCESS, REMEMBER_UP, "up, also after the next boot")               \
  X('O', UNWANT, NONE, TO_PROCESS, REMEMBER_NOTHING, "do not restart it, signal nothing")      \
  X('Q', UNWANT, NONE, TO_PROCESS, REMEMBER_DOWN, "the same, also after the next boot")        \
  X('R', SIGNAL, RELOAD, TO_PROCESS, REMEMBER_NOTHING, "send the reload-signal (HUP)")         \
  X('p', PAUSE, STOP, TO_PROCESS, REMEMBER_NOTHING, "pause: send STOP")                        \
  X('c', CONTINUE, CONT, TO_PROCESS, REMEMBER_NOTHING, "continue: send CONT")                  \
  X('h', SIGNAL, HUP, TO_PROCESS, REMEMBER_NOTHING, "send HUP")                                \
  X('a', SIGNAL, ALRM, TO_PROCESS, REMEMBER_NOTHING, "send ALRM")                              \
  X('i', SIGNAL, INT, TO_PROCESS, REMEMBER_NOTHING, "send INT")                                \
  X('t', SIGNAL, TERM, TO_PROCESS, REMEMBER_NOTHING, "send TERM")                              \
  X('q', SIGNAL, QUIT, TO_PROCESS, REMEMBER_NOTHING, "send QUIT")                              \
  X('1', SIGNAL, USR1, TO_PROCESS, REMEMBER_NOTHING, "send USR1")                              \
  X('2', SIGNAL, USR2, TO_PROCESS, REMEMBER_NOTHING, "send USR2")                              \
  X('w', SIGNAL, WINCH, TO_PROCESS, REMEMBER_NOTHING, "send WINCH")                            \
  X('y', SIGNAL, WINCH, TO_PROCESS, REMEMBER_NOTHING, "send WINCH (s6)")                       \
  X('b', SIGNAL, ABRT, TO_PROCESS, REMEMBER_NOTHING, "send ABRT")                              \
  X('k', KILL, KILL, TO_PROCESS, REMEMBER_NOTHING, "send KILL")                                \
  X('P', PAUSE, STOP, TO_GROUP, REMEMBER_NOTHING, "send STOP to the process group")            \
  X('C', CONTINUE, CONT, TO_GROUP, REMEMBER_NOTHING, "send CONT to the process group")         \
  X('K', KILL, KILL, TO_GROUP, REMEMBER_NOTHING, "send KILL to the process group")             \
  X('Z', UPGRADE, NONE, TO_PROCESS, REMEMBER_NOTHING, "upgrade the supervisor in place")

/* Modifiers (daemontools-encore): l is ignored (it means the main service); after L everything
 * to the end of that read or to an l is ignored (it meant the log); + the next signal goes to
 * the process group, = to the main process. "The next signal" is the next letter that sends
 * one, within the same read. */
#define CONTROL_MAIN 'l'
#define CONTROL_LOG 'L'
#define CONTROL_TO_GROUP '+'
#define CONTROL_TO_PROCESS '='

#define CONTROL_SIGNAL_NONE 0
#define CONTROL_SIGNAL_DOWN (-1)
#define CONTROL_SIGNAL_RELOAD (-2)

struct control_letter {
  char letter;
  uint8_t event;  /* enum machine_event */
  uint8_t target; /* enum control_target */
  uint8_t memory; /* enum control_memory */
  int16_t signal; /* number, or CONTROL_SIGNAL_ */
  char const *help;
};

extern struct control_letter const control_letters[];
extern unsigned const control_letter_count;

/* Decode what one read() brought: calls each for every letter that means something, target
 * already modified. The record is only good during the call. */
extern void control_decode(char const *bytes, size_t len,
                           void (*each)(void *context, struct control_letter const *),
                           void *context);
/* 0 when the letter means nothing (or is a modifier). */
extern struct control_letter const *control_find(char letter);

enum control_outcome { CONTROL_SENT, CONTROL_UNSUPERVISED, CONTROL_FAILED };
/* Write to DIR/supervise/control in one write, never blocking. CONTROL_UNSUPERVISED: errno is
 * ENXIO or EPIPE (nobody reads: the supervisor does not run) or ENOENT (there is no such file:
 * never supervised, or no such directory). CONTROL_FAILED: errno says why; EAGAIN: the FIFO is
 * full, the supervisor does not read; EINVAL: something else than a FIFO has the name.
 * The caller does not let SIGPIPE kill it. */
extern enum control_outcome control_send(char const *dir, char const *bytes, size_t len);
/* The same in two steps, for who waits: while *fd (owned by the caller, close-on-exec) is kept,
 * letters survive the supervisor's death, and poll() tells of that death as POLLERR. */
extern enum control_outcome control_open(char const *dir, int *fd);
extern enum control_outcome control_write(int fd, char const *bytes, size_t len);
/* Letters the supervisor has not read yet; -1 when the system does not tell. */
extern int control_pending(int fd);
/* Does a supervisor hold DIR/supervise/ok? 1; 0 with errno ENXIO (not now) or ENOENT (there is
 * no such file); -1 with errno for a failure to ask. */
extern int control_is_supervised(char const *dir);
/* The descriptor of DIR/supervise/ok, owned by the caller, on which poll() tells of the
 * supervisor's end as POLLERR; -1 with errno (ENXIO, ENOENT: there is none). */
extern int control_watch(char const *dir);

#endif
