#include "exchange.h"

enum base_result console_reply_json(struct http_reply *reply, int status, struct base_buffer *json,
                                    enum base_result json_result, struct base_fault *fault) {
  if (json_result != BASE_OK) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the reply");
  struct base_blob *blob = base_blob_from_buffer(json);
  if (!blob) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the reply");
  http_reply_init(reply, status);
  http_reply_header(reply, "Content-Type", "application/json");
  http_reply_header(reply, "Cache-Control", "no-store");
  http_reply_add_blob(reply, blob, 0, blob->bytes);
  return BASE_OK;
}
