#include "http/pseudo.h"

#include "chars.h"
#include "framing.h"
#include "http/parser.h"
#include "method.h"
#include "target.h"

static void reset(struct http_request *request) {
  struct base_span none = base_span_of(NULL, 0);
  request->method = HTTP_OTHER;
  request->method_text = request->target = request->path = request->query = none;
  request->host = request->authority = none;
  request->version_minor = 1;
  request->has_content_length = false;
  request->content_length = 0;
  request->is_chunked = false;
  request->keep_alive = false;
  request->id[0] = '\0';
}

static enum base_result check_target(const struct http_pseudo *pseudo, struct http_request *request,
                                     struct base_fault *fault) {
  if (base_span_is(request->method_text, "CONNECT")) {
    return BASE_FAIL(fault, BASE_NOT_IMPLEMENTED, "CONNECT", "This server opens no tunnels");
  }
  if (!base_span_is_nocase(pseudo->scheme, "http") && !base_span_is_nocase(pseudo->scheme, "https")) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "scheme", "The scheme is neither http nor https");
  }
  if (pseudo->path.bytes > HTTP_MAX_REQUEST_LINE) {
    return BASE_FAIL(fault, BASE_HEADERS_TOO_LARGE, "request-line", "The path is larger than the limit");
  }
  bool is_path = pseudo->path.bytes > 0 && pseudo->path.data[0] == '/';
  bool is_asterisk = request->method == HTTP_OPTIONS && base_span_is(pseudo->path, "*");
  if ((!is_path && !is_asterisk) || !http_chars_all(pseudo->path, HTTP_CHAR_TARGET)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "request-line", "The path is missing or malformed");
  }
  request->target = pseudo->path;
  struct base_span none;
  return http_target_split(request, &none, fault);
}

// RFC 9113 8.2.1: names in lower case; trimmed values without control bytes.
static enum base_result check_field(struct http_header *header, struct base_fault *fault) {
  struct base_span name = header->name;
  bool is_good = http_chars_are_token(name);
  for (size_t i = 0; is_good && i < name.bytes; i++) is_good = name.data[i] < 'A' || name.data[i] > 'Z';
  if (!is_good) return BASE_FAIL(fault, BASE_BAD_INPUT, "headers", "A field name is not a token in lower case");
  if (!http_chars_all(header->value, HTTP_CHAR_VALUE)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "headers", "A field value has a control byte");
  }
  header->value = base_span_trim(header->value);
  return BASE_OK;
}

// RFC 9113 8.2.2: what speaks of a connection has no place here, or a gateway behind us might believe it.
static bool is_of_connection(const struct http_header *header) {
  static const char *const names[] = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (base_span_is(header->name, names[i])) return true;
  }
  return base_span_is(header->name, "te") && !base_span_is_nocase(header->value, "trailers");
}

static enum base_result check_fields(struct http_request *request, struct http_framing *framing,
                                     struct base_fault *fault) {
  BASE_ASSERT(request->header_count <= HTTP_MAX_HEADERS);
  for (size_t i = 0; i < request->header_count; i++) {
    struct http_header *header = &request->headers[i];
    enum base_result result = check_field(header, fault);
    if (result != BASE_OK) return result;
    if (is_of_connection(header)) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "headers", "HTTP/2 has no fields about the connection");
    }
    result = http_framing_observe(framing, request, header, fault);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

// The authority is what Host is in HTTP/1.1; both may come when they are the same (RFC 9113 8.3.1).
static enum base_result check_host(struct base_span authority, struct http_request *request,
                                   struct http_framing *framing, struct base_fault *fault) {
  if (!authority.data) return BASE_OK;
  struct base_span host;
  if (!http_authority_split(authority, &host)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "host", "The authority is not a valid host and port");
  }
  if (!request->host.data) request->host = host;
  framing->authority = authority;
  if (!framing->host_value.data) framing->host_value = authority;
  return BASE_OK;
}

enum base_result http_pseudo_finish_request(const struct http_pseudo *pseudo, struct http_request *request,
                                            struct base_fault *fault) {
  reset(request);
  if (!http_chars_are_token(pseudo->method)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "request-line", "The method is missing or malformed");
  }
  request->method_text = pseudo->method;
  request->method = http_method_of(pseudo->method);
  enum base_result result = check_target(pseudo, request, fault);
  if (result != BASE_OK) return result;
  struct http_framing framing = {0};
  result = check_fields(request, &framing, fault);
  if (result != BASE_OK) return result;
  result = check_host(pseudo->authority, request, &framing, fault);
  if (result != BASE_OK) return result;
  return http_framing_conclude(&framing, request, fault);
}
