// A connection at the gate, and what all of them share.
//
// A connection is run by one thread at a time: events of its two descriptors, time-outs and what other connections do
// for it are noted in it, and whoever notes first runs it, or has it run. So nothing of it needs a lock but the notes,
// and no lock is held while an intake waits for the disk.
#ifndef CONSOLE_GATE_CONNECTION_H
#define CONSOLE_GATE_CONNECTION_H

#include <pthread.h>

#include "gate.h"
#include "gate_clients.h"
#include "gate_meters.h"
#include "gate_request.h"
#include "tls/server.h"

enum {
  GATE_SCRATCH_BYTES = 64 * 1024,  // of each thread: what is read at once
  GATE_MAX_THREADS = 64,
  // Of connections, and of requests in the quick queue: for the box's own programs, whose look at /healthz must not
  // depend on how many others there are. Fewer where there are few places at all.
  GATE_KEPT_PLACES = 16,
  GATE_KEPT_SHARE = 8,
};

enum gate_state {
  GATE_FREE,
  GATE_HANDSHAKE,
  GATE_HEAD,    // between requests, or within a head
  GATE_BODY,    // the body comes
  GATE_READY,   // the request waits for a thread of CivetWeb
  GATE_ANSWER,  // CivetWeb answers
  GATE_CLEAR,   // the reply is out, the intake goes
  GATE_LINGER,  // our side has ended; what the client still sends is dropped
  GATE_PART,    // nobody is there any more; the intake goes
  GATE_STATES,
};

enum gate_event {
  GATE_EVENT_CLIENT = 0x01,   // the client's socket is ready
  GATE_EVENT_HATCH = 0x02,    // the socket to CivetWeb is ready
  GATE_EVENT_GONE = 0x04,     // the client has closed its side
  GATE_EVENT_DEAD = 0x08,     // the client's socket is broken
  GATE_EVENT_TIMEOUT = 0x10,  // the deadline may have passed
  GATE_EVENT_AGAIN = 0x20,    // there is something to do
  GATE_EVENT_CUT = 0x40,      // the console is being taken down
};

// What of a connection is in one queue of the gate at a time.
struct gate_link {
  struct gate_connection *previous, *next;
};
struct gate_queue {
  struct gate_connection *first, *last;
  unsigned count;
};

struct gate_connection {
  pthread_mutex_t lock;  // of these six
  uint32_t generation;   // counts the connections that this place has held
  uint8_t events;
  bool is_open, is_running, is_queued;
  struct gate_connection *next_run;

  // With the gate's lock.
  struct gate_link link;
  struct gate_queue *queue;  // that it waits in
  bool has_turn;             // may call its intake
  bool has_thread;           // CivetWeb has a thread for it
  bool has_slow_thread;      // one of those that slow requests may have

  // Of whoever runs it.
  struct console_gate *gate;
  uint8_t state;  // enum gate_state
  bool is_gone, is_dead, is_closing, is_out_blocked, has_head_begun;
  bool yields;     // lets others go first
  uint32_t armed;  // what epoll waits for
  uint32_t wants;  // what it shall wait for: set by reads and writes that could not go on
  int fd;
  struct tls_stream *tls;
  struct gate_client *client;
  bool is_own;  // it comes from this machine
  char address[INET6_ADDRSTRLEN];
  uint8_t *scratch;  // of the running thread
  uint64_t now_ms;
  struct base_span input;  // received and not used: in `scratch`, or in `held`
  uint8_t *held;
  uint8_t *out;  // for the client, not taken yet; NULL when there is nothing
  uint32_t out_bytes, out_sent;
  struct gate_request *request;
};

struct console_gate {
  struct console *console;
  struct tls_server *tls;  // NULL: plain HTTP
  struct gate_clients *clients;
  struct gate_meters meters;
  uint16_t port;
  uint32_t max_connections;
  unsigned thread_count, running_threads;
  pthread_t threads[GATE_MAX_THREADS];
  int epoll_fd, listener_fd, wake_fd, timer_fd;
  atomic_bool is_stopping, is_cut, should_exit;
  atomic_uint uploads, waiting;

  struct gate_connection *places;   // max_connections
  atomic_uint_fast64_t *deadlines;  // of each place, in ms; 0: none
  atomic_uint place_count;          // places that were ever used

  pthread_mutex_t lock;  // of what follows
  pthread_cond_t changed;
  unsigned open, active;                         // connections; requests
  struct gate_connection *free_places;           // linked by `next_run`
  struct gate_connection *first_run, *last_run;  // to be run, linked by `next_run`
  bool is_ticking;
  bool is_accept_paused;
  uint64_t accept_warn_ms;  // not before this is a pause worth another line in the log
  unsigned turns;           // connections that call their intakes now
  struct gate_queue turn_queue;
  unsigned handed_over, handed_over_slow;
  struct gate_queue quick_queue, slow_queue;
};

#endif
