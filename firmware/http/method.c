#include "method.h"

enum http_method http_method_of(struct base_span text) {
  static const struct {
    const char *text;
    enum http_method method;
  } methods[] = {{"GET", HTTP_GET}, {"HEAD", HTTP_HEAD},   {"OPTIONS", HTTP_OPTIONS}, {"POST", HTTP_POST},
                 {"PUT", HTTP_PUT}, {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE}};
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    if (base_span_is(text, methods[i].text)) return methods[i].method;
  }
  return HTTP_OTHER;
}
