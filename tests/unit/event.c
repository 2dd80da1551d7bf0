/* Fifodirs: who is woken, what is removed, what is left alone. */

#include <skalibs/nonposix.h>
#include <lares/event.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char top[4096];

static unsigned count_names(void) {
  DIR *dir = opendir("event");
  struct dirent *entry;
  unsigned n = 0;

  need(dir);
  while ((entry = readdir(dir)))
    n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
  closedir(dir);
  return n;
}

static unsigned count_fds(void) {
  unsigned n = 0;
  for (int fd = 0; fd < 256; fd++)
    n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

static void test_directory(void) {
  struct stat st;
  mode_t old = umask(0077);

  ok(event_directory("event"), "a fifodir is made");
  umask(old);
  need(!stat("event", &st));
  is_int(st.st_mode & 07777, EVENT_MODE, "with its mode whatever the umask");
  ok(event_directory("event"), "and found again");
  need(!chmod("event", 0700));
  ok(event_directory("event"), "with another mode too");
  need(!stat("event", &st));
  is_int(st.st_mode & 07777, 0700, "which is kept");
  need(!chmod("event", EVENT_MODE));
  close(open("file", O_CREAT | O_WRONLY, 0600));
  ok(!event_directory("file") && errno == ENOTDIR, "a file in its place is refused");
  need(!symlink("event", "link"));
  ok(!event_directory("link") && errno == ENOTDIR, "a link too");
  ok(!event_directory("no/event") && errno == ENOENT, "its parent has to be there");
  ok(!event_wake("nothing", "u", 1) && errno == ENOENT, "no directory to wake is an error");
}

static void test_wake(void) {
  struct event_subscription a, b;
  struct stat st;
  unsigned fds = count_fds();

  ok(event_wake("event", "u", 1), "waking nobody works");
  ok(event_subscribe(&a, "event") && event_subscribe(&b, "event"), "two subscribe");
  is_int(count_names(), 2, "there are two names");
  is_int(strlen(a.path), strlen("event/") + 39, "of s6's length");
  ok(!strncmp(a.path, "event/ftrig1:@40000000", 22), "and form");
  need(!stat(a.path, &st));
  ok(S_ISFIFO(st.st_mode), "FIFOs");
  is_int(st.st_mode & 0777, 0622, "writable for a supervisor of another uid");
  is_int(fcntl(a.read, F_GETFD), FD_CLOEXEC, "the reading end is close-on-exec");
  is_int(fcntl(a.write, F_GETFD), FD_CLOEXEC, "and the writing one");
  is_int(event_wait(&a, clock_now()), 0, "not woken yet");
  ok(event_wake("event", "uU", 2), "wake");
  is_int(event_wait(&a, DEADLINE_NEVER), 1, "one is woken");
  is_int(event_wait(&a, clock_now()), 0, "once");
  is_int(event_drain(&b), 1, "the other too");
  is_int(event_drain(&b), 0, "once");
  for (unsigned i = 0; i < 30000; i++)
    event_wake("event", "0123456789", 10);
  is_int(count_names(), 2, "a FIFO that is full does not block the writer and stays");
  is_int(event_wait(&b, DEADLINE_NEVER), 1, "its reader is woken");
  is_int(event_wait(&b, clock_now()), 0, "and reads everything away");
  close(b.read);
  close(b.write);
  ok(event_wake("event", "d", 1), "wake when a subscriber has gone without a word");
  is_int(count_names(), 1, "its FIFO is removed");
  event_unsubscribe(&a);
  is_int(count_names(), 0, "unsubscribing removes the FIFO");
  event_unsubscribe(&a);
  is_int(a.read, -1, "twice does no harm");
  is_int(count_fds(), fds, "no descriptor is left open");
}

static void test_others(void) {
  char const *name = "ftrig1:@4000000065f0c0de12345678:abcdef";
  char const *fifo = "event/ftrig1:@4000000065f0c0de12345678:abcdef";
  char hidden[100], buf[100], path[100];
  struct stamp now;
  struct stat st;
  int fd;

  need(!symlink("../file", fifo) && event_wake("event", "u", 1));
  ok(!lstat(fifo, &st), "a link of a subscriber's name is left alone");
  need(!stat("file", &st));
  is_int(st.st_size, 0, "and what it leads to is not written to");
  need(!unlink(fifo) && !link("file", fifo) && event_wake("event", "u", 1));
  need(!stat("file", &st));
  is_int(st.st_size, 0, "a file of a subscriber's name is not written to");
  need(!unlink(fifo));

  snprintf(path, sizeof path, "event/%s7", name);
  need(!mkfifo(path, 0600) && event_wake("event", "u", 1));
  ok(!stat(path, &st), "a FIFO of another name is left alone");
  need(!unlink(path));

  snprintf(hidden, sizeof hidden, "event/.%s", name);
  need(!mkfifo(hidden, 0600) && event_wake("event", "u", 1));
  ok(stat(hidden, &st) && errno == ENOENT, "an old hidden FIFO nobody reads is removed");
  clock_stamp(&now);
  strcpy(hidden, "event/.ftrig1:");
  stamp_fmt(hidden + 14, &now);
  strcpy(hidden + 14 + STAMP_FMT, ":abcdef");
  need(!mkfifo(hidden, 0600) && event_wake("event", "u", 1));
  ok(!stat(hidden, &st), "a new one, about to be opened, is not");
  fd = open(hidden, O_RDONLY | O_NONBLOCK);
  event_wake("event", "u", 1);
  is_int(read(fd, buf, sizeof buf), 0, "nor written to");
  close(fd);
  need(!unlink(hidden));
}

static void test_many(void) {
  struct event_subscription all[100];
  unsigned woken = 0;

  for (unsigned i = 0; i < 100; i++)
    need(event_subscribe(&all[i], "event"));
  need(event_wake("event", "s", 1));
  for (unsigned i = 0; i < 100; i++) {
    woken += event_drain(&all[i]) == 1;
    event_unsubscribe(&all[i]);
  }
  is_int(woken, 100, "a hundred subscribers are woken, more than one read of the directory");
  is_int(count_names(), 0, "and gone");
}

static void test_failures(void) {
  struct event_subscription sub;
  char deep[1100];
  unsigned fds = count_fds();

  ok(!event_subscribe(&sub, "nothing") && errno == ENOENT, "no directory: ENOENT");
  is_int(sub.read, -1, "no descriptor");
  event_unsubscribe(&sub);
  memset(deep, 'x', sizeof deep - 1);
  deep[sizeof deep - 1] = 0;
  ok(!event_subscribe(&sub, deep) && errno == ENAMETOOLONG, "too long: ENAMETOOLONG");
  is_int(count_fds(), fds, "nothing is left open");
}

/* The same by a descriptor of the directory above. */
static void test_at(void) {
  char name[EVENT_NAME], other[EVENT_NAME];
  unsigned fds = count_fds();
  int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

  need(here >= 0);
  fd = event_subscribe_at(here, "event", name);
  ok(fd >= 0 && count_names() == 1, "a FIFO for both ends");
  is_int(event_drain_descriptor(fd), 0, "nothing has happened");
  need(event_wake("event", "u", 1));
  is_int(event_drain_descriptor(fd), 1, "woken");
  is_int(event_drain_descriptor(fd), 0, "once");
  close(fd);
  need(event_wake("event", "u", 1));
  is_int(count_names(), 0, "one that is closed is removed by the next wake-up");
  fd = event_subscribe_at(here, "event", name);
  event_unsubscribe_at(here, "event", name);
  is_int(count_names(), 0, "unsubscribed");
  close(fd);
  ok(event_subscribe_at(here, "nothing", other) < 0 && errno == ENOENT, "no directory: ENOENT");
  is_str(other, "", "and no name");
  event_unsubscribe_at(here, "event", other);
  close(here);
  is_int(count_fds(), fds, "no descriptor is left");
}

int main(void) {
  char const *base = getenv("TMPDIR");

  snprintf(top, sizeof top, "%s/event.XXXXXX", base ? base : "/tmp");
  need(mkdtemp(top) && !chdir(top));
  signal(SIGPIPE, SIG_IGN);
  test_directory();
  test_wake();
  test_others();
  test_many();
  test_failures();
  test_at();
  need(!unlink("file") && !unlink("link") && !rmdir("event") && !rmdir(top));
  return tap_done();
}
