#include "routes.h"

#include <stdio.h>
#include <string.h>

#include "access.h"
#include "api.h"
#include "assets.h"
#include "http/problem.h"
#include "sink.h"

enum access { OPEN, GUARDED };
// A slow request waits for renderers, disks or the client; the others are answered at once.
enum pace { QUICK, SLOW };

enum { ANY_METHOD = HTTP_OTHER + 1, MAX_ALLOW_CHARS = 64 };

struct route {
  const char *path;  // exact, or a prefix when it ends in '/'; '*' stands for one segment
  int method;        // HEAD is served as GET
  enum access access;
  enum pace pace;
  enum base_result (*serve)(struct console_exchange *exchange, struct http_reply *reply, struct base_fault *fault);
};

// First match wins; the last row takes every path.
static const struct route routes[] = {
    {"/healthz", HTTP_GET, OPEN, QUICK, console_health_show},
    {"/metrics", HTTP_GET, GUARDED, QUICK, console_metrics_show},
    {"/api/v1/status", HTTP_GET, GUARDED, QUICK, console_status_show},
    {"/api/v1/device", HTTP_GET, GUARDED, QUICK, console_device_show},
    {"/api/v1/session", HTTP_GET, OPEN, QUICK, console_session_show},
    {"/api/v1/session", HTTP_POST, OPEN, QUICK, console_session_begin},
    {"/api/v1/session", HTTP_DELETE, GUARDED, QUICK, console_session_end},
    {"/api/v1/originals", HTTP_GET, GUARDED, QUICK, console_originals_list},
    {"/api/v1/originals", HTTP_POST, GUARDED, SLOW, console_originals_upload},
    {"/api/v1/originals/*/variants", HTTP_POST, GUARDED, SLOW, console_variants_make},
    {"/api/v1/originals/", HTTP_GET, GUARDED, QUICK, console_original_show},
    {"/api/v1/originals/", HTTP_DELETE, GUARDED, QUICK, console_original_delete},
    {"/i/", ANY_METHOD, GUARDED, SLOW, console_variant_show},
    {"/", HTTP_GET, OPEN, QUICK, console_page_show},
};
enum { ROUTE_COUNT = sizeof routes / sizeof *routes };

static bool is_path_match(const struct route *route, struct base_span path) {
  const char *star = strchr(route->path, '*');
  if (star) {
    const struct base_span before = base_span_of(route->path, (size_t)(star - route->path));
    if (!base_span_equal(base_span_slice(path, 0, before.bytes), before)) return false;
    struct base_span rest = base_span_slice(path, before.bytes, path.bytes);
    (void)base_span_cut(&rest, '/');
    return rest.data && base_span_is(rest, star + sizeof "*/" - 1);
  }
  bool is_prefix = route->path[strlen(route->path) - 1] == '/';
  return is_prefix ? base_span_starts_with(path, route->path) : base_span_is(path, route->path);
}

static bool is_method_match(const struct route *route, enum http_method method) {
  return route->method == ANY_METHOD || route->method == (int)method ||
         (route->method == HTTP_GET && method == HTTP_HEAD);
}

static const char *method_name(int method) {
  switch (method) {
    case HTTP_GET:
      return "GET, HEAD";
    case HTTP_POST:
      return "POST";
    default:
      return "DELETE";
  }
}

// The route of the request. When only its method is wrong: NULL, and `allow` lists the right ones.
static const struct route *find_route(const struct http_request *request, char allow[MAX_ALLOW_CHARS]) {
  const char *path = NULL;
  allow[0] = '\0';
  for (size_t i = 0; i < ROUTE_COUNT; i++) {
    const struct route *route = &routes[i];
    if (path ? strcmp(path, route->path) != 0 : !is_path_match(route, request->path)) continue;
    if (is_method_match(route, request->method)) return route;
    path = route->path;
    size_t used = strlen(allow);
    snprintf(allow + used, MAX_ALLOW_CHARS - used, "%s%s", used > 0 ? ", " : "", method_name(route->method));
  }
  return NULL;
}

// Slow requests may hold most of the server's threads, never all: /healthz and log-ins must find one.
static bool enter_slow(struct console *console) {
  int limit = (int)(console->config.threads - console->config.threads / 4);
  if (limit == (int)console->config.threads && limit > 1) limit--;
  if (atomic_fetch_add(&console->slow_count, 1) < limit) return true;
  atomic_fetch_sub(&console->slow_count, 1);
  return false;
}

static void leave_slow(struct console *console) { atomic_fetch_sub(&console->slow_count, 1); }

static enum base_result serve(const struct route *route, struct console_exchange *exchange, struct http_reply *reply,
                              struct base_fault *fault) {
  enum base_result result = route->access == OPEN ? BASE_OK : console_access_check(exchange, fault);
  if (result != BASE_OK) return result;
  if (route->pace == QUICK) return route->serve(exchange, reply, fault);
  if (!enter_slow(exchange->console)) {
    return BASE_FAIL(fault, BASE_BUSY, "", "too many uploads and renders are going on; try again soon");
  }
  result = route->serve(exchange, reply, fault);
  leave_slow(exchange->console);
  return result;
}

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

void console_answer(struct console_exchange *exchange, struct http_reply *reply) {
  const struct http_request *request = &exchange->request;
  struct base_fault fault = {0};
  char allow[MAX_ALLOW_CHARS];
  const struct route *route = find_route(request, allow);
  enum base_result result;
  if (route) {
    result = serve(route, exchange, reply, &fault);
  } else {
    result = BASE_FAIL(&fault, BASE_METHOD, "method", "this path knows %s only", allow);
  }
  if (result != BASE_OK) {
    if (fault.result == BASE_OK) (void)BASE_FAIL(&fault, result, "", "the request failed");
    enum base_log_level level = http_status_of(fault.result) >= 500 ? BASE_LOG_WARN : BASE_LOG_INFO;
    base_log_fault(exchange->console->config.log, level, "console", request->id, &fault);
    http_problem_reply(reply, &fault, request->id);
    if (!route) http_reply_header(reply, "Allow", "%s", allow);
  }
  if (exchange->stream == CONSOLE_STREAM_NONE) console_add_security_headers(reply);
}

enum base_result console_variant_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) {
  (void)fault;
  struct http_handler handler = pop_handler(exchange->console->config.pop);
  console_sink_wait(&handler, &exchange->request, reply);
  return BASE_OK;
}

enum base_result console_page_show(struct console_exchange *exchange, struct http_reply *reply,
                                   struct base_fault *fault) {
  int64_t now_s = base_clock_wall_s(exchange->console->config.clock);
  return console_assets_serve(exchange->console->assets, &exchange->request, now_s, reply, fault);
}
