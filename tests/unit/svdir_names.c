/* Service directories: the names of one that has not changed are not listed again, and nothing
 * that comes, goes or changes is missed by that.
 *
 * Listings are counted, and the clock they are dated by is set ahead:
 * LINK: -Wl,--wrap=path_each_name,--wrap=clock_stamp
 */

#include "svdir_case.h"

#include <lares/path.h>

static unsigned listings;
extern int __real_path_each_name(int, void (*)(void *, char const *), void *);
extern int __wrap_path_each_name(int, void (*)(void *, char const *), void *);
int __wrap_path_each_name(int dir, void (*each)(void *, char const *), void *context) {
  listings++;
  return __real_path_each_name(dir, each, context);
}

static unsigned ahead; /* s */
extern void __real_clock_stamp(struct stamp *);
extern void __wrap_clock_stamp(struct stamp *);
void __wrap_clock_stamp(struct stamp *now) {
  __real_clock_stamp(now);
  now->tai += ahead;
}

static struct svdir svdir;
static struct svdir_names names;

static void read_here(unsigned listed, char const *name) {
  unsigned before = listings;

  need(svdir_read_here(&svdir, &names, 0, 0));
  is_int(listings - before, listed, name);
}

static void test_settled(void) {
  case_write("run", "", 0);
  read_here(1, "the first time it is listed");
  is_int(svdir.has, HAS_RUN, "and the name seen");
  read_here(1, "one that has just changed is listed again");
  case_write("down", "", 0);
  read_here(1, "in the same tick of the clock, too");
  is_int(svdir.has, HAS_RUN | HAS_DOWN, "so nothing is missed");
  ahead = 3;
  read_here(1, "nor is a listing three seconds after a change for later");
  ahead = 5;
  read_here(1, "after a while it is listed once more");
  read_here(0, "for the last time");
  is_int(svdir.has, HAS_RUN | HAS_DOWN, "the names are the same");
}

static void test_changes(void) {
  case_clear("down");
  read_here(1, "a name less");
  is_int(svdir.has, HAS_RUN, "is seen");
  read_here(0, "then it is known");
  case_write("timeout-kill", "5\n", 2);
  read_here(1, "a name more");
  is_int(svdir.timeout_kill, 5, "is seen");
  case_write("timeout-kill", "70\n", 3);
  read_here(0, "what a file says is no matter of names");
  is_int(svdir.timeout_kill, 70, "and is read each time");
  need(rename("timeout-kill", "type") == 0);
  case_write("type", "oneshot\n", 8);
  read_here(1, "another name");
  is_int(svdir.type, TYPE_ONESHOT, "is read by that");
  is_int(svdir.timeout_kill, 10000, "and the old one is forgotten");
  case_clear("type");
  case_clear("run");
}

/* As when a clock was ahead and is set right. */
static void test_clock(void) {
  ahead = 5;
  read_here(1, "emptied");
  ahead = 0;
  names.changed.tai += 100;
  read_here(1, "a change that is still to come is no proof");
  read_here(1, "nor is it afterwards");
}

static void test_another(void) {
  ahead = 5;
  read_here(1, "this one");
  read_here(0, "is known");
  need(mkdir("other", 0755) == 0 && chdir("other") == 0);
  read_here(1, "another directory is not");
  need(chdir("..") == 0 && rmdir("other") == 0);
  read_here(1, "and neither is the first one now");
  names.settled = 0;
  read_here(1, "nor is one that is to be listed");
}

int main(void) {
  case_begin();
  need(chdir(case_dir) == 0);
  test_settled();
  test_changes();
  test_clock();
  test_another();
  case_end();
  return tap_done();
}
