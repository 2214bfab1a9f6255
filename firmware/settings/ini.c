#include "ini.h"

static enum base_result parse_line(struct base_span line, const struct settings_ini_events *events,
                                   struct base_fault *fault) {
  if (line.bytes == 0 || line.data[0] == '#' || line.data[0] == ';') return BASE_OK;
  if (line.data[0] == '[') {
    if (line.data[line.bytes - 1] != ']') return BASE_FAIL(fault, BASE_BAD_INPUT, "", "a section line must end in ']'");
    return events->section(events->self, base_span_trim(base_span_slice(line, 1, line.bytes - 2)), fault);
  }
  struct base_span value = line;
  struct base_span key = base_span_trim(base_span_cut(&value, '='));
  if (value.data == NULL || key.bytes == 0)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "", "expected 'key = value', '[section]' or a comment");
  return events->assignment(events->self, key, base_span_trim(value), fault);
}

enum base_result settings_ini_parse(struct base_span text, const struct settings_ini_events *events, unsigned *line,
                                    struct base_fault *fault) {
  *line = 0;
  while (text.data != NULL && text.bytes > 0) {
    struct base_span current = base_span_cut(&text, '\n');
    ++*line;
    if (current.bytes > 0 && current.data[current.bytes - 1] == '\r') current.bytes--;
    for (size_t i = 0; i < current.bytes; i++) {
      if (current.data[i] < ' ' && current.data[i] != '\t')
        return BASE_FAIL(fault, BASE_BAD_INPUT, "", "control character in the line");
    }
    enum base_result result = parse_line(base_span_trim(current), events, fault);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}
