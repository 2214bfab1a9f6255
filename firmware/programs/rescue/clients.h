// The connections: HTTPS on port 443, and on port 80 the way there; a fixed number of them, each with fixed memory.
//
// lwIP's callbacks only note what happened; clients_step does the rest. Silent clients, half-open TLS and slow uploads
// have deadlines, and who comes when all places are taken gets that of the one that has been waiting for longest
// without saying what it wants; of addresses where somebody has a session last. One thread.
#ifndef RESCUE_CLIENTS_H
#define RESCUE_CLIENTS_H

#include "api.h"

struct altcp_tls_config;

enum {
  CLIENTS_MAX = 32,
  CLIENTS_PER_ADDRESS = 10,
  CLIENTS_HEAD_BYTES = 8192,       // of a request, with the small bodies that the API takes
  CLIENTS_REQUEST_MS = 15 * 1000,  // for a handshake and a whole request, or between two
  CLIENTS_UPLOAD_SILENCE_MS = 30 * 1000,
  CLIENTS_REPLY_SILENCE_MS = 20 * 1000,
  // For the client to read the reply that ends the connection; while it still sends (an upload that was refused), more:
  // a browser whose connection breaks off before it looks for the reply asks again and again.
  CLIENTS_LINGER_MS = 3 * 1000,
  CLIENTS_MAX_LINGER_MS = 60 * 1000,
  CLIENTS_WAITING_PBUFS = 64,  // of a client who sends while nobody reads
};

struct clients;

enum base_result clients_create(struct api *api, struct altcp_tls_config *tls, struct clients **out,
                                struct base_fault *fault) BASE_CHECKED;
void clients_step(struct clients *clients);
#endif
