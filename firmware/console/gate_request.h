// A request at the gate, from its head to the end of its reply.
#ifndef CONSOLE_GATE_REQUEST_H
#define CONSOLE_GATE_REQUEST_H

#include "exchange.h"
#include "http/chunked.h"
#include "intake.h"

struct gate_connection;

enum { GATE_MAX_SMALL_BODY = 64 * 1024 };  // of requests without an intake

struct gate_request {
  struct console_exchange exchange;
  const struct console_intake_kind *kind;  // NULL: a small body, kept here

  // The body.
  bool is_chunked;
  bool awaits_continue;  // the client waits for "100 Continue"
  bool is_opened;        // the intake was asked to open
  bool is_whole;         // the body has come whole
  bool is_ending;        // nothing more is taken; the intake goes
  uint64_t left;         // when not chunked
  uint64_t received;
  struct http_chunked chunks;
  struct base_buffer small_body;
  uint64_t begin_ms, last_byte_ms, window_begin_ms, window_bytes, wait_begin_ms;

  // The answer.
  int hatch_fd;
  uint32_t hatch_armed, hatch_wants;
  struct base_buffer forward;  // for CivetWeb
  size_t forwarded;
  bool is_over;  // CivetWeb has ended

  char head[];  // what exchange.request borrows from
};

// For a head that was parsed (its bytes are copied), or NULL with the fault of one that was not. NULL when memory is
// short.
struct gate_request *console_gate_request_create(struct gate_connection *connection, struct base_span head,
                                                 const struct base_fault *fault) BASE_CHECKED;
// The intake has gone.
void console_gate_request_destroy(struct gate_request **request);
// What CivetWeb is told: the head without what concerns the client's connection, and the small body.
enum base_result console_gate_request_forward(struct gate_request *request) BASE_CHECKED;
// Wipes and empties: a body may be a private key.
void console_gate_wipe(struct base_buffer *buffer);
// Answers with this fault instead. Of several faults the first counts.
void console_gate_refuse(struct gate_request *request, const struct base_fault *fault);
// A random id for the log.
void console_request_make_id(char out[HTTP_REQUEST_ID_CHARS + 1]);

#endif
