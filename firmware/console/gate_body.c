// Bodies: as they come, to an intake or into a small buffer; clients that are silent or too slow.

#include <inttypes.h>
#include <sys/epoll.h>

#include "base/checked.h"
#include "gate_parts.h"

enum {
  SMALL_BODY_MS = 10000,    // for the whole of a small body
  TURN_BYTES = 512 * 1024,  // of one connection before another gets the turn
};

static const char continue_head[] = "HTTP/1.1 100 Continue\r\n\r\n";

// --- pace ---

static uint64_t deadline_of(const struct gate_connection *connection) {
  const struct gate_request *request = connection->request;
  const struct console_config *config = &connection->gate->console->config;
  uint64_t at_ms = request->last_byte_ms + config->request_timeout_ms;
  if (!request->kind) return base_min_u64(at_ms, request->window_begin_ms + SMALL_BODY_MS);
  if (config->body_min_rate > 0) at_ms = base_min_u64(at_ms, request->window_begin_ms + config->request_timeout_ms);
  return at_ms;
}

// While the connection waited for its turn the client could not send: that time does not count.
static void resume_pace(struct gate_connection *connection) {
  struct gate_request *request = connection->request;
  if (request->last_byte_ms == 0) {
    request->last_byte_ms = request->window_begin_ms = connection->now_ms;
  } else if (request->wait_begin_ms != 0) {
    const uint64_t waited_ms = connection->now_ms - request->wait_begin_ms;
    request->last_byte_ms += waited_ms;
    request->window_begin_ms += waited_ms;
  }
  request->wait_begin_ms = 0;
}

static void note_bytes(struct gate_connection *connection, size_t bytes) {
  struct gate_request *request = connection->request;
  request->last_byte_ms = connection->now_ms;
  request->window_bytes += bytes;
}

static void end_slow(struct gate_connection *connection, enum gate_timeout what, const struct base_fault *fault) {
  base_metric_add(connection->gate->meters.timeouts[what], 1);
  console_gate_refuse(connection->request, fault);
  connection->request->is_ending = true;
}

void console_gate_judge_pace(struct gate_connection *connection) {
  struct gate_request *request = connection->request;
  const struct console_config *config = &connection->gate->console->config;
  const uint64_t now_ms = connection->now_ms;
  const char *subject = request->is_chunked ? "" : "content-length";
  struct base_fault fault = {0};
  if (request->wait_begin_ms != 0 || request->last_byte_ms == 0) return;
  if (now_ms >= request->last_byte_ms + config->request_timeout_ms) {
    (void)BASE_FAIL(&fault, BASE_SLOW_CLIENT, subject, "the client fell silent after %" PRIu64 " bytes of its body",
                    request->received);
    end_slow(connection, GATE_TIMEOUT_BODY, &fault);
    return;
  }
  const uint64_t window_ms = request->kind ? config->request_timeout_ms : SMALL_BODY_MS;
  if (now_ms < request->window_begin_ms + window_ms) return;
  if (!request->kind || request->window_bytes < config->body_min_rate * window_ms / 1000) {
    (void)BASE_FAIL(&fault, BASE_SLOW_CLIENT, subject,
                    "the client sends too slowly: %" PRIu64 " bytes in %" PRIu64 " ms", request->window_bytes,
                    now_ms - request->window_begin_ms);
    end_slow(connection, GATE_TIMEOUT_RATE, &fault);
    return;
  }
  request->window_begin_ms = now_ms;
  request->window_bytes = 0;
}

// --- the intake ---

// With the turn.
static void release(struct gate_request *request, bool is_given_up) {
  if (!request->exchange.intake) return;
  if (is_given_up) request->kind->give_up(request->exchange.intake);
  request->kind->destroy(&request->exchange.intake);
  request->exchange.intake = NULL;
}

bool console_gate_drop_intake(struct gate_connection *connection, bool is_given_up) {
  if (!connection->request->exchange.intake) return true;
  if (!console_gate_take_turn(connection)) return false;
  release(connection->request, is_given_up);
  console_gate_end_turn(connection);
  return true;
}

// With the turn. False when the request is refused.
static bool open_intake(struct gate_request *request) {
  struct console_exchange *exchange = &request->exchange;
  request->is_opened = true;
  struct base_fault fault = {0};
  enum base_result result = request->kind->open(exchange, &exchange->intake, &fault);
  if (result == BASE_OK) return true;
  if (fault.result == BASE_OK) (void)BASE_FAIL(&fault, result, "", "the upload can not begin");
  exchange->intake = NULL;
  console_gate_refuse(request, &fault);
  return false;
}

// --- bytes ---

static bool deliver(struct gate_request *request, struct base_span piece, struct base_fault *fault) {
  request->received += piece.bytes;
  if (request->kind) {
    // What failed is the intake's to tell, in its handler.
    return request->kind->write(request->exchange.intake, piece, fault) == BASE_OK;
  }
  // At once, as growing would leave pieces of what may be a key in memory.
  const uint64_t declared = request->is_chunked ? GATE_MAX_SMALL_BODY : piece.bytes + request->left;
  const size_t whole = (size_t)base_min_u64(declared, GATE_MAX_SMALL_BODY);
  enum base_result result = BASE_OK;
  if (request->small_body.bytes == 0) result = base_buffer_reserve(&request->small_body, whole);
  if (result == BASE_OK) result = base_buffer_append(&request->small_body, piece.data, piece.bytes);
  if (result == BASE_OK) return true;
  struct base_fault refusal = {0};
  (void)BASE_FAIL(&refusal, result, "", "this request's body has at most %d bytes", GATE_MAX_SMALL_BODY);
  console_gate_refuse(request, &refusal);
  return false;
}

// What the box itself takes for the bytes is not the client's silence.
static bool deliver_timed(struct gate_connection *connection, struct base_span piece, struct base_fault *fault) {
  struct gate_request *request = connection->request;
  const uint64_t begin_ms = base_clock_ms(base_clock_system());
  const bool is_taken = deliver(request, piece, fault);
  const uint64_t end_ms = base_clock_ms(base_clock_system());
  request->last_byte_ms += end_ms - begin_ms;
  request->window_begin_ms += end_ms - begin_ms;
  connection->now_ms = base_max_u64(connection->now_ms, end_ms);
  return is_taken;
}

static struct base_span cut(struct base_span *input, uint64_t most) {
  const struct base_span front = base_span_slice(*input, 0, (size_t)base_min_u64(most, input->bytes));
  *input = base_span_slice(*input, front.bytes, input->bytes - front.bytes);
  return front;
}

// Uses the input. False when nothing more shall be taken.
static bool take_input(struct gate_connection *connection) {
  struct gate_request *request = connection->request;
  struct base_span *input = &connection->input;
  struct base_fault fault = {0};
  while (input->bytes > 0 && !request->is_whole) {
    struct base_span piece;
    if (!request->is_chunked) {
      piece = cut(input, request->left);
      request->left -= piece.bytes;
      request->is_whole = request->left == 0;
    } else {
      switch (http_chunked_next(&request->chunks, input, &piece, &fault)) {
        case HTTP_CHUNKED_DATA:
          break;
        case HTTP_CHUNKED_FAILED:
          console_gate_refuse(request, &fault);
          release(request, true);
          return false;
        case HTTP_CHUNKED_DONE:
          request->is_whole = true;
          continue;
        default:
          continue;
      }
    }
    if (!deliver_timed(connection, piece, &fault)) return false;
  }
  return true;
}

// The client has ended its side, or left, within the body. Only one that sends chunks is told: it may have closed one
// direction.
static void lose(struct gate_connection *connection, enum gate_io io) {
  struct gate_request *request = connection->request;
  struct base_fault fault = {0};
  const bool is_told = request->is_chunked && io == GATE_IO_END;
  (void)BASE_FAIL(&fault, is_told ? BASE_BAD_INPUT : BASE_CANCELLED, "transfer-encoding",
                  "the client left after %" PRIu64 " bytes of its body", request->received);
  release(request, true);
  if (is_told) {
    console_gate_refuse(request, &fault);
    return;
  }
  base_log_fault(connection->gate->console->config.log, BASE_LOG_INFO, "console", request->exchange.request.id, &fault);
  connection->is_dead = true;
}

// Reads some more. False when there is nothing now.
static bool read_more(struct gate_connection *connection, size_t capacity, bool *has_ended) {
  size_t got;
  const enum gate_io io = console_gate_read(connection, connection->scratch, capacity, &got);
  if (io == GATE_IO_AGAIN) return false;
  if (io == GATE_IO_OK) {
    connection->input = base_span_of(connection->scratch, got);
    note_bytes(connection, got);
    return true;
  }
  lose(connection, io);
  *has_ended = true;
  return true;
}

static size_t capacity_for(const struct gate_request *request) {
  return request->is_chunked ? GATE_SCRATCH_BYTES : (size_t)base_min_u64(request->left, GATE_SCRATCH_BYTES);
}

// True when the body is over, in whatever way.
static bool receive_some(struct gate_connection *connection) {
  struct gate_request *request = connection->request;
  if (request->is_ending) {
    release(request, true);
    return true;
  }
  if (request->kind && !request->is_opened && !open_intake(request)) return true;
  if (request->awaits_continue && connection->input.bytes == 0 && !connection->out &&
      !console_gate_send(connection, base_span_text(continue_head))) {
    return true;
  }
  request->awaits_continue = false;
  if (console_gate_flush(connection) == GATE_IO_AGAIN) return false;
  console_gate_open_input(connection);
  // What came with the head. A call without any, as at a deadline, is no sign of life.
  if (connection->input.bytes > 0) note_bytes(connection, connection->input.bytes);
  for (size_t taken = 0; !request->is_whole; taken += GATE_SCRATCH_BYTES) {
    bool has_ended = false;
    if (taken >= TURN_BYTES && console_gate_is_turn_wanted(connection->gate)) {
      connection->yields = true;
      return false;
    }
    if (connection->input.bytes == 0 && !read_more(connection, capacity_for(request), &has_ended)) return false;
    if (has_ended || !take_input(connection)) return true;
  }
  return true;
}

bool console_gate_receive(struct gate_connection *connection) {
  struct gate_request *request = connection->request;
  if (request->kind && !console_gate_take_turn(connection)) {
    if (request->wait_begin_ms == 0) request->wait_begin_ms = connection->now_ms;
    console_gate_set_deadline(connection, 0);
    return false;
  }
  resume_pace(connection);
  const bool is_over = receive_some(connection);
  if (request->kind) console_gate_end_turn(connection);
  if (is_over) {
    console_gate_enter(connection, GATE_READY);
  } else {
    console_gate_set_deadline(connection, deadline_of(connection));
  }
  return is_over;
}
