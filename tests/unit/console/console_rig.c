#include "console_rig.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tls/tls.h"

static const uint8_t page[] = "<!doctype html><title>pixpop</title>";
static const uint8_t script[] = "console.log(1)";
static const uint8_t large[1 << 20];
static const struct console_asset assets[] = {
    {"/assets/large-0d4e5f.bin", "application/octet-stream", large, sizeof large},
    {"/index.html", "text/html; charset=utf-8", page, sizeof page - 1},
    {"/assets/page-0a1b2c.js", "text/javascript", script, sizeof script - 1},
};

static void must(enum base_result result, const struct base_fault *fault) {
  if (result == BASE_OK) return;
  fprintf(stderr, "console rig: %s\n", fault->text);
  abort();
}

static void must_be(bool is_fine, const char *what) {
  if (is_fine) return;
  perror(what);
  abort();
}

struct job {
  struct console_rig *rig;
  struct recipe_order *order;
};

// A product, or a fault when nobody waits any more or for PNG.
static void make(struct console_rig *rig, struct recipe_order *order, size_t i) {
  struct recipe_product *product = &order->products[i];
  if (order->is_cancelled(order->self)) {
    (void)BASE_FAIL(&product->fault, BASE_CANCELLED, "", "nobody waits");
    pthread_mutex_lock(&rig->lock);
    rig->cancelled++;
    pthread_mutex_unlock(&rig->lock);
  } else if (order->recipes[i].format == RECIPE_FORMAT_PNG) {
    (void)BASE_FAIL(&product->fault, BASE_UNPROCESSABLE, "", "the fake renderer makes no PNG");
  } else {
    product->blob = base_blob_copy(base_span_text("a variant"));
    product->media_type = "image/webp";
    product->width = product->height = 1;
    integrity_digest_of(base_blob_span(product->blob), &product->digest);
  }
  if (order->arrived) order->arrived(order->self, order, i);
}

static bool is_held_midway(struct console_rig *rig) {
  pthread_mutex_lock(&rig->lock);
  const bool is_held = rig->holds_midway;
  pthread_mutex_unlock(&rig->lock);
  return is_held;
}

// Renders on a thread of its own, so that a held render does not hold pop's.
static void *render(void *argument) {
  struct job job = *(struct job *)argument;
  struct console_rig *rig = job.rig;
  struct recipe_order *order = job.order;
  free(argument);
  pthread_mutex_lock(&rig->lock);
  rig->held++;
  pthread_cond_broadcast(&rig->released);
  while (rig->holds_renders) pthread_cond_wait(&rig->released, &rig->lock);
  rig->held--;
  pthread_mutex_unlock(&rig->lock);
  for (size_t i = 0; i < order->count; i++) {
    make(rig, order, i);
    while (is_held_midway(rig) && !order->is_cancelled(order->self)) usleep(5000);
  }
  order->done(order->self, order);
  return NULL;
}

static enum base_result submit(void *self, struct recipe_order *order, struct base_fault *fault) {
  struct console_rig *rig = self;
  pthread_t thread;
  pthread_mutex_lock(&rig->lock);
  const bool is_busy = rig->is_busy;
  pthread_mutex_unlock(&rig->lock);
  if (is_busy) return BASE_FAIL(fault, BASE_BUSY, "", "the fake renderer is busy");
  struct job *job = malloc(sizeof *job);
  must_be(job != NULL, "malloc");
  *job = (struct job){rig, order};
  must_be(pthread_create(&thread, NULL, render, job) == 0, "pthread_create");
  must_be(pthread_detach(thread) == 0, "pthread_detach");
  return BASE_OK;
}

static void open_rooms(struct console_rig *rig) {
  char store_path[128];
  struct base_fault fault = {0};
  temp_folder_path(&rig->folder, "store", store_path, sizeof store_path);
  const struct base_clock *clock = base_clock_system();
  rig->metrics = base_metrics_create();
  const struct store_config store = {.root = store_path,
                                     .variant_budget_bytes = 1 << 20,
                                     .min_free_bytes = 1 << 20,
                                     .clock = clock,
                                     .metrics = rig->metrics};
  must(store_open(&store, &rig->store, &fault), &fault);
  const struct sandbox_config sandbox = {.decoder_path = "/none"};
  must(sandbox_create(&sandbox, &rig->sandbox, &fault), &fault);
  struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  limits.max_file_bytes = RIG_MAX_FILE_BYTES;
  const struct ingest_config ingest = {
      .store = rig->store, .sandbox = rig->sandbox, .limits = limits, .metrics = rig->metrics};
  must(ingest_create(&ingest, &rig->ingest, &fault), &fault);
  const struct ingest_tus_config tus = {
      .ingest = rig->ingest, .store = rig->store, .max_file_bytes = RIG_MAX_FILE_BYTES, .metrics = rig->metrics};
  must(ingest_tus_create(&tus, &rig->tus, &fault), &fault);
  const struct pop_config pop = {.ram_budget_bytes = 1 << 20,
                                 .store = rig->store,
                                 .renderer = {submit, rig},
                                 .clock = clock,
                                 .metrics = rig->metrics};
  must(pop_create(&pop, &rig->pop, &fault), &fault);
  char prewarm_path[128];
  temp_folder_path(&rig->folder, "prewarm.json", prewarm_path, sizeof prewarm_path);
  const struct pop_prewarm_config prewarm = {
      .pop = rig->pop, .store = rig->store, .path = prewarm_path, .clock = clock, .metrics = rig->metrics};
  must(pop_prewarm_create(&prewarm, &rig->prewarm, &fault), &fault);
}

static void write_device_line(void *self, char *out, size_t capacity) {
  (void)self;
  snprintf(out, capacity, "a fake device");
}

static enum base_result describe_device(void *self, struct base_buffer *json, struct base_fault *fault) {
  (void)self, (void)fault;
  return base_buffer_append_text(json, "{\"device\":\"a fake\"}");
}

void console_rig_open(struct console_rig *rig, const struct console_rig_config *config) {
  memset(rig, 0, sizeof *rig);
  signal(SIGPIPE, SIG_IGN);
  pthread_mutex_init(&rig->lock, NULL);
  pthread_cond_init(&rig->released, NULL);
  temp_folder_make(&rig->folder);
  temp_folder_path(&rig->folder, "tls.pem", rig->pem_path, sizeof rig->pem_path);
  temp_folder_path(&rig->folder, "token", rig->token_path, sizeof rig->token_path);
  open_rooms(rig);
  struct base_fault fault = {0};
  bool is_new;
  if (config->has_tls) must(tls_identity_ensure(rig->pem_path, NULL, 0, &is_new, &fault), &fault);
  const struct console_config console = {
      .address = "127.0.0.1",
      .pem_path = config->has_tls ? rig->pem_path : NULL,
      .token_hash_path = rig->token_path,
      .threads = config->threads ? config->threads : 8,
      .gate_threads = config->gate_threads,
      .max_connections = config->max_connections,
      .max_connections_per_client = config->max_connections_per_client,
      .handshake_timeout_ms = config->handshake_timeout_ms,
      .request_timeout_ms = config->request_timeout_ms ? config->request_timeout_ms : 5000,
      .body_min_rate = config->body_min_rate,
      .delivery_url = "http://127.0.0.1:8080",
      .assets = assets,
      .asset_count = sizeof assets / sizeof *assets,
      .ingest = rig->ingest,
      .tus = rig->tus,
      .store = rig->store,
      .pop = rig->pop,
      .prewarm = rig->prewarm,
      .write_device_line = write_device_line,
      .describe_device = describe_device,
      .metrics = rig->metrics,
  };
  must(console_start(&console, &rig->console, &rig->token, &fault), &fault);
  rig->port = console_port(rig->console);
}

int console_rig_tear_down(void **state) {
  struct console_rig *rig = *state;
  console_rig_hold_renders(rig, false);
  console_rig_set(rig, &rig->holds_midway, false);
  console_stop(&rig->console);
  pop_prewarm_destroy(&rig->prewarm);
  pop_destroy(&rig->pop);
  ingest_tus_destroy(&rig->tus);
  ingest_destroy(&rig->ingest);
  sandbox_destroy(&rig->sandbox);
  store_close(&rig->store);
  base_metrics_destroy(&rig->metrics);
  free(rig->token);
  temp_folder_remove(&rig->folder);
  pthread_cond_destroy(&rig->released);
  pthread_mutex_destroy(&rig->lock);
  return 0;
}

void console_rig_set(struct console_rig *rig, bool *flag, bool value) {
  pthread_mutex_lock(&rig->lock);
  *flag = value;
  pthread_cond_broadcast(&rig->released);
  pthread_mutex_unlock(&rig->lock);
}

void console_rig_hold_renders(struct console_rig *rig, bool holds) { console_rig_set(rig, &rig->holds_renders, holds); }

int console_rig_connect(const struct console_rig *rig) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must_be(fd >= 0, "socket");
  const struct timeval timeout = {.tv_sec = 20};
  must_be(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0, "setsockopt");
  must_be(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0, "setsockopt");
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(rig->port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  must_be(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
  return fd;
}

void console_rig_send(int fd, const void *bytes, size_t count) {
  for (size_t sent = 0; sent < count;) {
    ssize_t step = send(fd, (const char *)bytes + sent, count - sent, MSG_NOSIGNAL);
    if (step <= 0) return;  // the server may have heard enough: its reply tells
    sent += (size_t)step;
  }
}

void console_rig_receive(int fd, struct console_answer *out) {
  size_t bytes = 0;
  ssize_t got;
  while (bytes < sizeof out->text - 1 && (got = recv(fd, out->text + bytes, sizeof out->text - 1 - bytes, 0)) > 0) {
    bytes += (size_t)got;
  }
  close(fd);
  out->text[bytes] = '\0';
  out->status = 0;
  (void)sscanf(out->text, "HTTP/1.1 %d", &out->status);
  char *end = strstr(out->text, "\r\n\r\n");
  out->body = end ? end + 4 : out->text + bytes;
}

void console_rig_ask(const struct console_rig *rig, const char *method, const char *target, const char *fields,
                     const char *body, struct console_answer *out) {
  char head[4096], length[64] = "";
  if (body) snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body));
  int bytes = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s%s\r\n", method,
                       target, fields, length);
  int fd = console_rig_connect(rig);
  console_rig_send(fd, head, (size_t)bytes);
  if (body) console_rig_send(fd, body, strlen(body));
  console_rig_receive(fd, out);
}

void console_rig_ask_as_owner(const struct console_rig *rig, const char *method, const char *target, const char *fields,
                              const char *body, struct console_answer *out) {
  char all[2048];
  snprintf(all, sizeof all, "Authorization: Bearer %s\r\n%s", rig->token, fields);
  console_rig_ask(rig, method, target, all, body, out);
}

// Copies what stands between `begin` and the first of `ends` into a static buffer.
static const char *cut(const char *begin, const char *ends) {
  static char text[4096];
  size_t length = begin ? strcspn(begin, ends) : 0;
  if (length >= sizeof text) abort();
  if (begin) memcpy(text, begin, length);
  text[length] = '\0';
  return text;
}

const char *console_answer_field(const struct console_answer *answer, const char *name) {
  char pattern[128];
  snprintf(pattern, sizeof pattern, "\r\n%s: ", name);
  const char *at = strcasestr(answer->text, pattern);
  return cut(at && at < answer->body ? at + strlen(pattern) : NULL, "\r");
}

const char *console_answer_member(const struct console_answer *answer, const char *name) {
  char pattern[128];
  snprintf(pattern, sizeof pattern, "\"%s\":\"", name);
  const char *at = strstr(answer->body, pattern);
  return cut(at ? at + strlen(pattern) : NULL, "\"");
}

void console_rig_upload(const struct console_rig *rig, const char *body, struct console_answer *out,
                        char id[BASE_DIGEST_BASE64URL_CHARS + 1]) {
  console_rig_ask_as_owner(rig, "POST", "/api/v1/originals", "", body, out);
  snprintf(id, BASE_DIGEST_BASE64URL_CHARS + 1, "%s", console_answer_member(out, "id"));
}
