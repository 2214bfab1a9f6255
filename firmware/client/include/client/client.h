// Outgoing HTTP/1.1 over TCP or TLS: blocking, one connection kept alive between requests, streamed bodies both ways.
//
// The `pixpop` command line uses it; one thread at a time.
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "base/span.h"

struct client_config {
  const char *base_url;      // "https://127.0.0.1:8443" or "http://..."
  const char *ca_file;       // trusted certificates (PEM); NULL: the system's
  const char *fingerprint;   // exactly this certificate instead ("AB:CD:..."); NULL: none
  uint32_t connect_timeout_ms;  // default 5,000
  uint32_t io_timeout_ms;       // silence; default 30,000
};

enum { CLIENT_MAX_HEAD_BYTES = 32768, CLIENT_MAX_HEADERS = 64 };

struct client_request {
  const char *method;
  const char *path;            // with query
  const char *bearer;          // token or NULL
  const char *content_type;    // NULL: none
  struct base_span body;       // used when body_fd is -1
  int body_fd;                 // -1, or a file that is streamed from its start
  uint64_t body_fd_bytes;
  // Called while a body is sent and received; either may be NULL.
  void (*progress)(void *self, uint64_t done, uint64_t total);
  // Response body as it comes; NULL: it is collected into `client_response.body`.
  enum base_result (*receive)(void *self, struct base_span bytes, struct base_fault *fault);
  void *self;
};

struct client_response {
  int status;
  struct base_buffer head;       // the raw header section
  size_t header_count;
  struct {
    struct base_span name, value;  // into head
  } headers[CLIENT_MAX_HEADERS];
  struct base_buffer body;       // when no `receive` was given; at most 64 MiB
};

struct client;

enum base_result client_create(const struct client_config *config, struct client **out, struct base_fault *fault) BASE_CHECKED;
void client_destroy(struct client **client);
// Sends and receives. Any HTTP status is a success of this function. `response` is initialised by it and finished by the caller
// (also after a failure).
enum base_result client_send(struct client *client, const struct client_request *request, struct client_response *response,
                             struct base_fault *fault) BASE_CHECKED;
void client_response_finish(struct client_response *response);
// Empty span when absent.
struct base_span client_response_header(const struct client_response *response, const char *name);

#endif
