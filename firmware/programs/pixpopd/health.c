#include "health.h"

#include "http/problem.h"

static void handle(void *self, const struct http_request *request, struct http_sink *sink) {
  (void)self;
  struct http_reply reply;
  if (request->method != HTTP_GET && request->method != HTTP_HEAD) {
    struct base_fault fault = {0};
    (void)BASE_FAIL(&fault, BASE_METHOD, "method", "only GET and HEAD are allowed here");
    http_problem_reply(&reply, &fault, request->id);
    http_reply_header(&reply, "Allow", "GET, HEAD");
  } else {
    http_reply_init(&reply, 200);
    http_reply_header(&reply, "Content-Type", "text/plain; charset=utf-8");
    http_reply_header(&reply, "Cache-Control", "no-store");
    http_reply_add_text(&reply, base_span_text("ok\n"));
  }
  http_sink_complete(sink, &reply);
}

struct http_handler health_handler(void) {
  return (struct http_handler){.handle = handle};
}
