/* A refused upgrade, for who reads messages and for who has asked. */

#include <skalibs/nonposix.h>
#include <lares/report.h>

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lares/exitcode.h>

void report_refusal(char const *link, int error, char const *what, char const *program,
                    char const *how) {
  char const *parts[] = {what, program, how, error ? ": " : "", error ? strerror(error) : ""};
  char text[1024] = "";

  for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++)
    strncat(text, parts[i], sizeof text - 1 - strlen(text));
  report_error("upgrade refused: ", text);
  (void)unlink(link);
  (void)symlink(text, link);
}

void report_untaken(char const *link, char const *why) {
  (void)unlink(link);
  (void)symlink(why, link);
}

int report_take(char const *link, char why[REPORT_UNTAKEN]) {
  ssize_t len = readlink(link, why, REPORT_UNTAKEN - 1);

  (void)unlink(link);
  why[len > 0 ? len : 0] = 0;
  return len > 0;
}

char const *report_tried(char buf[REPORT_TRIED], int32_t wstat) {
  int code = WIFSIGNALED(wstat) ? WTERMSIG(wstat) : WEXITSTATUS(wstat);
  char number[REPORT_NUMBER];

  strcpy(buf, WIFSIGNALED(wstat) ? " was killed by signal " : " ended with ");
  strcat(buf, report_number(number, code));
  strcat(buf, " when it was tried");
  if (WIFEXITED(wstat) && code == EXIT_NOTFOUND)
    strcat(buf, ": a library or an interpreter that it needs is missing (dynamic loader)");
  if (!wstat) strcat(buf, ": it is another program, or an older one");
  return buf;
}
