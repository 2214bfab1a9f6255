#include "head.h"

#include <string.h>

static const char version_prefix[] = "HTTP/1.";

enum {
  VERSION_CHARS = sizeof(version_prefix) - 1,
  STATUS_OFFSET = VERSION_CHARS + 2,  // "HTTP/1.1 "
  STATUS_CHARS = 3,
};

static enum base_result refuse(struct base_fault *fault, const char *subject, const char *why) {
  return BASE_FAIL(fault, BASE_BAD_INPUT, subject, "the server's response is not HTTP/1.1: %s", why);
}

enum base_result client_head_find(struct base_span bytes, size_t *searched, size_t *head_bytes,
                                  struct base_fault *fault) {
  static const char end[] = "\r\n\r\n";
  enum { END_CHARS = sizeof(end) - 1 };
  *head_bytes = 0;
  const size_t known = bytes.bytes < VERSION_CHARS ? bytes.bytes : VERSION_CHARS;
  if (known > 0 && memcmp(bytes.data, version_prefix, known) != 0)
    return refuse(fault, "status-line", "it does not begin with a status line");

  const struct base_span allowed = base_span_slice(bytes, 0, CLIENT_MAX_HEAD_BYTES);
  const struct base_span unseen = base_span_slice(allowed, *searched, allowed.bytes);
  const uint8_t *found = unseen.bytes > 0 ? memmem(unseen.data, unseen.bytes, end, END_CHARS) : NULL;
  if (found != NULL) {
    *head_bytes = (size_t)(found - bytes.data) + END_CHARS;
    *searched = 0;
    return BASE_OK;
  }
  if (bytes.bytes >= CLIENT_MAX_HEAD_BYTES)
    return BASE_FAIL(fault, BASE_HEADERS_TOO_LARGE, "headers", "the response's head is over %d bytes",
                     CLIENT_MAX_HEAD_BYTES);
  // The end may have begun in the last bytes.
  *searched = bytes.bytes >= END_CHARS ? bytes.bytes - (END_CHARS - 1) : 0;
  return BASE_OK;
}

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

// tchar, RFC 9110 5.6.2.
static bool is_token(struct base_span text) {
  if (text.bytes == 0) return false;
  for (size_t i = 0; i < text.bytes; i++) {
    const uint8_t c = text.data[i];
    const bool is_alphanumeric = is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!is_alphanumeric && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) return false;
  }
  return true;
}

// Everything but control bytes; HTAB is allowed.
static bool is_value(struct base_span text) {
  for (size_t i = 0; i < text.bytes; i++) {
    if ((text.data[i] < ' ' && text.data[i] != '\t') || text.data[i] == 0x7f) return false;
  }
  return true;
}

// "HTTP/1.1 200 OK"; the space after the status may be missing when there is no reason (servers do that).
static enum base_result parse_status_line(struct base_span line, struct client_response *response,
                                          struct client_head *out, struct base_fault *fault) {
  enum { REASON_OFFSET = STATUS_OFFSET + STATUS_CHARS };
  if (line.bytes < REASON_OFFSET || !base_span_starts_with(line, version_prefix) ||
      !is_digit(line.data[VERSION_CHARS]) || line.data[VERSION_CHARS + 1] != ' ')
    return refuse(fault, "status-line", "the status line is malformed");
  uint64_t status = 0;
  if (!base_span_to_u64(base_span_slice(line, STATUS_OFFSET, STATUS_CHARS), &status) || status < 100 || status > 599)
    return refuse(fault, "status-line", "the status is not a number from 100 to 599");
  const struct base_span reason = base_span_slice(line, REASON_OFFSET, line.bytes);
  if (!is_value(reason) || (reason.bytes > 0 && reason.data[0] != ' '))
    return refuse(fault, "status-line", "the status line is malformed");
  out->version_minor = (unsigned)(line.data[VERSION_CHARS] - '0');
  response->status = (int)status;
  return BASE_OK;
}

static enum base_result observe_length(struct base_span value, struct client_head *out, struct base_fault *fault) {
  uint64_t length;
  if (!base_span_to_u64(value, &length)) return refuse(fault, "content-length", "Content-Length is not a number");
  if (out->has_length && out->length != length)
    return refuse(fault, "content-length", "there are two different Content-Length fields");
  out->has_length = true;
  out->length = length;
  return BASE_OK;
}

static void observe_connection(struct base_span value, bool *wants_close, bool *wants_keep_alive) {
  while (value.data != NULL) {
    const struct base_span option = base_span_trim(base_span_cut(&value, ','));
    *wants_close |= base_span_is_nocase(option, "close");
    *wants_keep_alive |= base_span_is_nocase(option, "keep-alive");
  }
}

static enum base_result observe_framing(const struct client_response *response, struct client_head *out,
                                        struct base_fault *fault) {
  bool wants_close = false, wants_keep_alive = false;
  for (size_t i = 0; i < response->header_count; i++) {
    const struct base_span name = response->headers[i].name, value = response->headers[i].value;
    enum base_result result = BASE_OK;
    if (base_span_is_nocase(name, "Content-Length")) {
      result = observe_length(value, out, fault);
    } else if (base_span_is_nocase(name, "Transfer-Encoding")) {
      if (out->is_chunked || !base_span_is_nocase(value, "chunked"))
        result = refuse(fault, "transfer-encoding", "the only transfer coding we take is one chunked");
      out->is_chunked = true;
    } else if (base_span_is_nocase(name, "Connection")) {
      observe_connection(value, &wants_close, &wants_keep_alive);
    }
    if (result != BASE_OK) return result;
  }
  if (out->is_chunked && (out->has_length || out->version_minor == 0))
    return refuse(fault, "transfer-encoding", "Transfer-Encoding stands beside Content-Length or in HTTP/1.0");
  out->wants_close = wants_close || (out->version_minor == 0 && !wants_keep_alive);
  return BASE_OK;
}

static enum base_result parse_field(struct base_span line, struct client_response *response, struct base_fault *fault) {
  if (response->header_count == CLIENT_MAX_HEADERS)
    return BASE_FAIL(fault, BASE_HEADERS_TOO_LARGE, "headers", "the response has more than %d fields",
                     CLIENT_MAX_HEADERS);
  struct base_span value = line;
  const struct base_span name = base_span_cut(&value, ':');
  if (value.data == NULL || !is_token(name)) return refuse(fault, "headers", "a field line has no proper name");
  value = base_span_trim(value);
  if (!is_value(value)) return refuse(fault, "headers", "a field value has a control byte");
  response->headers[response->header_count].name = name;
  response->headers[response->header_count].value = value;
  response->header_count++;
  return BASE_OK;
}

// Cuts one line with its CRLF off; a CR or LF anywhere else is left in the line and refused as a control byte.
static bool cut_line(struct base_span *rest, struct base_span *line) {
  const uint8_t *end = rest->bytes > 0 ? memmem(rest->data, rest->bytes, "\r\n", 2) : NULL;
  if (end == NULL) return false;
  *line = base_span_of(rest->data, (size_t)(end - rest->data));
  *rest = base_span_slice(*rest, line->bytes + 2, rest->bytes);
  return true;
}

enum base_result client_head_parse(struct client_response *response, struct client_head *out,
                                   struct base_fault *fault) {
  memset(out, 0, sizeof(*out));
  response->header_count = 0;
  struct base_span rest = base_buffer_span(&response->head);
  struct base_span line;
  if (!cut_line(&rest, &line)) return refuse(fault, "status-line", "the status line does not end");
  enum base_result result = parse_status_line(line, response, out, fault);
  while (result == BASE_OK) {
    if (!cut_line(&rest, &line)) return refuse(fault, "headers", "the header section does not end");
    if (line.bytes == 0) return observe_framing(response, out, fault);
    result = parse_field(line, response, fault);
  }
  return result;
}
