/* What both ends of the data plane's bench agree on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { REQUEST = 64, ANSWER = 128, BATCH = 64 };
enum { LAST = 'c', MORE = 'k' };

static inline void fail(const char *what) {
  perror(what);
  exit(1);
}

static inline int must(int result, const char *what) {
  if (result < 0) fail(what);
  return result;
}

static inline int would_block(void) { return errno == EAGAIN || errno == EINTR; }
