#include "reply_writer.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/file.h"
#include "http/date.h"

// A small body travels with its head, in one TLS record and one packet.
enum { SMALL_BODY_BYTES = 8 * 1024, FILE_STEP_BYTES = 64 * 1024 };

enum base_result console_reply_write_head(const struct http_reply *reply, enum console_framing framing, bool keep_alive,
                                          int64_t now_s, struct base_buffer *out) {
  char date[HTTP_DATE_CHARS + 1];
  http_date_format(now_s, date, sizeof date);
  enum base_result result =
      base_buffer_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", reply->status, http_status_text(reply->status), date);
  for (size_t i = 0; i < reply->header_count && result == BASE_OK; i++) {
    struct base_span value =
        base_span_slice(base_buffer_span(&reply->text), reply->headers[i].offset, reply->headers[i].bytes);
    result =
        base_buffer_printf(out, "%s: %.*s\r\n", reply->headers[i].name, (int)value.bytes, (const char *)value.data);
  }
  if (result == BASE_OK && framing == CONSOLE_CHUNKED) {
    result = base_buffer_append_text(out, "Transfer-Encoding: chunked\r\n");
  }
  if (result == BASE_OK && framing == CONSOLE_LENGTH && reply->status != 204 && reply->status != 304) {
    result = base_buffer_printf(out, "Content-Length: %" PRIu64 "\r\n", reply->body_bytes);
  }
  if (result == BASE_OK) {
    result = base_buffer_printf(out, "Connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
  }
  return result;
}

static bool write_file_part(const struct http_body_part *part, const struct console_wire *wire) {
  uint8_t *bytes = malloc(FILE_STEP_BYTES);
  if (!bytes) return false;
  bool is_fine = true;
  for (uint64_t done = 0; is_fine && done < part->bytes;) {
    size_t step = (size_t)base_min_u64(part->bytes - done, FILE_STEP_BYTES);
    is_fine = base_fd_pread_all(part->file->fd, bytes, step, (off_t)(part->offset + done), NULL) == BASE_OK &&
              wire->write(wire->self, base_span_of(bytes, step));
    done += step;
  }
  free(bytes);
  return is_fine;
}

static struct base_span blob_part(const struct http_body_part *part) {
  return base_span_slice(base_blob_span(part->blob), (size_t)part->offset, (size_t)part->bytes);
}

bool console_reply_write(const struct http_reply *reply, enum http_method method, bool keep_alive, int64_t now_s,
                         const struct console_wire *wire) {
  struct base_buffer head;
  base_buffer_init(&head, CONSOLE_MAX_HEAD_BYTES + SMALL_BODY_BYTES);
  bool has_body = method != HTTP_HEAD && reply->status != 204 && reply->status != 304 && reply->body_bytes > 0;
  size_t next = 0;
  bool is_fine = console_reply_write_head(reply, CONSOLE_LENGTH, keep_alive, now_s, &head) == BASE_OK;
  if (is_fine && has_body && reply->parts[0].blob && reply->parts[0].bytes <= SMALL_BODY_BYTES) {
    struct base_span first = blob_part(&reply->parts[next++]);
    is_fine = base_buffer_append(&head, first.data, first.bytes) == BASE_OK;
  }
  if (is_fine) is_fine = wire->write(wire->self, base_buffer_span(&head));
  for (; is_fine && has_body && next < reply->part_count; next++) {
    const struct http_body_part *part = &reply->parts[next];
    is_fine = part->blob ? wire->write(wire->self, blob_part(part)) : write_file_part(part, wire);
  }
  base_buffer_finish(&head);
  return is_fine;
}
