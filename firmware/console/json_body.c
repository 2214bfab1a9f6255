#include "json_body.h"

#include <stdio.h>
#include <string.h>

#include "body.h"

enum { MAX_NAMES_TEXT = 128 };

static bool is_one_of(const char *key, const char *const *names, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(key, names[i]) == 0) return true;
  }
  return false;
}

static void list_names(const char *const *names, size_t count, char out[MAX_NAMES_TEXT]) {
  size_t used = 0;
  out[0] = '\0';
  for (size_t i = 0; i < count && used < MAX_NAMES_TEXT; i++) {
    used += (size_t)snprintf(out + used, MAX_NAMES_TEXT - used, "%s%s",
                             i == 0          ? ""
                             : i + 1 < count ? ", "
                                             : " and ",
                             names[i]);
  }
}

static enum base_result check_members(const struct base_json_value *root, const char *const *names, size_t count,
                                      struct base_fault *fault) {
  char known[MAX_NAMES_TEXT];
  list_names(names, count, known);
  if (!base_json_is_object(root)) return BASE_FAIL(fault, BASE_BAD_INPUT, "body", "the body is a JSON object");
  const char *key;
  for (size_t i = 0; (key = base_json_key_at(root, i)) != NULL; i++) {
    if (count == 0) return BASE_FAIL(fault, BASE_BAD_INPUT, "body", "nothing is sent with this");
    if (!is_one_of(key, names, count)) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "body", "there is no member \"%.40s\" here, only %s", key, known);
    }
    for (size_t j = 0; j < i; j++) {
      if (strcmp(base_json_key_at(root, j), key) == 0) {
        return BASE_FAIL(fault, BASE_BAD_INPUT, key, "the member %s is repeated", key);
      }
    }
  }
  return BASE_OK;
}

enum base_result console_json_body_read(struct console_exchange *exchange, size_t limit_bytes, const char *const *names,
                                        size_t name_count, struct base_json **out, struct base_fault *fault) {
  *out = NULL;
  const struct http_header *type = http_request_header(&exchange->request, "Content-Type");
  struct base_span media_type = type ? type->value : (struct base_span){0};
  const bool is_json = base_span_is_nocase(base_span_trim(base_span_cut(&media_type, ';')), "application/json");
  if (exchange->body_bytes > 0 && !is_json) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "Content-Type", "this is sent as application/json");
  }
  struct base_buffer body;
  enum base_result result = console_body_read_all(exchange, limit_bytes, &body, fault);
  const struct base_span text = body.bytes > 0 ? base_buffer_span(&body) : base_span_text("{}");
  if (result == BASE_OK) result = base_json_parse(text, out, fault);
  base_buffer_finish(&body);
  if (result == BASE_OK) result = check_members(base_json_root(*out), names, name_count, fault);
  if (result != BASE_OK) base_json_destroy(out);
  return result;
}

enum base_result console_json_body_text(const struct base_json *body, const char *name, const char **out,
                                        struct base_fault *fault) {
  const struct base_json_value *value = base_json_get(base_json_root(body), name);
  *out = base_json_as_string(value);
  if (!value || *out) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, name, "%s is a string", name);
}
