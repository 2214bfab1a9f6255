#include "target.h"

#include <string.h>

#include "chars.h"

enum { MAX_HOST_CHARS = 255, MAX_PORT_CHARS = 5, MAX_PORT = 65535 };

static bool is_port(struct base_span text) {
  uint64_t port;
  if (text.bytes == 0) return true;  // "host:" is valid: port = *DIGIT
  return text.bytes <= MAX_PORT_CHARS && base_span_to_u64(text, &port) && port <= MAX_PORT;
}

// The inside of an IP-literal. The address itself is only compared, never connected to, so its alphabet is enough.
static bool is_ipv6_alphabet(struct base_span text) {
  for (size_t i = 0; i < text.bytes; i++) {
    uint8_t byte = text.data[i];
    bool is_hex = http_char_is(byte, HTTP_CHAR_DIGIT) || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
    if (!is_hex && byte != ':' && byte != '.') return false;
  }
  return text.bytes >= 2;
}

bool http_authority_split(struct base_span authority, struct base_span *host) {
  if (authority.bytes == 0) return false;
  size_t host_bytes = 0;
  if (authority.data[0] == '[') {
    const uint8_t *close = memchr(authority.data, ']', authority.bytes);
    if (!close) return false;
    host_bytes = (size_t)(close - authority.data) + 1;
    if (!is_ipv6_alphabet(base_span_slice(authority, 1, host_bytes - 2))) return false;
  } else {
    while (host_bytes < authority.bytes && http_char_is(authority.data[host_bytes], HTTP_CHAR_HOST)) host_bytes++;
  }
  if (host_bytes == 0 || host_bytes > MAX_HOST_CHARS) return false;
  if (host_bytes < authority.bytes) {
    if (authority.data[host_bytes] != ':') return false;
    if (!is_port(base_span_slice(authority, host_bytes + 1, authority.bytes))) return false;
  }
  *host = base_span_of(authority.data, host_bytes);
  return true;
}

static void split_query(struct http_request *request, struct base_span path_and_query) {
  const uint8_t *mark = memchr(path_and_query.data, '?', path_and_query.bytes);
  size_t path_bytes = mark ? (size_t)(mark - path_and_query.data) : path_and_query.bytes;
  request->path = base_span_of(path_and_query.data, path_bytes);
  if (mark) request->query = base_span_of(mark + 1, path_and_query.bytes - path_bytes - 1);
}

static size_t scheme_bytes(struct base_span target) {
  static const char *const schemes[] = {"http://", "https://"};
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    size_t bytes = strlen(schemes[i]);
    if (base_span_is_nocase(base_span_slice(target, 0, bytes), schemes[i])) return bytes;
  }
  return 0;
}

static enum base_result split_absolute(struct http_request *request, size_t scheme, struct base_span *authority,
                                       struct base_fault *fault) {
  struct base_span rest = base_span_slice(request->target, scheme, request->target.bytes);
  size_t authority_bytes = 0;
  while (authority_bytes < rest.bytes && rest.data[authority_bytes] != '/' && rest.data[authority_bytes] != '?') {
    authority_bytes++;
  }
  *authority = base_span_of(rest.data, authority_bytes);
  if (!http_authority_split(*authority, &request->host)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "request-line", "The request target names no valid host");
  }
  split_query(request, base_span_slice(rest, authority_bytes, rest.bytes));
  // An empty path means "/" (RFC 9110 4.2.3): borrow the scheme's last slash, so that the span stays in the request.
  if (request->path.bytes == 0) request->path = base_span_of(rest.data - 1, 1);
  return BASE_OK;
}

enum base_result http_target_split(struct http_request *request, struct base_span *authority,
                                   struct base_fault *fault) {
  struct base_span target = request->target;
  *authority = base_span_of(NULL, 0);
  if (target.data[0] == '/') {
    split_query(request, target);
    return BASE_OK;
  }
  if (request->method == HTTP_OPTIONS && base_span_is(target, "*")) {
    request->path = target;
    return BASE_OK;
  }
  size_t scheme = scheme_bytes(target);
  if (scheme > 0) return split_absolute(request, scheme, authority, fault);
  if (base_span_is(request->method_text, "CONNECT")) {
    return BASE_FAIL(fault, BASE_NOT_IMPLEMENTED, "CONNECT", "This server opens no tunnels");
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, "request-line", "The request target is neither a path nor an http URL");
}
