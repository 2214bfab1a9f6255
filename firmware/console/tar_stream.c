#include "tar_stream.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

enum { HOST_BYTES = 64, DATE_BYTES = 16 };

static enum base_result write_out(void *self, struct base_span bytes, struct base_fault *fault) {
  if (console_stream_write(self, bytes)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CANCELLED, "", "the client left within an archive");
}

static int64_t now_s(const struct console_exchange *exchange) {
  const int64_t now = base_clock_wall_s(exchange->console->config.clock);
  return now < 0 ? 0 : now;
}

// Of the host's name only what needs no quotes in a header and no care in a file name.
static void name_host(char out[HOST_BYTES]) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
  if (gethostname(out, HOST_BYTES) != 0) out[0] = '\0';
  out[HOST_BYTES - 1] = '\0';
  out[strspn(out, plain)] = '\0';
}

static void set_head(const struct console_exchange *exchange, const char *kind, struct http_reply *reply) {
  char host[HOST_BYTES], date[DATE_BYTES] = "";
  const time_t now = (time_t)now_s(exchange);
  struct tm utc;
  name_host(host);
  if (gmtime_r(&now, &utc)) (void)strftime(date, sizeof date, "%Y-%m-%d", &utc);
  const bool is_named = host[0] != '\0' && strcmp(host, "pixpop") != 0;
  http_reply_init(reply, 200);
  http_reply_header(reply, "Content-Type", "application/x-tar");
  http_reply_header(reply, "Cache-Control", "no-store");
  http_reply_header(reply, "Content-Disposition", "attachment; filename=\"%s%s-%s-%s.tar\"",
                    strncmp(host, "pixpop", 6) == 0 || !is_named ? "" : "pixpop-", is_named ? host : "pixpop", kind,
                    date);
}

bool console_tar_begin(struct console_tar *tar, struct console_exchange *exchange, const char *kind,
                       struct http_reply *reply) {
  const struct archive_sink sink = {write_out, exchange};
  tar->exchange = exchange;
  archive_writer_init(&tar->writer, &sink);
  set_head(exchange, kind, reply);
  return exchange->request.method != HTTP_HEAD && console_stream_begin(exchange, reply);
}

enum base_result console_tar_add(struct console_tar *tar, const char *name, struct base_span content,
                                 struct base_fault *fault) {
  return archive_writer_file(&tar->writer, name, now_s(tar->exchange), content, fault);
}

enum base_result console_tar_end(struct console_tar *tar, enum base_result result, struct http_reply *reply,
                                 struct base_fault *fault) {
  struct console_exchange *exchange = tar->exchange;
  if (exchange->stream == CONSOLE_STREAM_NONE) return BASE_OK;
  if (result == BASE_OK) result = archive_writer_end(&tar->writer, fault);
  const bool is_whole = result == BASE_OK && console_stream_end(exchange);
  reply->close = !is_whole;
  if (result != BASE_OK) {
    base_log_fault(exchange->console->config.log, BASE_LOG_WARN, "console", exchange->request.id, fault);
  }
  return BASE_OK;
}
