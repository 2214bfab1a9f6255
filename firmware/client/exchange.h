// One request and its response on an open connection.
#ifndef CLIENT_EXCHANGE_H
#define CLIENT_EXCHANGE_H

#include "connection.h"

struct client_exchange_outcome {
  bool has_received;  // at least one byte of a response
  bool can_reuse;     // the connection may carry another request
};

// `head` is the request's. `response` is initialised already.
enum base_result client_exchange_run(struct client_connection *connection, const struct client_request *request,
                                     struct base_span head, struct client_response *response,
                                     struct client_exchange_outcome *outcome, struct base_fault *fault) BASE_CHECKED;

#endif
