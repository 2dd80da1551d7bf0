/* What the programs of a campaign and the one that drives it (tests/lib/Lares/KillMap.pm)
 * share: a file, mapped by all. Native byte order, 8-byte fields.
 *
 *   0                     driver: its pid, who is never killed
 *   8                     ablate: bits of enum ablation
 *   16                    spared: the scanner's pid when it is not to be killed
 *   24                    resumed[BUILDS]: how often a program of each has taken over
 *   64                    armed[PROGRAMS][POINTS]: enum kill_how, 0 none; taken by who dies
 *   + 8 * P * POINTS      passed[PROGRAMS][POINTS]
 *   + 16 * P * POINTS     killed[PROGRAMS][POINTS][3]
 *   65536                 births[PIDS], 2 bytes each: processes started under each number, by
 * which two that had the same can be told from one that is told of twice
 */

#ifndef LARES_CHAOS_MAP_H
#define LARES_CHAOS_MAP_H

#include <stdint.h>

#include <lares/killpoint.h>

#define KILL_MAP "LARES_TEST_KILL_MAP" /* the variable that names the file */
#define MAP_POINTS 64
#define MAP_BUILDS 5
#define MAP_PIDS (1u << 22) /* the most that pid_max can be */

enum kill_program { IS_SVSCAN, IS_SUPERVISE, IS_LOG, IS_INIT, IS_SERVICE, PROGRAM_COUNT };
enum kill_how { KILL_NOBODY, KILL_SELF, KILL_PARENT, KILL_BOTH };
enum ablation { WITHOUT_R1 = 1, WITHOUT_R2 = 2, WITHOUT_R3 = 4 };

struct kill_map {
  uint64_t driver, ablate, spared, resumed[MAP_BUILDS];
  uint64_t armed[PROGRAM_COUNT][MAP_POINTS];
  uint64_t passed[PROGRAM_COUNT][MAP_POINTS];
  uint64_t killed[PROGRAM_COUNT][MAP_POINTS][3];
  _Alignas(65536) uint16_t births[MAP_PIDS];
};
_Static_assert(POINT_COUNT <= MAP_POINTS, "room for all points");

/* The map, or 0 when there is none. */
extern struct kill_map *kill_map(void);

#endif
