/* A process of a test reports what it was born with, and what happens to it later. */

#ifndef TESTS_BIRTH_H
#define TESTS_BIRTH_H

/* Append to the file at path ("-": nowhere): parent, group, session, user, groups, blocked and
 * ignored signals, open descriptors, directory, umask, arguments, environment. Call it first.
 * Ends the process with 111 when the report cannot be written. */
extern void birth_report(char const *path, int argc, char **argv);

/* Append the event WHAT VALUE, under the pid that called birth_report even in its children. May
 * be called from a signal handler. */
extern void birth_event(char const *what, char const *value);

#endif
