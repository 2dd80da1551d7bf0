/* The control alphabet: the list itself, what a read decodes to, and who answers a FIFO. */

#include <skalibs/nonposix.h>
#include <lares/control.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

/* What was decoded, as text: a letter, and G behind one for the group. */
static void note(void *context, struct control_letter const *letter) {
  char *text = context;
  size_t len = strlen(text);

  text[len++] = letter->letter;
  if (letter->target == TO_GROUP) text[len++] = 'G';
  text[len] = 0;
}

static void is_decoded(char const *bytes, char const *want) {
  char got[600] = "", name[100];

  control_decode(bytes, strlen(bytes), &note, got);
  snprintf(name, sizeof name, "\"%.40s\" decodes to \"%.40s\"", bytes, want);
  is_str(got, want, name);
}

static void test_list(void) {
  unsigned twice = 0, unfound = 0, signalless = 0, modifiers = 0;

  for (unsigned i = 0; i < control_letter_count; i++) {
    struct control_letter const *a = &control_letters[i];
    for (unsigned j = 0; j < i; j++)
      twice += a->letter == control_letters[j].letter;
    unfound += control_find(a->letter) != a;
    modifiers += !!strchr("lL+=", a->letter);
    if (a->event == EVENT_SIGNAL || a->event == EVENT_PAUSE || a->event == EVENT_CONTINUE ||
        a->event == EVENT_KILL)
      signalless += a->signal == CONTROL_SIGNAL_NONE;
    else
      signalless += a->signal != CONTROL_SIGNAL_NONE;
  }
  is_int(twice, 0, "no letter stands twice in the list");
  is_int(unfound, 0, "each letter is found");
  is_int(modifiers, 0, "no letter is a modifier");
  is_int(signalless, 0, "exactly the signalling letters have a signal");
  ok(!control_find('l') && !control_find('z') && !control_find(0) && !control_find('\377'),
     "other bytes mean nothing");
  is_int(control_find('t')->signal, SIGTERM, "t is TERM");
  is_int(control_find('w')->signal, SIGWINCH, "w is WINCH");
  is_int(control_find('R')->signal, CONTROL_SIGNAL_RELOAD, "R is the reload-signal");
  is_int(control_find('e')->event, control_find('x')->event, "e is x");
  is_int(control_find('D')->memory, REMEMBER_DOWN, "D is remembered");
}

static void test_classic(void) {
  char const *letters = "udopchaitkx";
  static unsigned char const events[] = {
      EVENT_WANT_UP, EVENT_WANT_DOWN, EVENT_ONCE,   EVENT_PAUSE, EVENT_CONTINUE, EVENT_SIGNAL,
      EVENT_SIGNAL,  EVENT_SIGNAL,    EVENT_SIGNAL, EVENT_KILL,  EVENT_EXIT};

  for (unsigned i = 0; letters[i]; i++) {
    struct control_letter const *found = control_find(letters[i]);
    char name[40];
    snprintf(name, sizeof name, "daemontools' %c", letters[i]);
    is_int(found ? found->event : EVENT_COUNT, events[i], name);
  }
}

static void test_decode(void) {
  char all[256], got[600] = "";
  unsigned n = 0;

  is_decoded("", "");
  is_decoded("du", "du");
  is_decoded("luld", "ud");
  is_decoded("dLux", "d");
  is_decoded("LdlLu", "");
  is_decoded("LdluLk", "u");
  is_decoded("+t", "tG");
  is_decoded("+tt", "tGt");
  is_decoded("+ut", "utG");
  is_decoded("+zt", "tG");
  is_decoded("+=t", "t");
  is_decoded("=K", "K");
  is_decoded("K", "KG");
  is_decoded("+L+ltt", "tGt");
  is_decoded("u\1\2?\n d\377", "ud");
  for (unsigned i = 0; i < 256; i++)
    if (i != 'L') all[n++] = (char)i;
  control_decode(all, n, &note, got);
  ok(strlen(got) >= control_letter_count, "every byte once: every letter comes out");
  got[0] = 0;
  control_decode("+", 1, &note, got);
  control_decode("t", 1, &note, got);
  is_str(got, "t", "a modifier does not outlive its read");
}

static void test_fifo(void) {
  char const *base = getenv("TMPDIR");
  char dir[4096], buf[16];
  int reader, fd = -1;

  snprintf(dir, sizeof dir, "%s/control.XXXXXX", base ? base : "/tmp");
  need(mkdtemp(dir) && !chdir(dir));
  signal(SIGPIPE, SIG_IGN);
  is_int(control_is_supervised("web"), 0, "no such directory is not supervised");
  is_int(errno, ENOENT, "with ENOENT");
  is_int(control_send("web", "u", 1), CONTROL_UNSUPERVISED, "nor can it be sent to");
  need(!mkdir("web", 0700) && !mkdir("web/supervise", 0700));
  need(!mkfifo("web/supervise/ok", 0600) && !mkfifo("web/supervise/control", 0600));
  is_int(control_is_supervised("web"), 0, "FIFOs without a reader are not supervised");
  is_int(errno, ENXIO, "with ENXIO");
  is_int(control_send("web", "u", 1), CONTROL_UNSUPERVISED, "nor can they be sent to");
  is_int(errno, ENXIO, "with ENXIO");
  reader = open("web/supervise/ok", O_RDONLY | O_NONBLOCK);
  is_int(control_is_supervised("web"), 1, "a reader of ok is a supervisor");
  close(reader);

  reader = open("web/supervise/control", O_RDONLY | O_NONBLOCK);
  is_int(control_send("web", "du", 2), CONTROL_SENT, "letters are sent");
  is_int(read(reader, buf, sizeof buf), 2, "and arrive together");
  is_int(control_open("web", &fd), CONTROL_SENT, "in two steps");
  is_int(fcntl(fd, F_GETFD), FD_CLOEXEC, "the descriptor is close-on-exec");
  is_int(control_pending(fd), 0, "nothing is pending");
  is_int(control_write(fd, "dut", 3), CONTROL_SENT, "written");
  is_int(control_pending(fd), 3, "three letters are pending");
  while (control_write(fd, "dut", 3) == CONTROL_SENT)
    ;
  is_int(errno, EAGAIN, "a full FIFO fails at once");
  close(reader);
  is_int(control_write(fd, "u", 1), CONTROL_UNSUPERVISED, "a supervisor that went away");
  is_int(errno, EPIPE, "is EPIPE");
  close(fd);

  need(!unlink("web/supervise/control"));
  close(open("web/supervise/control", O_CREAT | O_WRONLY, 0600));
  is_int(control_send("web", "u", 1), CONTROL_FAILED, "a file in the FIFO's place is refused");
  is_int(errno, EINVAL, "with EINVAL");
  need(!access("web/supervise/control", F_OK));
  {
    struct stat st;
    need(!stat("web/supervise/control", &st));
    is_int(st.st_size, 0, "and not written to");
  }
  need(!unlink("web/supervise/control") && !unlink("web/supervise/ok"));
  need(!rmdir("web/supervise") && !rmdir("web") && !rmdir(dir));
}

int main(void) {
  test_list();
  test_classic();
  test_decode();
  test_fifo();
  return tap_done();
}
