#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box_parts.h"
#include "health.h"

static void write_url(char out[SETTINGS_MAX_TEXT], const char *scheme, const char *address, uint16_t port) {
  snprintf(out, SETTINGS_MAX_TEXT, strchr(address, ':') ? "%s://[%s]:%u" : "%s://%s:%u", scheme, address, port);
}

static void fill_limits(const struct settings *settings, struct delivery_config *config) {
  config->loops = box_or_cores(settings->delivery_loops);
  config->max_connections = (uint32_t)settings->delivery_max_connections;
  config->max_connections_per_client = (uint32_t)settings->delivery_connections_per_client;
  config->handshake_timeout_ms = (uint32_t)settings->delivery_handshake_timeout_ms;
  config->head_timeout_ms = (uint32_t)settings->delivery_head_timeout_ms;
  config->idle_timeout_ms = (uint32_t)settings->delivery_idle_timeout_ms;
  config->write_timeout_ms = (uint32_t)settings->delivery_write_timeout_ms;
  config->reply_timeout_ms = (uint32_t)settings->delivery_reply_timeout_ms;
  config->http2_off = !settings->delivery_http2;
}

enum base_result box_build_delivery(struct box *box, struct base_fault *fault) {
  static const char health_path[] = "/healthz";
  const struct settings *settings = &box->settings;
  const bool has_tls = settings->delivery_tls_listen[0] != '\0';
  char address[64], tls_address[64];
  struct delivery_config config = {.address = address,
                                   .handover = box->handover,
                                   .routes = box->routes,
                                   .route_count = BOX_MAX_ROUTES,
                                   .vital_path = health_path,
                                   .clock = base_clock_system(),
                                   .log = box->log,
                                   .metrics = box->metrics};
  fill_limits(settings, &config);
  enum base_result result =
      settings_split_listen(settings->delivery_listen, address, sizeof(address), &config.port, fault);
  if (result == BASE_OK && has_tls) {
    config.tls_address = tls_address;
    config.pem_path = box->delivery_pem_path;
    result =
        settings_split_listen(settings->delivery_tls_listen, tls_address, sizeof(tls_address), &config.tls_port, fault);
    if (result == BASE_OK) result = box_ensure_certificate(box, fault);
  }
  if (result != BASE_OK) return result;
  const struct http_handler pictures = pop_handler(box->pop);
  const struct http_route routes[BOX_MAX_ROUTES] = {{"/i/", pictures},
                                                    {"/iiif/", pictures},
                                                    {"/imgproxy/", pictures},
                                                    {"/ledger/", pop_ledger_handler(box->pop)},
                                                    {health_path, health_handler()},
                                                    {"*", pictures}};  // only OPTIONS has this target
  memcpy(box->routes, routes, sizeof(routes));
  pop_ledger_set_public(box->pop, settings->ledger_public);
  result = delivery_start(&config, &box->delivery, fault);
  if (result != BASE_OK) return result;
  write_url(box->delivery_url, "http", address, delivery_port(box->delivery));
  if (has_tls) write_url(box->delivery_tls_url, "https", tls_address, delivery_tls_port(box->delivery));
  box_note_certificate(box);
  return BASE_OK;
}
