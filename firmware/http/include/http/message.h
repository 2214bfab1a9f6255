// Requests, replies and the handler contract: what a server and a journey say to each other.
//
// `delivery`, `console` and tests produce requests; `pop` and `console` answer them. Nothing here knows a socket.
//
// The contract: handle() returns at once; the reply is completed exactly once, from any thread; a vanished client
// cancels; a body is ref-counted bytes or a file range.
#ifndef HTTP_MESSAGE_H
#define HTTP_MESSAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OPTIONS, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OTHER };

enum {
  HTTP_MAX_HEADERS = 64,             // fields in a request
  HTTP_MAX_REPLY_HEADERS = 32,       // fields in a reply
  HTTP_MAX_BODY_PARTS = 2 * 16 + 1,  // multipart ranges: at most 16 ranges with their framing
  HTTP_REQUEST_ID_CHARS = 16,
  HTTP_CLIENT_BYTES = 16,
};

struct http_header {
  struct base_span name;   // as received; compare with base_span_is_nocase
  struct base_span value;  // OWS trimmed
};

// A parsed request. Everything is borrowed and valid until handle() returns: a handler that answers later copies
// what it needs first.
struct http_request {
  enum http_method method;
  struct base_span method_text;
  struct base_span target;  // as received
  struct base_span path;    // of the target, not decoded, begins with '/'; "*" for OPTIONS *
  struct base_span query;   // after '?', not decoded; data == NULL when there is no '?'
  struct base_span host;    // Host without port, as received; empty in HTTP/1.0 without Host
  // The same with its port: Host, or the authority of the target (HTTP/2: the pseudo-header field), which are equal.
  struct base_span authority;
  unsigned version_minor;  // HTTP/1.x; above 1 the rules of HTTP/1.1 apply
  size_t header_count;
  struct http_header headers[HTTP_MAX_HEADERS];
  bool has_content_length;
  uint64_t content_length;
  bool is_chunked;  // Transfer-Encoding: chunked
  bool keep_alive;
  bool is_secure;                      // came over TLS
  char id[HTTP_REQUEST_ID_CHARS + 1];  // for logs; made by the server
  // The client's IPv6 address in network order, IPv4 as ::ffff:a.b.c.d; all zero when the server does not say.
  uint8_t client[HTTP_CLIENT_BYTES];
};

// First field of that name (case-insensitive), or NULL.
const struct http_header *http_request_header(const struct http_request *request, const char *name);
// All values of that name joined by ", " as RFC 9110 5.2 allows, into `out`. BASE_TOO_LARGE when it does not fit
// (out then holds the first values); BASE_NOT_FOUND when the field is absent (out becomes "").
enum base_result http_request_joined(const struct http_request *request, const char *name, char *out,
                                     size_t capacity) BASE_CHECKED;

// An open file shared by replies; closed with its last reference.
struct http_file {
  atomic_uint refs;
  int fd;
};
struct http_file *http_file_create(int fd);  // takes the descriptor; NULL (fd still the caller's) when memory is short
struct http_file *http_file_ref(struct http_file *file);
void http_file_unref(struct http_file **file);

// One piece of a body: bytes of a blob, or of a file when `blob` is NULL.
struct http_body_part {
  struct base_blob *blob;
  struct http_file *file;
  uint64_t offset;
  uint64_t bytes;
};

// For who lends a body: `end`, or NULL, is called once on any thread when it has been dropped. The rest is theirs.
struct http_lease {
  void (*end)(const struct http_lease *lease);
  void *lender, *loan;
  uint64_t account, bytes;
};

// A reply. Owns its header values (in `text`), parts and references. Init, fill, complete (or finish).
struct http_reply {
  int status;
  size_t header_count;
  struct {
    const char *name;  // static string
    uint32_t offset;   // into text
    uint32_t bytes;
  } headers[HTTP_MAX_REPLY_HEADERS];
  struct base_buffer text;
  size_t part_count;
  struct http_body_part parts[HTTP_MAX_BODY_PARTS];
  // Sum of the parts, which HEAD has dropped. The server writes Content-Length from this; never for 204 and 304.
  uint64_t body_bytes;
  bool close;  // the server closes the connection after this reply
  struct http_lease lease;
};

void http_reply_init(struct http_reply *reply, int status);
void http_reply_finish(struct http_reply *reply);
// `name` is a static string; the value is copied; CR, LF and NUL in it are our bug (asserted). Too many headers or
// too little memory sets status 500 and drops the field.
void http_reply_header(struct http_reply *reply, const char *name, const char *format, ...) BASE_PRINTF(3, 4);
// The same with a ready value, without the cost of a format.
void http_reply_header_span(struct http_reply *reply, const char *name, struct base_span value);
// The value of a header set before; empty span when absent.
struct base_span http_reply_get_header(const struct http_reply *reply, const char *name);
void http_reply_remove_header(struct http_reply *reply, const char *name);
// Adds a body part; takes one reference of the caller's. The range must lie inside the blob, and there is room for
// HTTP_MAX_BODY_PARTS (both asserted). Empty parts are dropped at once.
void http_reply_add_blob(struct http_reply *reply, struct base_blob *blob, uint64_t offset, uint64_t bytes);
void http_reply_add_file(struct http_reply *reply, struct http_file *file, uint64_t offset, uint64_t bytes);
// Adds a copy of `text` as a body part; too little memory sets status 500.
void http_reply_add_text(struct http_reply *reply, struct base_span text);
// Drops all parts and ends the lease. body_bytes becomes 0, or stays (keep_length): for HEAD, which must not keep them.
void http_reply_drop_body(struct http_reply *reply);
void http_reply_keep_length(struct http_reply *reply);
// "OK", "Not Found" ...; "Unknown" for statuses we never send.
const char *http_status_text(int status);

// Where a reply goes. Servers embed it in their connection; handlers call http_sink_complete exactly once.
struct http_sink {
  // Takes the reply's content (the struct is reset); callable from any thread, also inside handle().
  void (*complete)(struct http_sink *sink, struct http_reply *reply);
  // True once the client is known to be gone: the work may be dropped, complete() must still be called.
  bool (*is_cancelled)(struct http_sink *sink);
};

static inline void http_sink_complete(struct http_sink *sink, struct http_reply *reply) { sink->complete(sink, reply); }
static inline bool http_sink_is_cancelled(struct http_sink *sink) { return sink->is_cancelled(sink); }

struct http_handler {
  void (*handle)(void *self, const struct http_request *request, struct http_sink *sink);
  void *self;
};

// A route: requests whose path equals `path`, or begins with it when it ends in '/'. First match wins.
struct http_route {
  const char *path;
  struct http_handler handler;
};
// NULL when nothing matches.
const struct http_handler *http_route_find(const struct http_route *routes, size_t count, struct base_span path);

#endif
