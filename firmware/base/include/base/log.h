// Logs: one line a decision, with level, room and request id, as text or JSON.
//
// A log is created by the program and handed to rooms. Writing is thread-safe and one line is one write(2).
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/span.h"

enum base_log_level { BASE_LOG_ERROR, BASE_LOG_WARN, BASE_LOG_INFO, BASE_LOG_DEBUG };

struct base_log_config {
  int fd;                          // where lines go; default 2
  enum base_log_level level;       // lines above this level are dropped; default BASE_LOG_INFO
  bool json;                       // JSON objects instead of text; default false
  const struct base_clock *clock;  // NULL: the system's
  size_t kept_bytes;               // of the latest lines, for base_log_tail; default 0
  // Faults of one place in the program that are logged in BASE_LOG_BURST_MS; further ones are only counted, so that no
  // client can fill a disk or hide what matters by being refused. Default 0: no limit. Debug lines have none.
  unsigned burst;
};

enum { BASE_LOG_BURST_MS = 10000 };

struct base_log;

struct base_log *base_log_create(const struct base_log_config *config);
void base_log_destroy(struct base_log **log);
// Changes level and form while running (SIGHUP).
void base_log_reconfigure(struct base_log *log, enum base_log_level level, bool json);
// Parses "error", "warn", "info", "debug".
bool base_log_level_parse(const char *text, enum base_log_level *out) BASE_CHECKED;

// `request_id` may be NULL; `log` may be NULL (nothing happens). No newline in `format`.
void base_log_write(struct base_log *log, enum base_log_level level, const char *room, const char *request_id,
                    const char *format, ...) BASE_PRINTF(5, 6);
// Appends the latest lines, from a line's beginning on. Nothing when none are kept.
enum base_result base_log_tail(struct base_log *log, struct base_buffer *out) BASE_CHECKED;
// Logs a fault with its place.
void base_log_fault(struct base_log *log, enum base_log_level level, const char *room, const char *request_id,
                    const struct base_fault *fault);

#endif
