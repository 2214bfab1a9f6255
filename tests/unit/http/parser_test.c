#include "request_text.h"

#include <stdlib.h>

#define HOST "Host: a\r\n"
#define GET_WITH(fields) "GET / HTTP/1.1\r\n" HOST fields "\r\n"

static struct http_request parsed;
static struct base_fault fault;

// Parses a heap copy without a terminator, so that a sanitizer sees every read past the end.
static enum http_parse_state parse(const char *text, size_t bytes, size_t *head_bytes) {
  static uint8_t *copy;  // `parsed` borrows from it until the next call
  free(copy);
  copy = malloc(bytes ? bytes : 1);
  assert_non_null(copy);
  memcpy(copy, text, bytes);
  base_fault_clear(&fault);
  enum http_parse_state state = http_parse_request(base_span_of(copy, bytes), &parsed, head_bytes, &fault);
  if (state != HTTP_PARSE_FAILED) assert_int_equal(fault.result, BASE_OK);
  return state;
}

static void parse_whole(const char *text) {
  size_t head_bytes;
  enum http_parse_state state = parse(text, strlen(text), &head_bytes);
  if (state != HTTP_PARSE_DONE) fail_msg("state %d (%s) for: %s", state, fault.text, text);
  assert_int_equal(head_bytes, strlen(text));
}

struct refusal {
  const char *text;
  enum base_result result;
  const char *subject;
};

static void assert_refused(const struct refusal *refusals, size_t count) {
  for (size_t i = 0; i < count; i++) {
    size_t head_bytes;
    enum http_parse_state state = parse(refusals[i].text, strlen(refusals[i].text), &head_bytes);
    if (state != HTTP_PARSE_FAILED) fail_msg("case %zu taken (state %d): %s", i, state, refusals[i].text);
    assert_int_equal(fault.result, refusals[i].result);
    assert_string_equal(fault.subject, refusals[i].subject);
    assert_true(fault.text[0] != '\0');
    assert_int_equal(head_bytes, 0);
  }
}
#define ASSERT_REFUSED(table) assert_refused(table, sizeof table / sizeof *table)

static void fills_the_request_when_the_head_is_whole(void **state) {
  (void)state;
  const char text[] =
      "GET /i/abc?w=100&h=2 HTTP/1.1\r\nHost: Example.org:8080\r\nAccept:\t image/webp, */* \t\r\nX-Empty:\r\n\r\nbody";
  size_t head_bytes;
  assert_int_equal(parse(text, sizeof text - 1, &head_bytes), HTTP_PARSE_DONE);
  assert_int_equal(head_bytes, sizeof text - 1 - strlen("body"));
  assert_int_equal(parsed.method, HTTP_GET);
  assert_span(parsed.method_text, "GET");
  assert_span(parsed.target, "/i/abc?w=100&h=2");
  assert_span(parsed.path, "/i/abc");
  assert_span(parsed.query, "w=100&h=2");
  assert_span(parsed.host, "Example.org");
  assert_span(parsed.authority, "Example.org:8080");
  assert_int_equal(parsed.version_minor, 1);
  assert_int_equal(parsed.header_count, 3);
  assert_span(parsed.headers[1].name, "Accept");
  assert_span(parsed.headers[1].value, "image/webp, */*");
  assert_span(parsed.headers[2].value, "");
  assert_true(parsed.keep_alive);
  assert_false(parsed.has_content_length);
  assert_false(parsed.is_chunked);
}

static void asks_for_more_at_every_split_then_is_done(void **state) {
  (void)state;
  static const char *const texts[] = {
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "\r\nPOST http://a:80/b?c HTTP/1.1\r\nhost: a:80\r\nContent-Length: 5, 5\r\nConnection: close\r\n\r\n",
      "PUT /x HTTP/1.1\r\nHost:[::1]:80\r\nTransfer-Encoding: Chunked\r\n"
      "X-Long-Enough-For-Words: \xc3\xa4 \t0123456789\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
  };
  for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
    size_t whole = strlen(texts[t]);
    for (size_t bytes = 0; bytes < whole; bytes++) {
      size_t head_bytes = 1;
      if (parse(texts[t], bytes, &head_bytes) != HTTP_PARSE_MORE) fail_msg("text %zu cut at %zu", t, bytes);
      assert_int_equal(head_bytes, 0);
    }
    parse_whole(texts[t]);
  }
}

static void leaves_a_pipelined_request_alone(void **state) {
  (void)state;
  const char text[] = GET_WITH("") "GET /second HTTP/1.1\r\n\x01";
  size_t head_bytes;
  assert_int_equal(parse(text, sizeof text - 1, &head_bytes), HTTP_PARSE_DONE);
  assert_int_equal(head_bytes, strlen(GET_WITH("")));
}

static void knows_the_methods(void **state) {
  (void)state;
  static const struct {
    const char *text;
    enum http_method method;
  } methods[] = {{"GET", HTTP_GET},     {"HEAD", HTTP_HEAD},     {"OPTIONS", HTTP_OPTIONS}, {"POST", HTTP_POST},
                 {"PUT", HTTP_PUT},     {"PATCH", HTTP_PATCH},   {"DELETE", HTTP_DELETE},   {"get", HTTP_OTHER},
                 {"PURGE", HTTP_OTHER}, {"M-SEARCH", HTTP_OTHER}};
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    assert_int_equal(request_of(methods[i].text, "").method, methods[i].method);
  }
}

static void splits_the_target_by_its_form(void **state) {
  (void)state;
  static const struct {
    const char *line, *path, *query, *host;
  } cases[] = {
      {"GET /", "/", NULL, "a"},
      {"GET /?", "/", "", "a"},
      {"GET //x?a?b", "//x", "a?b", "a"},
      {"GET /%zz|{}", "/%zz|{}", NULL, "a"},
      {"GET http://a/x?y", "/x", "y", "a"},
      {"GET HTTPS://A/x", "/x", NULL, "a"},
      {"GET http://a", "/", NULL, "a"},
      {"GET http://a?y", "/", "y", "a"},
      {"OPTIONS *", "*", NULL, "a"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[128];
    (void)snprintf(text, sizeof text, "%s HTTP/1.1\r\n" HOST "\r\n", cases[i].line);
    parse_whole(text);
    assert_span(parsed.path, cases[i].path);
    assert_int_equal(parsed.query.data != NULL, cases[i].query != NULL);
    if (cases[i].query) assert_span(parsed.query, cases[i].query);
    assert_span(parsed.host, cases[i].host);
  }
}

static void takes_the_host_from_an_absolute_target_in_http_1_0(void **state) {
  (void)state;
  parse_whole("GET http://b:81/x HTTP/1.0\r\n\r\n");
  assert_span(parsed.host, "b");
  assert_span(parsed.authority, "b:81");
  parse_whole("GET / HTTP/1.0\r\n\r\n");
  assert_int_equal(parsed.host.bytes, 0);
  assert_int_equal(parsed.authority.bytes, 0);
}

static void refuses_a_broken_request_line(void **state) {
  (void)state;
  static const struct refusal cases[] = {
      {"\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"\nGET / HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"\rGET / HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {" GET / HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET  / HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET /  HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET /\tHTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET / HTTP/1.1 \r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET / HTTP/1.1\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET / HTTP/1.1\r" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET / http/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET / HTTP/1.\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET / HTTP/1.10\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET / HTTP/11\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET /\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET\r\n", BASE_BAD_INPUT, "request-line"},
      {"G(T / HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"G\xc3T / HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET /#top HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET /\x7f HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET * HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET a HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET http:/a HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET http:///a HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "request-line"},
      {"GET http://b/ HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "host"},
      {"GET http://a:80/ HTTP/1.1\r\n" HOST "\r\n", BASE_BAD_INPUT, "host"},
      {"CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", BASE_NOT_IMPLEMENTED, "CONNECT"},
      {"GET / HTTP/2.0\r\n" HOST "\r\n", BASE_VERSION, "request-line"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BASE_VERSION, "request-line"},
      {"GET / HTTP/0.9\r\n\r\n", BASE_VERSION, "request-line"},
      {"\x16\x03\x01", BASE_BAD_INPUT, "request-line"},
  };
  ASSERT_REFUSED(cases);
}

static void refuses_broken_field_lines(void **state) {
  (void)state;
  static const struct refusal cases[] = {
      {GET_WITH("X : 1\r\n"), BASE_BAD_INPUT, "headers"},
      {GET_WITH("X\t: 1\r\n"), BASE_BAD_INPUT, "headers"},
      {GET_WITH("X: 1\r\n 2\r\n"), BASE_BAD_INPUT, "headers"},
      {GET_WITH("X: 1\r\n\t2\r\n"), BASE_BAD_INPUT, "headers"},
      {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", BASE_BAD_INPUT, "headers"},
      {GET_WITH(": 1\r\n"), BASE_BAD_INPUT, "headers"},
      {GET_WITH("X\r\n"), BASE_BAD_INPUT, "headers"},
      {GET_WITH("X(: 1\r\n"), BASE_BAD_INPUT, "headers"},
      {GET_WITH("\xc3X: 1\r\n"), BASE_BAD_INPUT, "headers"},
      {GET_WITH("X: 1\n"), BASE_BAD_INPUT, "X"},
      {GET_WITH("X: 1\rY: 2\r\n"), BASE_BAD_INPUT, "headers"},
      {GET_WITH("X: 0123456789\x01\r\n"), BASE_BAD_INPUT, "X"},
      {GET_WITH("X: 0123456789\x7f\r\n"), BASE_BAD_INPUT, "X"},
      {GET_WITH("X: 0123456789\n\r\n"), BASE_BAD_INPUT, "X"},
      {"GET / HTTP/1.1\r\n" HOST "\n", BASE_BAD_INPUT, "headers"},
      {"GET / HTTP/1.1\r\n" HOST "\rX", BASE_BAD_INPUT, "headers"},
  };
  ASSERT_REFUSED(cases);
}

static void refuses_ambiguous_framing(void **state) {
  (void)state;
  static const struct refusal cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", BASE_BAD_INPUT, "host"},
      {GET_WITH("Host: a\r\n"), BASE_BAD_INPUT, "host"},
      {GET_WITH("hOST: b\r\n"), BASE_BAD_INPUT, "host"},
      {"GET / HTTP/1.0\r\n" HOST HOST "\r\n", BASE_BAD_INPUT, "host"},
      {GET_WITH("Content-Length: +5\r\n"), BASE_BAD_INPUT, "content-length"},
      {GET_WITH("Content-Length: -5\r\n"), BASE_BAD_INPUT, "content-length"},
      {GET_WITH("Content-Length: 0x5\r\n"), BASE_BAD_INPUT, "content-length"},
      {GET_WITH("Content-Length: 5 5\r\n"), BASE_BAD_INPUT, "content-length"},
      {GET_WITH("Content-Length:\r\n"), BASE_BAD_INPUT, "content-length"},
      {GET_WITH("Content-Length: 5,\r\n"), BASE_BAD_INPUT, "content-length"},
      {GET_WITH("Content-Length: 5,6\r\n"), BASE_BAD_INPUT, "content-length"},
      {GET_WITH("Content-Length: 18446744073709551616\r\n"), BASE_BAD_INPUT, "content-length"},
      {GET_WITH("Content-Length: 5\r\ncontent-length: 6\r\n"), BASE_BAD_INPUT, "content-length"},
      {GET_WITH("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), BASE_BAD_INPUT, "content-length"},
      {GET_WITH("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), BASE_BAD_INPUT, "content-length"},
      {GET_WITH("Transfer-Encoding: xchunked\r\n"), BASE_BAD_INPUT, "transfer-encoding"},
      {GET_WITH("Transfer-Encoding: identity\r\n"), BASE_BAD_INPUT, "transfer-encoding"},
      {GET_WITH("Transfer-Encoding:\r\n"), BASE_BAD_INPUT, "transfer-encoding"},
      {GET_WITH("Transfer-Encoding: chunked, chunked\r\n"), BASE_BAD_INPUT, "transfer-encoding"},
      {GET_WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), BASE_BAD_INPUT, "transfer-encoding"},
      {GET_WITH("Transfer-Encoding: chunked, identity\r\n"), BASE_BAD_INPUT, "transfer-encoding"},
      {GET_WITH("Transfer-Encoding: chunked;q=1\r\n"), BASE_BAD_INPUT, "transfer-encoding"},
      {GET_WITH("Transfer-Encoding: , chunked\r\n"), BASE_BAD_INPUT, "transfer-encoding"},
      {GET_WITH("Transfer-Encoding: \"chunked\"\r\n"), BASE_BAD_INPUT, "transfer-encoding"},
      {GET_WITH("Transfer-Encoding: \x0b"
                "chunked\r\n"),
       BASE_BAD_INPUT, "Transfer-Encoding"},
      {GET_WITH("Transfer-Encoding : chunked\r\n"), BASE_BAD_INPUT, "headers"},
      {"POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", BASE_BAD_INPUT, "transfer-encoding"},
      {GET_WITH("Transfer-Encoding: gzip, chunked\r\n"), BASE_NOT_IMPLEMENTED, "transfer-encoding"},
      {GET_WITH("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), BASE_NOT_IMPLEMENTED,
       "transfer-encoding"},
  };
  ASSERT_REFUSED(cases);
}

static void refuses_an_invalid_host(void **state) {
  (void)state;
  static const char *const hosts[] = {"",         "a b", "a,b",   "a/b",  "u@a",     "a:b",   "a:65536", "a:000080",
                                      "a:-1",     ":80", "a:80:", "[::1", "[]",      "[::g]", "[::1]a",  "a%41",
                                      "\xc3\xa4", "a?b", "a\\b",  "a:+1", "[::1]:x", "::1"};
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    char text[128];
    (void)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
    assert_refused(&(struct refusal){text, BASE_BAD_INPUT, "host"}, 1);
  }
}

static void gives_the_host_without_its_port(void **state) {
  (void)state;
  static const char *const hosts[][2] = {{"a.b-c_d", "a.b-c_d"},
                                         {"127.0.0.1:65535", "127.0.0.1"},
                                         {"a:", "a"},
                                         {"[::1]", "[::1]"},
                                         {"[2001:DB8::1]:8", "[2001:DB8::1]"}};
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    char text[128];
    (void)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i][0]);
    parse_whole(text);
    assert_span(parsed.host, hosts[i][1]);
  }
}

static void reads_one_content_length_when_equal_ones_repeat(void **state) {
  (void)state;
  static const char *const texts[] = {GET_WITH("Content-Length: 5\r\n"), GET_WITH("Content-Length: 5, 5\r\n"),
                                      GET_WITH("Content-Length: 5\r\nCONTENT-LENGTH: 5\r\n")};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    parse_whole(texts[i]);
    assert_true(parsed.has_content_length);
    assert_int_equal(parsed.content_length, 5);
  }
  parse_whole(GET_WITH("Content-Length: 9223372036854775807\r\n"));
  assert_true(parsed.content_length == INT64_MAX);
}

static void refuses_a_length_that_no_body_has(void **state) {
  (void)state;
  static const struct refusal refusals[] = {
      {GET_WITH("Content-Length: 9223372036854775808\r\n"), BASE_TOO_LARGE, "content-length"},
      {GET_WITH("Content-Length: 18446744073709551615\r\n"), BASE_TOO_LARGE, "content-length"}};
  ASSERT_REFUSED(refusals);
}

static void is_chunked_when_chunked_stands_alone(void **state) {
  (void)state;
  parse_whole(GET_WITH("Transfer-Encoding:  cHUNKED \r\n"));
  assert_true(parsed.is_chunked);
  assert_false(parsed.has_content_length);
}

static void keeps_the_connection_as_version_and_options_say(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool keep_alive;
  } cases[] = {
      {"GET / HTTP/1.1\r\n" HOST "\r\n", true},
      {"GET / HTTP/1.9\r\n" HOST "\r\n", true},
      {"GET / HTTP/1.1\r\n" HOST "Connection: foo, CLOSE\r\n\r\n", false},
      {"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", true},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
      {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    parse_whole(cases[i].text);
    if (parsed.keep_alive != cases[i].keep_alive) fail_msg("case %zu", i);
  }
}

// Puts every byte between two pieces of a request and compares with what the RFCs say.
static void assert_bytes_taken(const char *before, const char *after, const char *allowed, bool high_allowed) {
  for (int byte = 1; byte < 256; byte++) {
    char text[128];
    int bytes = snprintf(text, sizeof text, "%s%c%s", before, byte, after);
    size_t head_bytes;
    bool is_taken = parse(text, (size_t)bytes, &head_bytes) == HTTP_PARSE_DONE;
    bool is_allowed = byte >= 0x80 ? high_allowed : strchr(allowed, byte) != NULL;
    if (is_taken != is_allowed) fail_msg("byte 0x%02x after: %s", (unsigned)byte, before);
  }
}

#define ALNUM "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static void takes_exactly_the_bytes_that_the_grammar_allows(void **state) {
  (void)state;
  const char tokens[] = ALNUM "!#$%&'*+-.^_`|~";
  const char visible[] = ALNUM "!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
  const char values[] = ALNUM "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ \t";
  assert_bytes_taken("A", "B / HTTP/1.1\r\n" HOST "\r\n", tokens, false);
  assert_bytes_taken("GET /", "x HTTP/1.1\r\n" HOST "\r\n", visible, false);
  assert_bytes_taken("GET / HTTP/1.1\r\n" HOST "X", "Y:1\r\n\r\n", ALNUM "!#$%&'*+-.^_`|~:", false);
  assert_bytes_taken("GET / HTTP/1.1\r\n" HOST "X: 1", "2\r\n\r\n", values, true);
  assert_bytes_taken("GET / HTTP/1.1\r\n" HOST "X: 0123", "456789abcdef\r\n\r\n", values, true);
}

static void refuses_a_nul_anywhere(void **state) {
  (void)state;
  const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: 12345678\r\n\r\n";
  for (size_t at = 0; at < sizeof text - 1; at++) {
    char changed[sizeof text];
    memcpy(changed, text, sizeof text);
    changed[at] = '\0';
    size_t head_bytes;
    if (parse(changed, sizeof text - 1, &head_bytes) != HTTP_PARSE_FAILED) fail_msg("NUL at %zu", at);
  }
}

// `before`, then `fill` letters, then `after`; lives until the next call.
static const char *filled(const char *before, size_t fill, const char *after) {
  static char text[HTTP_MAX_HEAD_BYTES + 64];
  size_t start = strlen(before);
  assert_true(start + fill + strlen(after) < sizeof text);
  memcpy(text, before, start);
  memset(text + start, 'a', fill);
  memcpy(text + start + fill, after, strlen(after) + 1);
  return text;
}

static void refuses_a_request_line_only_when_over_the_limit(void **state) {
  (void)state;
  size_t fill = HTTP_MAX_REQUEST_LINE - strlen("GET / HTTP/1.1\r\n");
  const char *fits = filled("GET /", fill, " HTTP/1.1\r\n" HOST "\r\n");
  parse_whole(fits);
  size_t head_bytes;
  assert_int_equal(parse(fits, HTTP_MAX_REQUEST_LINE - 1, &head_bytes), HTTP_PARSE_MORE);

  const char *over = filled("GET /", fill + 1, " HTTP/1.1\r\n" HOST "\r\n");
  assert_refused(&(struct refusal){over, BASE_HEADERS_TOO_LARGE, "request-line"}, 1);
  assert_int_equal(parse(over, HTTP_MAX_REQUEST_LINE, &head_bytes), HTTP_PARSE_FAILED);
}

static void refuses_a_head_only_when_over_the_limit(void **state) {
  (void)state;
  size_t fill = HTTP_MAX_HEAD_BYTES - strlen(GET_WITH("X: \r\n"));
  const char *fits = filled("GET / HTTP/1.1\r\n" HOST "X: ", fill, "\r\n\r\n");
  parse_whole(fits);
  size_t head_bytes;
  assert_int_equal(parse(fits, HTTP_MAX_HEAD_BYTES - 1, &head_bytes), HTTP_PARSE_MORE);

  const char *over = filled("GET / HTTP/1.1\r\n" HOST "X: ", fill + 1, "\r\n\r\n");
  assert_refused(&(struct refusal){over, BASE_HEADERS_TOO_LARGE, "headers"}, 1);
  assert_int_equal(parse(over, HTTP_MAX_HEAD_BYTES, &head_bytes), HTTP_PARSE_FAILED);
}

static void refuses_fields_only_when_too_many(void **state) {
  (void)state;
  char text[64 + 6 * (HTTP_MAX_HEADERS + 1)];
  for (size_t fields = HTTP_MAX_HEADERS; fields <= HTTP_MAX_HEADERS + 1; fields++) {
    size_t bytes = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST);
    for (size_t i = 1; i < fields; i++) bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "X:1\r\n");
    (void)snprintf(text + bytes, sizeof text - bytes, "\r\n");
    if (fields == HTTP_MAX_HEADERS) {
      parse_whole(text);
      assert_int_equal(parsed.header_count, HTTP_MAX_HEADERS);
    } else {
      assert_refused(&(struct refusal){text, BASE_HEADERS_TOO_LARGE, "headers"}, 1);
    }
  }
}

static void fails_quietly_when_no_fault_is_wanted(void **state) {
  (void)state;
  size_t head_bytes;
  assert_int_equal(http_parse_request(base_span_text("GET /\r\n"), &parsed, &head_bytes, NULL), HTTP_PARSE_FAILED);
  assert_int_equal(http_parse_request(base_span_of(NULL, 0), &parsed, &head_bytes, NULL), HTTP_PARSE_MORE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fills_the_request_when_the_head_is_whole),
      cmocka_unit_test(asks_for_more_at_every_split_then_is_done),
      cmocka_unit_test(leaves_a_pipelined_request_alone),
      cmocka_unit_test(knows_the_methods),
      cmocka_unit_test(splits_the_target_by_its_form),
      cmocka_unit_test(takes_the_host_from_an_absolute_target_in_http_1_0),
      cmocka_unit_test(refuses_a_broken_request_line),
      cmocka_unit_test(refuses_broken_field_lines),
      cmocka_unit_test(refuses_ambiguous_framing),
      cmocka_unit_test(refuses_an_invalid_host),
      cmocka_unit_test(gives_the_host_without_its_port),
      cmocka_unit_test(reads_one_content_length_when_equal_ones_repeat),
      cmocka_unit_test(refuses_a_length_that_no_body_has),
      cmocka_unit_test(is_chunked_when_chunked_stands_alone),
      cmocka_unit_test(keeps_the_connection_as_version_and_options_say),
      cmocka_unit_test(takes_exactly_the_bytes_that_the_grammar_allows),
      cmocka_unit_test(refuses_a_nul_anywhere),
      cmocka_unit_test(refuses_a_request_line_only_when_over_the_limit),
      cmocka_unit_test(refuses_a_head_only_when_over_the_limit),
      cmocka_unit_test(refuses_fields_only_when_too_many),
      cmocka_unit_test(fails_quietly_when_no_fault_is_wanted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
