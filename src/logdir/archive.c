/* The archives of a directory: files named @TAI64N.s (finished) or @TAI64N.u (left by a crash,
 * or not processed yet), compressed ones with .zst or .gz behind that. They are listed once,
 * when the directory is opened; from then on only we add and remove. A file that somebody else
 * removes is counted until its turn comes, so the bound holds.
 */

#include <lares/logdir.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char const *const packings[] = {
    [ARCHIVE_PLAIN] = "", [ARCHIVE_GZIP] = ".gz", [ARCHIVE_ZSTD] = ".zst"};

void archive_name(char out[ARCHIVE_NAME + 1], struct archive const *archive) {
  stamp_fmt(out, &archive->stamp);
  out[STAMP_FMT] = '.';
  out[STAMP_FMT + 1] = archive->kind;
  strcpy(out + STAMP_FMT + 2, packings[archive->packing]);
}

/* TAI64 keeps labels from 2^63 for later. Nothing can be named later than the last of them:
 * such a file is not ours, nor is one just before, so that there is always a later name. */
int archive_parse(char const *name, struct archive *archive) {
  unsigned i = 0, count = sizeof packings / sizeof *packings;

  if (strlen(name) < STAMP_FMT + 2 || name[STAMP_FMT] != '.') return 0;
  archive->kind = name[STAMP_FMT + 1];
  while (i < count && strcmp(name + STAMP_FMT + 2, packings[i]) != 0)
    i++;
  if (i == count) return 0;
  archive->packing = (enum archive_packing)i;
  return (archive->kind == 's' || archive->kind == 'u') && stamp_scan(name, &archive->stamp) &&
         archive->stamp.tai < INT64_MAX;
}

static int by_stamp(void const *left, void const *right) {
  struct archive const *a = left, *b = right;
  int order = stamp_compare(&a->stamp, &b->stamp);

  if (!order) order = a->kind - b->kind;
  return order ? order : (int)a->packing - (int)b->packing;
}

struct listing {
  struct archive *all; /* owned */
  size_t count, room;
};

static int listing_add(struct listing *listing, struct archive const *archive) {
  if (listing->count == listing->room) {
    size_t room = listing->room ? listing->room * 2 : 64;
    struct archive *all = realloc(listing->all, room * sizeof *all);
    if (!all) return 0;
    listing->all = all;
    listing->room = room;
  }
  listing->all[listing->count++] = *archive;
  return 1;
}

static int listing_fill(struct listing *listing, DIR *dir) {
  struct dirent *entry;

  while (errno = 0, (entry = readdir(dir))) {
    struct archive archive = {.tries = 0};
    struct stat st;
    if (!archive_parse(entry->d_name, &archive)) continue;
    if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
      if (errno == ENOENT) continue;
      return 0;
    }
    if (!S_ISREG(st.st_mode)) continue;
    archive.size = (uint64_t)st.st_size;
    if (st.st_mtime > 0)
      archive.mtime_s = st.st_mtime < UINT32_MAX ? (uint32_t)st.st_mtime : UINT32_MAX;
    archive.complete = (st.st_mode & S_IXUSR) != 0;
    archive.torn = archive.packing != ARCHIVE_PLAIN; /* nobody unpacks it to find out */
    if (!listing_add(listing, &archive)) return 0;
  }
  return !errno;
}

static int listing_make(struct listing *listing, int fd) {
  int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), done;
  DIR *dir = copy < 0 ? 0 : fdopendir(copy);

  if (!dir) {
    if (copy >= 0) close(copy);
    return 0;
  }
  done = listing_fill(listing, dir);
  closedir(dir);
  if (listing->count) qsort(listing->all, listing->count, sizeof *listing->all, by_stamp);
  return done;
}

/* EISDIR and the like cannot come: only regular files were listed. */
static int remove_file(int fd, struct archive const *archive) {
  char name[ARCHIVE_NAME + 1];

  archive_name(name, archive);
  return !unlinkat(fd, name, 0) || errno == ENOENT;
}

void archives_add(struct archives *archives, struct archive const *archive) {
  uint32_t end = (uint32_t)(((uint64_t)archives->first + archives->count) % archives->capacity);

  archives->ring[end] = *archive;
  archives->count++;
  archives->total += archive->size;
  if (stamp_compare(&archive->stamp, &archives->last) > 0) archives->last = archive->stamp;
}

/* Two of one stamp: the later of them was made from the earlier, which was to be removed next.
 * In the order of names it is .s and .u, or one as it was and one compressed. */
static int settle_pair(int fd, struct archive *kept, struct archive const *other) {
  struct archive gone = *other;

  if (kept->kind == other->kind) {
    gone = *kept;
    *kept = *other;
  } else if (renameat(fd, "newstate", fd, "state") < 0 && errno != ENOENT)
    return 0;
  return remove_file(fd, &gone);
}

static int settle_pairs(int fd, struct listing *listing) {
  size_t kept = 0;

  for (size_t i = 0; i < listing->count; i++) {
    struct archive *last = kept ? listing->all + kept - 1 : 0;
    if (!last || stamp_compare(&last->stamp, &listing->all[i].stamp) != 0)
      listing->all[kept++] = listing->all[i];
    else if (!settle_pair(fd, last, listing->all + i))
      return 0;
  }
  listing->count = kept;
  return 1;
}

int archives_load(struct archives *archives, int fd, uint32_t capacity, uint32_t keep) {
  struct listing listing = {.all = 0};
  size_t i = 0;
  int done = 0;

  *archives = (struct archives){.capacity = capacity};
  archives->ring = malloc(capacity * sizeof *archives->ring);
  if (!archives->ring || !listing_make(&listing, fd) || !settle_pairs(fd, &listing))
    goto free_listing;
  for (; listing.count - i > keep; i++)
    if (!remove_file(fd, listing.all + i)) goto free_listing;
  for (; i < listing.count; i++)
    archives_add(archives, listing.all + i);
  done = 1;

free_listing:
  free(listing.all);
  if (!done) {
    free(archives->ring);
    archives->ring = 0;
  }
  return done;
}

struct archive *archives_at(struct archives const *archives, uint32_t index) {
  return archives->ring + ((uint64_t)archives->first + index) % archives->capacity;
}

struct archive *archives_find(struct archives const *archives, struct stamp const *stamp) {
  uint32_t low = 0, high = archives->count;

  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    int order = stamp_compare(&archives_at(archives, middle)->stamp, stamp);
    if (!order) return archives_at(archives, middle);
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return 0;
}

int archives_remove_oldest(struct archives *archives, int fd) {
  struct archive const *oldest = archives_at(archives, 0);

  if (!remove_file(fd, oldest)) return 0;
  archives->total -= oldest->size;
  archives->first = (archives->first + 1) % archives->capacity;
  archives->count--;
  return 1;
}

int archives_prune(struct archives *archives, int fd, uint32_t keep, uint64_t total) {
  while (archives->count > keep || (archives->count && archives->total > total))
    if (!archives_remove_oldest(archives, fd)) return 0;
  return 1;
}

void archives_next(struct archives *archives, uint64_t not_before, struct stamp *out) {
  uint64_t now = lognow();

  lognow_stamp(out, now > not_before ? now : not_before);
  if (stamp_compare(out, &archives->last) > 0) return;
  *out = archives->last;
  if (++out->nano == 1000000000u) {
    out->nano = 0;
    out->tai++;
  }
}
