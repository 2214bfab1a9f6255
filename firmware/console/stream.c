#include "stream.h"

#include "reply_writer.h"
#include "routes.h"

enum { MAX_CHUNK_BYTES = 1024 * 1024, MAX_CHUNK_FRAME_BYTES = 32 };

static bool is_chunked(const struct console_exchange *exchange) {
  return !exchange->stream_has_length && exchange->request.version_minor > 0;
}

bool console_stream_keeps_alive(const struct console_exchange *exchange, const struct http_reply *reply) {
  return exchange->may_live_on && !reply->close;
}

static bool write_out(struct console_exchange *exchange, struct base_span bytes) {
  const struct console_wire *wire = &exchange->wire;
  if (exchange->stream == CONSOLE_STREAM_OPEN && !wire->write(wire->self, bytes)) {
    exchange->stream = CONSOLE_STREAM_BROKEN;
  }
  return exchange->stream != CONSOLE_STREAM_BROKEN;
}

static bool begin(struct console_exchange *exchange, struct http_reply *reply, enum console_framing framing) {
  struct base_buffer head;
  const bool keep_alive = framing != CONSOLE_UNTIL_CLOSE && console_stream_keeps_alive(exchange, reply);
  reply->close = !keep_alive;
  console_add_security_headers(reply);
  base_buffer_init(&head, CONSOLE_MAX_HEAD_BYTES);
  exchange->stream = CONSOLE_STREAM_OPEN;
  const enum base_result result =
      console_reply_write_head(reply, framing, keep_alive, base_clock_wall_s(exchange->console->config.clock), &head);
  if (result != BASE_OK) exchange->stream = CONSOLE_STREAM_BROKEN;
  const bool is_fine = write_out(exchange, base_buffer_span(&head));
  base_buffer_finish(&head);
  return is_fine;
}

bool console_stream_begin(struct console_exchange *exchange, struct http_reply *reply) {
  return begin(exchange, reply, is_chunked(exchange) ? CONSOLE_CHUNKED : CONSOLE_UNTIL_CLOSE);
}

bool console_stream_begin_sized(struct console_exchange *exchange, struct http_reply *reply, uint64_t bytes) {
  exchange->stream_has_length = true;
  reply->body_bytes = bytes;  // for the head
  const bool is_fine = begin(exchange, reply, CONSOLE_LENGTH);
  reply->body_bytes = 0;
  return is_fine;
}

// In one write, so that a chunk travels in one packet and one TLS record.
static bool write_chunk(struct console_exchange *exchange, struct base_span bytes) {
  struct base_buffer chunk;
  base_buffer_init(&chunk, MAX_CHUNK_BYTES + MAX_CHUNK_FRAME_BYTES);
  enum base_result result = base_buffer_printf(&chunk, "%zx\r\n", bytes.bytes);
  if (result == BASE_OK) result = base_buffer_append(&chunk, bytes.data, bytes.bytes);
  if (result == BASE_OK) result = base_buffer_append_text(&chunk, "\r\n");
  if (result != BASE_OK) exchange->stream = CONSOLE_STREAM_BROKEN;
  const bool is_fine = write_out(exchange, base_buffer_span(&chunk));
  base_buffer_finish(&chunk);
  return is_fine;
}

bool console_stream_write(struct console_exchange *exchange, struct base_span bytes) {
  if (!is_chunked(exchange)) return write_out(exchange, bytes);
  while (bytes.bytes > 0) {  // an empty chunk would be the last
    const struct base_span part = base_span_slice(bytes, 0, MAX_CHUNK_BYTES);
    if (!write_chunk(exchange, part)) return false;
    bytes = base_span_slice(bytes, part.bytes, bytes.bytes);
  }
  return true;
}

bool console_stream_end(struct console_exchange *exchange) {
  const bool is_fine = !is_chunked(exchange) || write_out(exchange, base_span_text("0\r\n\r\n"));
  if (is_fine) exchange->stream = CONSOLE_STREAM_ENDED;
  return is_fine;
}
