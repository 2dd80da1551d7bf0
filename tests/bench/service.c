/* The service of the benchmarks: writes when it came to life and its pid into the FIFO `report`
 * of its working directory, says that it is ready on descriptor 3, waits for a signal.
 *
 * No C library: what is measured is the supervisor, so the program itself has to be as little
 * as possible (a static glibc's start-up alone is two thirds of a restart). The report is two
 * 64-bit numbers, nanoseconds of CLOCK_MONOTONIC and pid, in one write.
 *
 * LINK: -static -nostdlib
 */

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#if defined(__x86_64__)
static long call(long number, long a, long b, long c, long d) {
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "+a"(number)
                   : "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return number;
}
#elif defined(__aarch64__)
static long call(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#else
#error "tests/bench/service.c: no system call is known for this processor"
#endif

void _start(void);
void _start(void) {
  struct timespec now;
  uint64_t report[2];
  long fd;

  call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0);
  report[0] = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  report[1] = (uint64_t)call(SYS_getpid, 0, 0, 0, 0);
  /* s6 restarts at once only what was ready; elsewhere nothing is open here yet. */
  call(SYS_write, 3, (long)"\n", 1, 0);
  fd = call(SYS_openat, AT_FDCWD, (long)"report", O_WRONLY | O_NONBLOCK, 0);
  if (fd >= 0) call(SYS_write, fd, (long)report, sizeof report, 0);
  for (;;)
    call(SYS_ppoll, 0, 0, 0, 0);
}
