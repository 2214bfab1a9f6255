// watchdog-arm SECONDS [DEVICE]: arms the hardware watchdog, or feeds it, and leaves it counting.
//
// For the initramfs, before anything that may hang: without the 'V' at the end the machine starts anew after SECONDS
// unless somebody opens /dev/watchdog before (pixpop-system, pixpop-rescue, or this program once more). A driver that
// takes no such long time gets shorter ones, and at last keeps its own. Status 1, and nothing said: there is none.
// Kernel: Documentation/watchdog/watchdog-api.rst.
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MIN_SECONDS = 30, MAX_SECONDS = 3600 };

int main(int argc, char **argv) {
  int seconds = argc > 1 ? atoi(argv[1]) : 0;
  const char *device = argc > 2 ? argv[2] : "/dev/watchdog";
  if (seconds < MIN_SECONDS || seconds > MAX_SECONDS || argc > 3) return 2;
  const int fd = open(device, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return 1;
  for (int wanted = seconds; wanted >= MIN_SECONDS; wanted /= 2) {
    int given = wanted;
    if (ioctl(fd, WDIOC_SETTIMEOUT, &given) == 0) break;
  }
  return write(fd, "f", 1) == 1 ? 0 : 1;
}
