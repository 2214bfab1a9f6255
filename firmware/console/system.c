#include "system.h"

#include "base/checked.h"
#include "gate.h"

enum { LISTEN_STEP_MS = 500 };

// What goes wrong between the two programs is no fault of the client's, and nothing of it is a secret.
enum base_result console_system_blame(enum base_result result, const struct base_fault *what,
                                      struct base_fault *fault) {
  switch (result) {
    case BASE_NOT_FOUND:
    case BASE_FORBIDDEN:
    case BASE_TIMEOUT:
    case BASE_NO_MEMORY:
      break;
    default:
      result = BASE_BUSY;
  }
  return BASE_FAIL(fault, result, "", "%s", what->text[0] ? what->text : "the system program can not be asked");
}

enum base_result console_system_call(const struct console_exchange *exchange, const char *line,
                                     struct update_call **out, struct base_fault *fault) {
  const char *socket = exchange->console->config.system_socket;
  struct base_fault failure = {0};
  *out = NULL;
  if (!socket) return BASE_FAIL(fault, BASE_NOT_FOUND, "", "this box is no appliance: it has no system program");
  const enum base_result result = update_call_begin(socket, line, out, &failure);
  return result == BASE_OK ? BASE_OK : console_system_blame(result, &failure, fault);
}

static bool is_client_gone(const struct console_exchange *exchange) {
  return exchange->wire.is_gone && exchange->wire.is_gone(exchange->wire.self);
}

enum base_result console_system_hear(const struct console_exchange *exchange, struct update_call *call,
                                     unsigned silence_ms, bool outlives_client, struct base_buffer *out,
                                     struct base_fault *fault) {
  unsigned silent_ms = 0;
  while (!is_client_gone(exchange) || (outlives_client && !console_gate_is_stopping(exchange->console->gate))) {
    const unsigned step_ms = (unsigned)base_min_u64(silence_ms - silent_ms, LISTEN_STEP_MS);
    struct base_fault failure = {0};
    struct base_json *line;
    bool is_last;
    enum base_result result = update_call_read(call, step_ms, &line, &is_last, &failure);
    base_json_destroy(&line);
    if (is_last) {
      if (result != BASE_OK) return BASE_FAIL(fault, result, failure.subject, "%s", failure.text);
      const struct base_span text = update_call_line(call);
      if (out) result = base_buffer_append(out, text.data, text.bytes);
      return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the reply");
    }
    silent_ms = result == BASE_TIMEOUT ? silent_ms + step_ms : 0;
    if (result != BASE_OK && (result != BASE_TIMEOUT || silent_ms >= silence_ms)) {
      return console_system_blame(result, &failure, fault);
    }
  }
  return BASE_FAIL(fault, BASE_CANCELLED, "", "the client left before the system program had answered");
}

enum base_result console_system_ask(const struct console_exchange *exchange, const char *line, unsigned silence_ms,
                                    struct base_buffer *out, struct base_fault *fault) {
  struct update_call *call;
  enum base_result result = console_system_call(exchange, line, &call, fault);
  if (result == BASE_OK) result = console_system_hear(exchange, call, silence_ms, false, out, fault);
  update_call_destroy(&call);
  return result;
}
