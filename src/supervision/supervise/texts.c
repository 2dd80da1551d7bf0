/* The file `text`: what the service says of itself, and what it waits for. Most never say or
 * wait for anything and have no such file. It is made, with its space, when the definition says
 * that there may be something to keep, and is changed in place; what it holds is read back from
 * it rather than kept in memory.
 *
 * A text bears the number of the start that said it, and that of waiting counts in that state
 * alone: nothing has to be erased when a life ends or begins. */

#include <skalibs/nonposix.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lares/report.h>

#include "supervise.h"

static void failed(struct supervisor *s, char const *doing) {
  if (!s->said_no_text)
    report_warning_errno("unable to ", doing,
                         " " FILE_TEXT ", what the service says or waits "
                         "for is not shown");
  s->said_no_text = 1;
}

static int open_text(int flags) {
  struct stat st;
  int fd =
      open(FILE_TEXT, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | flags, 0644);

  if (fd < 0) return fd;
  if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
    if (!st.st_size) (void)fchmod(fd, 0644); /* whatever the umask */
    return fd;
  }
  close(fd);
  errno = EEXIST;
  return -1;
}

void texts_begin(struct supervisor *s) {
  s->text_fd = open_text(0);
}

/* Readers take room without a record for damage, and ask again. */
static int fill(int fd, uint64_t boot) {
  struct text_record r = {.boot = boot};
  int e = posix_fallocate(fd, 0, TEXT_RECORD_SIZE);

  if (e && e != EINVAL && e != EOPNOTSUPP) return (errno = e, 0);
  return text_record_read(fd, &r) || text_record_write(fd, &r);
}

int texts_reserve(struct supervisor *s) {
  int error;

  if (s->text_fd >= 0) return 1;
  s->text_fd = open_text(O_CREAT);
  if (s->text_fd >= 0 && fill(s->text_fd, s->abilities.boot)) return 1;
  error = errno;
  if (s->text_fd >= 0) close(s->text_fd);
  s->text_fd = -1;
  errno = error;
  return (failed(s, "make"), 0);
}

/* Damaged, newer or of another boot it is begun anew. */
void texts_read(struct supervisor *s, struct text_record *r) {
  if (s->text_fd < 0 || !text_record_read(s->text_fd, r) || r->boot != s->abilities.boot)
    *r = (struct text_record){.boot = s->abilities.boot};
  if (r->start == s->state.starts) return;
  r->start = s->state.starts;
  r->watchdog = TEXT_WATCHDOG_UNASKED;
  memset(r->status, 0, sizeof r->status);
}

void texts_write(struct supervisor *s, struct text_record const *r) {
  if (!texts_reserve(s)) return;
  if (text_record_write(s->text_fd, r))
    s->said_no_text = 0;
  else
    failed(s, "write");
}

void texts_wait_for(struct supervisor *s, char const *what) {
  char text[TEXT_MOST + 1];
  struct text_record r;

  text_clean(text, what, strlen(what));
  texts_read(s, &r);
  if (!memcmp(r.waiting, text, sizeof text)) return;
  memcpy(r.waiting, text, sizeof text);
  texts_write(s, &r);
}

void texts_say(struct supervisor *s, char const *text, size_t len) {
  struct text_record r;

  texts_read(s, &r);
  text_clean(r.status, text, len);
  texts_write(s, &r);
}
