#include "tar_stream.h"

#include <string.h>
#include <time.h>

#include "host.h"
#include "stream.h"

enum { DATE_BYTES = 16, MAX_ABOUT_JSON = 1024 };

static enum base_result write_out(void *self, struct base_span bytes, struct base_fault *fault) {
  if (console_stream_write(self, bytes)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CANCELLED, "", "the client left within an archive");
}

static int64_t now_s(const struct console_exchange *exchange) {
  const int64_t now = base_clock_wall_s(exchange->console->config.clock);
  return now < 0 ? 0 : now;
}

// Of the host's name only what needs no quotes in a header and no care in a file name.
static void name_host(char out[CONSOLE_HOST_BYTES]) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
  console_host_name(out);
  out[strspn(out, plain)] = '\0';
}

static void set_head(const struct console_exchange *exchange, const char *kind, struct http_reply *reply) {
  char host[CONSOLE_HOST_BYTES], date[DATE_BYTES] = "";
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

enum base_result console_tar_add_about(struct console_tar *tar, const char *name, unsigned format,
                                       struct base_fault *fault) {
  char host[CONSOLE_HOST_BYTES];
  struct base_buffer text;
  struct base_json_writer json;
  console_host_name(host);
  base_buffer_init(&text, MAX_ABOUT_JSON);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  if (format > 0) base_json_integer(&json, "format", format);
  base_json_string(&json, "version", PIXPOP_VERSION);
  base_json_string(&json, "host_name", host);
  base_json_integer(&json, "created_s", base_clock_wall_s(tar->exchange->console->config.clock));
  base_json_object_end(&json);
  const enum base_result result = json.result == BASE_OK ? console_tar_add(tar, name, base_buffer_span(&text), fault)
                                                         : BASE_FAIL(fault, json.result, "", "memory is short");
  base_buffer_finish(&text);
  return result;
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
