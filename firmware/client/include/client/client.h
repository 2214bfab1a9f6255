// Outgoing HTTP/1.1 over TCP or TLS: blocking, one connection kept alive between requests, streamed bodies both ways.
//
// The `pixpop` command line uses it; one thread at a time. Writing to a connection that the peer closed never raises
// SIGPIPE.
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "base/span.h"

enum {
  CLIENT_DEFAULT_CONNECT_TIMEOUT_MS = 5000,
  CLIENT_DEFAULT_IO_TIMEOUT_MS = 30000,
  CLIENT_MAX_URL_BYTES = 1024,
  CLIENT_MAX_HEAD_BYTES = 32768,
  CLIENT_MAX_HEADERS = 64,
  CLIENT_MAX_INTERIM_HEADS = 16,      // 1xx responses before the final one
  CLIENT_MAX_BODY_BYTES = 64 << 20,   // of a body that is collected
  CLIENT_MAX_CHUNK_LINE_BYTES = 256,  // chunk size with its extensions
  CLIENT_MAX_TRAILER_BYTES = 8192,
};

struct client_config {
  const char *base_url;         // "https://127.0.0.1:8443" or "http://..."; a path in it goes before every request's
  const char *ca_file;          // trusted certificates (PEM); NULL: the system's
  const char *fingerprint;      // exactly this certificate instead ("AB:CD:..."); NULL: none
  uint32_t connect_timeout_ms;  // for all addresses of the host together; 0: the default
  uint32_t io_timeout_ms;       // silence; 0: the default
};

struct client_field {
  const char *name, *value;
};

struct client_request {
  const char *method;
  const char *path;                   // with query, percent-encoded, begins with '/'
  const char *bearer;                 // token or NULL
  const char *content_type;           // NULL: none
  const struct client_field *fields;  // more of the head; not those that are written from the members here
  size_t field_count;
  // The body is these three, one behind the other; each may be empty.
  struct base_span body;
  int body_fd;              // -1, or a seekable file of which body_fd_bytes are streamed from body_fd_offset
  uint64_t body_fd_offset;  //
  uint64_t body_fd_bytes;
  struct base_span body_end;
  bool is_once;              // never sent a second time by itself
  uint32_t send_timeout_ms;  // for the whole request to be sent, however steadily it goes; 0: only silence counts
  // Called while the request's body is sent or, when it has none, while the response's is received; `total` is 0 when
  // unknown. May be NULL.
  void (*progress)(void *self, uint64_t done, uint64_t total);
  // Body of a 2xx response as it comes; NULL: it is collected into `client_response.body`, as those of all other
  // statuses always are.
  enum base_result (*receive)(void *self, struct base_span bytes, struct base_fault *fault);
  void *self;
};

struct client_response {
  int status;
  struct base_buffer head;  // the raw header section
  size_t header_count;
  struct {
    struct base_span name, value;  // into head
  } headers[CLIENT_MAX_HEADERS];
  struct base_buffer body;
};

struct client;

// Copies the configuration; connects at the first request. BASE_BAD_INPUT for a base_url that is none.
enum base_result client_create(const struct client_config *config, struct client **out,
                               struct base_fault *fault) BASE_CHECKED;
void client_destroy(struct client **client);
// Sends and receives. Any HTTP status is a success of this function, also one that came before the whole body was sent.
// A kept connection that turns out closed before the first byte of a response is opened again once and the request
// repeated, so requests sent here must bear repeating (most of the console's do: originals are found by content) or be
// is_once.
// `response` is initialised by it and finished by the caller (also after a failure).
// BASE_IO: no connection, or it broke; BASE_TIMEOUT; BASE_FORBIDDEN: the certificate is not trusted (the fault shows
// its fingerprint); BASE_BAD_INPUT: the request or the response breaks HTTP; BASE_HEADERS_TOO_LARGE, BASE_TOO_LARGE;
// and what `receive` returned.
enum base_result client_send(struct client *client, const struct client_request *request,
                             struct client_response *response, struct base_fault *fault) BASE_CHECKED;
void client_response_finish(struct client_response *response);
// First field of that name (case-insensitive); empty span when absent.
struct base_span client_response_header(const struct client_response *response, const char *name);
// The path to send to for what a Location field names: an absolute path, or a URL whose scheme and authority are left
// out, since every request of this client goes to its own origin. Terminated. BASE_BAD_INPUT for other references
// (RFC 3986 4.2), a path outside the base_url's, and more than `capacity` bytes.
enum base_result client_location_path(const struct client *client, struct base_span location, char *out,
                                      size_t capacity, struct base_fault *fault) BASE_CHECKED;

#endif
