#include "host.h"

#include <string.h>
#include <unistd.h>

void console_host_name(char out[CONSOLE_HOST_BYTES]) {
  memset(out, 0, CONSOLE_HOST_BYTES);
  if (gethostname(out, CONSOLE_HOST_BYTES - 1) != 0) out[0] = '\0';
}
