/* A directory copied with its supervise/ (cp -r of a service that runs): what is written there
 * is true, and of another service. Whoever believed it would adopt that one's process, and kill
 * it at the first stop.
 *
 * `lock` remembers which file it is: behind the identity record stand its inode number and,
 * against damage, the complement of that (8 bytes each, big-endian). A copy has another, and
 * begins anew. Nothing or nonsense, of a full disk or somebody else's lock file, is taken for
 * ours: better to believe too much than to start a service twice. (On a file system that makes
 * inode numbers up as it goes, as some in user space do, a supervisor's successor begins anew,
 * too.) */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/strerr.h>
#include <skalibs/uint64.h>

#include <lares/exitcode.h>

#include "supervise.h"

#define MARK_SIZE 16

/* All that tells of a process or of what became of one. The FIFOs know nothing. */
static char const *const told[] = {FILE_CHILD,  FILE_STATE,        FILE_HISTORY, FILE_EXIT,
                                   FILE_STATUS, FILE_STATUS_SPARE, FILE_BUFFER,  FILE_TOLD,
                                   FILE_REST,   FILE_TEXT,         FILE_SOCKET};

/* Links alone; what else is there keeps the directory, and is not ours. */
static void unlink_one(void *context, char const *name) {
  (void)unlinkat(*(int *)context, name, 0);
}

static void forget_links(char const *dir) {
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0) return;
  (void)path_each_name(fd, unlink_one, &fd);
  close(fd);
  (void)rmdir(dir);
}

static void forget_all(struct supervisor *s, char const *dir) {
  for (unsigned i = 0; i < sizeof told / sizeof *told; i++)
    if (unlink(told[i]) < 0 && errno != ENOENT)
      cannot_begin(s, "remove ", dir, "/", told[i], ", which is a copy of another service's");
  forget_links(DIR_DEPENDENTS);
  forget_links(DIR_RECORDED);
}

/* 0 for none. */
static uint64_t read_mark(int lock) {
  char packed[MARK_SIZE];
  uint64_t mark, check;

  if (pread(lock, packed, sizeof packed, IDENTITY_RECORD_SIZE) != sizeof packed) return 0;
  uint64_unpack_big(packed, &mark);
  uint64_unpack_big(packed + 8, &check);
  return check == ~mark ? mark : 0;
}

static int write_mark(int lock, uint64_t mark) {
  char packed[MARK_SIZE];

  uint64_pack_big(packed, mark);
  uint64_pack_big(packed + 8, ~mark);
  return pwrite(lock, packed, sizeof packed, IDENTITY_RECORD_SIZE) == sizeof packed;
}

void begin_anew_if_copied(struct supervisor *s, char const *dir) {
  uint64_t mark = read_mark(s->lock);
  struct stat st;

  if (fstat(s->lock, &st) < 0) cannot_begin(s, "examine ", dir, "/" FILE_LOCK);
  if (mark == (uint64_t)st.st_ino) return;
  if (mark) {
    strerr_warni(dir, "/supervise was copied from another service: beginning anew");
    forget_all(s, dir);
  }
  if (!write_mark(s->lock, (uint64_t)st.st_ino) && mark)
    cannot_begin(s, "write ", dir, "/" FILE_LOCK);
}
