/* What lares-log does with one directory, for the fuzz targets log and logrecover: a logger
 * that can be stopped, killed and started again, and what there is in its directory. */

#ifndef FUZZ_LOG_H
#define FUZZ_LOG_H

#include <sys/ioctl.h>
#include <sys/mman.h>

struct logger {
  struct logscript script;
  struct logpattern pattern;
  struct logformat format; /* but for tai, which is the script's */
  int records;
  struct logdir dir;
  struct logbuf buf;
  struct logwork work;
  int shared;
  uint64_t limit, count;
  char path[600];
  int folder, file; /* the log directory's, and the shared buffer's */
};

static void logger_setup(struct logger *logger, int shared, uint64_t count, uint64_t limit) {
  static char const *base;
  static int file = -1;
  char path[600];

  if (!base) base = fuzz_folder();
  *logger = (struct logger){.shared = shared, .limit = limit, .count = count};
  snprintf(logger->path, sizeof logger->path, "%s/log", base);
  snprintf(path, sizeof path, "%s/buf", base);
  if (file < 0) {
    need((file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) >= 0);
    unlink(path);
  }
  need(!ftruncate(file, 0) && !ftruncate(file, 16384));
  logger->file = file;
  need(!mkdir(logger->path, 0700));
  need((logger->folder = open(logger->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0);
}

/* Leaves out what the pattern says. */
__attribute__((unused)) static void logger_select(struct logger *logger, char const *pattern) {
  logger->pattern = (struct logpattern){.kind = LOG_PATTERN_MINUS, .text = pattern};
  logger->script.patterns = &logger->pattern;
  logger->script.pattern_count = 1;
}

/* 1, or 0 when the directory cannot be used as it is; then nothing is left open. */
static int logger_try(struct logger *logger) {
  static struct logbuf own;
  struct logaction *wanted = logger->script.actions;

  logger->script.action_count = 1;
  *wanted = (struct logaction){.path = logger->path,
                               .size = logger->limit,
                               .count = (uint32_t)logger->count,
                               .format = logger->format,
                               .records = logger->records,
                               .patterns = logger->script.pattern_count};
  wanted->format.tai = logger->script.tai;
  if (!logger->shared) {
    if (!own.head) need(logbuf_anonymous(&own));
    logbuf_reset(&own);
    logger->buf = own;
  } else if (!logbuf_map(&logger->buf, logger->file)) {
    fuzz_check(errno == EPROTO, "another process's bytes are all that can be wrong");
    logbuf_reset(&logger->buf);
  }
  if (!logdir_open(&logger->dir, wanted, &logger->buf)) {
    fuzz_check(errno && logger->dir.step, "it says what failed");
    if (logger->shared) munmap(logger->buf.head, logger->buf.map_size);
    return 0;
  }
  logbuf_forget(&logger->buf);
  logbuf_resume(&logger->buf);
  logger->work = (struct logwork){
      .buf = &logger->buf, .script = &logger->script, .chunk = malloc(LOG_CHUNK + LOG_SLACK)};
  need(logger->work.chunk);
  return 1;
}

__attribute__((unused)) static void logger_start(struct logger *logger) {
  fuzz_check(logger_try(logger), "a directory of its own can be opened again");
}

static void logger_work(struct logger *logger) {
  fuzz_check(logdir_work(&logger->dir, &logger->work), "it can be written");
  logbuf_turn(&logger->buf, &logger->dir.record->place);
}

/* At a kill everything is left as it is. */
static void logger_stop(struct logger *logger, int killed) {
  if (killed) {
    close(logger->dir.fd);
    close(logger->dir.lockfd);
    close(logger->dir.dirfd);
  } else
    logdir_close(&logger->dir);
  free(logger->dir.archives.ring);
  free(logger->work.chunk);
  if (logger->shared) munmap(logger->buf.head, logger->buf.map_size);
}

static int is_log(char const *name) {
  struct archive archive;

  return !strcmp(name, "current") || archive_parse(name, &archive);
}

static int log_order(struct dirent const **a, struct dirent const **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int log_filter(struct dirent const *entry) {
  return is_log(entry->d_name);
}

/* Are the files that are ours no more than there may be, and their bytes? */
static int logger_bounded(struct logger const *logger) {
  int copy = openat(logger->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = copy < 0 ? 0 : fdopendir(copy);
  struct dirent *entry;
  uint64_t total = 0, files = 0;
  struct stat st;

  need(dir);
  while ((entry = readdir(dir))) {
    if (!is_log(entry->d_name)) continue;
    if (fstatat(logger->folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
    if (!S_ISREG(st.st_mode)) continue;
    total += (uint64_t)st.st_size;
    files++;
  }
  closedir(dir);
  return files <= logger->count && total <= logger->limit * logger->count;
}

/* What they hold, oldest first. */
static size_t logger_read(struct logger const *logger, char *out, size_t room) {
  struct dirent **entries;
  int count = scandir(logger->path, &entries, log_filter, log_order);
  size_t len = 0;

  need(count >= 0);
  for (int i = 0; i < count; i++) {
    int fd = openat(logger->folder, entries[i]->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    ssize_t got;
    while (fd >= 0 && (got = read(fd, out + len, room - len)) > 0)
      len += (size_t)got;
    if (fd >= 0) close(fd);
    free(entries[i]);
  }
  free(entries);
  return len;
}

static void logger_remove(struct logger *logger) {
  fuzz_empty(logger->folder);
  close(logger->folder);
  need(!rmdir(logger->path));
}

#endif
