/* Service directories: which files are there, and what may stand in place of one without
 * stopping us: FIFOs, devices, directories, links to nowhere, files we may not read. */

#include <skalibs/nonposix.h> /* setgroups */

#include "svdir_case.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct svdir svdir;
static struct complaints complaints;

static void expect(char const *changes, char const *complaint, char const *name) {
  is_str(case_read(&svdir, &complaints), changes, name);
  is_str(complaints.text, complaint, name);
}

static void test_marks(void) {
  static struct {
    char const *file;
    unsigned has;
    int directory;
  } const cases[] = {
      {"run", HAS_RUN, 0},       {"start", HAS_START, 0},
      {"finish", HAS_FINISH, 0}, {"stop", HAS_FINISH | HAS_STOP, 0},
      {"check", HAS_CHECK, 0},   {"condition", HAS_CONDITION, 0},
      {"down", HAS_DOWN, 0},     {"essential", HAS_ESSENTIAL, 0},
      {"log", HAS_LOG, 1},       {"control", HAS_CONTROL, 1},
      {"needs", HAS_NEEDS, 1},   {"after", HAS_AFTER, 1},
  };
  char wanted[128];

  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    char const *file = cases[i].file;
    int any = cases[i].has & (HAS_DOWN | HAS_ESSENTIAL);
    for (int directory = 0; directory < 2; directory++) {
      int fits = any || directory == cases[i].directory;
      if (directory)
        need(mkdir(case_path(file), 0755) == 0);
      else
        case_write(file, "", 0);
      if (cases[i].has == HAS_CHECK) need(chmod(case_path(file), 0755) == 0);
      snprintf(wanted, sizeof wanted, "has=%u", cases[i].has);
      is_str(case_read(&svdir, &complaints), fits ? wanted : "", file);
      snprintf(wanted, sizeof wanted,
               "%s|is a %s, a %s is expected|nothing, as if it were not there", file,
               directory ? "directory" : "file", directory ? "file" : "directory");
      is_str(complaints.text, fits ? "" : wanted, directory ? "a directory" : "a file");
      case_clear(file);
    }
  }
  case_write("finish", "", 0);
  case_write("stop", "", 0);
  snprintf(wanted, sizeof wanted, "has=%u", HAS_FINISH);
  expect(wanted, "", "finish comes before stop");
  case_clear("finish");
  case_clear("stop");
}

#define LOST "timeout-kill|"
#define NONE "run|"
#define AS_NONE "|nothing, as if it were not there"

static void test_instead_of_file(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd;

  need(mkfifo(case_path("timeout-kill"), 0600) == 0);
  need(mkfifo(case_path("run"), 0600) == 0);
  expect("",
         LOST "is a FIFO, a file is expected|10000\n" NONE
              "is a FIFO, a file is expected" AS_NONE,
         "a FIFO nobody writes to");
  case_clear("timeout-kill");
  case_clear("run");
  need(mkdir(case_path("timeout-kill"), 0755) == 0);
  expect("", LOST "is a directory, a file is expected|10000", "a directory");
  case_clear("timeout-kill");
  need(symlink("/dev/zero", case_path("timeout-kill")) == 0);
  need(symlink("/dev/zero", case_path("run")) == 0);
  expect("",
         LOST "is a device, a file is expected|10000\n" NONE
              "is a device, a file is expected" AS_NONE,
         "an endless device");
  case_clear("timeout-kill");
  case_clear("run");
  need(symlink("nowhere", case_path("timeout-kill")) == 0);
  need(symlink("nowhere", case_path("run")) == 0);
  expect("",
         LOST "is a link to something which does not exist|10000\n" NONE
              "is a link to something which does not exist" AS_NONE,
         "links to nowhere");
  case_clear("run");
  case_write("nowhere", "5\n", 2);
  expect("timeout_kill=5", "", "a link to a file");
  case_clear("nowhere");
  case_clear("timeout-kill");
  need(symlink("timeout-kill", case_path("timeout-kill")) == 0);
  expect("", LOST "cannot be opened: Too many levels of symbolic links|10000",
         "a link to itself");
  case_clear("timeout-kill");
  need(chdir(case_dir) == 0); /* a socket's name is short */
  strcpy(address.sun_path, "timeout-kill");
  need((fd = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
  need(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
  close(fd);
  expect("", LOST "is a socket or a device without a driver, a file is expected|10000",
         "a socket");
  case_clear("timeout-kill");
}

static void test_sizes(void) {
  char bytes[2048];

  memset(bytes, ' ', sizeof bytes);
  bytes[1022] = '7';
  case_write("timeout-kill", bytes, 1023);
  expect("timeout_kill=7", "", "1023 bytes are read");
  case_write("timeout-kill", bytes, 1024);
  expect("", LOST "is longer than 1023 bytes|10000", "1024 are not");
  memset(bytes, '1', sizeof bytes);
  case_write("timeout-kill", bytes, sizeof bytes);
  expect("", LOST "is longer than 1023 bytes|10000", "nor more");
  case_write("timeout-kill", bytes, 1023);
  expect("", LOST "\"11111111111111111111111111111111...\" is more than 2147483647|10000",
         "a number of 1023 digits");
  case_write("timeout-kill", "5\0\n", 3);
  expect("", LOST "contains a NUL byte|10000", "a NUL behind the value");
  case_write("timeout-kill", "\0", 1);
  expect("", LOST "contains a NUL byte|10000", "a NUL alone");
  need(truncate(case_path("timeout-kill"), 1 << 30) == 0);
  expect("", LOST "is longer than 1023 bytes|10000", "a file of a gigabyte");
  case_clear("timeout-kill");
}

static void test_permission(void) {
  pid_t pid;
  int status;

  if (getuid()) {
    tap_skip(1, "needs root, to become somebody who may not read");
    return;
  }
  need(chmod(case_dir, 0711) == 0); /* 0711: may be entered, not listed */
  case_write("timeout-kill", "5\n", 2);
  need(chmod(case_path("timeout-kill"), 0600) == 0);
  need((pid = fork()) >= 0);
  if (!pid) {
    gid_t group = 65534;
    if (chdir(case_dir) < 0 || chmod(".", 0755) < 0 || setgroups(1, &group) < 0 ||
        setgid(group) < 0 || setuid(65534) < 0)
      _exit(10);
    complaints = (struct complaints){.count = 0};
    if (!svdir_read(&svdir, ".", case_complain, &complaints)) _exit(11);
    if (strcmp(complaints.text, LOST "cannot be opened: Permission denied|10000")) _exit(12);
    _exit(svdir.timeout_kill != 10000);
  }
  need(waitpid(pid, &status, 0) == pid);
  is_int(status, 0, "a file we may not read is complained of, the rest goes on");
  need(chmod(case_dir, 0711) == 0);
  need((pid = fork()) >= 0);
  if (!pid) {
    if (chdir(case_dir) < 0 || setgid(65534) < 0 || setuid(65534) < 0) _exit(10);
    memset(&svdir, 7, sizeof svdir);
    if (svdir_read(&svdir, ".", case_complain, &complaints)) _exit(11);
    if (errno != EACCES) _exit(12);
    _exit(svdir.timeout_kill != 0x07070707);
  }
  need(waitpid(pid, &status, 0) == pid);
  is_int(status, 0, "a directory we may not list is a failure, and nothing is changed");
  need(chmod(case_dir, 0700) == 0);
  case_clear("timeout-kill");
}

int main(void) {
  case_begin();
  test_marks();
  test_instead_of_file();
  test_sizes();
  test_permission();
  case_end();
  return tap_done();
}
