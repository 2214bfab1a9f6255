// GET /api/v1/support: what somebody who helps wants to see, as a tar archive of a bounded size: about.json,
// status.json, device.json, metrics.txt, findings.json, settings.txt, log.txt, logs/SERVICE.txt and system.json of an
// appliance.
//
// It goes to others, so no secret is in it: settings only tell how many keys there are, and lines of logs that look as
// if they told a token, a code or a signature do not get in.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api.h"
#include "base/checked.h"
#include "base/file.h"
#include "redact.h"
#include "system.h"
#include "tar_stream.h"

enum {
  MAX_FILE_BYTES = 4 * 1024 * 1024,
  MAX_LOG_BYTES = 256 * 1024,  // the end of each
  MAX_LOGS = 16,
  PATH_BYTES = 512,
};

struct support {
  struct console_tar tar;
  struct console_exchange *exchange;
  const struct console *console;
  struct base_fault *fault;
};

static enum base_result add(struct support *support, const char *name, struct base_span content) {
  return console_tar_add(&support->tar, name, content, support->fault);
}

// What can not be had is told in its place: the rest is worth having.
static enum base_result add_or_tell(struct support *support, const char *name, enum base_result result,
                                    const struct base_buffer *text, const struct base_fault *why) {
  char line[BASE_FAULT_TEXT_BYTES + 64];
  if (result == BASE_OK) return add(support, name, base_buffer_span(text));
  (void)snprintf(line, sizeof line, "not available: %s (%s)\n", why->text, base_result_name(result));
  return add(support, name, base_span_text(line));
}

// --- what other resources answer ---

static enum base_result copy_reply(const struct http_reply *reply, struct base_buffer *out) {
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < reply->part_count && result == BASE_OK; i++) {
    const struct http_body_part *part = &reply->parts[i];
    if (!part->blob) continue;
    const struct base_span bytes =
        base_span_slice(base_blob_span(part->blob), (size_t)part->offset, (size_t)part->bytes);
    result = base_buffer_append(out, bytes.data, bytes.bytes);
  }
  return result;
}

static enum base_result add_resource(struct support *support, const char *name,
                                     enum base_result (*show)(struct console_exchange *exchange,
                                                              struct http_reply *reply, struct base_fault *fault)) {
  struct base_buffer text;
  struct base_fault why = {0};
  struct http_reply reply;
  base_buffer_init(&text, MAX_FILE_BYTES);
  enum base_result result = show(support->exchange, &reply, &why);
  if (result == BASE_OK) {
    result = copy_reply(&reply, &text);
    http_reply_finish(&reply);
  }
  result = add_or_tell(support, name, result, &text, &why);
  base_buffer_finish(&text);
  return result;
}

static enum base_result add_findings(struct support *support) {
  struct base_buffer text;
  struct base_json_writer json;
  struct base_fault why = {0};
  base_buffer_init(&text, MAX_FILE_BYTES);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  console_integrity_write(&json, support->console);
  base_json_object_end(&json);
  const enum base_result result = add_or_tell(support, "findings.json", json.result, &text, &why);
  base_buffer_finish(&text);
  return result;
}

static enum base_result add_settings(struct support *support) {
  const struct console_settings *settings = support->console->config.settings;
  struct base_buffer text;
  struct base_fault why = {0};
  if (!settings || !settings->describe) return BASE_OK;
  base_buffer_init(&text, MAX_FILE_BYTES);
  enum base_result result = settings->describe(settings->self, &text, &why);
  result = add_or_tell(support, "settings.txt", result, &text, &why);
  base_buffer_finish(&text);
  return result;
}

// Its status line; on what is no appliance there is none.
static enum base_result add_system(struct support *support) {
  struct base_buffer text;
  struct base_fault why = {0};
  if (!support->console->config.system_socket) return BASE_OK;
  base_buffer_init(&text, UPDATE_AGENT_MAX_LINE * 2);
  enum base_result result =
      console_system_ask(support->exchange, "{\"do\":\"status\"}", CONSOLE_SYSTEM_STATUS_MS, &text, &why);
  if (result != BASE_NOT_FOUND) {
    result = add_or_tell(support, "system.json", result, &text, &why);
  } else {
    result = BASE_OK;
  }
  base_buffer_finish(&text);
  return result;
}

// --- logs ---

static enum base_result add_log(struct support *support, const char *name, struct base_span lines) {
  struct base_buffer text;
  base_buffer_init(&text, MAX_FILE_BYTES);
  enum base_result result = console_redact(lines, &text);
  result = result == BASE_OK ? add(support, name, base_buffer_span(&text))
                             : BASE_FAIL(support->fault, result, "", "no memory for a log");
  base_buffer_finish(&text);
  return result;
}

static enum base_result add_own_log(struct support *support) {
  struct base_buffer lines;
  base_buffer_init(&lines, MAX_FILE_BYTES);
  enum base_result result = base_log_tail(support->console->config.log, &lines);
  result = result == BASE_OK ? add_log(support, "log.txt", base_buffer_span(&lines))
                             : BASE_FAIL(support->fault, result, "", "no memory for the log");
  base_buffer_finish(&lines);
  return result;
}

// The end of a file that somebody writes to, from a line's beginning on.
static enum base_result read_end(int folder_fd, const char *path, struct base_buffer *out) {
  struct stat info;
  int fd = openat(folder_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return BASE_NOT_FOUND;
  enum base_result result = BASE_NOT_FOUND;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    const size_t bytes = (size_t)base_min_u64((uint64_t)info.st_size, MAX_LOG_BYTES);
    result = base_buffer_reserve(out, bytes);
    if (result == BASE_OK) result = base_fd_pread_all(fd, out->data, bytes, info.st_size - (off_t)bytes, NULL);
    if (result == BASE_OK) out->bytes = bytes;
    struct base_span text = base_buffer_span(out);
    if (result == BASE_OK && (uint64_t)info.st_size > bytes) {
      (void)base_span_cut(&text, '\n');
      memmove(out->data, text.data, text.bytes);
      out->bytes = text.bytes;
    }
  }
  base_fd_close(&fd);
  return result;
}

// Of the folder SERVICE of svlogd the file that is being written.
static enum base_result add_service_log(struct support *support, int folder_fd, const char *service) {
  char path[PATH_BYTES], name[ARCHIVE_MAX_NAME + 1];
  struct base_buffer lines;
  if (snprintf(path, sizeof path, "%s/current", service) >= (int)sizeof path ||
      snprintf(name, sizeof name, "logs/%s.txt", service) >= (int)sizeof name || !archive_name_is_valid(name)) {
    return BASE_OK;
  }
  base_buffer_init(&lines, MAX_LOG_BYTES);
  const enum base_result result =
      read_end(folder_fd, path, &lines) == BASE_OK ? add_log(support, name, base_buffer_span(&lines)) : BASE_OK;
  base_buffer_finish(&lines);
  return result;
}

static enum base_result add_service_logs(struct support *support) {
  const char *path = support->console->config.log_folder;
  DIR *folder = path ? opendir(path) : NULL;
  enum base_result result = BASE_OK;
  if (!folder) return BASE_OK;
  const struct dirent *item;
  for (size_t count = 0; count < MAX_LOGS && result == BASE_OK && (item = readdir(folder)) != NULL;) {
    if (item->d_name[0] == '.') continue;
    result = add_service_log(support, dirfd(folder), item->d_name);
    count++;
  }
  closedir(folder);
  return result;
}

static enum base_result add_all(struct support *support) {
  enum base_result result = console_tar_add_about(&support->tar, "about.json", 0, support->fault);
  if (result == BASE_OK) result = add_resource(support, "status.json", console_status_show);
  if (result == BASE_OK) result = add_resource(support, "device.json", console_device_show);
  if (result == BASE_OK) result = add_resource(support, "metrics.txt", console_metrics_show);
  if (result == BASE_OK) result = add_findings(support);
  if (result == BASE_OK) result = add_settings(support);
  if (result == BASE_OK) result = add_system(support);
  if (result == BASE_OK) result = add_own_log(support);
  return result == BASE_OK ? add_service_logs(support) : result;
}

enum base_result console_support_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) {
  struct support support = {.exchange = exchange, .console = exchange->console, .fault = fault};
  enum base_result result = BASE_OK;
  if (console_tar_begin(&support.tar, exchange, "support", reply)) result = add_all(&support);
  return console_tar_end(&support.tar, result, reply, fault);
}
