#include "routes.h"

#include <stdio.h>
#include <string.h>

#include "access.h"
#include "api.h"
#include "assets.h"
#include "http/problem.h"
#include "intake.h"
#include "sink.h"
#include "tus.h"

enum access { OPEN, GUARDED };
// A slow request waits for renderers, disks or the client; the others are answered at once.
enum pace { QUICK, SLOW };

enum { ANY_METHOD = HTTP_OTHER + 1 };

struct console_route {
  const char *path;  // exact, or a prefix when it ends in '/'; '*' stands for one segment
  int method;        // HEAD is served as GET unless it has a row of its own before
  enum access access;
  enum pace pace;
  enum base_result (*serve)(struct console_exchange *exchange, struct http_reply *reply, struct base_fault *fault);
  const struct console_intake_kind *intake;  // takes the body as it comes; NULL: bodies are small and come whole
};

// First match wins; the last row takes every path.
static const struct console_route routes[] = {
    {"/healthz", HTTP_GET, OPEN, QUICK, console_health_show, NULL},
    {"/metrics", HTTP_GET, GUARDED, QUICK, console_metrics_show, NULL},
    {"/api/v1/status", HTTP_GET, GUARDED, QUICK, console_status_show, NULL},
    {"/api/v1/device", HTTP_GET, GUARDED, QUICK, console_device_show, NULL},
    {"/api/v1/session", HTTP_GET, OPEN, QUICK, console_session_show, NULL},
    {"/api/v1/session", HTTP_POST, OPEN, QUICK, console_session_begin, NULL},
    {"/api/v1/session", HTTP_DELETE, GUARDED, QUICK, console_session_end, NULL},
    {"/api/v1/claim", HTTP_POST, OPEN, QUICK, console_claim, NULL},
    {"/api/v1/backup", HTTP_GET, GUARDED, SLOW, console_backup_show, NULL},
    {"/api/v1/restore", HTTP_GET, GUARDED, QUICK, console_restore_show, NULL},
    {"/api/v1/restore", HTTP_POST, GUARDED, SLOW, console_restore_run, &console_restore_intake},
    {"/api/v1/support", HTTP_GET, GUARDED, SLOW, console_support_show, NULL},
    {"/api/v1/settings", HTTP_GET, GUARDED, SLOW, console_settings_show, NULL},
    {"/api/v1/settings", HTTP_PUT, GUARDED, SLOW, console_settings_set, NULL},
    {"/api/v1/certificate", HTTP_GET, GUARDED, SLOW, console_certificate_show, NULL},
    {"/api/v1/certificate", HTTP_PUT, GUARDED, SLOW, console_certificate_set, NULL},
    {"/api/v1/certificate", HTTP_DELETE, GUARDED, SLOW, console_certificate_remove, NULL},
    {"/api/v1/originals", HTTP_GET, GUARDED, QUICK, console_originals_list, NULL},
    {"/api/v1/originals", HTTP_POST, GUARDED, SLOW, console_originals_upload, &console_upload_intake},
    {"/api/v1/originals/*/content", HTTP_GET, GUARDED, SLOW, console_content_show, NULL},
    {"/api/v1/originals/*/leaves", HTTP_GET, GUARDED, SLOW, console_leaves_show, NULL},
    {"/api/v1/originals/*/delta", HTTP_POST, GUARDED, SLOW, console_delta_make, NULL},
    {"/api/v1/originals/*/variants", HTTP_POST, GUARDED, SLOW, console_variants_make, NULL},
    {"/api/v1/originals/*/url", HTTP_GET, GUARDED, QUICK, console_url_show, NULL},
    {"/api/v1/originals/", HTTP_GET, GUARDED, QUICK, console_original_show, NULL},
    {"/api/v1/originals/", HTTP_DELETE, GUARDED, QUICK, console_original_delete, NULL},
    {"/api/v1/purge", HTTP_POST, GUARDED, SLOW, console_purge, NULL},
    {"/api/v1/prewarm", HTTP_GET, GUARDED, QUICK, console_prewarm_show, NULL},
    {"/api/v1/prewarm", HTTP_PUT, GUARDED, QUICK, console_prewarm_set, NULL},
    {"/api/v1/prewarm/run", HTTP_POST, GUARDED, QUICK, console_prewarm_run, NULL},
    {"/api/v1/uploads", HTTP_OPTIONS, OPEN, QUICK, console_tus_options, NULL},
    {"/api/v1/uploads", HTTP_GET, GUARDED, SLOW, console_tus_list, NULL},
    {"/api/v1/uploads", HTTP_POST, GUARDED, SLOW, console_tus_create, &console_tus_create_intake},
    {"/api/v1/uploads/*", HTTP_OPTIONS, OPEN, QUICK, console_tus_options, NULL},
    {"/api/v1/uploads/*", HTTP_GET, GUARDED, SLOW, console_tus_show, NULL},
    {"/api/v1/uploads/*", HTTP_PATCH, GUARDED, SLOW, console_tus_patch, &console_tus_patch_intake},
    {"/api/v1/uploads/*", HTTP_DELETE, GUARDED, QUICK, console_tus_end, NULL},
    {"/api/v1/uploads/", HTTP_OPTIONS, OPEN, QUICK, console_tus_options, NULL},
    {"/api/v1/uploads/", HTTP_POST, GUARDED, SLOW, console_tus_create, &console_tus_create_intake},
    {"/api/v1/scrub", HTTP_POST, GUARDED, QUICK, console_scrub_run, NULL},
    {"/api/v1/system", HTTP_GET, GUARDED, SLOW, console_system_show, NULL},
    {"/api/v1/system/update", HTTP_POST, GUARDED, SLOW, console_system_update, &console_system_update_intake},
    {"/api/v1/system/slots", HTTP_POST, GUARDED, SLOW, console_system_choose, NULL},
    {"/api/v1/system/reboot", HTTP_POST, GUARDED, SLOW, console_system_reboot, NULL},
    {"/api/v1/system/poweroff", HTTP_POST, GUARDED, SLOW, console_system_poweroff, NULL},
    {"/api/v1/system/rescue", HTTP_POST, GUARDED, SLOW, console_system_rescue, NULL},
    {"/api/v1/system/factory-reset", HTTP_POST, GUARDED, SLOW, console_system_reset, NULL},
    {"/api/v1/system/network", HTTP_GET, GUARDED, SLOW, console_network_show, NULL},
    {"/api/v1/system/network", HTTP_PUT, GUARDED, SLOW, console_network_set, NULL},
    {"/ledger/", ANY_METHOD, GUARDED, SLOW, console_ledger_show, NULL},
    {"/i/", ANY_METHOD, GUARDED, SLOW, console_variant_show, NULL},
    {"/", HTTP_GET, OPEN, QUICK, console_page_show, NULL},
};
enum { ROUTE_COUNT = sizeof routes / sizeof *routes };

static bool is_path_match(const struct console_route *route, struct base_span path) {
  const char *star = strchr(route->path, '*');
  if (star) {
    const struct base_span before = base_span_of(route->path, (size_t)(star - route->path));
    if (!base_span_equal(base_span_slice(path, 0, before.bytes), before)) return false;
    const struct base_span rest = base_span_slice(path, before.bytes, path.bytes);
    size_t segment = 0;
    while (segment < rest.bytes && rest.data[segment] != '/') segment++;
    // A path that ends in '/' is another resource.
    return (segment > 0 || star[1]) && base_span_is(base_span_slice(rest, segment, rest.bytes), star + 1);
  }
  bool is_prefix = route->path[strlen(route->path) - 1] == '/';
  return is_prefix ? base_span_starts_with(path, route->path) : base_span_is(path, route->path);
}

static bool is_method_match(const struct console_route *route, enum http_method method) {
  return route->method == ANY_METHOD || route->method == (int)method ||
         (route->method == HTTP_GET && method == HTTP_HEAD);
}

static const char *method_name(int method) {
  switch (method) {
    case HTTP_GET:
      return "GET, HEAD";
    case HTTP_HEAD:
      return "HEAD";
    case HTTP_OPTIONS:
      return "OPTIONS";
    case HTTP_POST:
      return "POST";
    case HTTP_PUT:
      return "PUT";
    case HTTP_PATCH:
      return "PATCH";
    default:
      return "DELETE";
  }
}

// The route of the request. When only its method is wrong: NULL, and `allow` lists the right ones.
static const struct console_route *find_route(const struct http_request *request, char allow[CONSOLE_MAX_ALLOW]) {
  const char *path = NULL;
  allow[0] = '\0';
  for (size_t i = 0; i < ROUTE_COUNT; i++) {
    const struct console_route *route = &routes[i];
    if (path ? strcmp(path, route->path) != 0 : !is_path_match(route, request->path)) continue;
    if (is_method_match(route, request->method)) return route;
    path = route->path;
    size_t used = strlen(allow);
    snprintf(allow + used, CONSOLE_MAX_ALLOW - used, "%s%s", used > 0 ? ", " : "", method_name(route->method));
  }
  return NULL;
}

void console_route(struct console_exchange *exchange) {
  struct http_request *request = &exchange->request;
  if (console_tus_override(request, &exchange->refusal) != BASE_OK) return;
  if (request->method == HTTP_OTHER) {
    (void)BASE_FAIL(&exchange->refusal, BASE_NOT_IMPLEMENTED, "method", "this method is not known here");
    return;
  }
  exchange->route = find_route(request, exchange->allow);
  if (!exchange->route && exchange->allow[0] == '\0') {
    (void)BASE_FAIL(&exchange->refusal, BASE_NOT_FOUND, "", "there is nothing at this path");
  } else if (!exchange->route) {
    (void)BASE_FAIL(&exchange->refusal, BASE_METHOD, "method", "this path knows %s only", exchange->allow);
  } else if (exchange->route->access == GUARDED) {
    exchange->refusal.result = console_access_check(exchange, &exchange->refusal);
  }
}

bool console_route_is_slow(const struct console_route *route) { return route->pace == SLOW; }

const struct console_intake_kind *console_route_intake(const struct console_route *route) { return route->intake; }

// The page may load nothing from elsewhere and may not be framed; blob: and data: are previews of what is being
// uploaded.
void console_add_security_headers(struct http_reply *reply) {
  http_reply_remove_header(reply, "X-Content-Type-Options");  // set by some replies already
  http_reply_header(reply, "X-Content-Type-Options", "nosniff");
  http_reply_header(reply, "Referrer-Policy", "no-referrer");
  http_reply_header(reply, "Content-Security-Policy",
                    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
                    "form-action 'self'; frame-ancestors 'none'");
}

static void answer_problem(const struct console_exchange *exchange, const struct base_fault *fault,
                           struct http_reply *reply) {
  const char *id = exchange->request.id;
  enum base_log_level level = http_status_of(fault->result) >= 500 ? BASE_LOG_WARN : BASE_LOG_INFO;
  base_log_fault(exchange->console->config.log, level, "console", id, fault);
  http_problem_reply(reply, fault, id);
  if (fault->result == BASE_METHOD) http_reply_header(reply, "Allow", "%s", exchange->allow);
}

void console_answer(struct console_exchange *exchange, struct http_reply *reply) {
  struct base_fault fault = exchange->refusal;
  enum base_result result = fault.result;
  if (result == BASE_OK) result = exchange->route->serve(exchange, reply, &fault);
  if (result != BASE_OK) {
    if (fault.result == BASE_OK) (void)BASE_FAIL(&fault, result, "", "the request failed");
    answer_problem(exchange, &fault, reply);
  }
  console_tus_mark(&exchange->request, reply);
  if (exchange->stream == CONSOLE_STREAM_NONE) console_add_security_headers(reply);
}

enum base_result console_variant_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) {
  (void)fault;
  struct http_handler handler = pop_trusted_handler(exchange->console->config.pop);  // who comes here has logged in
  console_sink_wait(&handler, &exchange->request, reply);
  return BASE_OK;
}

enum base_result console_page_show(struct console_exchange *exchange, struct http_reply *reply,
                                   struct base_fault *fault) {
  int64_t now_s = base_clock_wall_s(exchange->console->config.clock);
  return console_assets_serve(exchange->console->assets, &exchange->request, now_s, reply, fault);
}
