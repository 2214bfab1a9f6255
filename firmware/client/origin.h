// The origin of a base URL: where to connect to and what the Host field says.
#ifndef CLIENT_ORIGIN_H
#define CLIENT_ORIGIN_H

#include "client/client.h"

enum { CLIENT_MAX_HOST_CHARS = 253 };

struct client_origin {
  bool is_tls;
  char host[CLIENT_MAX_HOST_CHARS + 1];        // name or numeric address, without brackets
  char port[6];                                // decimal, 1..65535
  char authority[CLIENT_MAX_HOST_CHARS + 16];  // for Host: brackets for IPv6, the port when it is not the scheme's
  char prefix[CLIENT_MAX_URL_BYTES];           // path before every request's, without a '/' at its end; may be empty
};

// BASE_BAD_INPUT for everything but http(s)://host[:port][/path]: no user, no query, no fragment.
enum base_result client_origin_parse(const char *url, struct client_origin *out, struct base_fault *fault) BASE_CHECKED;

#endif
