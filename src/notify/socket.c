/* The socket of sd_notify: making it, reading from it, writing to one. */

#include <skalibs/nonposix.h>
#include <lares/notify.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <skalibs/socket.h>

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) > NOTIFY_NAME_MOST, "names fit");

/* 0 with errno. */
static socklen_t address_of(struct sockaddr_un *address, char const *name) {
  size_t len = strlen(name);

  if ((*name != '/' && *name != '@') || !name[1]) return (errno = EAFNOSUPPORT, 0u);
  if (len > NOTIFY_NAME_MOST) return (errno = ENAMETOOLONG, 0u);
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(address->sun_path, name, len);
  if (*name == '@') address->sun_path[0] = 0;
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*name == '/'));
}

static int close_failed(int fd) {
  int saved = errno;

  close(fd);
  errno = saved;
  return -1;
}

#ifdef SO_PASSCRED
int notify_listen(char const *name) {
  struct sockaddr_un address;
  socklen_t len = address_of(&address, name);
  int fd = len ? ipc_datagram_nbcoe() : -1, yes = 1, bound;
  mode_t mask;

  if (fd < 0) return -1;
  if (*name == '/' && unlink(name) < 0 && errno != ENOENT) return close_failed(fd);
  /* Before it can be written to, or the first would come without its sender. */
  if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) < 0) return close_failed(fd);
  mask = umask(0111);
  bound = bind(fd, (struct sockaddr *)&address, len);
  umask(mask);
  return bound < 0 ? close_failed(fd) : fd;
}

/* Room for who sends and nothing else: descriptors do not fit, and are not received. */
ssize_t notify_peek(int fd, char bytes[NOTIFY_MOST], struct notify_from *from) {
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(struct ucred))];
  } control;
  struct iovec text = {.iov_base = bytes, .iov_len = NOTIFY_MOST};
  struct msghdr message = {.msg_iov = &text,
                           .msg_iovlen = 1,
                           .msg_control = control.room,
                           .msg_controllen = sizeof control.room};
  struct cmsghdr *c;
  struct ucred who;
  ssize_t got;

  do
    got = recvmsg(fd, &message, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return -1;
  *from = (struct notify_from){.has_descriptors = !!(message.msg_flags & MSG_CTRUNC),
                               .too_long = got > NOTIFY_MOST};
  c = CMSG_FIRSTHDR(&message);
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS &&
      c->cmsg_len == CMSG_LEN(sizeof who)) {
    memcpy(&who, CMSG_DATA(c), sizeof who);
    from->pid = who.pid;
    from->uid = who.uid;
  }
  return got > NOTIFY_MOST ? NOTIFY_MOST : got;
}

static void put_sender(struct msghdr *message, pid_t pid) {
  struct ucred who = {.pid = pid, .uid = getuid(), .gid = getgid()};
  struct cmsghdr *c = CMSG_FIRSTHDR(message);

  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_CREDENTIALS;
  c->cmsg_len = CMSG_LEN(sizeof who);
  memcpy(CMSG_DATA(c), &who, sizeof who);
}
#else
/* Who sends is not told here. */
int notify_listen(char const *name) {
  (void)name;
  return (errno = ENOTSUP, -1);
}

ssize_t notify_peek(int fd, char bytes[NOTIFY_MOST], struct notify_from *from) {
  (void)fd;
  (void)bytes;
  (void)from;
  return (errno = ENOTSUP, -1);
}

static void put_sender(struct msghdr *message, pid_t pid) {
  (void)message;
  (void)pid;
}
#endif

int notify_take(int fd) {
  char none;
  ssize_t got;

  do
    got = recv(fd, &none, 0, MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  return got >= 0;
}

int notify_is(int fd, char const *name) {
  struct sockaddr_un address, there;
  socklen_t len = address_of(&address, name), there_len = sizeof there;

  memset(&there, 0, sizeof there);
  return len && !getsockname(fd, (struct sockaddr *)&there, &there_len) && there_len == len &&
         !memcmp(&address, &there, len);
}

static void put_descriptor(struct msghdr *message, int descriptor) {
  struct cmsghdr *c = CMSG_FIRSTHDR(message);

  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof descriptor);
  memcpy(CMSG_DATA(c), &descriptor, sizeof descriptor);
}

static int send_once(int fd, struct sockaddr_un *to, socklen_t to_len, struct iovec *text,
                     int descriptor, pid_t pid) {
  union {
    struct cmsghdr header;
    char room[64];
  } control = {.room = {0}};
  struct msghdr message = {
      .msg_name = to, .msg_namelen = to_len, .msg_iov = text, .msg_iovlen = 1};

  if (descriptor >= 0 || pid) {
    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
  }
  if (descriptor >= 0)
    put_descriptor(&message, descriptor);
  else if (pid)
    put_sender(&message, pid);
  if (message.msg_control)
    message.msg_controllen = CMSG_SPACE(control.header.cmsg_len - CMSG_LEN(0));
  return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

int notify_send(char const *name, char const *message, size_t len, int descriptor, pid_t pid) {
  struct iovec text = {.iov_base = (char *)message, .iov_len = len};
  struct sockaddr_un to;
  socklen_t to_len = address_of(&to, name);
  int fd = to_len ? ipc_datagram_nbcoe() : -1, good;

  if (fd < 0) return 0;
  good = send_once(fd, &to, to_len, &text, descriptor, pid);
  /* Only root may speak for another. */
  if (!good && pid && errno == EPERM) good = send_once(fd, &to, to_len, &text, descriptor, 0);
  if (!good)
    (void)close_failed(fd);
  else
    close(fd);
  return good;
}
