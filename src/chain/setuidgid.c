/* lares-setuidgid: become an account's user and groups for good, then another program.
 *
 * As in daemontools the account's own group is the only one, unless -s asks for its others or
 * numbers are given, which need no account database. Nothing is run when a step failed or when
 * the way back is still open afterwards. Who already is that user may become it without being
 * root, if no group has to be given up that only root can give up. */

#include <skalibs/nonposix.h>
#include "chain.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <nss.h>
#include <sys/auxv.h>
#endif

#include <skalibs/exec.h>
#include <skalibs/setgroups.h>
#include <skalibs/types.h>

#define OPTIONS(FLAG, VALUE) FLAG("s", "take the account's supplementary groups, too")
CHAIN_TEXTS(OPTIONS, "lares-setuidgid",
            "account program [argument...]\n  account: a name, or numbers UID:GID...");

#define GROUPS_MAX 1024

struct identity {
  uid_t uid;
  gid_t groups[GROUPS_MAX]; /* the first is the primary one */
  int count;
};

/* A statically linked glibc loads nsswitch.conf's other sources as shared objects and crashes
 * in them (seen with 2.36 and "files systemd"); only the files are built in. A program without
 * an interpreter is a static one. */
static void choose_sources(void) {
#ifdef __GLIBC__
  if (getauxval(AT_BASE)) return;
  __nss_configure_lookup("passwd", "files");
  __nss_configure_lookup("group", "files");
  __nss_configure_lookup("initgroups", "files");
#endif
}

static void use_account(struct identity *id, char const *name, int supplementary) {
  struct passwd *entry;

  choose_sources();
  errno = 0;
  entry = getpwnam(name);
  /* Not found is no error of the look-up, whichever of these it leaves in errno. */
  if (!entry && errno && errno != ENOENT && errno != ESRCH)
    strerr_diefusys(EXIT_SYSTEM, "look up account ", name);
  if (!entry) strerr_dief(EXIT_SYSTEM, "unknown account ", name, " (numbers: UID:GID)");
  id->uid = entry->pw_uid;
  id->groups[0] = entry->pw_gid;
  id->count = supplementary ? GROUPS_MAX : 1;
  if (supplementary && getgrouplist(name, entry->pw_gid, id->groups, &id->count) < 0)
    strerr_diefu(EXIT_SYSTEM, "take the groups of ", name, ": more than 1024");
}

/* UID:GID[:GID...], a colon in front allowed as in runit's chpst. */
static void use_numbers(struct identity *id, char const *text) {
  char const *next = text + (*text == ':');
  size_t length = uid_scan(next, &id->uid);
  int ok = length && id->uid != (uid_t)-1;

  for (next += length; ok && *next == ':' && id->count < GROUPS_MAX; next += length) {
    gid_t *group = id->groups + id->count++;
    length = gid_scan(++next, group);
    ok = length && *group != (gid_t)-1;
  }
  if (!ok || *next || !id->count)
    strerr_dief(EXIT_USAGE, "`", text, "' is neither an account nor numbers UID:GID");
}

/* Without the right to set groups: are those we have among those wanted? */
static int groups_suffice(struct identity const *id) {
  gid_t have[GROUPS_MAX];
  int count = getgroups(GROUPS_MAX, have), i, j;

  for (i = 0; i < count; i++) {
    for (j = 0; j < id->count && id->groups[j] != have[i]; j++)
      ;
    if (j == id->count) return 0;
  }
  return count >= 0;
}

static void become(struct identity const *id, char const *account) {
  if (skalibs_setgroups((size_t)id->count, id->groups) < 0 &&
      !(errno == EPERM && groups_suffice(id)))
    strerr_diefusys(EXIT_SYSTEM, "set the groups of ", account);
  if (setgid(id->groups[0]) < 0) strerr_diefusys(EXIT_SYSTEM, "set the group of ", account);
  if (setuid(id->uid) < 0) strerr_diefusys(EXIT_SYSTEM, "become user ", account);
  if (getuid() != id->uid || geteuid() != id->uid || getgid() != id->groups[0] ||
      getegid() != id->groups[0] || (id->uid && !setuid(0)))
    strerr_dief(EXIT_SYSTEM, "still privileged after becoming ", account);
}

int main(int argc, char const *const *argv) {
  struct identity id = {.count = 0};
  subgetopt at = SUBGETOPT_ZERO;
  int letter, supplementary = 0;

  PROG = "lares-setuidgid";
  while ((letter = chain_option(argc, argv, letters, usage, &at)) != -1)
    supplementary = letter == 's';
  argv = chain_operands(argc, argv, 2, usage, &at);
  if (!strchr(argv[0], ':'))
    use_account(&id, argv[0], supplementary);
  else if (supplementary)
    strerr_dief(EXIT_USAGE, "option -s needs an account's name, not `", argv[0], "'");
  else
    use_numbers(&id, argv[0]);
  become(&id, argv[0]);
  xexec(argv + 1);
}
