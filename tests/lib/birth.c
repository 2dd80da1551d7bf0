/* What a process was born with, written to a file. Lines "PID KEY VALUE", all of a birth with
 * one append, so that many processes can share the file. tests/lib/Lares.pm, probe_runs, reads
 * them. */

#include "birth.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static char const *report_path;
static long owner; /* the pid under which this run, its children included, reports */

struct text {
  char *bytes;
  size_t len, size;
};

static void add_bytes(struct text *text, char const *s, size_t len) {
  if (text->len + len > text->size) {
    text->size = 2 * (text->len + len) + 4096;
    text->bytes = realloc(text->bytes, text->size);
    if (!text->bytes) _exit(111);
  }
  memcpy(text->bytes + text->len, s, len);
  text->len += len;
}

/* One line; bytes that would break it are written \xHH. */
static void add_line(struct text *text, char const *key, char const *value) {
  char buf[64];

  add_bytes(text, buf, (size_t)snprintf(buf, sizeof buf, "%ld %s ", owner, key));
  for (; *value; value++) {
    unsigned char c = (unsigned char)*value;
    if (c < 0x20 || c == '\\' || c == 0x7f)
      add_bytes(text, buf, (size_t)snprintf(buf, sizeof buf, "\\x%02x", c));
    else
      add_bytes(text, value, 1);
  }
  add_bytes(text, "\n", 1);
}

static void add_number(struct text *text, char const *key, long long value) {
  char buf[32];

  snprintf(buf, sizeof buf, "%lld", value);
  add_line(text, key, buf);
}

static void send_report(char const *bytes, size_t len) {
  int fd;

  if (!strcmp(report_path, "-")) return;
  fd = open(report_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0 || write(fd, bytes, len) != (ssize_t)len) _exit(111);
  close(fd);
}

void birth_event(char const *what, char const *value) {
  char line[1024];
  int len = snprintf(line, sizeof line, "%ld event %s%s%.900s\n", owner, what,
                     *value ? " " : "", value);

  if (len > 0 && len < (int)sizeof line) send_report(line, (size_t)len);
}

static void add_status(struct text *text) {
  static char const *const keys[] = {"SigBlk", "SigIgn", "SigPnd", "CapEff"};
  char line[512];
  FILE *in = fopen("/proc/self/status", "re");

  if (!in) return;
  while (fgets(line, sizeof line, in)) {
    line[strcspn(line, "\n")] = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
      size_t len = strlen(keys[i]);
      if (!strncmp(line, keys[i], len) && line[len] == ':')
        add_line(text, keys[i], line + len + 2);
    }
    if (!strncmp(line, "Uid:", 4)) add_line(text, "uids", line + 5);
    if (!strncmp(line, "Gid:", 4)) add_line(text, "gids", line + 5);
  }
  fclose(in);
}

static void add_fds(struct text *text) {
  DIR *dir = opendir("/proc/self/fd");
  struct dirent *entry;

  if (!dir) return;
  while ((entry = readdir(dir))) {
    char name[64], target[1024], line[1152];
    ssize_t len;
    if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir)) continue;
    snprintf(name, sizeof name, "/proc/self/fd/%.20s", entry->d_name);
    len = readlink(name, target, sizeof target - 1);
    if (len < 0) continue;
    target[len] = 0;
    snprintf(line, sizeof line, "%.20s %s", entry->d_name, target);
    add_line(text, "fd", line);
  }
  closedir(dir);
}

static void add_groups(struct text *text) {
  gid_t groups[256];
  char line[4096] = "";
  int n = getgroups(256, groups);
  size_t len = 0;

  for (int i = 0; i < n && len < sizeof line - 32; i++)
    len += (size_t)snprintf(line + len, sizeof line - len, "%lu ", (unsigned long)groups[i]);
  add_line(text, "groups", line);
}

void birth_report(char const *path, int argc, char **argv) {
  struct text text = {0};
  char cwd[4096];
  mode_t mask;

  report_path = path;
  owner = (long)getpid();
  add_line(&text, "start", "");
  add_fds(&text);
  add_number(&text, "ppid", getppid());
  add_number(&text, "pgid", getpgrp());
  add_number(&text, "sid", getsid(0));
  add_groups(&text);
  add_status(&text);
  if (getcwd(cwd, sizeof cwd)) add_line(&text, "cwd", cwd);
  umask(mask = umask(0));
  add_number(&text, "umask", mask);
  for (int i = 0; i < argc; i++)
    add_line(&text, "argv", argv[i]);
  for (char **e = environ; *e; e++)
    add_line(&text, "env", *e);
  add_line(&text, "complete", "1");
  send_report(text.bytes, text.len);
  free(text.bytes);
}
