#include "served.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { POLLS = 1000, POLL_US = 10000 };

struct later {
  struct http_sink *sink;
  char text[64];
};

static void rest_of_path(const struct http_request *request, char *out, size_t capacity) {
  struct base_span rest = request->path;
  (void)base_span_cut(&rest, '/');
  (void)base_span_cut(&rest, '/');
  assert_true(base_span_copy(rest, out, capacity));
}

void served_answer(struct http_sink *sink, const char *text) {
  struct http_reply reply;
  http_reply_init(&reply, 200);
  http_reply_header(&reply, "Content-Type", "text/plain");
  http_reply_add_text(&reply, base_span_text(text));
  http_sink_complete(sink, &reply);
}

static void handle_text(void *self, const struct http_request *request, struct http_sink *sink) {
  (void)self;
  char text[64];
  rest_of_path(request, text, sizeof text);
  served_answer(sink, text);
}

static void answer_later(void *argument) {
  struct later *later = argument;
  served_answer(later->sink, later->text);
  free(later);
}

static void handle_later(void *self, const struct http_request *request, struct http_sink *sink) {
  struct served *served = self;
  struct later *later = malloc(sizeof *later);
  assert_non_null(later);
  later->sink = sink;
  rest_of_path(request, later->text, sizeof later->text);
  assert_int_equal(base_pool_submit(served->pool, answer_later, later), BASE_OK);
}

static void handle_park(void *self, const struct http_request *request, struct http_sink *sink) {
  (void)request;
  struct served *served = self;
  pthread_mutex_lock(&served->mutex);
  assert_true(served->parked_count < SERVED_MAX_PARKED);
  served->parked[served->parked_count++] = sink;
  pthread_cond_signal(&served->has_parked);
  pthread_mutex_unlock(&served->mutex);
}

static void handle_bare(void *self, const struct http_request *request, struct http_sink *sink) {
  (void)self;
  struct http_reply reply;
  http_reply_init(&reply, base_span_is(request->path, "/empty") ? 204 : 304);
  http_sink_complete(sink, &reply);
}

static void handle_big(void *self, const struct http_request *request, struct http_sink *sink) {
  (void)request;
  struct served *served = self;
  struct http_reply reply;
  http_reply_init(&reply, 200);
  http_reply_add_blob(&reply, base_blob_ref(served->big), 0, served->big->bytes);
  http_sink_complete(sink, &reply);
}

static void handle_file(void *self, const struct http_request *request, struct http_sink *sink) {
  struct served *served = self;
  struct http_reply reply;
  http_reply_init(&reply, 200);
  if (base_span_is(request->path, "/short-file")) {
    http_reply_add_file(&reply, http_file_ref(served->file), 0, 100);
  } else {
    http_reply_add_file(&reply, http_file_ref(served->file), 2, 4);
    http_reply_add_text(&reply, base_span_text("-"));
    http_reply_add_file(&reply, http_file_ref(served->file), 0, 3);
  }
  http_sink_complete(sink, &reply);
}

static void handle_client(void *self, const struct http_request *request, struct http_sink *sink) {
  (void)self;
  char text[2 * HTTP_CLIENT_BYTES + 16];
  base_hex_encode(base_span_of(request->client, HTTP_CLIENT_BYTES), text, sizeof text);
  (void)strcat(text, request->is_secure ? " secure" : " plain");
  served_answer(sink, text);
}

static void make_bodies(struct served *served) {
  served->big = base_blob_create(SERVED_BIG_BYTES);
  assert_non_null(served->big);
  for (size_t i = 0; i < served->big->bytes; i++) served->big->data[i] = (uint8_t)(i * 31 >> 8);
  FILE *file = tmpfile();
  assert_non_null(file);
  assert_int_equal(fputs("0123456789", file) >= 0 && fflush(file) == 0, true);
  served->file = http_file_create(dup(fileno(file)));
  assert_non_null(served->file);
  (void)fclose(file);
}

void served_start(struct served *served, const struct delivery_config *limits) {
  *served = (struct served){.metrics = base_metrics_create()};
  pthread_mutex_init(&served->mutex, NULL);
  pthread_cond_init(&served->has_parked, NULL);
  make_bodies(served);
  struct base_fault fault = {0};
  const struct base_pool_config pool = {.name = "later", .threads = 2, .queue_limit = 4096};
  served->pool = base_pool_create(&pool, &fault);
  assert_non_null(served->pool);
  const struct http_route routes[SERVED_MAX_ROUTES] = {
      {"/text/", {handle_text, served}}, {"/later/", {handle_later, served}},    {"/park", {handle_park, served}},
      {"/empty", {handle_bare, served}}, {"/same", {handle_bare, served}},       {"/big", {handle_big, served}},
      {"/file", {handle_file, served}},  {"/short-file", {handle_file, served}}, {"/client", {handle_client, served}},
  };
  memcpy(served->routes, routes, sizeof routes);

  struct delivery_config config = *limits;
  if (config.loops == 0) config.loops = 1;
  config.routes = served->routes;
  config.route_count = SERVED_MAX_ROUTES;
  config.metrics = served->metrics;
  if (delivery_start(&config, &served->delivery, &fault) != BASE_OK) fail_msg("%s", fault.text);
  served->port = delivery_port(served->delivery);
  assert_true(served->port != 0);
}

void served_end(struct served *served, uint32_t drain_ms) {
  delivery_stop(served->delivery, drain_ms);
  base_pool_destroy(&served->pool);
  delivery_destroy(&served->delivery);
  assert_null(served->delivery);
  // Whatever the server held of the bodies is back.
  assert_int_equal(atomic_load(&served->big->refs), 1);
  assert_int_equal(atomic_load(&served->file->refs), 1);
  base_blob_unref(&served->big);
  http_file_unref(&served->file);
  base_metrics_destroy(&served->metrics);
  pthread_cond_destroy(&served->has_parked);
  pthread_mutex_destroy(&served->mutex);
}

struct http_sink *served_take_parked(struct served *served) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 10;
  pthread_mutex_lock(&served->mutex);
  while (served->parked_count == 0) {
    assert_int_equal(pthread_cond_timedwait(&served->has_parked, &served->mutex, &until), 0);
  }
  struct http_sink *sink = served->parked[0];
  memmove(served->parked, served->parked + 1, --served->parked_count * sizeof served->parked[0]);
  pthread_mutex_unlock(&served->mutex);
  return sink;
}

long served_metric(struct served *served, const char *series) {
  struct base_buffer text;
  base_buffer_init(&text, 1 << 20);
  assert_int_equal(base_metrics_render(served->metrics, &text), BASE_OK);
  assert_int_equal(base_buffer_append(&text, "", 1), BASE_OK);
  char wanted[128];
  (void)snprintf(wanted, sizeof wanted, "\n%s ", series);
  const char *line = strstr((const char *)text.data, wanted);
  assert_non_null(line);
  long value = strtol(line + strlen(wanted), NULL, 10);
  base_buffer_finish(&text);
  return value;
}

void served_wait_metric(struct served *served, const char *series, long value) {
  for (int i = 0; i < POLLS; i++) {
    if (served_metric(served, series) == value) return;
    usleep(POLL_US);
  }
  fail_msg("%s is %ld, not %ld", series, served_metric(served, series), value);
}
