#include "running.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

enum { MAX_ARGUMENTS_BYTES = 4096 };

enum base_result running_find(const char *name, enum slots_id *out, struct base_fault *fault) {
  static const char argument[] = "pixpop.slot=";
  char text[MAX_ARGUMENTS_BYTES] = "";
  if (name != NULL)
    return slots_parse_name(name, out)
               ? BASE_OK
               : BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "--slot wants A or B, not '%s'", name);
  int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
  const ssize_t bytes = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
  base_fd_close(&fd);
  if (bytes < 0) return BASE_FAIL_ERRNO(fault, "slot", "cannot read /proc/cmdline");
  struct base_span rest = base_span_of(text, strcspn(text, "\n"));
  while (rest.bytes > 0) {
    const struct base_span word = base_span_cut(&rest, ' ');
    char found[2];
    if (base_span_starts_with(word, argument) &&
        base_span_copy(base_span_slice(word, sizeof(argument) - 1, word.bytes), found, sizeof(found)) &&
        slots_parse_name(found, out))
      return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_NOT_FOUND, "slot", "the kernel's arguments name no slot (pixpop.slot=): pass --slot");
}
