#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>

#include "archive/tar.h"

enum { KLOG_READ_ALL = 3, KERNEL_LOG_BYTES = 256 * 1024, FILE_BYTES = 64 * 1024 };

static enum base_result write_kernel_log(struct base_buffer *out) {
  enum base_result result = base_buffer_reserve(out, KERNEL_LOG_BYTES);
  if (result != BASE_OK) return result;
  int bytes = klogctl(KLOG_READ_ALL, (char *)out->data + out->bytes, KERNEL_LOG_BYTES);
  if (bytes < 0) return base_buffer_printf(out, "the kernel does not show its log: %s\n", strerror(errno));
  out->bytes += (size_t)bytes;
  return BASE_OK;
}

enum base_result report_write_log(struct api *api, struct base_buffer *out) {
  enum base_result result = write_kernel_log(out);
  if (result == BASE_OK) result = base_buffer_append_text(out, "\n-- pixpop-rescue --\n");
  return result == BASE_OK ? base_log_tail(api->log, out) : result;
}

// Files of /proc have no size: read until they end.
static enum base_result add_file(struct archive_writer *writer, const char *name, const char *path, int64_t now_s,
                                 struct base_fault *fault) {
  static uint8_t content[FILE_BYTES];
  size_t bytes = 0;
  FILE *file = fopen(path, "re");
  if (file != NULL) {
    bytes = fread(content, 1, sizeof content, file);
    fclose(file);
  }
  return archive_writer_file(writer, name, now_s, base_span_of(content, bytes), fault);
}

static enum base_result add_texts(struct api *api, struct archive_writer *writer, int64_t now_s,
                                  struct base_fault *fault) {
  struct base_buffer text;
  base_buffer_init(&text, REPORT_LOG_BYTES);
  enum base_result result = api_write_status(api, &text);
  if (result == BASE_OK) result = archive_writer_file(writer, "status.json", now_s, base_buffer_span(&text), fault);
  base_buffer_consume(&text, text.bytes);
  if (result == BASE_OK) result = report_write_log(api, &text);
  if (result == BASE_OK) result = archive_writer_file(writer, "log.txt", now_s, base_buffer_span(&text), fault);
  base_buffer_finish(&text);
  return result;
}

static enum base_result append(void *self, struct base_span bytes, struct base_fault *fault) {
  enum base_result result = base_buffer_append(self, bytes.data, bytes.bytes);
  return result == BASE_OK ? result : BASE_FAIL(fault, result, "", "the support archive is too large");
}

enum base_result report_write_archive(struct api *api, struct base_buffer *out, struct base_fault *fault) {
  static const char *const files[][2] = {
      {"cmdline", "/proc/cmdline"},         {"partitions", "/proc/partitions"}, {"mounts", "/proc/mounts"},
      {"meminfo", "/proc/meminfo"},         {"cpuinfo", "/proc/cpuinfo"},       {"modules", "/proc/modules"},
      {"devices", "/proc/bus/pci/devices"},
  };
  const int64_t wall_s = base_clock_wall_s(api->clock);
  const int64_t now_s = wall_s < 0 ? 0 : wall_s;
  const struct archive_sink sink = {.write = append, .self = out};
  struct archive_writer writer;
  archive_writer_init(&writer, &sink);
  enum base_result result = add_texts(api, &writer, now_s, fault);
  for (size_t i = 0; i < sizeof files / sizeof *files && result == BASE_OK; i++) {
    result = add_file(&writer, files[i][0], files[i][1], now_s, fault);
  }
  // Raw, for when it is damaged.
  if (result == BASE_OK) result = add_file(&writer, "bootenv.bin", api->arguments->bootenv, now_s, fault);
  return result == BASE_OK ? archive_writer_end(&writer, fault) : result;
}
