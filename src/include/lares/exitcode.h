/* Exit codes of every lares program; the one list. Sources: s6 and daemontools (100, 111),
 * execline (126, 127), reference of sv (1). A manual page's EXIT STATUS names them. */

#ifndef LARES_EXITCODE_H
#define LARES_EXITCODE_H

enum exitcode {
  EXIT_DONE = 0,
  EXIT_NO = 1,             /* a negative answer: not in the state asked for */
  EXIT_UNKNOWN = 4,        /* no such service (front end) */
  EXIT_PROBED = 90,        /* -p, before an upgrade: able to take over; not 0, as of anybody */
  EXIT_TIMEOUT = 99,       /* the time allowed ran out */
  EXIT_USAGE = 100,        /* wrong usage or wrong configuration */
  EXIT_BUG = 101,          /* an internal contradiction */
  EXIT_UNSUPERVISED = 102, /* no supervisor runs there */
  EXIT_SYSTEM = 111,       /* a system call failed */
  EXIT_NOEXEC = 126,       /* the program to become cannot be executed */
  EXIT_NOTFOUND = 127      /* the program to become does not exist */
};

#define WSTAT_PROBED (EXIT_PROBED << 8)

#endif
