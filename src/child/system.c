/* What the kernel tells of processes: /proc/PID/stat, and system calls without a wrapper. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "stat.h"
#include "walk.h"

int sys_pidfd_open(pid_t pid) {
#ifdef SYS_pidfd_open
  return (int)syscall(SYS_pidfd_open, pid, 0);
#else
  (void)pid;
  return (errno = ENOSYS, -1);
#endif
}

int sys_pidfd_send_signal(int pidfd, int sig, unsigned flags) {
#ifdef SYS_pidfd_send_signal
  return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, 0, flags);
#else
  (void)pidfd;
  (void)sig;
  (void)flags;
  return (errno = ENOSYS, -1);
#endif
}

/* Fields after the command name, which may itself hold blanks and parentheses: they are counted
 * from the last one. */
static int parse_stat(char *text, struct process_stat *out) {
  char *at = strrchr(text, ')'), *name = strchr(text, '(');
  unsigned field;
  unsigned long long value;

  if (!at || at[1] != ' ') return 0;
  *out = (struct process_stat){.state = at[2], .exit_code = -1};
  for (unsigned i = 0; name && ++name < at && i < sizeof out->name - 1; i++)
    out->name[i] = *name;
  at += 3;
  for (field = 4; *at == ' '; field++) {
    char *end;
    value = strtoull(at + 1, &end, 10);
    if (end == at + 1) return 0;
    if (field == 4) out->parent = (pid_t)value;
    if (field == 5) out->group = (pid_t)value;
    if (field == 6) out->session = (pid_t)value;
    if (field == 11) out->child_faults = value;
    if (field == 20) out->threads = (unsigned)value;
    if (field == 22) out->start = value;
    if (field == 23) out->size = value;
    if (field == 52) out->exit_code = (int32_t)value;
    at = end;
  }
  return field > 22;
}

static int read_stat(int fd, struct process_stat *out) {
  char text[1024];
  ssize_t got;
  int saved;

  if (fd < 0) return 0;
  got = read(fd, text, sizeof text - 1);
  saved = errno;
  close(fd);
  if (got < 0) return (errno = saved, 0);
  text[got] = 0;
  return parse_stat(text, out) ? 1 : (errno = EPROTO, 0);
}

static void take_living_thread(void *context, int tasks, pid_t tid) {
  struct process_stat *out = context, ps;

  if (out->size || !read_stat(walk_open_thread(tasks, tid, "stat"), &ps) || !ps.size) return;
  out->state = ps.state;
  out->size = ps.size;
}

/* A process whose first thread has ended (pthread_exit in main) is shown as a zombie without an
 * address space; it lives as long as another thread does. When none is found that does it is
 * about to end, and has not yet. */
int process_stat_read(pid_t pid, struct process_stat *out) {
  if (!read_stat(walk_open(pid, "stat"), out)) return 0;
  if (out->state != 'Z' || out->threads <= 1) return 1;
  out->state = 'D';
  out->exit_code = -1;
  (void)walk_threads(pid, take_living_thread, out);
  return 1;
}

uint64_t process_clock(void) {
  struct timespec now = {0};
  long ticks = sysconf(_SC_CLK_TCK);

  if (ticks <= 0) ticks = 100;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (uint64_t)now.tv_sec * (uint64_t)ticks +
         (uint64_t)now.tv_nsec * (uint64_t)ticks / 1000000000;
}

pid_t process_parent(pid_t pid) {
  struct process_stat ps;

  return process_stat_read(pid, &ps) ? ps.parent : 0;
}

int process_has_ended(pid_t pid) {
  struct process_stat ps;

  if (process_stat_read(pid, &ps)) return process_stat_is_dead(&ps);
  return kill(pid, 0) < 0 && errno == ESRCH; /* with hidepid it only cannot be seen */
}

void process_name(pid_t pid, char name[PROCESS_NAME]) {
  struct process_stat ps = {.name = ""};

  (void)process_stat_read(pid, &ps);
  memcpy(name, ps.name, PROCESS_NAME);
}

int process_watch(pid_t pid) {
  return sys_pidfd_open(pid);
}
