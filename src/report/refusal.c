/* A refused upgrade, for who reads messages and for who has asked. */

#include <skalibs/nonposix.h>
#include <lares/report.h>

#include <string.h>
#include <unistd.h>

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
