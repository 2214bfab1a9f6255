#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/watchdog.h"

int base_watchdog_open(const char *path, int seconds, int *out_s) {
  const int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  *out_s = 0;
  for (int wanted = seconds; fd >= 0 && *out_s == 0 && wanted >= BASE_WATCHDOG_MIN_S; wanted /= 2) {
    int given = wanted;  // the driver rounds it
    if (ioctl(fd, WDIOC_SETTIMEOUT, &given) == 0) *out_s = given;
  }
  return fd;
}

bool base_watchdog_write(int fd, bool is_asleep) { return write(fd, is_asleep ? "V" : "f", 1) == 1; }
