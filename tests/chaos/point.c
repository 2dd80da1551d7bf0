/* The other side of KILL_POINT (lares/killpoint.h). A point is armed by a number in a shared
 * map (map.h); the first process that passes it takes the number out and kills itself, its
 * parent, or both.
 *
 * In a vforked child all memory is the parent's: what is kept here stays valid in both. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "map.h"

/* The number of the build is its address (the linker's --defsym). */
extern char kill_build[];
#define CHILD_LINGERS_NS                                                                       \
  3000000 /* at most, when its parent has been killed before its exec                          \
           */

static struct {
  int asked;
  struct kill_map *map; /* 0: none */
  enum kill_program program;
} state;

static enum kill_program own_program(void) {
  static char const *const names[] = {[IS_SVSCAN] = "lares-svscan",
                                      [IS_SUPERVISE] = "lares-supervise",
                                      [IS_LOG] = "lares-log",
                                      [IS_INIT] = "lares-init"};
  char const *name = program_invocation_short_name;

  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(name, names[i])) return (enum kill_program)i;
  return IS_SERVICE;
}

struct kill_map *kill_map(void) {
  char const *file;
  void *at;
  int fd;

  if (state.asked) return state.map;
  state.asked = 1;
  state.program = own_program();
  file = getenv(KILL_MAP);
  fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return 0;
  at = mmap(0, sizeof *state.map, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (at != MAP_FAILED) state.map = at;
  return state.map;
}

static void linger(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  t = (struct timespec){.tv_nsec = t.tv_nsec / 7 % CHILD_LINGERS_NS};
  nanosleep(&t, 0);
}

/* Orphans have another than they began with: the driver, or the scanner, which may be one that
 * is to live. */
static int parent_may_die(struct kill_map const *map, pid_t parent) {
  return parent > 1 && (uint64_t)parent != map->driver && (uint64_t)parent != map->spared;
}

static void strike(struct kill_map *map, enum kill_point point, unsigned how) {
  pid_t parent = getppid();

  if (how != KILL_SELF && !parent_may_die(map, parent)) how = KILL_SELF;
  __atomic_add_fetch(&map->killed[state.program][point][how - 1], 1, __ATOMIC_SEQ_CST);
  if (how != KILL_SELF) kill(parent, SIGKILL);
  if (how != KILL_PARENT) kill(getpid(), SIGKILL);
  linger();
}

void kill_point(enum kill_point point) {
  int saved = errno;
  struct kill_map *map = kill_map();
  uint64_t *armed, how;

  if (!map) goto done;
  armed = &map->armed[state.program][point];
  __atomic_add_fetch(&map->passed[state.program][point], 1, __ATOMIC_RELAXED);
  if (point == POINT_SIGN_IN)
    __atomic_add_fetch(&map->births[(unsigned)getpid() % MAP_PIDS], 1, __ATOMIC_RELAXED);
  if (point == POINT_TAKEN_OVER)
    __atomic_add_fetch(&map->resumed[(uintptr_t)kill_build % MAP_BUILDS], 1, __ATOMIC_RELAXED);
  if (!__atomic_load_n(armed, __ATOMIC_RELAXED)) goto done;
  how = __atomic_exchange_n(armed, 0, __ATOMIC_SEQ_CST);
  if (how >= KILL_SELF && how <= KILL_BOTH) strike(map, point, (unsigned)how);

done:
  errno = saved;
}
