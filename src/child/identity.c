/* Who a process is, and whether it still lives.
 *
 * The pidfd is always opened before anything about the process is read: a process that dies and
 * is replaced in between cannot be taken for the other. */

#include <skalibs/nonposix.h>
#include <lares/child.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "stat.h"

#define PIDFS_MAGIC 0x50494446 /* statfs type of a pidfd from Linux 6.9 on */

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/* FNV-1a over device and inode: two services of one boot with the same number would be a chance
 * of one in 2^64. */
int service_of_lock(int lock, uint64_t *service) {
  uint64_t sum = 14695981039346656037u;
  struct stat st;

  if (fstat(lock, &st) < 0) return 0;
  for (unsigned i = 0; i < 16; i++) {
    uint64_t word = i < 8 ? (uint64_t)st.st_dev : (uint64_t)st.st_ino;
    sum = (sum ^ (word >> 8 * (i & 7) & 0xff)) * 1099511628211u;
  }
  *service = sum;
  return 1;
}

uint64_t service_instance(struct identity const *who) {
  return who->inode ? who->inode : who->start;
}

void service_id_number(char *at, uint64_t number) {
  for (unsigned i = 0; i < 16; i++)
    at[i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
}

int service_id_scan(char const *text, struct service_id *id) {
  uint64_t *const parts[] = {&id->boot, &id->instance, &id->service};

  for (unsigned part = 0; part < 3; part++) {
    *parts[part] = 0;
    for (unsigned i = 0; i < 16; i++) {
      int digit = hex_digit(*text++);
      if (digit < 0) return 0;
      *parts[part] = *parts[part] << 4 | (uint64_t)digit;
    }
    if (*text++ != (part < 2 ? '-' : 0)) return 0;
  }
  return 1;
}

/* 0 in *id where the system has none to read; 0 returned when it could not be asked just now.
 */
static int read_boot_id(uint64_t *id) {
  char text[40];
  unsigned digits = 0;
  ssize_t got;
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC), error;

  *id = 0;
  if (fd < 0) return errno == ENOENT || errno == EACCES || errno == EPERM;
  do
    got = read(fd, text, sizeof text);
  while (got < 0 && errno == EINTR);
  error = errno;
  close(fd);
  if (got < 0) return (errno = error, 0);
  for (ssize_t i = 0; i < got && digits < 16; i++) {
    int digit = hex_digit(text[i]);
    if (digit < 0) continue;
    *id = *id << 4 | (uint64_t)digit;
    digits++;
  }
  if (digits != 16) *id = 0;
  return 1;
}

/* The first namespace's, a constant of the kernel. */
#define FIRST_NAMESPACE "pid:[4026531836]"

static int is_nothing_there(int error) {
  return error == ENOENT || error == EACCES || error == EPERM;
}

/* A container that is ended and begun again is a boot to what runs in it: nothing of before is
 * left, however much the records say that is about to be done. Its pid 1 tells its lives apart
 * (the namespace's own number is given to the next one). */
static int this_boot(uint64_t *id) {
  char name[sizeof FIRST_NAMESPACE];
  struct process_stat first;
  ssize_t len;

  if (!read_boot_id(id)) return 0;
  if (!*id) return 1;
  len = readlink("/proc/self/ns/pid", name, sizeof name);
  if (len <= 0) return is_nothing_there(errno);
  if (len == sizeof name - 1 && !memcmp(name, FIRST_NAMESPACE, (size_t)len)) return 1;
  if (!process_stat_read(1, &first)) return is_nothing_there(errno);
  *id ^= first.start * 0x9e3779b97f4a7c15u;
  return 1;
}

int child_probe_abilities(struct child_abilities *a) {
  struct statfs fs;
  int fd, known, error;

  *a = (struct child_abilities){.boot = 0};
  if (!this_boot(&a->boot)) return 0;
  fd = sys_pidfd_open(getpid());
  if (fd < 0) return errno == ENOSYS || errno == EPERM || errno == EINVAL;
  a->pidfd = 1;
  known = !fstatfs(fd, &fs);
  error = errno;
  /* Before 6.9 all pidfds share one anonymous inode: comparing it would be true for everyone.
   * On 32 bits the number is cut short; the start time is used there. */
  a->pidfs = known && sizeof(ino_t) >= 8 && (uint32_t)fs.f_type == PIDFS_MAGIC;
  close(fd);
  errno = error;
  return known;
}

void child_abilities_text(char text[ABILITIES_LENGTH + 1], struct child_abilities const *a) {
  service_id_number(text, a->boot);
  text[16] = a->pidfd ? '1' : '0';
  text[17] = a->pidfs ? '1' : '0';
  text[18] = 0;
}

int child_abilities_scan(char const *text, struct child_abilities *a) {
  uint64_t boot = 0;

  for (unsigned i = 0; i < 16; i++) {
    int digit = hex_digit(*text++);
    if (digit < 0) return 0;
    boot = boot << 4 | (uint64_t)digit;
  }
  if ((text[0] & ~1) != '0' || (text[1] & ~1) != '0' || text[2]) return 0;
  *a = (struct child_abilities){boot, text[0] & 1, text[1] & 1};
  return 1;
}

static int identity_from(struct child_abilities const *a, pid_t pid, int pidfd,
                         struct identity *out) {
  struct identity who = {.pid = pid, .boot = a->boot};
  struct stat st;
  struct process_stat ps;

  if (a->pidfs && pidfd >= 0 && !fstat(pidfd, &st))
    who.inode = st.st_ino;
  else if (process_stat_read(pid, &ps))
    who.start = ps.start;
  else
    return 0;
  *out = who;
  return 1;
}

int identity_of(struct child_abilities const *a, pid_t pid, struct identity *out) {
  int fd = -1, ok;

  if (pid <= 0) return (errno = ESRCH, 0);
  if (a->pidfd) {
    fd = sys_pidfd_open(pid);
    if (fd < 0 && errno == ESRCH) return 0;
  }
  ok = identity_from(a, pid, fd, out);
  if (fd >= 0) {
    int saved = errno;
    close(fd);
    errno = saved;
  }
  return ok;
}

/* In a pid namespace of its own, made a moment ago, getpid() is 1: who it is outside the /proc
 * that is mounted tells. */
int identity_of_self(struct child_abilities const *a, struct identity *out) {
  pid_t pid = getpid();
  char text[PID_FMT + 1];
  ssize_t len;
  int fd, ok;

  if (pid != 1) return identity_of(a, pid, out);
  len = readlink("/proc/self", text, sizeof text - 1);
  if (len <= 0) return 0;
  text[len] = 0;
  if (!pid0_scan(text, &pid)) return 0;
  fd = a->pidfd ? sys_pidfd_open(getpid()) : -1;
  ok = identity_from(a, pid, fd, out);
  if (fd >= 0) close(fd);
  return ok;
}

static int is_zombie(pid_t pid) {
  struct process_stat ps;

  return process_stat_read(pid, &ps) && ps.state == 'Z';
}

/* What one of the two lacks because it could not be asked just then proves nothing: to take a
 * living service for gone would start another one. A record made with the start time is
 * compared by it even where inodes are to be had. */
static enum identity_proof compare(struct identity const *who, struct identity *now) {
  struct process_stat ps;

  if (!who->inode && now->inode && process_stat_read(who->pid, &ps)) now->start = ps.start;
  if (!(who->inode && now->inode) && !(who->start && now->start))
    return (errno = ENODATA, IDENTITY_UNPROVABLE);
  return identity_equal(who, now) ? IDENTITY_LIVES : IDENTITY_GONE;
}

enum identity_proof identity_prove(struct child_abilities const *a, struct identity const *who,
                                   int *pidfd) {
  enum identity_proof proof;
  struct identity now;
  int fd = -1;

  *pidfd = -1;
  if (who->pid <= 0 || who->boot != a->boot) return IDENTITY_GONE;
  if (a->pidfd) {
    fd = sys_pidfd_open(who->pid);
    if (fd < 0 && errno == ESRCH) return IDENTITY_GONE;
  } else if (kill(who->pid, 0) < 0 && errno == ESRCH)
    return IDENTITY_GONE;
  if (!identity_from(a, who->pid, fd, &now)) {
    proof = errno == ENOENT || errno == ESRCH ? IDENTITY_GONE : IDENTITY_UNPROVABLE;
    if (proof == IDENTITY_UNPROVABLE && fd >= 0)
      *pidfd = fd;
    else if (fd >= 0)
      close(fd);
    return proof;
  }
  proof = compare(who, &now);
  if (proof == IDENTITY_GONE) {
    if (fd >= 0) close(fd);
    return proof;
  }
  /* A zombie's pidfd is readable at once; without one nobody would be told of its end. */
  if (fd < 0 && is_zombie(who->pid)) return IDENTITY_GONE;
  *pidfd = fd;
  return proof;
}
