// One loop: an epoll instance, its listeners and the connections it accepted, run by one thread.
//
// Everything in it belongs to that thread, except what says otherwise.
#ifndef DELIVERY_LOOP_H
#define DELIVERY_LOOP_H

#include <pthread.h>

#include "acceptor.h"
#include "clients.h"
#include "delivery/delivery.h"
#include "exchange.h"
#include "handshakes.h"
#include "http/date.h"
#include "http/parser.h"
#include "inbox.h"
#include "meters.h"
#include "timers.h"
#include "tls/server.h"

enum { DELIVERY_MAX_REFUSED = 64 };  // connections of one loop that are told about the limit at the same time

// What the loops of one server share; constant after the start, or safe for every thread.
struct shared {
  struct delivery_config config;  // with defaults filled in
  struct tls_server *tls;         // NULL without HTTPS
  struct clients *clients;        // NULL without a limit for each client
  struct meters meters;
  atomic_uint connections;  // counted against max_connections
};

struct loop {
  struct shared *shared;
  pthread_t thread;  // set by the thread itself before it accepts anything
  int epoll_fd;
  unsigned index;  // among the server's
  unsigned acceptor_count;
  struct acceptor *acceptors;
  struct tls_lane *lane;  // NULL without HTTPS
  struct inbox inbox;     // any thread
  struct exchange_pool exchanges;
  struct timers timers;
  struct handshakes handshakes;
  struct counts counts;
  unsigned open;     // connections, refused ones included
  unsigned refused;  // connections over a limit that are being told so

  uint64_t now_us;  // as of the last wake-up
  uint64_t now_ms;
  int64_t date_s;  // what `date` says
  char date[HTTP_DATE_CHARS + 1];
  uint64_t id_state;

  bool is_accept_paused;
  uint64_t accept_resume_ms;
  uint64_t accept_warn_ms;  // not before this is a pause worth a line in the log again
  atomic_bool should_stop;  // any thread
  uint32_t drain_ms;        // written before should_stop
  bool is_draining;
  uint64_t drain_end_ms;

  struct base_buffer output;           // scratch for reply heads
  uint8_t input[HTTP_MAX_HEAD_BYTES];  // scratch for what was just received
};

// `acceptors` (from malloc) and their sockets become the loop's, also on failure.
enum base_result delivery_loop_init(struct loop *loop, struct shared *shared, struct acceptor *acceptors,
                                    unsigned acceptor_count, struct base_fault *fault) BASE_CHECKED;
// The thread's function.
void *delivery_loop_run(void *loop);
// Asks the thread to end after at most `drain_ms`; any thread.
void delivery_loop_stop(struct loop *loop, uint32_t drain_ms);
// After the thread has ended, or was never started.
void delivery_loop_finish(struct loop *loop);
// A new request id.
void delivery_loop_make_id(struct loop *loop, char out[HTTP_REQUEST_ID_CHARS + 1]);

#endif
