#include "board.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

enum { MAX_FILE_BYTES = 4096, MAX_ARGUMENTS_BYTES = 4096 };

static bool take(struct base_span line, struct board *out) {
  struct base_span value = line;
  const struct base_span name = base_span_cut(&value, ' ');
  value = base_span_trim(value);
  if (base_span_is(name, "board")) return base_span_copy(value, out->name, sizeof(out->name));
  if (base_span_is(name, "version")) return base_span_copy(value, out->version, sizeof(out->version));
  if (base_span_is(name, "floor")) return base_span_copy(value, out->floor, sizeof(out->floor));
  return true;
}

enum base_result board_read(const char *path, struct board *out, struct base_fault *fault) {
  struct base_buffer text;
  bool is_right = true;
  *out = (struct board){0};
  const enum base_result result = base_file_read(path, MAX_FILE_BYTES, &text, fault);
  if (result != BASE_OK) return result;
  struct base_span rest = base_buffer_span(&text);
  while (rest.bytes > 0 && is_right) is_right = take(base_span_cut(&rest, '\n'), out);
  base_buffer_finish(&text);
  if (strcmp(out->floor, "-") == 0) out->floor[0] = '\0';
  if (!is_right || out->name[0] == '\0' || !slots_version_is_valid(out->version) ||
      (out->floor[0] != '\0' && !slots_version_is_valid(out->floor)))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "board", "%.200s does not say what board and version this is", path);
  return BASE_OK;
}

enum base_result board_find_slot(const char *name, enum slots_id *out, struct base_fault *fault) {
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
