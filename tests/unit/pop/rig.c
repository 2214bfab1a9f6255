#include "pop/ledger.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "http/parser.h"
#include "store/upload.h"

enum { PATIENCE_S = 20, MAX_REQUEST_BYTES = 8192 };

static struct timespec deadline(void) {
  struct timespec at;
  clock_gettime(CLOCK_REALTIME, &at);
  at.tv_sec += PATIENCE_S;
  return at;
}

// --- renderer ---

static enum base_result submit(void *self, struct recipe_order *order, struct base_fault *fault) {
  struct rig_renderer *renderer = self;
  enum base_result result = BASE_OK;
  pthread_mutex_lock(&renderer->lock);
  renderer->submitting++;
  pthread_cond_broadcast(&renderer->changed);
  while (renderer->is_submit_closed) pthread_cond_wait(&renderer->changed, &renderer->lock);
  const bool is_full = renderer->max_orders && renderer->order_count >= renderer->max_orders;
  if (renderer->is_busy || is_full || (order->is_background && renderer->is_background_busy)) {
    result = BASE_FAIL(fault, BASE_BUSY, "", "the renderer is busy");
  } else {
    assert_true(renderer->order_count < RIG_MAX_ORDERS);
    renderer->orders[renderer->order_count++] = order;
    renderer->submitted++;
    if (order->is_background) renderer->background++;
  }
  pthread_cond_broadcast(&renderer->changed);
  pthread_mutex_unlock(&renderer->lock);
  return result;
}

static const char *media_type_of(enum recipe_format format) {
  switch (format) {
    case RECIPE_FORMAT_AVIF:
      return "image/avif";
    case RECIPE_FORMAT_WEBP:
      return "image/webp";
    case RECIPE_FORMAT_PNG:
      return "image/png";
    default:
      return "image/jpeg";
  }
}

// An AVIF is smaller than the others, unless the test wants it large.
static const char *words_of(const struct rig_renderer *renderer, enum recipe_format format) {
  if (format != RECIPE_FORMAT_AVIF) return "a picture made";
  return renderer->is_avif_large ? "a very large avif made" : "avif made";
}

static void fill_product(const struct rig_renderer *renderer, struct recipe_order *order, size_t i,
                         enum base_result fault) {
  struct recipe_product *product = &order->products[i];
  char text[RECIPE_TEXT_BYTES], body[RECIPE_TEXT_BYTES + 64];
  if (fault != BASE_OK) {
    (void)BASE_FAIL(&product->fault, fault, "", "the fake renderer failed");
    return;
  }
  recipe_text(&order->recipes[i], text);
  const int length = snprintf(body, sizeof body, "%s by %s", words_of(renderer, order->recipes[i].format), text);
  const size_t bytes = (size_t)length < renderer->padded_bytes ? renderer->padded_bytes : (size_t)length;
  product->blob = base_blob_create(bytes);
  assert_non_null(product->blob);
  memset(product->blob->data, ' ', bytes);
  memcpy(product->blob->data, body, (size_t)length);
  product->media_type = media_type_of(order->recipes[i].format);
  integrity_digest_of(base_blob_span(product->blob), &product->digest);
  product->width = order->recipes[i].width;
  product->height = 1;
}

struct piece {
  struct rig_renderer *renderer;
  struct recipe_order *order;
  size_t index;
  enum base_result fault;
  pthread_t thread;
};

static void *make(void *argument) {
  struct piece *piece = argument;
  fill_product(piece->renderer, piece->order, piece->index, piece->fault);
  if (piece->order->arrived) piece->order->arrived(piece->order->self, piece->order, piece->index);
  pthread_mutex_lock(&piece->renderer->lock);
  piece->renderer->products++;
  pthread_cond_broadcast(&piece->renderer->changed);
  pthread_mutex_unlock(&piece->renderer->lock);
  return NULL;
}

static void wait_midway(struct rig_renderer *renderer) {
  pthread_mutex_lock(&renderer->lock);
  renderer->midway++;
  pthread_cond_broadcast(&renderer->changed);
  while (renderer->is_closed_midway) pthread_cond_wait(&renderer->changed, &renderer->lock);
  pthread_mutex_unlock(&renderer->lock);
}

// Asks for cancellation before each product, as a renderer does between its stages.
static void make_all(struct rig_renderer *renderer, struct recipe_order *order, enum base_result fault, uint32_t width,
                     bool is_parallel) {
  struct piece pieces[POP_MAX_BATCH];
  for (size_t i = 0; i < order->count; i++) {
    pieces[i] = (struct piece){.renderer = renderer, .order = order, .index = i};
    if (!width || order->recipes[i].width == width) pieces[i].fault = fault;
    if (order->is_cancelled(order->self)) pieces[i].fault = BASE_CANCELLED;
    if (is_parallel) {
      assert_int_equal(pthread_create(&pieces[i].thread, NULL, make, &pieces[i]), 0);
    } else {
      make(&pieces[i]);
      if (i == 0) wait_midway(renderer);
    }
  }
  for (size_t i = 0; is_parallel && i < order->count; i++) pthread_join(pieces[i].thread, NULL);
  base_trace_end(&order->trace, base_trace_begin(&order->trace, "encode"));
  order->done(order->self, order);
}

static struct recipe_order *take_order(struct rig_renderer *renderer) {
  if (!renderer->order_count) return NULL;
  struct recipe_order *order = renderer->orders[0];
  memmove(renderer->orders, renderer->orders + 1, --renderer->order_count * sizeof(struct recipe_order *));
  renderer->taken++;
  pthread_cond_broadcast(&renderer->changed);
  return order;
}

static void *render(void *argument) {
  struct rig_renderer *renderer = argument;
  pthread_mutex_lock(&renderer->lock);
  for (;;) {
    struct recipe_order *order = NULL;
    while (!(order = take_order(renderer)) && !renderer->stopping) {
      pthread_cond_wait(&renderer->changed, &renderer->lock);
    }
    if (!order) break;
    bool is_cancelled = false;
    if (renderer->is_asked) {
      pthread_mutex_unlock(&renderer->lock);
      is_cancelled = order->is_cancelled(order->self);
      pthread_mutex_lock(&renderer->lock);
      if (is_cancelled) renderer->cancelled++;
      pthread_cond_broadcast(&renderer->changed);
    }
    while (renderer->is_closed && !renderer->passes) pthread_cond_wait(&renderer->changed, &renderer->lock);
    if (renderer->is_closed) renderer->passes--;
    const enum base_result fault = is_cancelled ? BASE_CANCELLED : renderer->fault;
    const uint32_t width = is_cancelled ? 0 : renderer->fault_width;
    const bool is_parallel = renderer->is_parallel;
    pthread_mutex_unlock(&renderer->lock);
    make_all(renderer, order, fault, width, is_parallel);
    pthread_mutex_lock(&renderer->lock);
    renderer->rendered++;
    pthread_cond_broadcast(&renderer->changed);
  }
  pthread_mutex_unlock(&renderer->lock);
  return NULL;
}

static void renderer_start(struct rig_renderer *renderer) {
  *renderer = (struct rig_renderer){.fault = BASE_OK};
  pthread_mutex_init(&renderer->lock, NULL);
  pthread_cond_init(&renderer->changed, NULL);
  assert_int_equal(pthread_create(&renderer->thread, NULL, render, renderer), 0);
}

static void renderer_stop(struct rig_renderer *renderer) {
  pthread_mutex_lock(&renderer->lock);
  renderer->stopping = true;
  pthread_cond_broadcast(&renderer->changed);
  pthread_mutex_unlock(&renderer->lock);
  pthread_join(renderer->thread, NULL);
  pthread_cond_destroy(&renderer->changed);
  pthread_mutex_destroy(&renderer->lock);
}

// --- rig ---

static void open_pop(struct rig *rig, const struct rig_config *config) {
  static const struct pop_tenant open_tenant = {.name = "default", .unsigned_policy = POP_UNSIGNED_OPEN};
  struct base_fault fault = {0};
  renderer_start(&rig->renderer);
  const struct pop_config pop = {
      .tenants = config->tenant_count ? config->tenants : &open_tenant,
      .tenant_count = config->tenant_count ? config->tenant_count : 1,
      .ram_budget_bytes = config->ram_budget_bytes ? config->ram_budget_bytes : 1 << 20,
      .sending_least_bytes = config->sending_least_bytes,
      .renders_per_client = config->renders_per_client,
      .makes_avif = config->makes_avif,
      .public_url = config->public_url,
      .io_threads = config->io_threads ? config->io_threads : 2,
      .io_queue_limit = config->io_queue_limit,
      .store = rig->store,
      .renderer = {.submit = submit, .self = &rig->renderer},
      .clock = &rig->clock.clock,
      .metrics = rig->metrics,
  };
  if (pop_create(&pop, &rig->pop, &fault) != BASE_OK) fail_msg("pop_create: %s", fault.text);
}

static void open_store(struct rig *rig, uint64_t min_free_bytes) {
  struct base_fault fault = {0};
  const struct store_config store = {.root = rig->folder.path,
                                     .variant_budget_bytes = 1 << 20,
                                     .min_free_bytes = min_free_bytes,
                                     .clock = &rig->clock.clock};
  if (store_open(&store, &rig->store, &fault) != BASE_OK) fail_msg("store_open: %s", fault.text);
}

void rig_open(struct rig *rig, const struct rig_config *config) {
  rig->config = *config;
  rig->is_trusted = rig->is_unhurried = false;
  memset(rig->client, 0, sizeof rig->client);
  temp_folder_make(&rig->folder);
  fake_clock_init(&rig->clock, RIG_WALL_S);
  rig->metrics = base_metrics_create();
  open_store(rig, 0);
  open_pop(rig, config);
  rig_upload(rig, "default", "original", false);
}

static void close_pop(struct rig *rig) {
  pop_drain(rig->pop);
  renderer_stop(&rig->renderer);
  pop_destroy(&rig->pop);
}

void rig_restart(struct rig *rig) {
  close_pop(rig);
  open_pop(rig, &rig->config);
}

void rig_restart_full(struct rig *rig) {
  close_pop(rig);
  store_close(&rig->store);
  open_store(rig, UINT64_MAX / 2);
  open_pop(rig, &rig->config);
}

void rig_close(struct rig *rig) {
  close_pop(rig);
  store_close(&rig->store);
  base_metrics_destroy(&rig->metrics);
  temp_folder_remove(&rig->folder);
}

void rig_upload(struct rig *rig, const char *tenant, const char *content, bool has_alpha) {
  struct store_upload *upload;
  struct base_fault fault = {0};
  bool is_new;
  struct store_original original = {.width = 3000,
                                    .height = 2000,
                                    .orientation = 1,
                                    .bits = 8,
                                    .has_alpha = has_alpha,
                                    .format = "png",
                                    .colour = "rgb",
                                    .name = "a picture"};
  strcpy(original.tenant, tenant);
  if (store_upload_begin(rig->store, strlen(content), &upload, &fault) != BASE_OK ||
      store_upload_write(upload, base_span_text(content), &fault) != BASE_OK ||
      store_upload_commit(&upload, &original, base_span_of(NULL, 0), &is_new, &fault) != BASE_OK) {
    fail_msg("upload: %s", fault.text);
  }
  rig->original = original.id;
  integrity_digest_text(&original.id, rig->id);
}

void rig_set(struct rig *rig, bool *flag, bool value) {
  pthread_mutex_lock(&rig->renderer.lock);
  *flag = value;
  pthread_cond_broadcast(&rig->renderer.changed);
  pthread_mutex_unlock(&rig->renderer.lock);
}

void rig_let_pass(struct rig *rig, unsigned count) {
  pthread_mutex_lock(&rig->renderer.lock);
  rig->renderer.passes += count;
  pthread_cond_broadcast(&rig->renderer.changed);
  pthread_mutex_unlock(&rig->renderer.lock);
}

int64_t rig_waiting(struct rig *rig) {
  return base_metric_get(base_metrics_gauge(rig->metrics, "pixpop_pop_waiting", "", ""));
}

// A metric wakes nobody.
void rig_wait_for_waiting(struct rig *rig, int64_t count) {
  const struct timespec until = deadline(), pause = {.tv_nsec = 1000000};
  struct timespec now = {0};
  while (rig_waiting(rig) != count && now.tv_sec < until.tv_sec) {
    nanosleep(&pause, NULL);
    clock_gettime(CLOCK_REALTIME, &now);
  }
  assert_int_equal(rig_waiting(rig), count);
}

void rig_wait_for(struct rig *rig, const unsigned *counter, unsigned count) {
  const struct timespec until = deadline();
  int error = 0;
  pthread_mutex_lock(&rig->renderer.lock);
  while (*counter < count && error == 0) {
    error = pthread_cond_timedwait(&rig->renderer.changed, &rig->renderer.lock, &until);
  }
  pthread_mutex_unlock(&rig->renderer.lock);
  assert_int_equal(error, 0);
}

unsigned rig_count(struct rig *rig, const unsigned *counter) {
  pthread_mutex_lock(&rig->renderer.lock);
  const unsigned count = *counter;
  pthread_mutex_unlock(&rig->renderer.lock);
  return count;
}

int64_t rig_requests(struct rig *rig, const char *result) {
  char labels[64];
  snprintf(labels, sizeof labels, "result=\"%s\"", result);
  return base_metric_get(base_metrics_counter(rig->metrics, "pixpop_pop_requests_total", labels,
                                              "Requests for variants by where the answer came from"));
}

int64_t rig_upgrades(struct rig *rig, const char *result) {
  char labels[64];
  snprintf(labels, sizeof labels, "result=\"%s\"", result);
  return base_metric_get(base_metrics_counter(rig->metrics, "pixpop_pop_upgrades_total", labels, ""));
}

int64_t rig_batch_variants(struct rig *rig, const char *result) {
  char labels[64];
  snprintf(labels, sizeof labels, "result=\"%s\"", result);
  return base_metric_get(base_metrics_counter(rig->metrics, "pixpop_pop_batch_variants_total", labels,
                                              "Variants asked for in batches by where they came from"));
}

// --- clients ---

static void complete(struct http_sink *sink, struct http_reply *reply) {
  struct rig_client *client = (struct rig_client *)(void *)sink;
  pthread_mutex_lock(&client->lock);
  if (client->completions++ == 0) {
    client->reply = *reply;
  } else {
    http_reply_finish(reply);
  }
  http_reply_init(reply, 0);
  pthread_cond_broadcast(&client->changed);
  pthread_mutex_unlock(&client->lock);
}

static bool is_gone(struct http_sink *sink) { return atomic_load(&((struct rig_client *)(void *)sink)->is_gone); }

void rig_send_path(struct rig *rig, struct rig_client *client, const char *method, const char *target,
                   const char *fields) {
  static const char host[] = "Host: box.local\r\n";
  char text[MAX_REQUEST_BYTES];
  struct http_request request;
  struct base_fault fault = {0};
  size_t head_bytes;
  *client = (struct rig_client){.sink = {.complete = complete, .is_cancelled = is_gone}};
  pthread_mutex_init(&client->lock, NULL);
  pthread_cond_init(&client->changed, NULL);
  const int bytes = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\n%s%s\r\n", method, target,
                             strstr(fields, "Host:") ? "" : host, fields);
  assert_in_range(bytes, 1, sizeof text - 1);
  if (http_parse_request(base_span_of(text, (size_t)bytes), &request, &head_bytes, &fault) != HTTP_PARSE_DONE) {
    fail_msg("request: %s", fault.text);
  }
  strcpy(request.id, "0123456789abcdef");
  memcpy(request.client, rig->client, sizeof request.client);
  request.is_secure = rig->is_secure;
  const struct http_handler handler = rig->is_ledger    ? pop_ledger_handler(rig->pop)
                                      : rig->is_trusted ? pop_trusted_handler(rig->pop)
                                                        : pop_handler(rig->pop);
  handler.handle(handler.self, &request, &client->sink);
  memset(text, 'x', sizeof text);
  memset(&request, 'x', sizeof request);
}

void rig_send(struct rig *rig, struct rig_client *client, const char *method, const char *query, const char *fields) {
  char target[1024];
  snprintf(target, sizeof target, "/i/%s%s", rig->id, query);
  rig_send_path(rig, client, method, target, fields);
}

int rig_receive(struct rig_client *client) {
  const struct timespec until = deadline();
  int error = 0;
  pthread_mutex_lock(&client->lock);
  while (client->completions == 0 && error == 0)
    error = pthread_cond_timedwait(&client->changed, &client->lock, &until);
  pthread_mutex_unlock(&client->lock);
  assert_int_equal(error, 0);
  return client->reply.status;
}

bool rig_has_reply(struct rig_client *client) {
  pthread_mutex_lock(&client->lock);
  const bool has_reply = client->completions > 0;
  pthread_mutex_unlock(&client->lock);
  return has_reply;
}

void rig_client_finish(struct rig_client *client) {
  pthread_mutex_lock(&client->lock);
  assert_int_equal(client->completions, 1);
  pthread_mutex_unlock(&client->lock);
  http_reply_finish(&client->reply);
  pthread_cond_destroy(&client->changed);
  pthread_mutex_destroy(&client->lock);
}

int rig_get(struct rig *rig, struct rig_client *client, const char *query, const char *fields) {
  rig_send(rig, client, "GET", query, fields);
  return rig_receive(client);
}

// --- batches ---

static bool is_batch_gone(void *self) { return atomic_load(&((struct rig_batch *)self)->is_gone); }

static void take_item(void *self, const struct pop_batch_item *item) {
  struct rig_batch *batch = self;
  pthread_mutex_lock(&batch->lock);
  assert_true(batch->count < POP_MAX_BATCH);
  assert_int_equal(batch->completions, 0);
  if (item->fault.result == BASE_OK) assert_string_equal(item->media_type, media_type_of(item->recipe.format));
  batch->items[batch->count++] = *item;
  pthread_cond_broadcast(&batch->changed);
  pthread_mutex_unlock(&batch->lock);
}

static void complete_batch(void *self) {
  struct rig_batch *batch = self;
  pthread_mutex_lock(&batch->lock);
  batch->completions++;
  pthread_cond_broadcast(&batch->changed);
  pthread_mutex_unlock(&batch->lock);
}

enum base_result rig_batch_begin(struct rig *rig, struct rig_batch *batch, const char *const *recipes,
                                 struct base_fault *fault) {
  struct recipe parsed[POP_MAX_BATCH];
  char request_id[] = "0123456789abcdef";
  size_t count = 0;
  *batch = (struct rig_batch){.count = 0};
  pthread_mutex_init(&batch->lock, NULL);
  pthread_cond_init(&batch->changed, NULL);
  for (; recipes[count]; count++) {
    const enum base_result result = pop_batch_parse(count, base_span_text(recipes[count]), &parsed[count], fault);
    if (result != BASE_OK) return result;
  }
  const struct pop_batch wanted = {.tenant = pop_tenant_name(rig->pop, base_span_text("box.local")),
                                   .original = rig->original,
                                   .recipes = parsed,
                                   .count = count,
                                   .request_id = request_id,
                                   .is_background = rig->is_unhurried,
                                   .is_cancelled = is_batch_gone,
                                   .ready = take_item,
                                   .done = complete_batch,
                                   .self = batch};
  const enum base_result result = pop_batch_run(rig->pop, &wanted, fault);
  memset(parsed, 'x', sizeof parsed);
  memset(request_id, 'x', sizeof request_id);
  return result;
}

void rig_batch_wait(struct rig_batch *batch, size_t count) {
  const struct timespec until = deadline();
  int error = 0;
  pthread_mutex_lock(&batch->lock);
  while (batch->count < count && error == 0) error = pthread_cond_timedwait(&batch->changed, &batch->lock, &until);
  pthread_mutex_unlock(&batch->lock);
  assert_int_equal(error, 0);
}

void rig_batch_finish(struct rig_batch *batch, size_t count) {
  const struct timespec until = deadline();
  int error = 0;
  pthread_mutex_lock(&batch->lock);
  while (!batch->completions && error == 0) error = pthread_cond_timedwait(&batch->changed, &batch->lock, &until);
  pthread_mutex_unlock(&batch->lock);
  assert_int_equal(error, 0);
  assert_int_equal(batch->completions, 1);
  assert_int_equal(batch->count, count);
  for (size_t i = 0; i < count; i++) assert_non_null(rig_batch_item(batch, i));
  pthread_cond_destroy(&batch->changed);
  pthread_mutex_destroy(&batch->lock);
}

const struct pop_batch_item *rig_batch_item(const struct rig_batch *batch, size_t index) {
  for (size_t i = 0; i < batch->count; i++) {
    if (batch->items[i].index == index) return &batch->items[i];
  }
  return NULL;
}

void rig_assert_field(const struct rig_client *client, const char *name, const char *value) {
  const struct base_span got = http_reply_get_header(&client->reply, name);
  if (!value) {
    if (got.data) fail_msg("%s should be absent but is %.*s", name, (int)got.bytes, (const char *)got.data);
  } else if (!base_span_is(got, value)) {
    fail_msg("%s is \"%.*s\", not \"%s\"", name, (int)got.bytes, got.data ? (const char *)got.data : "", value);
  }
}

void rig_assert_body_has(const struct rig_client *client, const char *text) {
  assert_true(client->reply.part_count > 0);
  const struct http_body_part *part = &client->reply.parts[0];
  assert_non_null(part->blob);
  assert_non_null(memmem(part->blob->data + part->offset, part->bytes, text, strlen(text)));
}
