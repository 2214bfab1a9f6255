// To be preloaded into a program: its fsync does not return as long as the file that PIXPOP_TEST_SLOW_DISK names is
// there.
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) int fsync(int fd) {
  const char *hold = getenv("PIXPOP_TEST_SLOW_DISK");
  while (hold && access(hold, F_OK) == 0) nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
  return (int)syscall(SYS_fsync, fd);
}
