// watchdog-arm SECONDS [DEVICE]: arms the hardware watchdog, or feeds it, and leaves it counting.
//
// For the initramfs, before anything that may hang: without the 'V' at the end the machine starts anew after SECONDS
// unless somebody opens /dev/watchdog before (pixpop-system, pixpop-rescue, or this program once more). Status 1, and
// nothing said: there is none.
#include <stdlib.h>

#include "base/watchdog.h"

enum { MAX_SECONDS = 3600 };

int main(int argc, char **argv) {
  const int seconds = argc > 1 ? atoi(argv[1]) : 0;
  const char *device = argc > 2 ? argv[2] : "/dev/watchdog";
  int given;
  if (seconds < BASE_WATCHDOG_MIN_S || seconds > MAX_SECONDS || argc > 3) return 2;
  const int fd = base_watchdog_open(device, seconds, &given);
  return fd >= 0 && base_watchdog_write(fd, false) ? 0 : 1;
}
