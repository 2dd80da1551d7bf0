/* Prints the files of a service directory as the tables of the code have them: "value NAME" and
 * "program|directory|mark NAME", one a line. For tests only. */

#include <stdio.h>

#include "../../src/svdir/values.h"

int main(void) {
  static char const *const kinds[] = {[ENTRY_FILE] = "program",
                                      [ENTRY_PROGRAM] = "program",
                                      [ENTRY_DIRECTORY] = "directory",
                                      [ENTRY_ANY] = "mark"};

  for (unsigned i = 0; i < VALUE_ROW_COUNT; i++)
    printf("value %s\n", svdir_values[i].file);
  for (unsigned i = 0; i < MARK_COUNT; i++)
    printf("%s %s\n", kinds[svdir_marks[i].kind], svdir_marks[i].file);
  return 0;
}
