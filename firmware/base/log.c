#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/utf8.h"

enum {
  PLACES = 64,            // that are watched for bursts at once
  LINE_BYTES = PIPE_BUF,  // so that the lines of several processes never mix in a pipe
  MESSAGE_BYTES = 1024,
  REQUEST_ID_BYTES = 64,
  TIME_BYTES = 32,
};

// Where faults come from, and how many have come lately.
struct place {
  const char *file;
  int line;
  uint64_t begin_ms;
  unsigned count;
};

struct base_log {
  pthread_mutex_t write_lock;  // not every kind of file moves its position together with a write(2)
  int fd;
  const struct base_clock *clock;
  atomic_int level;
  atomic_bool json;
  // A ring, with the lock.
  uint8_t *kept;
  size_t kept_bytes;
  uint64_t kept_end;  // bytes that were ever put in
  unsigned burst;
  pthread_mutex_t places_lock;
  struct place places[PLACES];
};

struct entry {
  enum base_log_level level;
  const char *room;
  struct base_span request_id;
  struct base_span message;
  const struct base_fault *fault;  // may be NULL
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

struct base_log *base_log_create(const struct base_log_config *config) {
  struct base_log *log = calloc(1, sizeof *log);
  if (!log) return NULL;
  pthread_mutex_init(&log->write_lock, NULL);
  pthread_mutex_init(&log->places_lock, NULL);
  log->burst = config ? config->burst : 0;
  log->fd = config ? config->fd : STDERR_FILENO;
  log->clock = config && config->clock ? config->clock : base_clock_system();
  atomic_init(&log->level, config ? config->level : BASE_LOG_INFO);
  atomic_init(&log->json, config && config->json);
  log->kept = config && config->kept_bytes > 0 ? malloc(config->kept_bytes) : NULL;
  if (log->kept) log->kept_bytes = config->kept_bytes;  // without memory for them lines are written all the same
  return log;
}

void base_log_destroy(struct base_log **log) {
  if (!*log) return;
  pthread_mutex_destroy(&(*log)->write_lock);
  pthread_mutex_destroy(&(*log)->places_lock);
  free((*log)->kept);
  free(*log);
  *log = NULL;
}

void base_log_reconfigure(struct base_log *log, enum base_log_level level, bool json) {
  if (!log) return;
  atomic_store(&log->level, level);
  atomic_store(&log->json, json);
}

bool base_log_level_parse(const char *text, enum base_log_level *out) {
  for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
    if (strcmp(text, level_names[i]) != 0) continue;
    *out = (enum base_log_level)i;
    return true;
  }
  return false;
}

static void format_time(const struct base_log *log, char out[TIME_BYTES]) {
  const time_t now = (time_t)base_clock_wall_s(log->clock);
  struct tm utc;
  if (!gmtime_r(&now, &utc) || strftime(out, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) out[0] = '\0';
}

static enum base_result compose_json(struct base_buffer *line, const struct entry *entry, const char *time_text) {
  struct base_json_writer json;
  base_json_begin(&json, line);
  base_json_object(&json, NULL);
  base_json_string(&json, "time", time_text);
  base_json_string(&json, "level", level_names[entry->level]);
  base_json_string(&json, "room", entry->room);
  if (entry->request_id.bytes) base_json_text(&json, "request_id", entry->request_id);
  base_json_text(&json, "message", entry->message);
  if (entry->fault) {
    base_json_string(&json, "result", base_result_name(entry->fault->result));
    if (entry->fault->subject[0]) base_json_string(&json, "subject", entry->fault->subject);
    base_json_string(&json, "file", entry->fault->file);
    base_json_integer(&json, "line", entry->fault->line);
  }
  base_json_object_end(&json);
  return json.result;
}

// C0, DEL and C1: none may forge a line or move a terminal's cursor.
static bool is_control(const uint8_t *at, size_t bytes) {
  return *at < 0x20 || *at == 0x7f || (bytes == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

static enum base_result append_visible(struct base_buffer *line, struct base_span text) {
  enum base_result result = BASE_OK;
  while (text.bytes > 0 && result == BASE_OK) {
    const size_t bytes = base_utf8_char_bytes(text);
    if (bytes == 0) {
      result = base_buffer_append_text(line, BASE_UTF8_REPLACEMENT);
    } else if (is_control(text.data, bytes)) {
      result = base_buffer_printf(line, "\\x%02x", text.data[bytes - 1]);
    } else {
      result = base_buffer_append(line, text.data, bytes);
    }
    text = base_span_slice(text, bytes ? bytes : 1, text.bytes);
  }
  return result;
}

static enum base_result compose_text(struct base_buffer *line, const struct entry *entry, const char *time_text) {
  enum base_result result = base_buffer_printf(line, "%s %-5s %s ", time_text, level_names[entry->level], entry->room);
  if (result == BASE_OK && entry->request_id.bytes) {
    result = base_buffer_append_text(line, "[");
    if (result == BASE_OK) result = append_visible(line, entry->request_id);
    if (result == BASE_OK) result = base_buffer_append_text(line, "] ");
  }
  if (result == BASE_OK) result = append_visible(line, entry->message);
  if (result != BASE_OK || !entry->fault) return result;
  result = base_buffer_printf(line, " (%s", base_result_name(entry->fault->result));
  if (result == BASE_OK && entry->fault->subject[0]) {
    result = base_buffer_append_text(line, ": ");
    if (result == BASE_OK) result = append_visible(line, base_span_text(entry->fault->subject));
  }
  if (result != BASE_OK) return result;
  return base_buffer_printf(line, ", %s:%d)", entry->fault->file ? entry->fault->file : "?", entry->fault->line);
}

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

// With the lock. A line is far shorter than any ring, or it is not kept.
static void keep_line(struct base_log *log, struct base_span line) {
  if (line.bytes > log->kept_bytes) return;
  const size_t at = (size_t)(log->kept_end % log->kept_bytes);
  const size_t first = min_size(line.bytes, log->kept_bytes - at);
  memcpy(log->kept + at, line.data, first);
  memcpy(log->kept, line.data + first, line.bytes - first);
  log->kept_end += line.bytes;
}

// With the lock: the ring's bytes in their order.
static enum base_result copy_kept(const struct base_log *log, struct base_buffer *out) {
  if (log->kept_end <= log->kept_bytes) return base_buffer_append(out, log->kept, (size_t)log->kept_end);
  const size_t at = (size_t)(log->kept_end % log->kept_bytes);
  enum base_result result = base_buffer_append(out, log->kept + at, log->kept_bytes - at);
  if (result == BASE_OK) result = base_buffer_append(out, log->kept, at);
  return result;
}

enum base_result base_log_tail(struct base_log *log, struct base_buffer *out) {
  if (!log || !log->kept) return BASE_OK;
  struct base_buffer kept;
  base_buffer_init(&kept, log->kept_bytes);
  pthread_mutex_lock(&log->write_lock);
  const bool is_cut = log->kept_end > log->kept_bytes;
  enum base_result result = copy_kept(log, &kept);
  pthread_mutex_unlock(&log->write_lock);
  struct base_span text = base_buffer_span(&kept);
  if (is_cut) (void)base_span_cut(&text, '\n');
  if (result == BASE_OK) result = base_buffer_append(out, text.data, text.bytes);
  base_buffer_finish(&kept);
  return result;
}

static void write_line(struct base_log *log, struct base_span line) {
  ssize_t written;
  pthread_mutex_lock(&log->write_lock);
  if (log->kept) keep_line(log, line);
  do {
    written = write(log->fd, line.data, line.bytes);
  } while (written < 0 && errno == EINTR);
  pthread_mutex_unlock(&log->write_lock);
  // Nobody is left to tell when the log itself cannot be written.
}

// Works on the stack, so that lack of memory can still be logged.
static void emit(struct base_log *log, struct entry entry) {
  uint8_t storage[LINE_BYTES];
  char time_text[TIME_BYTES];
  const int kept_errno = errno;  // logging a failure must not change what the caller sees of it
  format_time(log, time_text);
  const bool as_json = atomic_load(&log->json);
  for (;;) {
    struct base_buffer line = {.data = storage, .capacity = sizeof storage - 1, .limit = sizeof storage - 1};
    enum base_result result = as_json ? compose_json(&line, &entry, time_text) : compose_text(&line, &entry, time_text);
    if (result == BASE_OK) result = base_buffer_append_text(&line, "\n");
    if (result == BASE_OK) {
      write_line(log, base_buffer_span(&line));
      break;
    }
    if (entry.message.bytes == 0) break;
    entry.message.bytes /= 2;  // escaping made the line too long
  }
  errno = kept_errno;
}

static bool is_wanted(struct base_log *log, enum base_log_level level) {
  return log && (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

static struct base_span request_id_span(const char *request_id) {
  return base_span_slice(base_span_text(request_id), 0, REQUEST_ID_BYTES);
}

void base_log_write(struct base_log *log, enum base_log_level level, const char *room, const char *request_id,
                    const char *format, ...) {
  if (!is_wanted(log, level)) return;
  char message[MESSAGE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  if (length < 0) return;
  emit(
      log,
      (struct entry){
          .level = level, .room = room, .request_id = request_id_span(request_id), .message = base_span_text(message)});
}

// The fault's place, or the one that has been quiet longest, which is forgotten.
static struct place *find_place(struct base_log *log, const struct base_fault *fault) {
  struct place *oldest = &log->places[0];
  for (size_t i = 0; i < PLACES; i++) {
    struct place *place = &log->places[i];
    if (place->count > 0 && place->line == fault->line && place->file == fault->file) return place;
    if (place->count == 0 || place->begin_ms < oldest->begin_ms) oldest = place;
  }
  *oldest = (struct place){.file = fault->file, .line = fault->line};
  return oldest;
}

// False when it is one too many. *missed: how many were, before this one; *is_last: so are those that follow soon.
static bool may_log(struct base_log *log, const struct base_fault *fault, unsigned *missed, bool *is_last) {
  const uint64_t now_ms = base_clock_ms(log->clock);
  pthread_mutex_lock(&log->places_lock);
  struct place *place = find_place(log, fault);
  *missed = 0;
  if (place->count == 0 || now_ms - place->begin_ms >= BASE_LOG_BURST_MS) {
    if (place->count > log->burst) *missed = place->count - log->burst;
    place->begin_ms = now_ms;
    place->count = 0;
  }
  if (place->count < UINT_MAX) place->count++;
  const bool may = place->count <= log->burst;
  *is_last = place->count == log->burst;
  pthread_mutex_unlock(&log->places_lock);
  return may;
}

void base_log_fault(struct base_log *log, enum base_log_level level, const char *room, const char *request_id,
                    const struct base_fault *fault) {
  unsigned missed = 0;
  bool is_last = false;
  if (!is_wanted(log, level)) return;
  if (log->burst > 0 && level != BASE_LOG_DEBUG && !may_log(log, fault, &missed, &is_last)) return;
  if (missed > 0) base_log_write(log, level, room, NULL, "%u more like the next were left out", missed);
  emit(log, (struct entry){.level = level,
                           .room = room,
                           .request_id = request_id_span(request_id),
                           .message = base_span_text(fault->text),
                           .fault = fault});
  if (is_last) base_log_write(log, level, room, NULL, "more like the last are left out for some seconds");
}
