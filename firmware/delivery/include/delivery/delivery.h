// The public server: epoll loops that turn sockets into requests for handlers, and replies into bytes.
//
// The program starts one with a route table. Read only: a request with a body is answered and the connection closed.
// It knows HTTP/1.1, HTTP/2, TLS and time-outs, and nothing of images. Handlers run on a loop's thread and must not
// block.
//
// Every reply gets Date, X-Request-Id and, where the status allows one, Content-Length; Connection when it matters.
// Handlers set none of these. A client that has closed its side while a handler still works counts as gone.
#ifndef DELIVERY_DELIVERY_H
#define DELIVERY_DELIVERY_H

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http/message.h"

// 0 and NULL mean the default, except where 0 has a meaning of its own.
struct delivery_config {
  const char *address;      // numeric IPv4 or IPv6; default "127.0.0.1"
  uint16_t port;            // 0: the kernel chooses (tests)
  const char *pem_path;     // private key and certificate chain; NULL: no HTTPS
  const char *tls_address;  // NULL: `address`
  uint16_t tls_port;        // 0: the kernel chooses
  bool http2_off;           // no ALPN "h2", no HTTP/2 with prior knowledge on the plain port
  // Listening sockets that an earlier server left open (delivery_hand_over), so that nobody is refused in between;
  // taken in any case. NULL: new ones are opened.
  const struct delivery_handover *handover;
  unsigned loops;                       // threads, each with its own SO_REUSEPORT listener; default: one a core
  uint32_t max_connections;             // over all loops; further ones get 503 and are closed; default 8192;
                                        // lowered with a warning when the process may not open enough descriptors
  uint32_t max_connections_per_client;  // by address; default 512; 0: no limit
  // Of TLS, for each: the client's first message, our answer among those of other clients, the client's rest. A client
  // that would have to wait longer for our answer is refused when it comes. Default 5,000.
  uint32_t handshake_timeout_ms;
  uint32_t head_timeout_ms;         // from the first byte to a whole request head; default 5,000
  uint32_t idle_timeout_ms;         // keep-alive without a request; default 60,000
  uint32_t write_timeout_ms;        // in which a reply (a stream of HTTP/2) must move 16 KiB, or its rest when
                                    // that is less; default 30,000
  uint32_t reply_timeout_ms;        // a handler that takes longer gets 504 and its reply is dropped; default 120,000
  const struct http_route *routes;  // borrowed for the server's life; unmatched paths get 404
  size_t route_count;
  const char *vital_path;  // answered also to connections over a limit, for health checks; NULL: none
  const struct base_clock *clock;
  struct base_log *log;
  struct base_metrics *metrics;
};

// What one server leaves to the next one of the same process image or the one after exec: all its listeners, as
// descriptors with FD_CLOEXEC. Those that do not listen where the next one should are closed by it.
enum { DELIVERY_MAX_HANDOVER = 512 };
struct delivery_handover {
  unsigned plain_count, tls_count;
  int plain[DELIVERY_MAX_HANDOVER], tls[DELIVERY_MAX_HANDOVER];
};

struct delivery;

// Listens and starts the loops. Faults name address and port (BASE_CONFLICT when the port is in use).
enum base_result delivery_start(const struct delivery_config *config, struct delivery **out,
                                struct base_fault *fault) BASE_CHECKED;
// The port that is listened on.
uint16_t delivery_port(const struct delivery *delivery);
uint16_t delivery_tls_port(const struct delivery *delivery);  // 0 without TLS
// Reads the certificate again, for connections from now on; after a failure the old one stays. Nothing without TLS.
enum base_result delivery_reload_certificate(struct delivery *delivery, struct base_fault *fault) BASE_CHECKED;
// Before delivery_stop: duplicates the listeners, which then go on queueing connections that nobody accepts yet.
enum base_result delivery_hand_over(struct delivery *delivery, struct delivery_handover *out,
                                    struct base_fault *fault) BASE_CHECKED;
// Stops accepting, answers what is in flight, or comes on open connections in the first moments, for at most `drain_ms`
// (with Connection: close or GOAWAY), closes, joins. After it returns no sink is used
// any more unless a handler still holds one: those are completed into the void safely until delivery_destroy.
void delivery_stop(struct delivery *delivery, uint32_t drain_ms);
// Frees; every handler must have completed.
void delivery_destroy(struct delivery **delivery);

#endif
