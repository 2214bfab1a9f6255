#include "http/parser.h"

#include <string.h>

#include "chars.h"
#include "framing.h"
#include "method.h"
#include "target.h"

// The part of the input that may be looked at. `end` is the end of what was received, or of what the limit allows.
struct scan {
  const uint8_t *at;
  const uint8_t *end;
  bool is_at_limit;           // more bytes will not help
  const char *limit_subject;  // what is too large then
  struct base_fault *fault;
};

static struct scan scan_within(const uint8_t *at, const uint8_t *end, size_t limit, const char *subject,
                               struct base_fault *fault) {
  bool is_at_limit = (size_t)(end - at) >= limit;
  return (struct scan){at, is_at_limit ? at + limit : end, is_at_limit, subject, fault};
}

static enum http_parse_state refuse(const struct scan *scan, const char *subject, const char *why) {
  (void)BASE_FAIL(scan->fault, BASE_BAD_INPUT, subject, "%s", why);
  return HTTP_PARSE_FAILED;
}

static enum http_parse_state out_of_bytes(const struct scan *scan) {
  if (!scan->is_at_limit) return HTTP_PARSE_MORE;
  (void)BASE_FAIL(scan->fault, BASE_HEADERS_TOO_LARGE, scan->limit_subject, "The %s is larger than the limit",
                  scan->limit_subject);
  return HTTP_PARSE_FAILED;
}

// Passes a CR that stands at the front, and its LF.
static enum http_parse_state take_crlf(struct scan *scan, const char *subject) {
  if (scan->end - scan->at < 2) return out_of_bytes(scan);
  if (scan->at[1] != '\n') return refuse(scan, subject, "There is a CR without an LF");
  scan->at += 2;
  return HTTP_PARSE_DONE;
}

// One run of a class of bytes, ended by SP, as the request line has them.
static enum http_parse_state take_word(struct scan *scan, enum http_char_class class, struct base_span *out) {
  const uint8_t *start = scan->at;
  while (scan->at < scan->end && http_char_is(*scan->at, class)) scan->at++;
  if (scan->at == scan->end) return out_of_bytes(scan);
  if (*scan->at != ' ' || scan->at == start) return refuse(scan, "request-line", "The request line is malformed");
  *out = base_span_of(start, (size_t)(scan->at - start));
  scan->at++;
  return HTTP_PARSE_DONE;
}

static enum http_parse_state take_version(struct scan *scan, unsigned *out_minor) {
  static const char pattern[] = "HTTP/d.d\r\n";  // d: one digit
  const uint8_t *start = scan->at;
  for (const char *wanted = pattern; *wanted; wanted++, scan->at++) {
    if (scan->at == scan->end) return out_of_bytes(scan);
    bool fits = *wanted == 'd' ? http_char_is(*scan->at, HTTP_CHAR_DIGIT) : *scan->at == (uint8_t)*wanted;
    if (!fits) return refuse(scan, "request-line", "The request line does not end in an HTTP version and CRLF");
  }
  if (start[sizeof "HTTP/" - 1] != '1') {
    (void)BASE_FAIL(scan->fault, BASE_VERSION, "request-line", "Only HTTP/1.0 and HTTP/1.1 are spoken here");
    return HTTP_PARSE_FAILED;
  }
  *out_minor = (unsigned)(start[sizeof "HTTP/1." - 1] - '0');
  return HTTP_PARSE_DONE;
}

static enum http_parse_state parse_request_line(struct scan *scan, struct http_request *request) {
  struct scan line = *scan;
  if ((size_t)(scan->end - scan->at) >= HTTP_MAX_REQUEST_LINE) {
    line = scan_within(scan->at, scan->end, HTTP_MAX_REQUEST_LINE, "request-line", scan->fault);
  }
  enum http_parse_state state = take_word(&line, HTTP_CHAR_TOKEN, &request->method_text);
  if (state != HTTP_PARSE_DONE) return state;
  state = take_word(&line, HTTP_CHAR_TARGET, &request->target);
  if (state != HTTP_PARSE_DONE) return state;
  state = take_version(&line, &request->version_minor);
  if (state != HTTP_PARSE_DONE) return state;
  request->method = http_method_of(request->method_text);
  scan->at = line.at;
  return HTTP_PARSE_DONE;
}

// The first byte that can not stand in a field value: normally the CR at its end.
static const uint8_t *skip_value(const uint8_t *at, const uint8_t *end) {
  const uint64_t ones = UINT64_C(0x0101010101010101);
  const uint64_t tops = ones * 0x80;
  // Eight bytes at a time while none is below SP or DEL. A tab also stops it; the table then decides.
  while (end - at >= 8) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    uint64_t from_del = word ^ (ones * 0x7f);
    uint64_t is_control = (word - ones * 0x20) & ~word & tops;
    uint64_t is_del = (from_del - ones) & ~from_del & tops;
    if (is_control | is_del) break;
    at += 8;
  }
  while (at < end && http_char_is(*at, HTTP_CHAR_VALUE)) at++;
  return at;
}

static bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\t'; }

static enum http_parse_state refuse_name(const struct scan *scan, const uint8_t *start) {
  const char *why = "A field name is not a token";
  if (scan->at == start && is_blank(*start)) why = "A field line begins with white space";
  if (scan->at > start && is_blank(*scan->at)) why = "There is white space before a field's colon";
  if (scan->at == start && *start == ':') why = "A field name is empty";
  return refuse(scan, "headers", why);
}

static enum http_parse_state refuse_value(const struct scan *scan, struct base_span name) {
  char subject[BASE_FAULT_SUBJECT_BYTES];
  if (!base_span_copy(base_span_slice(name, 0, sizeof subject - 1), subject, sizeof subject)) subject[0] = '\0';
  return refuse(scan, subject, "A field value has a control byte");
}

static enum http_parse_state parse_field(struct scan *scan, struct http_header *out) {
  const uint8_t *start = scan->at;
  while (scan->at < scan->end && http_char_is(*scan->at, HTTP_CHAR_TOKEN)) scan->at++;
  if (scan->at == scan->end) return out_of_bytes(scan);
  if (*scan->at != ':' || scan->at == start) return refuse_name(scan, start);
  out->name = base_span_of(start, (size_t)(scan->at - start));

  scan->at++;
  while (scan->at < scan->end && is_blank(*scan->at)) scan->at++;
  const uint8_t *value = scan->at;
  scan->at = skip_value(value, scan->end);
  if (scan->at == scan->end) return out_of_bytes(scan);
  if (*scan->at != '\r') return refuse_value(scan, out->name);
  const uint8_t *value_end = scan->at;
  while (value_end > value && is_blank(value_end[-1])) value_end--;
  out->value = base_span_of(value, (size_t)(value_end - value));
  return take_crlf(scan, "headers");
}

static enum http_parse_state parse_fields(struct scan *scan, struct http_request *request,
                                          struct http_framing *framing) {
  for (;;) {
    if (scan->at == scan->end) return out_of_bytes(scan);
    if (*scan->at == '\r') return take_crlf(scan, "headers");
    if (request->header_count == HTTP_MAX_HEADERS) {
      (void)BASE_FAIL(scan->fault, BASE_HEADERS_TOO_LARGE, "headers", "There are more than %d fields",
                      HTTP_MAX_HEADERS);
      return HTTP_PARSE_FAILED;
    }
    struct http_header *header = &request->headers[request->header_count];
    enum http_parse_state state = parse_field(scan, header);
    if (state != HTTP_PARSE_DONE) return state;
    request->header_count++;
    if (http_framing_observe(framing, request, header, scan->fault) != BASE_OK) return HTTP_PARSE_FAILED;
  }
}

// Everything but the field array, whose unused entries nobody reads: clearing 2 KB a request would be felt.
static void reset(struct http_request *request) {
  request->method = HTTP_OTHER;
  request->method_text = request->target = request->path = request->query = base_span_of(NULL, 0);
  request->host = request->authority = base_span_of(NULL, 0);
  request->version_minor = 0;
  request->header_count = 0;
  request->has_content_length = false;
  request->content_length = 0;
  request->is_chunked = false;
  request->keep_alive = request->is_secure = false;
  memset(request->client, 0, sizeof request->client);
  request->id[0] = '\0';
}

enum http_parse_state http_parse_request(struct base_span bytes, struct http_request *request, size_t *head_bytes,
                                         struct base_fault *fault) {
  reset(request);
  *head_bytes = 0;
  if (bytes.bytes == 0) return HTTP_PARSE_MORE;
  struct scan scan = scan_within(bytes.data, bytes.data + bytes.bytes, HTTP_MAX_HEAD_BYTES, "headers", fault);
  enum http_parse_state state;
  if (*scan.at == '\r') {  // RFC 9112 2.2: one empty line before the request is forgiven
    state = take_crlf(&scan, "request-line");
    if (state != HTTP_PARSE_DONE) return state;
  }
  state = parse_request_line(&scan, request);
  if (state != HTTP_PARSE_DONE) return state;
  struct http_framing framing = {0};
  if (http_target_split(request, &framing.authority, fault) != BASE_OK) return HTTP_PARSE_FAILED;
  state = parse_fields(&scan, request, &framing);
  if (state != HTTP_PARSE_DONE) return state;
  if (http_framing_conclude(&framing, request, fault) != BASE_OK) return HTTP_PARSE_FAILED;
  *head_bytes = (size_t)(scan.at - bytes.data);
  return HTTP_PARSE_DONE;
}
