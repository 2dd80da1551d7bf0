/* File systems on which inotify does not see what others do. */

#include <skalibs/nonposix.h>
#include <lares/path.h>

#ifdef __linux__
#include <stdint.h>
#include <sys/vfs.h>

static uint32_t const remote[] = {
    0x6969,     /* NFS */
    0x65735546, /* FUSE */
    0x01021997, /* 9p */
    0x517B,     /* SMB */
    0xFF534D42, /* CIFS */
    0xFE534D42, /* SMB2 */
    0x5346414F, /* AFS */
    0x73757245, /* Coda */
    0x00C36400  /* Ceph */
};

int path_is_remote(char const *path) {
  struct statfs fs;

  if (statfs(path, &fs) < 0) return 0;
  for (unsigned i = 0; i < sizeof remote / sizeof *remote; i++)
    if ((uint32_t)fs.f_type == remote[i]) return 1;
  return 0;
}

#else

int path_is_remote(char const *path) {
  (void)path;
  return 1;
}

#endif
