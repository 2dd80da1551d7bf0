/* Does nothing. Linked like lares-svc, so that starting it, waiting for it and nothing else is
 * the floor under any control command. */

int main(void) {
  return 0;
}
