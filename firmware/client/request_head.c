#include "request_head.h"

#include <inttypes.h>
#include <string.h>

uint64_t client_request_body_bytes(const struct client_request *request) {
  return request->body.bytes + (request->body_fd >= 0 ? request->body_fd_bytes : 0) + request->body_end.bytes;
}

// Visible ASCII; with `space` also SP.
static bool is_visible(const char *text, bool space) {
  for (const char *c = text; *c != '\0'; c++) {
    if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f || (*c == ' ' && !space)) return false;
  }
  return true;
}

static bool is_method(const char *method) {
  for (const char *c = method; *c != '\0'; c++) {
    if (*c < 'A' || *c > 'Z') return false;
  }
  return method[0] != '\0';
}

// A token of RFC 9110 5.6.2, and not a field that frames the message.
static bool is_field_name(const char *name) {
  static const char *const ours[] = {"Host", "Content-Length", "Transfer-Encoding", "Connection"};
  static const char punctuation[] = "!#$%&'*+-.^_`|~";
  for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
    if (base_span_is_nocase(base_span_text(name), ours[i])) return false;
  }
  for (const char *c = name; *c != '\0'; c++) {
    const bool is_plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
    if (!is_plain && strchr(punctuation, *c) == NULL) return false;
  }
  return name[0] != '\0';
}

static enum base_result check(const struct client_request *request, struct base_fault *fault) {
  if (!is_method(request->method)) return BASE_FAIL(fault, BASE_BAD_INPUT, "method", "a method is capital letters");
  if (request->path[0] != '/' || !is_visible(request->path, false) || strchr(request->path, '#') != NULL)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "path", "a request's path begins with '/' and is percent-encoded");
  if (request->bearer != NULL && (request->bearer[0] == '\0' || !is_visible(request->bearer, false)))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "token", "a token is visible ASCII without spaces");
  if (request->content_type != NULL && !is_visible(request->content_type, true))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "content-type", "a media type is visible ASCII");
  for (size_t i = 0; i < request->field_count; i++) {
    if (!is_field_name(request->fields[i].name) || !is_visible(request->fields[i].value, true))
      return BASE_FAIL(fault, BASE_BAD_INPUT, "field", "a field is a token and visible ASCII, and frames no message");
  }
  return BASE_OK;
}

enum base_result client_request_head_write(const struct client_request *request, const struct client_origin *origin,
                                           struct base_buffer *out, struct base_fault *fault) {
  enum base_result result = check(request, fault);
  if (result != BASE_OK) return result;
  const uint64_t body_bytes = client_request_body_bytes(request);
  const bool may_have_body = strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0 &&
                             strcmp(request->method, "DELETE") != 0;
  result = base_buffer_printf(out, "%s %s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: pixpop/" PIXPOP_VERSION "\r\n",
                              request->method, origin->prefix, request->path, origin->authority);
  if (result == BASE_OK && request->bearer != NULL)
    result = base_buffer_printf(out, "Authorization: Bearer %s\r\n", request->bearer);
  if (result == BASE_OK && request->content_type != NULL)
    result = base_buffer_printf(out, "Content-Type: %s\r\n", request->content_type);
  for (size_t i = 0; i < request->field_count && result == BASE_OK; i++)
    result = base_buffer_printf(out, "%s: %s\r\n", request->fields[i].name, request->fields[i].value);
  if (result == BASE_OK && (body_bytes > 0 || may_have_body))
    result = base_buffer_printf(out, "Content-Length: %" PRIu64 "\r\n", body_bytes);
  if (result == BASE_OK) result = base_buffer_append_text(out, "\r\n");
  if (result != BASE_OK) return BASE_FAIL(fault, result, "request", "the request's head is too large");
  return BASE_OK;
}
