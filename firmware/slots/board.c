#include "slots/board.h"

#include <string.h>

#include "base/file.h"

enum { MAX_FILE_BYTES = 4096 };

static bool take(struct base_span line, struct slots_board *out) {
  struct base_span value = line;
  const struct base_span name = base_span_cut(&value, ' ');
  const struct {
    const char *name;
    char *target;
    size_t capacity;
  } lines[] = {{"board", out->name, sizeof(out->name)},
               {"version", out->version, sizeof(out->version)},
               {"floor", out->floor, sizeof(out->floor)}};
  for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
    if (!base_span_is(name, lines[i].name)) continue;
    value = base_span_trim(value);
    return lines[i].target[0] == '\0' && value.bytes > 0 && base_span_copy(value, lines[i].target, lines[i].capacity);
  }
  return true;
}

enum base_result slots_board_read(const char *path, struct slots_board *out, struct base_fault *fault) {
  struct base_buffer text;
  bool is_right = true;
  *out = (struct slots_board){0};
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
