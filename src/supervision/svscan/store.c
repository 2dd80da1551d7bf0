/* What is kept for supervisors: the socket on which a service speaks sd_notify(3).
 *
 * A supervisor that makes one sends us a copy through SCAN/.lares/store, a socket for us and
 * root alone, with its own name as the text. As long as we hold it, what the service says waits
 * in it, whether there is a supervisor or not; the next one is handed it as descriptor 3. A
 * scanner that finds supervisors running asks those whose service has such a socket by HUP; one
 * that upgrades keeps what it has over the exec. SCAN/.lares/n/ is where the sockets lie:
 * whoever knows the name of one passes. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <skalibs/socket.h>
#include <skalibs/types.h>

#include <lares/notify.h>

#define STORE ".lares/store"
#define SOCKETS ".lares/n"
#define LINK "supervise/socket"
#define AT_ONCE 64 /* messages of one turn of the loop */

/* --- the place ---------------------------------------------------------------------------- */

static struct sockaddr_un address_of(char const *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};

  memcpy(address.sun_path, path, strlen(path) + 1);
  return address;
}

/* Sockets that nobody holds any more. */
static void clean(void) {
  char path[sizeof SOCKETS + 64] = SOCKETS "/";
  DIR *dir = opendir(SOCKETS);
  struct dirent *d;

  while (dir && (d = readdir(dir))) {
    struct sockaddr_un address;
    int fd;
    if (d->d_name[0] == '.' || strlen(d->d_name) > 63) continue;
    memcpy(path + sizeof SOCKETS, d->d_name, strlen(d->d_name) + 1);
    address = address_of(path);
    fd = ipc_datagram_nbcoe();
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0 &&
        errno == ECONNREFUSED)
      (void)unlink(path);
    if (fd >= 0) close(fd);
  }
  if (dir) closedir(dir);
}

static int listen_here(void) {
  struct sockaddr_un address = address_of(STORE);
  int fd = ipc_datagram_nbcoe(), error;
  mode_t mask = umask(0177);

  if (fd >= 0 && ((unlink(STORE) < 0 && errno != ENOENT) ||
                  bind(fd, (struct sockaddr *)&address, sizeof address) < 0)) {
    error = errno;
    close(fd);
    errno = error;
    fd = -1;
  }
  umask(mask);
  return fd;
}

/* Others than we have to get past .lares to a socket whose name they know. */
static int open_way(void) {
  struct stat st;

  return channel_directory(SOCKETS, 0711) && !stat(".lares", &st) &&
         ((st.st_mode & 0111) == 0111 || !chmod(".lares", (st.st_mode & 07777) | 0111)) &&
         !stat(SOCKETS, &st) &&
         ((st.st_mode & 0111) == 0111 || !chmod(SOCKETS, (st.st_mode & 07777) | 0111));
}

void store_begin(struct scan *s) {
  if (s->store >= 0) close(s->store);
  s->store = -1;
  if (open_way()) s->store = listen_here();
  if (s->store < 0) try_again(s);
  if (s->store < 0 && trouble(s, TROUBLE_STORE))
    report_warning_errno("unable to use " STORE ": what services say by sd_notify while their "
                         "supervisor is replaced will be lost");
  if (s->store >= 0) trouble_over(s, TROUBLE_STORE);
  if (s->store >= 0 && !s->upgrade.resumed) clean();
}

int store_intact(struct scan const *s) {
  struct stat st;

  return s->store >= 0 && !stat(STORE, &st) && S_ISSOCK(st.st_mode);
}

/* --- what is in it ------------------------------------------------------------------------ */

void store_drop(struct slot *slot) {
  if (slot->store >= 0) close(slot->store);
  slot->store = -1;
}

/* Of a supervisor by its name: "web" or "web/log". */
static struct slot *find_slot(struct scan *s, char *name) {
  size_t len = strlen(name);
  enum which which = SERVICE;
  struct entry *e;

  if (len > 4 && !strcmp(name + len - 4, "/log")) {
    name[len - 4] = 0;
    which = LOGGER;
  }
  e = entry_find(s, name);
  return e && e->phase != PHASE_ALIAS && e->phase != PHASE_REJECTED ? &e->slot[which] : 0;
}

static int descriptor_of(struct msghdr *message) {
  struct cmsghdr *c = CMSG_FIRSTHDR(message);
  int fd;

  if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
      c->cmsg_len != CMSG_LEN(sizeof fd))
    return -1;
  memcpy(&fd, CMSG_DATA(c), sizeof fd);
  return fd;
}

/* 1 when there may be more. */
static int take_one(struct scan *s) {
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  char name[PATH_SIZE];
  struct iovec text = {.iov_base = name, .iov_len = sizeof name - 1};
  struct msghdr message = {.msg_iov = &text,
                           .msg_iovlen = 1,
                           .msg_control = control.room,
                           .msg_controllen = sizeof control.room};
  ssize_t len = recvmsg(s->store, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  struct slot *slot;
  int fd;

  if (len < 0) return errno == EINTR;
  name[len] = 0;
  fd = descriptor_of(&message);
  slot = fd >= 0 ? find_slot(s, name) : 0;
  if (!slot && fd >= 0) close(fd);
  if (!slot) return 1;
  store_drop(slot);
  slot->store = fd;
  return 1;
}

void store_read(struct scan *s) {
  for (unsigned i = 0; i < AT_ONCE && s->store >= 0 && take_one(s); i++)
    ;
}

/* --- another scanner ---------------------------------------------------------------------- */

static ssize_t read_link(struct scan *s, struct entry *e, enum which which,
                         char name[NOTIFY_NAME_MOST + 1]) {
  char path[PATH_SIZE];
  ssize_t len = -1;

  if (slot_path(s, e, which, LINK, path)) len = readlink(path, name, NOTIFY_NAME_MOST + 1);
  if (len > NOTIFY_NAME_MOST) len = -1;
  if (len >= 0) name[len] = 0;
  return len;
}

/* It listens for signals: it has its lock. */
void store_ask(struct scan *s, struct entry *e, enum which which) {
  struct slot const *slot = &e->slot[which];
  struct child supervisor = {.who = {.pid = slot->pid}, .pidfd = slot->pidfd};
  char name[NOTIFY_NAME_MOST + 1];

  if (!slot->pid || (slot->state == SLOT_FOUND && slot->pidfd < 0)) return;
  if (read_link(s, e, which, name) > 0) (void)child_signal(&supervisor, SIGHUP);
}

void store_keep(struct scan const *s, int keep) {
  for (uint32_t i = 0; i < s->top; i++)
    for (unsigned w = 0; s->table[i] && w < 2; w++)
      if (s->table[i]->slot[w].store >= 0)
        (void)fcntl(s->table[i]->slot[w].store, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

/* By its name one of those that supervisors make. */
static int is_kept(int fd) {
  struct sockaddr_un address = {.sun_family = AF_UNSPEC};
  char name[sizeof address.sun_path + 1] = "";
  socklen_t len = sizeof address;

  if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 || address.sun_family != AF_UNIX)
    return 0;
  memcpy(name, address.sun_path, sizeof address.sun_path);
  return strstr(name, "/.lares/n/") || (!name[0] && !strncmp(name + 1, "lares/", 6));
}

static void claim(struct scan *s, int fd) {
  char name[NOTIFY_NAME_MOST + 1];

  for (uint32_t i = 0; i < s->top; i++)
    for (unsigned w = 0; s->table[i] && w < 2; w++)
      if (s->table[i]->slot[w].store < 0 &&
          read_link(s, s->table[i], (enum which)w, name) > 0 && notify_is(fd, name)) {
        s->table[i]->slot[w].store = fd;
        return;
      }
  close(fd);
}

/* What the image before us has kept. Nothing was started yet. */
void store_resume(struct scan *s) {
  DIR *dir = opendir("/proc/self/fd");
  struct dirent *d;

  while (dir && (d = readdir(dir))) {
    int fd;
    if (!int0_scan(d->d_name, &fd) || fd < 3 || fd == s->store || fd == dirfd(dir) ||
        fcntl(fd, F_GETFD) != 0 || !is_kept(fd))
      continue;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    claim(s, fd);
  }
  if (dir) closedir(dir);
}
