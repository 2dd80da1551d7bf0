/* Service directories: every file of the tables in each way in which it can be malformed. What
 * is wrong is named with the file and with what is used instead, which is the default, and the
 * files beside it count. A file that is added to a table is tested here without a line more. */

#include <skalibs/nonposix.h> /* setgroups */

#include "svdir_case.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "../../src/svdir/values.h"

static struct svdir svdir;
static struct complaints complaints;

/* What a test is about: a file, and what is to be said of it. */
static char const *file, *instead;
/* A value file beside it, and what it is good for. */
static char const *beside, *beside_changes;

static void choose_beside(void) {
  int is_taken = !strcmp(file, "timeout-finish");

  beside = is_taken ? "timeout-kill" : "timeout-finish";
  beside_changes = is_taken ? "timeout_kill=7" : "timeout_finish=7";
  case_write(beside, "7\n", 2);
}

/* wrong: what the complaint says, 0 for none; changes: what the file does beside the other. */
static void expect(char const *kind, char const *wrong, char const *changes) {
  char name[128], wanted[512], complaint[512] = "";
  char const *found = case_read(&svdir, &complaints);

  snprintf(name, sizeof name, "%s: %s", file, kind);
  snprintf(wanted, sizeof wanted, "%s%s%s", changes, *changes ? " " : "", beside_changes);
  if (wrong) snprintf(complaint, sizeof complaint, "%s|%s|%s", file, wrong, instead);
  is_str(found, wanted, name);
  is_str(complaints.text, complaint, name);
}

static void bad(char const *kind, char const *wrong) {
  expect(kind, wrong, "");
  case_clear(file);
}

/* --- what may stand in place of a file ------------------------------------------------------
 */

static void make_socket(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);

  snprintf(address.sun_path, sizeof address.sun_path, "%s", file);
  need(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof address));
  close(fd);
}

static void links(char const *loop) {
  need(!symlink("nowhere", file));
  bad("a link to nowhere", "is a link to something which does not exist");
  need(!symlink(file, file));
  bad("a link to itself", loop);
}

/* --- values ------------------------------------------------------------------------------- */

static struct value_row const *row;

static char const *good_value(void) {
  if (row->kind == VALUE_DEATHS) return "5 60000";
  if (row->kind == VALUE_PATH) return "it.pid";
  return row->kind == VALUE_FD ? "7" : row->standard;
}

static void write_bad(char const *kind, char const *wrong, char const *text) {
  case_write(file, text, strlen(text));
  bad(kind, wrong);
}

static void test_text(void) {
  char text[2048];
  size_t len;

  write_bad("empty", "is empty", "");
  write_bad("blanks alone", "is empty", " \t\r\n\n");
  snprintf(text, sizeof text, "%s\n%s\n", good_value(), good_value());
  write_bad("two lines", "has more than one line", text);
  len = (size_t)snprintf(text, sizeof text, "%s%c\n", good_value(), 0);
  case_write(file, text, len);
  bad("a NUL behind the value", "contains a NUL byte");
  memset(text, ' ', 1024);
  strcpy(text + 1024, good_value());
  write_bad("too long", "is longer than 1023 bytes", text);
}

static void test_meaning(void) {
  static char const *const signs[] = {"-1", "+1", "10s", "0x10", "1.5", "1e3"};
  char wrong[256], text[32];
  int numbers = row->kind == VALUE_NUMBER || row->kind == VALUE_FD;
  int lists = row->kind == VALUE_DELAYS || row->kind == VALUE_DEATHS;

  if (row->kind == VALUE_PATH) {
    write_bad("no file", "\"run/\" names a directory, a file is expected", "run/\n");
    return;
  }
  if (row->kind == VALUE_WORD)
    snprintf(wrong, sizeof wrong, "\"nonsense\" is none of %s", row->words);
  else
    snprintf(wrong, sizeof wrong, "\"nonsense\" is %s",
             row->kind == VALUE_SIGNAL ? "no name of a signal" : "not a decimal number");
  write_bad("an unknown word", wrong, "nonsense\n");
  for (unsigned i = 0; (numbers || lists) && i < sizeof signs / sizeof *signs; i++) {
    snprintf(wrong, sizeof wrong, "\"%s\" is not a decimal number", signs[i]);
    write_bad(signs[i], wrong, signs[i]);
  }
  if (row->kind == VALUE_WORD) return;
  if (row->least && !lists) {
    snprintf(text, sizeof text, "%lu", (unsigned long)row->least - 1);
    snprintf(wrong, sizeof wrong, "\"%s\" is less than %lu", text, (unsigned long)row->least);
    write_bad("less than the least", wrong, text);
  }
  snprintf(text, sizeof text, "%llu%s", (unsigned long long)row->most + 1,
           row->kind == VALUE_DEATHS ? " 60000" : "");
  snprintf(wrong, sizeof wrong, "\"%llu\" is more than %lu", (unsigned long long)row->most + 1,
           (unsigned long)row->most);
  write_bad("more than the most", wrong, text);
  snprintf(wrong, sizeof wrong, "\"99999999999999999999\" is more than %lu",
           (unsigned long)row->most);
  write_bad("a number of 67 bits", wrong,
            row->kind == VALUE_DEATHS ? "99999999999999999999 1" : "99999999999999999999");
}

static void test_value_kinds(void) {
  need(!mkdir(file, 0755));
  bad("a directory", "is a directory, a file is expected");
  need(!mkfifo(file, 0600));
  bad("a FIFO that nobody writes to", "is a FIFO, a file is expected");
  need(!symlink("/dev/null", file));
  bad("a device", "is a device, a file is expected");
  make_socket();
  bad("a socket", "is a socket or a device without a driver, a file is expected");
  links("cannot be opened: Too many levels of symbolic links");
}

static void become_nobody(void) {
  gid_t group = 65534;

  if (!getuid() && (setgroups(1, &group) < 0 || setgid(group) < 0 || setuid(65534) < 0))
    _exit(10);
}

/* Of all at once: who may read all has to become somebody else for it. */
static void test_unreadable(void) {
  unsigned good = 0, told[2];
  int ends[2];
  pid_t pid;

  need(!chmod(".", 0755));
  for (unsigned i = 0; i < VALUE_ROW_COUNT; i++) {
    row = &svdir_values[i];
    case_write(row->file, good_value(), strlen(good_value()));
    need(!chmod(row->file, 0));
  }
  need(!pipe(ends));
  need((pid = fork()) >= 0);
  if (!pid) {
    char const *at = complaints.text;
    char wanted[256];
    become_nobody();
    case_read(&svdir, &complaints);
    for (unsigned i = 0; i < VALUE_ROW_COUNT; i++) {
      snprintf(wanted, sizeof wanted, "%s|cannot be opened: Permission denied|%s",
               svdir_values[i].file, svdir_values[i].standard);
      if (strncmp(at, wanted, strlen(wanted))) break;
      at += strlen(wanted) + 1;
      good++;
    }
    told[0] = good;
    told[1] = complaints.count;
    _exit(write(ends[1], told, sizeof told) != sizeof told);
  }
  close(ends[1]);
  need(read(ends[0], told, sizeof told) == sizeof told && waitpid(pid, 0, 0) == pid);
  close(ends[0]);
  is_int(told[0], VALUE_ROW_COUNT, "each file that may not be read is named, with its default");
  is_int(told[1], VALUE_ROW_COUNT, "and nothing else is");
  for (unsigned i = 0; i < VALUE_ROW_COUNT; i++)
    case_clear(svdir_values[i].file);
  need(!chmod(".", 0700));
}

/* --- marks -------------------------------------------------------------------------------- */

static void test_mark(struct mark_row const *mark) {
  int is_program = mark->kind == ENTRY_PROGRAM, is_directory = mark->kind == ENTRY_DIRECTORY;
  int is_file = mark->kind == ENTRY_FILE || is_program;
  char has[64];

  file = mark->file;
  instead = "nothing, as if it were not there";
  choose_beside();
  snprintf(has, sizeof has, "has=%u", mark->has | (mark->has & HAS_STOP ? HAS_FINISH : 0));
  if (is_directory)
    need(!mkdir(file, 0));
  else {
    case_write(file, "", 0);
    need(!chmod(file, 0));
  }
  expect("empty, and nobody may read it", is_program ? "is not executable" : 0,
         is_program ? "" : has);
  if (is_program) {
    need(!chmod(file, 0666));
    expect("not executable", "is not executable", "");
    need(!chmod(file, 0001));
    expect("executable for somebody", 0, has);
  }
  case_clear(file);
  if (is_directory) {
    case_write(file, "", 0);
    bad("a file", "is a file, a directory is expected");
  } else {
    need(!mkdir(file, 0755));
    expect("a directory", is_file ? "is a directory, a file is expected" : 0,
           is_file ? "" : has);
    case_clear(file);
  }
  need(!mkfifo(file, 0600));
  expect("a FIFO",
         is_file        ? "is a FIFO, a file is expected"
         : is_directory ? "is a FIFO, a directory is expected"
                        : 0,
         is_file || is_directory ? "" : has);
  case_clear(file);
  links("cannot be looked at: Too many levels of symbolic links");
  case_clear(beside);
}

int main(void) {
  case_begin();
  need(!chdir(case_dir)); /* a socket's name is short */
  for (unsigned i = 0; i < VALUE_ROW_COUNT; i++) {
    row = &svdir_values[i];
    file = row->file;
    instead = row->standard;
    choose_beside();
    expect("absent", 0, "");
    test_text();
    test_meaning();
    test_value_kinds();
    case_clear(beside);
  }
  test_unreadable();
  for (unsigned i = 0; i < MARK_COUNT; i++)
    test_mark(&svdir_marks[i]);
  case_end();
  return tap_done();
}
