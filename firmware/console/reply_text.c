#include <string.h>

#include "exchange.h"

enum base_result console_reply_text(struct http_reply *reply, int status, const char *type, struct base_buffer *text,
                                    enum base_result text_result, struct base_fault *fault) {
  struct base_blob *blob = text_result == BASE_OK ? base_blob_from_buffer(text) : NULL;
  if (!blob) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the reply");
  http_reply_init(reply, status);
  http_reply_header(reply, "Content-Type", "%s", type);
  http_reply_header(reply, "Cache-Control", "no-store");
  http_reply_add_blob(reply, blob, 0, blob->bytes);
  return BASE_OK;
}

enum base_result console_reply_json(struct http_reply *reply, int status, struct base_buffer *json,
                                    enum base_result json_result, struct base_fault *fault) {
  return console_reply_text(reply, status, "application/json", json, json_result, fault);
}

void console_problem_add(struct http_reply *problem, const char *name, struct base_span json) {
  if (problem->part_count != 1 || !problem->parts[0].blob) return;
  const struct base_span object = base_blob_span(problem->parts[0].blob);
  struct base_buffer text;
  base_buffer_init(&text, object.bytes + strlen(name) + json.bytes + sizeof(",\"\":"));
  enum base_result result = base_buffer_append(&text, object.data, object.bytes - 1);
  if (result == BASE_OK) result = base_buffer_printf(&text, ",\"%s\":", name);
  if (result == BASE_OK) result = base_buffer_append(&text, json.data, json.bytes);
  if (result == BASE_OK) result = base_buffer_append_text(&text, "}");
  struct base_blob *blob = result == BASE_OK ? base_blob_from_buffer(&text) : NULL;
  if (blob) {
    http_reply_drop_body(problem);
    http_reply_add_blob(problem, blob, 0, blob->bytes);
  }
  base_buffer_finish(&text);
}
