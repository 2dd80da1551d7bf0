/* Test Anything Protocol for C tests; header only, one test program per file.
 *
 *   int main(void) {
 *     ok(path_join(buf, sizeof buf, "a", "b"), "joins");
 *     is_str(buf, "a/b", "with a slash");
 *     return tap_done();
 *   }
 *
 * The plan comes last, so that a program which dies on the way is a failure for prove. Each
 * check returns whether it held. Results go to standard output at once (line buffered even when
 * that is a pipe), so that nothing is printed twice by a child made with fork.
 */

#ifndef TAP_H
#define TAP_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
  unsigned run;
  unsigned failed;
} tap_state;

__attribute__((format(printf, 1, 2), unused)) static void diag(char const *format, ...);
__attribute__((unused)) static int tap_result(int good, char const *file, int line,
                                              char const *name);
__attribute__((unused)) static int tap_is_int(int64_t got, int64_t want, char const *file,
                                              int line, char const *name);
__attribute__((unused)) static int tap_is_mem(char const *got, size_t gotlen, char const *want,
                                              size_t wantlen, char const *file, int line,
                                              char const *name);
__attribute__((unused)) static int tap_is_str(char const *got, char const *want,
                                              char const *file, int line, char const *name);
__attribute__((unused)) static void tap_skip(unsigned count, char const *reason);
__attribute__((unused)) static void tap_bail(char const *reason);
__attribute__((unused)) static int tap_done(void);

#define ok(condition, name) tap_result(!!(condition), __FILE__, __LINE__, (name))
#define is_int(got, want, name)                                                                \
  tap_is_int((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, (name))
#define is_mem(got, gotlen, want, wantlen, name)                                               \
  tap_is_mem((got), (gotlen), (want), (wantlen), __FILE__, __LINE__, (name))
#define is_str(got, want, name) tap_is_str((got), (want), __FILE__, __LINE__, (name))
/* A system call of the test itself that has to work; the test is worthless without. */
#define need(condition)                                                                        \
  ((condition) ? (void)0 : (diag("errno: %s", strerror(errno)), tap_bail(#condition)))

#include <stdarg.h>

static void diag(char const *format, ...) {
  va_list list;

  va_start(list, format);
  fputs("# ", stderr);
  vfprintf(stderr, format, list);
  fputc('\n', stderr);
  va_end(list);
}

static int tap_result(int good, char const *file, int line, char const *name) {
  int saved = errno;

  printf("%sok %u - %s\n", good ? "" : "not ", ++tap_state.run, name);
  fflush(stdout);
  if (!good) {
    tap_state.failed++;
    diag("failed: %s (%s:%d)", name, file, line);
  }
  errno = saved;
  return good;
}

static int tap_is_int(int64_t got, int64_t want, char const *file, int line, char const *name) {
  if (tap_result(got == want, file, line, name)) return 1;
  diag("   got: %lld (0x%llx)", (long long)got, (unsigned long long)got);
  diag("wanted: %lld (0x%llx)", (long long)want, (unsigned long long)want);
  return 0;
}

static void tap_show(char const *label, char const *bytes, size_t len) {
  fprintf(stderr, "# %s: ", label);
  for (size_t i = 0; i < len && i < 200; i++) {
    unsigned char c = (unsigned char)bytes[i];
    if (c >= 0x20 && c < 0x7f && c != '\\')
      fputc(c, stderr);
    else
      fprintf(stderr, "\\x%02x", c);
  }
  fprintf(stderr, "%s (%zu bytes)\n", len > 200 ? "..." : "", len);
}

static int tap_is_mem(char const *got, size_t gotlen, char const *want, size_t wantlen,
                      char const *file, int line, char const *name) {
  int same = got && gotlen == wantlen && !memcmp(got, want, wantlen);

  if (tap_result(same, file, line, name)) return 1;
  if (got)
    tap_show("   got", got, gotlen);
  else
    diag("   got: a null pointer");
  tap_show("wanted", want, wantlen);
  return 0;
}

static int tap_is_str(char const *got, char const *want, char const *file, int line,
                      char const *name) {
  return tap_is_mem(got, got ? strlen(got) : 0, want, strlen(want), file, line, name);
}

static void tap_skip(unsigned count, char const *reason) {
  while (count--)
    printf("ok %u # skip %s\n", ++tap_state.run, reason);
  fflush(stdout);
}

static void tap_bail(char const *reason) {
  printf("Bail out! %s\n", reason);
  fflush(stdout);
  exit(255);
}

static int tap_done(void) {
  printf("1..%u\n", tap_state.run);
  if (tap_state.failed) diag("%u of %u failed", tap_state.failed, tap_state.run);
  return tap_state.failed || !tap_state.run;
}

#endif
