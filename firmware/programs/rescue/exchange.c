#include "exchange.h"

#include "http/problem.h"

enum base_result exchange_write_reply(struct http_reply *reply, bool says_close, struct base_buffer *out) {
  enum base_result result =
      base_buffer_printf(out, "HTTP/1.1 %d %s\r\n", reply->status, http_status_text(reply->status));
  for (size_t i = 0; i < reply->header_count && result == BASE_OK; i++) {
    result = base_buffer_printf(out, "%s: %.*s\r\n", reply->headers[i].name, (int)reply->headers[i].bytes,
                                (const char *)reply->text.data + reply->headers[i].offset);
  }
  if (result == BASE_OK) {
    result = base_buffer_printf(out, "Content-Length: %llu\r\n%s\r\n", (unsigned long long)reply->body_bytes,
                                says_close ? "Connection: close\r\n" : "");
  }
  for (size_t i = 0; i < reply->part_count && result == BASE_OK; i++) {
    const struct http_body_part *part = &reply->parts[i];
    BASE_ASSERT(part->blob != NULL);
    result = base_buffer_append(out, part->blob->data + part->offset, part->bytes);
  }
  http_reply_finish(reply);
  return result;
}

void exchange_redirect(const struct http_request *request, struct http_reply *reply) {
  struct base_fault fault = {0};
  if (request->host.bytes == 0 || request->path.bytes == 0 || request->path.data[0] != '/') {
    (void)BASE_FAIL(&fault, BASE_BAD_INPUT, "Host", "this is answered over HTTPS only");
    http_problem_reply(reply, &fault, NULL);
    return;
  }
  http_reply_init(reply, 308);
  http_reply_header(reply, "Location", "https://%.*s%.*s%s%.*s", (int)request->host.bytes,
                    (const char *)request->host.data, (int)request->path.bytes, (const char *)request->path.data,
                    request->query.data ? "?" : "", (int)request->query.bytes, (const char *)request->query.data);
  http_reply_header(reply, "Cache-Control", "no-store");
}
