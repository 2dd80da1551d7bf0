/* Service directories: what each file's content does, and each way in which it can be wrong.
 * What stands in place of a file is in svdir_files.c. */

#include "svdir_case.h"

struct content_case {
  char const *file, *content, *changes, *complaint;
};

static struct content_case const good[] = {
    {"type", "longrun\n", "", ""},
    {"type", "oneshot\n", "type=1 restart=1", ""},
    {"type", "forking\n", "type=2 timeout_start=10000", ""},
    {"restart", "always\n", "", ""},
    {"restart", "on-failure\n", "restart=1", ""},
    {"restart", "never", "restart=2", ""},
    {"restart-delays", "5\n", "delays=5*1", ""},
    {"restart-delays", " 0\t7*65535  2147483648*2 \n", "delays=0*1,7*65535,2147483648*2", ""},
    {"restart-reset", "0\n", "restart_reset=0", ""},
    {"restart-reset", "2147483647\n", "restart_reset=2147483647", ""},
    {"max-deaths", "5 60000\n", "max_deaths=5 max_deaths_within=60000", ""},
    {"max-deaths", "4096\t 2147483647", "max_deaths=4096 max_deaths_within=2147483647", ""},
    {"retry-failed", "60000\n", "retry_failed=60000", ""},
    {"max-death-tally", "0\n", "max_death_tally=0", ""},
    {"max-death-tally", "4096\n", "max_death_tally=4096", ""},
    {"max-history", "64\n", "max_history=64", ""},
    {"max-history", "1048576\n", "max_history=1048576", ""},
    {"notification-fd", "3\n", "notification_fd=3", ""},
    {"notification-fd", "32767", "notification_fd=32767", ""},
    {"pid-file", "/run/nginx.pid\n", "has_pid_file=1", ""},
    {"pid-file", " data dir/it.pid \n", "has_pid_file=1", ""},
    {"notify", "sd\n", "notify_sd=1", ""},
    {"notify", "none\n", "", ""},
    {"down-signal", "TERM\n", "", ""},
    {"down-signal", "INT\n", "down_signal=2", ""},
    {"down-signal", "SIGQUIT\n", "down_signal=3", ""},
    {"down-signal", "1\n", "down_signal=1", ""},
    {"down-signal", "64\n", "down_signal=64", ""},
    {"reload-signal", "USR1\n", "reload_signal=10", ""},
    {"kill-mode", "group\n", "kill_mode=1", ""},
    {"kill-mode", "process\n", "kill_mode=2", ""},
    {"timeout-start", "1\n", "timeout_start=1", ""},
    {"timeout-ready", "1\n", "timeout_ready=1", ""},
    {"timeout-watchdog", "30000\n", "timeout_watchdog=30000", ""},
    {"timeout-kill", "0\n", "timeout_kill=0", ""},
    {"timeout-kill", "\n\t 0000000000000000000005 \r\n\n", "timeout_kill=5", ""},
    {"timeout-finish", "2147483647\n", "timeout_finish=2147483647", ""},
    /* of the family, tolerated */
    {"lock-fd", "6\n", "lock_fd=6", ""},
    {"flag-newpidns", "", "has=4096", ""},
    {"flag-timeout-killpg", "", "has=8192", ""},
    {"nosetsid", "", "", ""},
    {"data", "", "", ""},
    /* names which only look like ours */
    {"timeout-kil", "x", "", ""},
    {"timeout-kill2", "x", "", ""},
    {".type", "x", "", ""},
    {"Type", "x", "", ""},
};

#define NUMBER(file, standard)                                                                 \
  {file, "x", "", file "|\"x\" is not a decimal number|" standard},                            \
      {file, "", "", file "|is empty|" standard},                                              \
      {file, " \n", "", file "|is empty|" standard},                                           \
      {file, "10s\n", "", file "|\"10s\" is not a decimal number|" standard},                  \
      {file, "-1\n", "", file "|\"-1\" is not a decimal number|" standard},                    \
      {file, "+1\n", "", file "|\"+1\" is not a decimal number|" standard},                    \
      {file, "0x10\n", "", file "|\"0x10\" is not a decimal number|" standard},                \
      {file, "100 100\n", "", file "|\"100 100\" is not a decimal number|" standard}, {        \
    file, "100\n100\n", "", file "|has more than one line|" standard                           \
  }
#define TIME(file, standard)                                                                   \
  NUMBER(file, standard),                                                                      \
      {file, "2147483648\n", "", file "|\"2147483648\" is more than 2147483647|" standard},    \
      {file, "4294967296\n", "", file "|\"4294967296\" is more than 2147483647|" standard}, {  \
    file, "18446744073709551617\n", "",                                                        \
        file "|\"18446744073709551617\" is more than 2147483647|" standard                     \
  }
#define SIGNAL(file, standard)                                                                 \
  {file, "", "", file "|is empty|" standard},                                                  \
      {file, "SIG\n", "", file "|\"SIG\" is no name of a signal|" standard},                   \
      {file, "SIGSIGTERM\n", "", file "|\"SIGSIGTERM\" is no name of a signal|" standard},     \
      {file, "TERMINATE\n", "", file "|\"TERMINATE\" is no name of a signal|" standard},       \
      {file, "TERM INT\n", "", file "|\"TERM INT\" is no name of a signal|" standard},         \
      {file, "???\n", "", file "|\"???\" is no name of a signal|" standard},                   \
      {file, "0\n", "", file "|\"0\" is less than 1|" standard},                               \
      {file, "65\n", "", file "|\"65\" is more than 64|" standard},                            \
      {file, "999\n", "", file "|\"999\" is more than 64|" standard},                          \
      {file, "-15\n", "", file "|\"-15\" is no name of a signal|" standard}, {                 \
    file, "15x\n", "", file "|\"15x\" is not a decimal number|" standard                       \
  }
#define WORD(file, words, standard)                                                            \
  {file, "", "", file "|is empty|" standard},                                                  \
      {file, "lon", "", file "|\"lon\" is none of " words "|" standard},                       \
      {file, "|", "", file "|\"|\" is none of " words "|" standard}, {                         \
    file, words, "", 0                                                                         \
  }
#define DELAYS "0 1000*30 2000 4000 8000 15000"
#define ELEVEN "1 2 3 4 5 6 7 8 9 10 11 "

static struct content_case const bad[] = {
    WORD("type", "longrun|oneshot|forking", "longrun"),
    WORD("restart", "always|on-failure|never", "always"),
    WORD("notify", "none|sd", "none"),
    WORD("kill-mode", "tree|group|process", "tree"),
    {"pid-file", "", "", "pid-file|is empty|none"},
    {"pid-file", "/run/\n", "",
     "pid-file|\"/run/\" names a directory, a file is expected|none"},
    {"pid-file", "a\nb\n", "", "pid-file|has more than one line|none"},
    {"type", "oneshot x\n", "",
     "type|\"oneshot x\" is none of longrun|oneshot|forking|longrun"},
    {"type", "a\x01\x1b[2J\xff", "",
     "type|\"a??[2J?\" is none of longrun|oneshot|forking|longrun"},
    {"type", "0123456789012345678901234567890123456789", "",
     "type|\"01234567890123456789012345678901...\" is none of longrun|oneshot|forking|longrun"},
    NUMBER("max-death-tally", "100"),
    {"max-death-tally", "4097", "", "max-death-tally|\"4097\" is more than 4096|100"},
    NUMBER("max-history", "1024"),
    {"max-history", "63", "", "max-history|\"63\" is less than 64|1024"},
    {"max-history", "1048577", "", "max-history|\"1048577\" is more than 1048576|1024"},
    NUMBER("notification-fd", "none"),
    {"notification-fd", "0", "", "notification-fd|\"0\" is less than 3|none"},
    {"notification-fd", "2", "", "notification-fd|\"2\" is less than 3|none"},
    {"notification-fd", "32768", "", "notification-fd|\"32768\" is more than 32767|none"},
    {"notification-fd", "65539", "", "notification-fd|\"65539\" is more than 32767|none"},
    NUMBER("lock-fd", "none"),
    {"lock-fd", "2", "", "lock-fd|\"2\" is less than 3|none"},
    {"lock-fd", "32768", "", "lock-fd|\"32768\" is more than 32767|none"},
    TIME("restart-reset", "1000"),
    TIME("retry-failed", "0"),
    TIME("timeout-start", "0"),
    TIME("timeout-ready", "0"),
    TIME("timeout-kill", "10000"),
    TIME("timeout-finish", "5000"),
    SIGNAL("down-signal", "TERM"),
    SIGNAL("reload-signal", "HUP"),
    {"max-deaths", "", "", "max-deaths|is empty|none"},
    {"max-deaths", "5", "", "max-deaths|a number of deaths and milliseconds are expected|none"},
    {"max-deaths", "5 6 7", "", "max-deaths|has more than two numbers|none"},
    {"max-deaths", "0 6", "", "max-deaths|\"0\" is less than 1|none"},
    {"max-deaths", "5 0", "", "max-deaths|\"0\" is less than 1|none"},
    {"max-deaths", "4097 6", "", "max-deaths|\"4097\" is more than 4096|none"},
    {"max-deaths", "5 2147483648", "",
     "max-deaths|\"2147483648\" is more than 2147483647|none"},
    {"restart-delays", "", "", "restart-delays|is empty|" DELAYS},
    {"restart-delays", "1 x 2", "", "restart-delays|\"x\" is not a decimal number|" DELAYS},
    {"restart-delays", "1,2", "", "restart-delays|\"1,2\" is not a decimal number|" DELAYS},
    {"restart-delays", "1*", "", "restart-delays|a number is missing|" DELAYS},
    {"restart-delays", "*2", "", "restart-delays|a number is missing|" DELAYS},
    {"restart-delays", "1 * 2", "", "restart-delays|a number is missing|" DELAYS},
    {"restart-delays", "1*2*3", "", "restart-delays|\"2*3\" is not a decimal number|" DELAYS},
    {"restart-delays", "1*0", "", "restart-delays|\"0\" is less than 1|" DELAYS},
    {"restart-delays", "1*65536", "", "restart-delays|\"65536\" is more than 65535|" DELAYS},
    {"restart-delays", "2147483649", "",
     "restart-delays|\"2147483649\" is more than 2147483648|" DELAYS},
    {"restart-delays", "1\n2\n", "", "restart-delays|has more than one line|" DELAYS},
    {"restart-delays", ELEVEN ELEVEN ELEVEN, "",
     "restart-delays|has more than 32 delays|" DELAYS},
};

static void check(struct content_case const *given) {
  struct svdir svdir;
  struct complaints complaints;
  char name[256];
  char const *changes;

  case_write(given->file, given->content, strlen(given->content));
  changes = case_read(&svdir, &complaints);
  case_clear(given->file);
  snprintf(name, sizeof name, "%s: %.40s", given->file, given->content);
  for (char *c = name; *c; c++)
    if (*c < ' ' || *c > '~' || *c == '#') *c = '.';
  is_str(changes, given->changes, name);
  if (given->complaint)
    is_str(complaints.text, given->complaint, name);
  else
    is_int(complaints.count, 1, name);
}

static void test_together(void) {
  struct svdir svdir;
  struct complaints complaints;

  is_str(case_read(&svdir, &complaints), "", "an empty directory gives the defaults");
  is_int(complaints.count, 0, "without a complaint");
  is_int((int64_t)svdir.age.changed.tai, 0, "and nothing defined it");
  case_write("type", "oneshot\n", 8);
  case_write("restart", "sometimes\n", 10);
  is_str(case_read(&svdir, &complaints), "type=1 restart=1", "a bad restart keeps the default");
  is_str(complaints.text, "restart|\"sometimes\" is none of always|on-failure|never|on-failure",
         "which is the oneshot's");
  case_write("restart", "always\n", 7);
  is_str(case_read(&svdir, &complaints), "type=1", "a oneshot may say always");
  case_clear("restart");
  case_write("type", "forking\n", 8);
  case_write("timeout-start", "-", 1);
  is_str(case_read(&svdir, &complaints), "type=2 timeout_start=10000", "forking has a timeout");
  is_str(complaints.text, "timeout-start|\"-\" is not a decimal number|10000", "and says it");
  case_write("timeout-start", "0", 1);
  case_write("timeout-kill", "x", 1);
  is_str(case_read(&svdir, &complaints), "type=2", "forking may have none");
  is_int(complaints.count, 1, "one bad file beside good ones");
  case_clear("timeout-kill");
  case_clear("timeout-start");
  case_clear("type");
}

/* The path is not kept; it is there when it is asked for. */
static void test_pid_file(void) {
  char path[SVDIR_PATH] = "before";

  ok(!svdir_pid_file(path, case_dir), "no pid-file");
  case_write("pid-file", " run/it.pid \n", 13);
  ok(svdir_pid_file(path, case_dir), "a pid-file");
  is_str(path, "run/it.pid", "... and what it says");
  case_write("pid-file", "run/\n", 5);
  ok(!svdir_pid_file(path, case_dir), "a bad one");
  ok(!svdir_pid_file(path, "/nonexistent"), "no directory");
  is_str(path, "run/it.pid", "... change nothing");
  case_clear("pid-file");
}

int main(void) {
  case_begin();
  for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
    check(&good[i]);
  for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
    check(&bad[i]);
  test_together();
  test_pid_file();
  case_end();
  return tap_done();
}
