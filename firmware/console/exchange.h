// One request at the console and what its handlers may do with it. Nothing here knows CivetWeb.
#ifndef CONSOLE_EXCHANGE_H
#define CONSOLE_EXCHANGE_H

#include <arpa/inet.h>

#include "console/console.h"

struct console_assets;
struct console_auth;
struct console_gate;
struct console_intake;
struct console_patches;
struct console_restores;
struct console_route;
struct console_server;
struct console_sessions;

enum { CONSOLE_MAX_ALLOW = 64 };

// How a handler's bytes travel; one implementation over CivetWeb, others in tests.
struct console_wire {
  // Bytes of the request's body, 0 or less when there are no more.
  int (*read)(void *self, void *out, size_t bytes);
  // False once nobody takes them.
  bool (*write)(void *self, struct base_span bytes);
  // True once the client has closed its side, or the server is being taken down. NULL: never.
  bool (*is_gone)(void *self);
  void *self;
};

// How far a reply is that a handler writes itself; see stream.h.
enum console_stream { CONSOLE_STREAM_NONE, CONSOLE_STREAM_OPEN, CONSOLE_STREAM_BROKEN, CONSOLE_STREAM_ENDED };

// Made by the gate when a head has come whole; with a thread of CivetWeb while the reply is made.
struct console_exchange {
  struct console *console;
  struct http_request request;  // as the client sent it; borrows from the head, which the gate keeps
  const struct console_route *route;
  const char *tenant;
  char client[INET6_ADDRSTRLEN];  // numeric address
  bool is_tls;
  struct base_fault refusal;      // when its result is set: what the request is answered with, instead of the handler
  char allow[CONSOLE_MAX_ALLOW];  // the methods of a path whose method was wrong
  struct console_intake *intake;  // of a route that has one, with the body; see intake.h
  size_t body_bytes;              // of a small body, which comes over the wire
  bool may_live_on;               // nothing that the client sent forbids another request on its connection
  atomic_bool is_gone;            // the client has closed its side, or is cut off

  struct console_wire wire;
  enum console_stream stream;
  bool stream_has_length;   // it said its Content-Length and is not chunked
  bool lives_on;            // the whole reply was written, and it says that the connection lives on
  atomic_bool is_answered;  // set when CivetWeb's thread has let go of all this
};

// What the files of this room share; made by console_start, constant afterwards but for what locks itself.
struct console {
  struct console_config config;
  struct console_auth *auth;
  struct console_sessions *sessions;
  struct console_assets *assets;
  struct console_patches *patches;
  struct console_restores *restores;
  struct console_gate *gate;
  struct console_server *server;
  uint64_t started_us;
  _Atomic(const char *) delivery_url;  // never NULL
  struct base_histogram *request_time;
};

// Ends with `status` and a text of the media type `type`, which nobody keeps; takes the buffer's content. `text_result`
// is what writing it came to: anything but BASE_OK is BASE_NO_MEMORY.
enum base_result console_reply_text(struct http_reply *reply, int status, const char *type, struct base_buffer *text,
                                    enum base_result text_result, struct base_fault *fault) BASE_CHECKED;
// The same with a JSON document.
enum base_result console_reply_json(struct http_reply *reply, int status, struct base_buffer *json,
                                    enum base_result json_result, struct base_fault *fault) BASE_CHECKED;
// Gives a reply of http_problem_reply one member more, whose value is `json`. Without memory the problem stays as it
// is.
void console_problem_add(struct http_reply *problem, const char *name, struct base_span json);

#endif
