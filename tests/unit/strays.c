/* Who is a stray of a service: those with its id, of its session, and what descends from them;
 * never a stranger. The test is the reaper, a child of its looks for them. */

#include <lares/child.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static struct service_id const our_id = {.boot = 0xb007, .instance = 0, .service = 0x5e7};

/* Becomes sleep with one variable; returned when it has. */
static pid_t sleeper(char *variable, int new_session) {
  char *argv[] = {"sleep", "1000", 0}, *envp[] = {variable, 0}, byte;
  int ends[2];
  pid_t pid;

  need(!pipe(ends) && !fcntl(ends[1], F_SETFD, FD_CLOEXEC));
  need((pid = fork()) >= 0);
  if (!pid) {
    if (new_session) setsid();
    execve("/bin/sleep", argv, envp);
    _exit(127);
  }
  close(ends[1]);
  need(!read(ends[0], &byte, 1));
  close(ends[0]);
  return pid;
}

/* One with an unmarked child: *below, in a session of its own. */
static pid_t family(char *variable, pid_t *below) {
  char *argv[] = {"sh", "-c", "env -i setsid sleep 1000 & echo $!; exec sleep 1000", 0};
  char *envp[] = {variable, "PATH=/usr/bin:/bin", 0}, text[32];
  int ends[2];
  ssize_t got;
  pid_t pid;

  need(!pipe(ends));
  need((pid = fork()) >= 0);
  if (!pid) {
    dup2(ends[1], 1);
    execve("/bin/sh", argv, envp);
    _exit(127);
  }
  got = read(ends[0], text, sizeof text - 1);
  need(got > 0);
  text[got] = 0;
  *below = (pid_t)atoi(text);
  close(ends[0]);
  close(ends[1]);
  return pid;
}

/* As another process, whose parent the strays have come to. */
static struct stray_search search(struct stray_search what) {
  int ends[2];
  pid_t pid;

  what.reaper = getpid();
  need(!pipe(ends));
  need((pid = fork()) >= 0);
  if (!pid) {
    strays_search(&what);
    _exit(write(ends[1], &what, sizeof what) != sizeof what);
  }
  need(read(ends[0], &what, sizeof what) == sizeof what);
  close(ends[0]);
  close(ends[1]);
  need(waitpid(pid, 0, 0) == pid);
  return what;
}

static int ended_by(pid_t pid, int sig) {
  int wstat;

  need(waitpid(pid, &wstat, 0) == pid);
  return WIFSIGNALED(wstat) && WTERMSIG(wstat) == sig;
}

static int lives(pid_t pid) {
  return !waitpid(pid, 0, WNOHANG);
}

static void end(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, 0, 0);
}

#define OURS "LARES_ID=000000000000b007-0000000000000001-00000000000005e7"
#define OURS_LATER "LARES_ID=000000000000b007-0000000000000002-00000000000005e7"

static void test_marks(void) {
  static char *const others[] = {
      "LARES_ID=000000000000b008-0000000000000001-00000000000005e7",
      "LARES_ID=000000000000b007-0000000000000001-00000000000005e8",
      OURS "0",
      "LARES_ID=000000000000b007-0000000000000001",
      "LARES_ID=",
      "LARES_SCANDIR=/service",
  };
  static char *const none[] = {"XLARES_ID=000000000000b007-0000000000000001-00000000000005e7",
                               "A=LARES_ID=000000000000b007-0000000000000001-00000000000005e7",
                               "LARES_I=000000000000b007-0000000000000001-00000000000005e7"};
  struct service_id const second = {.boot = 0xb007, .instance = 2, .service = 0x5e7};
  pid_t pid = sleeper(OURS, 0);

  is_int(stray_mark_of(pid, &our_id), STRAY_MATCHES, "the id of an instance is the service's");
  is_int(stray_mark_of(pid, &second), STRAY_OTHERS, "and not that of another instance");
  end(pid);
  for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
    pid = sleeper(others[i], 0);
    if (!is_int(stray_mark_of(pid, &our_id), STRAY_OTHERS, "somebody else's"))
      diag("%s", others[i]);
    end(pid);
  }
  for (unsigned i = 0; i < sizeof none / sizeof *none; i++) {
    pid = sleeper(none[i], 0);
    if (!is_int(stray_mark_of(pid, &our_id), STRAY_UNMARKED, "nobody's")) diag("%s", none[i]);
    end(pid);
  }
  is_int(stray_mark_of(pid, &our_id), STRAY_UNREADABLE, "a process that is gone");
}

static void test_search(void) {
  pid_t below, first = sleeper(OURS, 0), later = sleeper(OURS_LATER, 1);
  pid_t parent = family(OURS, &below), stranger_below;
  pid_t other = sleeper("LARES_ID=000000000000b007-0000000000000001-00000000000005e8", 0);
  pid_t wiped = sleeper("A=1", 1), stranger = family("A=1", &stranger_below);
  struct stray_search found = search((struct stray_search){.id = our_id});

  is_int(found.found, 4, "all that bear the id, and what descends from them");
  is_int(found.unmarked, 0, "what bears none is counted only where our scanner reaps");
  ok(found.first == first && found.pidfd >= 0, "one of them is named");
  /* Who runs the tests reaps, too. */
  for (unsigned i = 0; found.restless && i < 1000; i++)
    found = search((struct stray_search){.id = our_id});
  is_int(found.restless, 0, "nothing came or went");
  found = search((struct stray_search){.id = our_id, .except = parent});
  is_int(found.found, 2, "one can be left out, and what descends from it");
  found = search((struct stray_search){.id = our_id, .group = later});
  is_int(found.found, 1, "or only a group be meant");
  found = search((struct stray_search){.id = our_id, .session = wiped, .until = UINT64_MAX});
  is_int(found.found, 5, "who is of the session is meant without an id");
  found = search((struct stray_search){.id = our_id, .session = wiped, .until = 1});
  is_int(found.found, 4, "not who began when it was another's");
  found = search((struct stray_search){.id = our_id, .sig = SIGKILL});
  is_int(found.found, 4, "killed");
  ok(ended_by(first, SIGKILL) && ended_by(later, SIGKILL) && ended_by(parent, SIGKILL),
     "all with an id");
  ok(ended_by(below, SIGKILL), "an unmarked descendant too");
  ok(lives(other) && lives(wiped) && lives(stranger) && !kill(stranger_below, 0),
     "nobody else was hit");
  found = search((struct stray_search){.id = our_id});
  is_int(found.found, 0, "none is left");
  is_int(found.first, 0, "none is named");
  end(other);
  end(wiped);
  end(stranger);
  end(stranger_below);
}

/* Looking while the reaper reaps may miss somebody; it has to be said. */
static void test_restless(void) {
  struct stray_search what = {.id = our_id};
  unsigned seen = 0;
  int ends[2];
  pid_t pid;
  char byte = 0;

  need(!pipe(ends));
  need((pid = fork()) >= 0);
  if (!pid) {
    close(ends[1]);
    for (unsigned i = 0; i < 100000 && !seen; i++) {
      strays_search(&what);
      seen += what.restless;
    }
    _exit(!seen);
  }
  close(ends[0]);
  for (;;) {
    int wstat;
    pid_t child = waitpid(pid, &wstat, WNOHANG);
    if (child == pid) {
      is_int(wstat, 0, "reaping while one looks is noticed");
      break;
    }
    child = fork();
    if (!child) _exit(byte);
    waitpid(child, 0, 0);
  }
  close(ends[1]);
}

int main(void) {
  struct service_id id;
  int fd = open("/dev/null", O_RDONLY);
  uint64_t service = 0, again = 1, root = 0;

  need(!prctl(PR_SET_CHILD_SUBREAPER, 1));
  ok(service_id_scan(&OURS[9], &id), "an id is read");
  ok(id.boot == 0xb007 && id.instance == 1 && id.service == 0x5e7, "its three numbers");
  ok(service_of_lock(fd, &service) && service_of_lock(fd, &again) && service == again,
     "a file gives the service its number");
  close(fd);
  need((fd = open("/", O_RDONLY)) >= 0);
  ok(service_of_lock(fd, &root) && root != service, "another file another");
  close(fd);
  test_marks();
  test_search();
  test_restless();
  return tap_done();
}
