/* What log writers take: starts them, each in a directory of its own with a pipe as standard
 * input, writes lines into the pipes in turn and waits until the writers have exited.
 *
 *   log BASE COUNT LENGTH BYTES lines|blocks buffer|none PROGRAM [ARGUMENTS]
 *
 * BASE/0 to BASE/(COUNT-1) are there; BYTES are written in all, a line or 64 KiB at a time.
 * With `buffer' each has a file of its own as LARES_LOGBUF. Written to standard output: bytes,
 * lines, nanoseconds from the first start to the last exit, nanoseconds of processor time of
 * the log writers.
 */

#include <skalibs/nonposix.h>
#include "bench.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 100
#define BLOCK 65536
#define BUFFER (4096 + 2 * 65536) /* as supervise makes it */

static void set_buffer(void) {
  char number[12];
  int fd = open("buffer", O_RDWR | O_CREAT, 0600);

  if (fd < 0 || ftruncate(fd, BUFFER) < 0) die("buffer");
  snprintf(number, sizeof number, "%d", fd);
  setenv("LARES_LOGBUF", number, 1);
}

static int start(char const *base, unsigned number, int buffer, char *const *argv) {
  char path[4096];
  int ends[2];

  snprintf(path, sizeof path, "%s/%u", base, number);
  if (pipe2(ends, O_CLOEXEC) < 0) die("pipe");
  switch (fork()) {
  case -1:
    die("fork");
  case 0:
    if (dup2(ends[0], 0) < 0 || chdir(path) < 0) die(path);
    if (buffer) set_buffer();
    execvp(argv[0], argv);
    die(argv[0]);
  }
  close(ends[0]);
  return ends[1];
}

static uint64_t used(void) {
  struct rusage usage;

  if (getrusage(RUSAGE_CHILDREN, &usage) < 0) die("getrusage");
  return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000u +
         (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000u;
}

int main(int argc, char **argv) {
  static char block[BLOCK];
  int fds[MOST], status;
  unsigned count, length, wrong = 0;
  size_t size;
  uint64_t left, written = 0, began = now_ns();

  if (argc < 8) return 100;
  count = (unsigned)atoi(argv[2]);
  length = (unsigned)atoi(argv[3]);
  left = strtoull(argv[4], 0, 10);
  if (!count || count > MOST || !length || length > BLOCK) return 100;
  memset(block, 'x', sizeof block);
  for (size = 0; size + length <= BLOCK; size += length)
    block[size + length - 1] = '\n';
  if (!strcmp(argv[5], "lines")) size = length;
  signal(SIGPIPE, SIG_IGN);
  for (unsigned i = 0; i < count; i++)
    fds[i] = start(argv[1], i, !strcmp(argv[6], "buffer"), argv + 7);
  for (unsigned i = 0; written < left; i = (i + 1) % count) {
    for (size_t done = 0; done < size;) {
      ssize_t wrote = write(fds[i], block + done, size - done);
      if (wrote < 0) die("write");
      done += (size_t)wrote;
    }
    written += size;
  }
  for (unsigned i = 0; i < count; i++)
    close(fds[i]);
  while (wait(&status) > 0)
    wrong |= (unsigned)status;
  if (wrong) return 1;
  printf("%llu %llu %llu %llu\n", (unsigned long long)written,
         (unsigned long long)(written / length), (unsigned long long)(now_ns() - began),
         (unsigned long long)used());
  return 0;
}
