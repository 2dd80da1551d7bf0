/* The alphabet as a table, and what a read from the FIFO means. */

#include <skalibs/nonposix.h>
#include <lares/control.h>

#include <signal.h>

/* The names of the list as numbers. */
#define NUMBER_NONE CONTROL_SIGNAL_NONE
#define NUMBER_RELOAD CONTROL_SIGNAL_RELOAD
#define NUMBER_ABRT SIGABRT
#define NUMBER_ALRM SIGALRM
#define NUMBER_CONT SIGCONT
#define NUMBER_HUP SIGHUP
#define NUMBER_INT SIGINT
#define NUMBER_KILL SIGKILL
#define NUMBER_QUIT SIGQUIT
#define NUMBER_STOP SIGSTOP
#define NUMBER_TERM SIGTERM
#define NUMBER_USR1 SIGUSR1
#define NUMBER_USR2 SIGUSR2
#define NUMBER_WINCH SIGWINCH

struct control_letter const control_letters[] = {
#define LETTER(letter, event, signal, target, memory, help)                                    \
  {letter, EVENT_##event, target, memory, NUMBER_##signal, help},
    CONTROL_ALPHABET(LETTER)
#undef LETTER
};
unsigned const control_letter_count = sizeof control_letters / sizeof *control_letters;

struct control_letter const *control_find(char letter) {
  for (unsigned i = 0; i < control_letter_count; i++)
    if (control_letters[i].letter == letter) return &control_letters[i];
  return 0;
}

void control_decode(char const *bytes, size_t len,
                    void (*each)(void *context, struct control_letter const *), void *context) {
  struct control_letter const *found;
  struct control_letter modified;
  char modifier = 0;
  int for_log = 0;

  for (size_t i = 0; i < len; i++) {
    char c = bytes[i];
    if (c == CONTROL_MAIN) for_log = 0;
    if (c == CONTROL_LOG) for_log = 1;
    if (for_log) continue;
    if (c == CONTROL_TO_GROUP || c == CONTROL_TO_PROCESS) modifier = c;
    found = control_find(c);
    if (!found) continue;
    modified = *found;
    if (modifier && modified.signal != CONTROL_SIGNAL_NONE) {
      modified.target = modifier == CONTROL_TO_GROUP ? TO_GROUP : TO_PROCESS;
      modifier = 0;
    }
    each(context, &modified);
  }
}
