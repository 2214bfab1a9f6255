// The fields that decide where a request goes, where it ends and whether the connection lives on: Host,
// Content-Length, Transfer-Encoding, Connection (RFC 9112 sections 3.2, 6 and 9). Request smuggling lives here; and who
// asks, Authorization, which no two parties may read differently either.
#ifndef HTTP_FRAMING_H
#define HTTP_FRAMING_H

#include "http/message.h"

// What the fields seen so far said. Zero-initialise.
struct http_framing {
  struct base_span authority;   // of an absolute-form target; data == NULL otherwise
  struct base_span host_value;  // of the Host field; data == NULL when there is none
  bool has_authorization;
  bool has_transfer_encoding;
  bool has_other_coding;
  bool wants_close;
  bool wants_keep_alive;
};

// Looks at one field. request->version_minor is known already.
enum base_result http_framing_observe(struct http_framing *framing, struct http_request *request,
                                      const struct http_header *header, struct base_fault *fault) BASE_CHECKED;
// Judges the whole once all fields were seen and sets request->authority and keep_alive.
enum base_result http_framing_conclude(const struct http_framing *framing, struct http_request *request,
                                       struct base_fault *fault) BASE_CHECKED;

#endif
