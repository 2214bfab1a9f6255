// One request at the console and what its handlers may do with it. Nothing here knows CivetWeb.
#ifndef CONSOLE_EXCHANGE_H
#define CONSOLE_EXCHANGE_H

#include <arpa/inet.h>

#include "console/console.h"

struct console_auth;
struct console_sessions;
struct console_assets;
struct console_server;

enum { CONSOLE_WIRE_BROKEN = -1, CONSOLE_WIRE_SILENT = -2 };

// How bytes travel; one implementation over CivetWeb, others in tests.
struct console_wire {
  // Bytes read, 0 at the end of a chunked body, CONSOLE_WIRE_SILENT after too long a silence or past the deadline,
  // CONSOLE_WIRE_BROKEN when the client is gone or breaks the rules.
  int (*read)(void *self, void *out, size_t bytes);
  bool (*write)(void *self, struct base_span bytes);
  // All reads from now on, however much comes with each, end after `ms` together; 0 lifts that. NULL: reads are
  // endless.
  void (*limit_reads)(void *self, uint32_t ms);
  // True once the client has closed its side, or the server is being taken down. NULL: never.
  bool (*is_gone)(void *self);
  void *self;
};

// The request's body, read as it comes.
struct console_body {
  struct console_wire wire;
  bool is_chunked;
  uint64_t length;  // when not chunked
  uint64_t received;
  bool awaits_continue;  // the client waits for "100 Continue"
  bool is_finished;      // everything was read
  bool is_broken;        // a read has failed: nothing more will come
};

// How far a reply is that a handler writes itself; see stream.h.
enum console_stream { CONSOLE_STREAM_NONE, CONSOLE_STREAM_OPEN, CONSOLE_STREAM_BROKEN, CONSOLE_STREAM_ENDED };

struct console_exchange {
  struct console *console;
  struct http_request request;
  struct console_body body;
  const char *tenant;
  char client[INET6_ADDRSTRLEN];  // numeric address
  bool is_tls;
  enum console_stream stream;
};

// What the files of this room share; made by console_start, constant afterwards but for what locks itself.
struct console {
  struct console_config config;
  struct console_auth *auth;
  struct console_sessions *sessions;
  struct console_assets *assets;
  struct console_server *server;
  uint64_t started_us;
  atomic_int slow_count;  // requests that wait for something, now
  struct base_histogram *request_time;
};

// Ends with `status` and a JSON document; takes the buffer's content.
enum base_result console_reply_json(struct http_reply *reply, int status, struct base_buffer *json,
                                    enum base_result json_result, struct base_fault *fault) BASE_CHECKED;

#endif
