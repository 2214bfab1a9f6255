#include <unistd.h>

#include "api.h"
#include "gate.h"
#include "host.h"

enum { MAX_STATUS_JSON = 16 * 1024, MAX_METRICS_TEXT = 4 * 1024 * 1024 };

static void write_store(struct base_json_writer *json, const struct store_stats *stats) {
  base_json_object(json, "store");
  base_json_integer(json, "originals", (int64_t)stats->originals);
  base_json_integer(json, "original_bytes", (int64_t)stats->original_bytes);
  base_json_integer(json, "variants", (int64_t)stats->variants);
  base_json_integer(json, "variant_bytes", (int64_t)stats->variant_bytes);
  base_json_integer(json, "variant_budget_bytes", (int64_t)stats->variant_budget_bytes);
  base_json_integer(json, "disk_free_bytes", (int64_t)stats->disk_free_bytes);
  base_json_object_end(json);
}

static void write_ram(struct base_json_writer *json, const struct cache_stats *stats) {
  base_json_object(json, "ram");
  base_json_integer(json, "variants", (int64_t)stats->entries);
  base_json_integer(json, "bytes", (int64_t)stats->bytes);
  base_json_integer(json, "hits", (int64_t)stats->hits);
  base_json_integer(json, "misses", (int64_t)stats->misses);
  base_json_integer(json, "evictions", (int64_t)stats->evictions);
  base_json_object_end(json);
}

static void write_gate(struct base_json_writer *json, const struct console_gate *gate) {
  struct console_gate_stats stats;
  console_gate_get_stats(gate, &stats);
  base_json_object(json, "console");
  base_json_integer(json, "connections", stats.connections);
  base_json_integer(json, "uploads_receiving", stats.uploads);
  base_json_integer(json, "requests_waiting", stats.waiting);
  base_json_object_end(json);
}

enum base_result console_status_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  const struct console *console = exchange->console;
  struct store_stats store;
  enum base_result result = store_get_stats(console->config.store, &store, fault);
  if (result != BASE_OK) return result;
  struct cache_stats ram;
  pop_get_ram_stats(console->config.pop, &ram);
  uint64_t uptime_us = base_clock_us(console->config.clock) - console->started_us;

  const char *socket = console->config.system_socket;
  char host[CONSOLE_HOST_BYTES], device[CONSOLE_DEVICE_LINE_BYTES];
  console_host_name(host);
  console->config.write_device_line(console->config.device_self, device, sizeof(device));
  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, MAX_STATUS_JSON);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  base_json_string(&json, "version", PIXPOP_VERSION);
  base_json_string(&json, "host_name", host);
  console_fingerprint_write(&json, console);
  base_json_bool(&json, "is_appliance", socket && access(socket, F_OK) == 0);
  base_json_integer(&json, "uptime_s", (int64_t)(uptime_us / 1000000));
  base_json_string(&json, "device", device);
  base_json_string(&json, "tenant", exchange->tenant);
  base_json_string(&json, "delivery_url", atomic_load(&console->delivery_url));
  sandbox_isolation_write(&json, "decoder", &console->config.decoder_isolation);
  write_gate(&json, console->gate);
  write_store(&json, &store);
  write_ram(&json, &ram);
  console_certificate_write(&json, console);
  console_integrity_write(&json, console);
  base_json_object_end(&json);
  result = console_reply_json(reply, 200, &text, json.result, fault);
  base_buffer_finish(&text);
  return result;
}

enum base_result console_metrics_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) {
  struct base_metrics *metrics = exchange->console->config.metrics;
  if (!metrics) return BASE_FAIL(fault, BASE_NOT_FOUND, "", "this box keeps no metrics");
  struct base_buffer text;
  base_buffer_init(&text, MAX_METRICS_TEXT);
  if (exchange->console->config.pop) pop_measure(exchange->console->config.pop);
  const enum base_result rendered = base_metrics_render(metrics, &text);
  const enum base_result result =
      console_reply_text(reply, 200, "text/plain; version=0.0.4; charset=utf-8", &text, rendered, fault);
  base_buffer_finish(&text);
  return result;
}

enum base_result console_health_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  const struct console_config *config = &exchange->console->config;
  const bool is_starting = config->is_starting && config->is_starting(config->device_self);
  (void)fault;
  http_reply_init(reply, 200);
  http_reply_header(reply, "Content-Type", "text/plain; charset=utf-8");
  http_reply_header(reply, "Cache-Control", "no-store");
  http_reply_add_text(reply, base_span_text(is_starting ? "starting\n" : "ok\n"));
  return BASE_OK;
}
