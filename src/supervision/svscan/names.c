/* What a name in the scan directory stands for, and saying that it is no service. */

#include <skalibs/nonposix.h>
#include "svscan.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <lares/path.h>

void name_judge(char const *name, struct verdict *v) {
  struct stat st;

  *v = (struct verdict){.reason = 0};
  if (lstat(name, &st) < 0) {
    v->reason = errno;
    return;
  }
  v->is_link = S_ISLNK(st.st_mode);
  if (!path_is_service_name(name)) {
    v->reason = EINVAL;
    return;
  }
  if (v->is_link && stat(name, &st) < 0) {
    v->reason = errno == ENOENT ? ENOLINK : errno;
    return;
  }
  v->dev = st.st_dev;
  v->ino = st.st_ino;
  if (!S_ISDIR(st.st_mode))
    v->reason = ENOTDIR;
  else if (is_template(name))
    v->reason = TEMPLATE;
}

/* Bytes that no terminal should get, and the backslash, as \xHH. */
static char const *escaped(char const *name, char buf[4 * PATH_NAME_MAX + 1]) {
  static char const hex[] = "0123456789abcdef";
  char *out = buf;

  for (unsigned i = 0; i < PATH_NAME_MAX && name[i]; i++) {
    unsigned char c = (unsigned char)name[i];
    if (c >= 0x20 && c < 0x7f && c != '\\')
      *out++ = (char)c;
    else {
      memcpy(out, "\\x", 2);
      out[2] = hex[c >> 4];
      out[3] = hex[c & 15];
      out += 4;
    }
  }
  *out = 0;
  return buf;
}

void name_report(char const *name, int reason) {
  char buf[4 * PATH_NAME_MAX + 1];
  char const *shown = escaped(name, buf);

  if (reason == EINVAL)
    report_warning("ignoring `", shown, "': a service cannot bear this name");
  else if (reason == ENOTDIR)
    report_warning("ignoring `", shown, "': not a directory");
  else if (reason == TEMPLATE)
    report_info("`", shown, "' is a template: only its instances run");
  else if (reason == NOT_DEFINED)
    report_info("`", shown, "' is not defined any more: what was left in it stays");
  else if (reason == ENOLINK)
    report_warning("waiting for `", shown, "': the link leads nowhere");
  else {
    errno = reason;
    report_warning_errno("ignoring `", shown, "': unable to look at it");
  }
}
