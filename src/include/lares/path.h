/* Paths and names in fixed buffers: nothing is ever cut short silently. */

#ifndef LARES_PATH_H
#define LARES_PATH_H

#include <stddef.h>
#include <stdint.h>

/* Longest name of one directory entry, as on every file system lares runs on. */
#define PATH_NAME_MAX 255

/* Write DIR "/" NAME and a NUL into buf. 1, or 0 with errno ENAMETOOLONG and buf unchanged. */
extern int path_join(char *buf, size_t size, char const *dir, char const *name);

/* The path as one that stays right when the working directory is another. 1, or 0 with errno.
 */
extern int path_absolute(char *buf, size_t size, char const *path);

/* Is this a name a service may bear: 1 to 255 bytes, no slash, no newline or other control
 * byte, not starting with a dot? */
extern int path_is_service_name(char const *name);

/* The last component of path, trailing slashes not counted, as pointer and length. The name of
 * "/" is "/". */
extern char const *path_base(char const *path, size_t *len);

/* The file name in the directory where our own program is, or was before its file was replaced:
 * by the path that we were started by, its links not resolved, where there is such a file, else
 * by the path that the kernel tells, where that is not asked. 1, or 0 with errno and buf "". */
extern int path_beside(char *buf, size_t size, char const *name);

/* The first line, without its newline, of a file that nobody but us and root can write; never
 * blocks. 1, or 0 with errno (EPERM: no regular file, or others can write it; ENAMETOOLONG: it
 * does not fit). */
extern int path_own_line(char *buf, size_t size, char const *file);

/* Call each for every name in the directory behind the descriptor, "." and ".." included, from
 * its present position on. Allocates nothing on Linux, where libc's readdir() would take 32
 * KiB. 1, or 0 with errno. */
extern int path_each_name(int dir, void (*each)(void *context, char const *name),
                          void *context);

/* What is wrong with a symbolic link that cannot be followed, in words: "a link that leads
 * nowhere". 0 when it is none; then errno says why something else is not there. */
extern char const *path_link_wrong(char const *path);

/* Why the file `run` at this path cannot be executed, as a sentence about `run'; 0 when it can.
 * errno: of what could not be asked, 0 when that is the answer. */
extern char const *path_run_wrong(char const *path);

/* The name is one of an instance without a `run` at path, and its template is neither here nor
 * in the directory defs (0: none): quoted is the name of that in quotes then. */
#define PATH_QUOTED (PATH_NAME_MAX + 3)
extern int path_template_missing(char quoted[PATH_QUOTED], char const *name, char const *path,
                                 char const *defs);
#define PATH_NO_TEMPLATE "it has no `run', and there is no template " /* the name follows */

/* Of a file in dir that is there and could not be executed for ENOENT: why, in words. 1, or 0
 * when that cannot be seen (any more). The name of the interpreter that they contain has no
 * blanks and nothing unprintable: a carriage return is shown as \r. errno is kept. */
#define PATH_UNEXECUTED 100
extern int path_interpreter_missing(char buf[PATH_UNEXECUTED], char const *dir,
                                    char const *file);
/* The same of a file of which nothing is known yet: 1 only for a script. */
extern int path_script_missing(char buf[PATH_UNEXECUTED], char const *dir, char const *file);

/* Is it on a file system on which inotify does not tell of what others do (NFS, FUSE and the
 * like)?
 */
extern int path_is_remote(char const *path);

/* /proc/PID and `file` behind it ("/exe"), in room for PATH_PROC and that. */
#define PATH_PROC 18 /* "/proc/2147483647" and the end, and one more */
extern void path_of_process(char *path, int32_t pid, char const *file);

/* Where a scanner notes that what is in the directory of this number is being stopped, because
 * it has vanished, from the scan directory: the service, or its logger. */
#define PATH_STOP 64
extern void path_of_stop(char buf[PATH_STOP], uint64_t dev, uint64_t ino, int is_log);

/* What a scanner runs if it is there, as paths from the scan directory (.lares/notify,
 * .lares/SIGTERM and so on): number i, counted from 0; 0 behind the last. There are 16 at most.
 */
extern char const *path_hook(unsigned i);

/* It is there and no executable file, so that it is never run. What cannot be looked at just
 * now is not said to be that. */
extern int path_hook_is_idle(char const *hook);

#endif
