/* The driver of the fuzz targets; header only, one target per file:
 *
 *   #define FUZZ_WORDS "TERM", "SIG",   what may stand in an input, optional
 *   #include "fuzz.h"
 *   int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size) {
 *     fuzz_check(property, "what went wrong");
 *     return 0;
 *   }
 *
 * Built as it is, the test runs the kept inputs of tests/fuzz/corpus/NAME, then mutations of
 * them for LARES_FUZZ_SECONDS, from the printed seed (LARES_SEED). It does so in a child whose
 * present input lies in shared memory, so that it is known whatever the child died of; it is
 * saved beside the test as NAME.failed. `NAME FILE...` runs just these files. Built by clang
 * with -DFUZZ_LIBFUZZER -fsanitize=fuzzer (make libfuzzer), libFuzzer is the driver.
 */

#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

extern int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size);

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define fuzz_check(condition, text)                                                            \
  ((condition) ? (void)0 : (diag("%s (%s:%d)", (text), __FILE__, __LINE__), abort()))

/* Input as a sequence of values; zero when there is no more. */
struct fuzz_input {
  uint8_t const *at;
  size_t left;
};

__attribute__((unused)) static uint8_t fuzz_byte(struct fuzz_input *in) {
  if (!in->left) return 0;
  in->left--;
  return *in->at++;
}

__attribute__((unused)) static uint64_t fuzz_number(struct fuzz_input *in, unsigned bytes) {
  uint64_t number = 0;

  while (bytes--)
    number = number << 8 | fuzz_byte(in);
  return number;
}

/* At most len bytes: how many there are. */
__attribute__((unused)) static size_t fuzz_take(struct fuzz_input *in, size_t len,
                                                uint8_t const **bytes) {
  if (len > in->left) len = in->left;
  *bytes = in->at;
  in->at += len;
  in->left -= len;
  return len;
}

/* A directory of the test's own below TMPDIR, which is the driver's and goes away with it. */
__attribute__((unused)) static char const *fuzz_folder(void) {
  static char path[512];
  char const *tmp = getenv("TMPDIR");

  snprintf(path, sizeof path, "%s/lares-fuzz.XXXXXX", tmp && *tmp ? tmp : "/tmp");
  need(mkdtemp(path));
  return path;
}

/* Removes what is in the directory, one level of directories included. */
__attribute__((unused)) static void fuzz_empty(int dirfd) {
  int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = copy < 0 ? 0 : fdopendir(copy);
  struct dirent *entry;

  need(dir);
  while ((entry = readdir(dir)))
    if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
      if (unlinkat(dirfd, entry->d_name, 0) < 0)
        need(!unlinkat(dirfd, entry->d_name, AT_REMOVEDIR));
  closedir(dir);
}

#ifndef FUZZ_LIBFUZZER
#include "fuzz_main.h"
#endif

#endif
