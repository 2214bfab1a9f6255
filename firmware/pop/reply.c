#include "reply.h"

#include "http/problem.h"

#define METHODS "GET, HEAD, OPTIONS"

static void add(struct http_reply *reply, const char *name, const char *value) {
  http_reply_header_span(reply, name, base_span_text(value));
}

void pop_reply_add_open_fields(struct http_reply *reply) {
  add(reply, "X-Content-Type-Options", "nosniff");
  add(reply, "Access-Control-Allow-Origin", "*");
  add(reply, "Access-Control-Expose-Headers", "*");
}

void pop_reply_add_error_fields(struct http_reply *reply) { add(reply, "Access-Control-Allow-Origin", "*"); }

void pop_reply_options(struct http_sink *sink) {
  struct http_reply reply;
  http_reply_init(&reply, 204);
  add(&reply, "Allow", METHODS);
  add(&reply, "Access-Control-Allow-Origin", "*");
  add(&reply, "Access-Control-Allow-Methods", METHODS);
  add(&reply, "Access-Control-Allow-Headers",
      "Range, If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Want-Content-Digest, "
      "Want-Repr-Digest");
  add(&reply, "Access-Control-Max-Age", "86400");
  http_sink_complete(sink, &reply);
}

void pop_reply_fault(struct http_sink *sink, const struct base_fault *fault, const char *request_id) {
  struct http_reply reply;
  http_problem_reply(&reply, fault, request_id);
  pop_reply_add_error_fields(&reply);
  if (fault->result == BASE_METHOD) add(&reply, "Allow", METHODS);
  http_sink_complete(sink, &reply);
}
