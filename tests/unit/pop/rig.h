// A pop over a real store in a temporary folder and a renderer that does what the test says.
#ifndef TESTS_POP_RIG_H
#define TESTS_POP_RIG_H

#include <pthread.h>
#include <stdatomic.h>

#include "fake_clock.h"
#include "pop/batch.h"
#include "temp_folder.h"

enum { RIG_MAX_ORDERS = 64, RIG_WALL_S = 1764000000 };

// A renderer with one thread for its orders. Products are short texts that name the recipe; those of an order with
// `arrived` arrive one after another, or each from a thread of its own.
struct rig_renderer {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_t thread;
  struct recipe_order *orders[RIG_MAX_ORDERS];
  size_t order_count;
  bool stopping;
  bool is_closed;         // orders wait
  bool is_submit_closed;  // submit itself waits
  bool is_busy;           // submit refuses
  bool is_asked;          // asks is_cancelled when an order arrives, before it waits
  bool is_parallel;
  bool is_avif_large;       // larger than what it would replace
  bool is_background_busy;  // submit refuses background orders
  size_t padded_bytes;      // products have at least so many
  bool is_closed_midway;    // orders wait after their first product has arrived
  enum base_result fault;
  uint32_t fault_width;  // only recipes of this width have the fault; 0: all
  unsigned passes;       // orders that go on although it is closed
  unsigned max_orders;   // submit refuses when as many wait; 0: no limit
  unsigned submitted, submitting, taken, cancelled, rendered, products, midway, background;
};

// Settings of the pop that a test may change before rig_open; zero is the default, but without tenants "default" lets
// everything through unsigned.
struct rig_config {
  const struct pop_tenant *tenants;
  size_t tenant_count;
  unsigned io_threads;
  size_t io_queue_limit;
  unsigned renders_per_client;
  bool makes_avif;
  uint64_t ram_budget_bytes;
  uint64_t sending_least_bytes;
  const char *public_url;
};

struct rig {
  struct rig_config config;
  struct temp_folder folder;
  struct fake_clock clock;
  struct base_metrics *metrics;
  struct store *store;
  struct pop *pop;
  struct rig_renderer renderer;
  bool is_trusted;     // requests go to the trusted handler
  bool is_ledger;      // to the ledger's
  bool is_secure;      // they come over TLS
  bool is_unhurried;   // batches are in the background
  uint8_t client[16];  // whom they come from
  struct integrity_digest original;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
};

void rig_open(struct rig *rig, const struct rig_config *config);
// Ends pop and renderer, and opens them again over the same store.
void rig_restart(struct rig *rig);
// The same, and the disk takes nothing any more.
void rig_restart_full(struct rig *rig);
void rig_close(struct rig *rig);
// Stores `content` as an original of 3000 x 2000 and makes it the rig's; has_alpha as told.
void rig_upload(struct rig *rig, const char *tenant, const char *content, bool has_alpha);

// Changes a switch of the renderer and wakes everyone.
void rig_set(struct rig *rig, bool *flag, bool value);
// Waits until a counter of the renderer has reached `count`; fails the test after ten seconds.
void rig_wait_for(struct rig *rig, const unsigned *counter, unsigned count);
unsigned rig_count(struct rig *rig, const unsigned *counter);
// Gives out passes for closed orders.
void rig_let_pass(struct rig *rig, unsigned count);
// Waits until as many flights wait in pop; fails the test as rig_wait_for does.
void rig_wait_for_waiting(struct rig *rig, int64_t count);
int64_t rig_waiting(struct rig *rig);
// Counters of the pop: of its requests, and of AVIFs made in the background.
int64_t rig_requests(struct rig *rig, const char *result);
int64_t rig_upgrades(struct rig *rig, const char *result);

// One client.
struct rig_client {
  struct http_sink sink;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  unsigned completions;
  atomic_bool is_gone;
  struct http_reply reply;
};

// Sends "METHOD /i/{id}{query} HTTP/1.1" with the header lines (each ended by CRLF) through the real parser; the
// request's bytes are overwritten when handle() returns.
void rig_send(struct rig *rig, struct rig_client *client, const char *method, const char *query, const char *fields);
// The same with a path of its own.
void rig_send_path(struct rig *rig, struct rig_client *client, const char *method, const char *target,
                   const char *fields);
// Waits for the reply and returns its status.
int rig_receive(struct rig_client *client);
bool rig_has_reply(struct rig_client *client);
void rig_client_finish(struct rig_client *client);
// Send and receive in one go.
int rig_get(struct rig *rig, struct rig_client *client, const char *query, const char *fields);

// One who wants a batch.
struct rig_batch {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  atomic_bool is_gone;
  size_t count;  // items ready, in the order they came
  struct pop_batch_item items[POP_MAX_BATCH];
  unsigned completions;
};

// Begins a batch of the rig's original; `recipes` are texts, the last is NULL. What pop_batch_run returned.
enum base_result rig_batch_begin(struct rig *rig, struct rig_batch *batch, const char *const *recipes,
                                 struct base_fault *fault);
// Waits until `count` items are ready.
void rig_batch_wait(struct rig_batch *batch, size_t count);
// Waits for its end. Fails the test unless each index was told of once and done was called once.
void rig_batch_finish(struct rig_batch *batch, size_t count);
// The item of that index, or NULL. For finished batches.
const struct pop_batch_item *rig_batch_item(const struct rig_batch *batch, size_t index);
// A counter of the batches' variants.
int64_t rig_batch_variants(struct rig *rig, const char *result);

// Fails the test unless the field is there with this value (NULL: is absent).
void rig_assert_field(const struct rig_client *client, const char *name, const char *value);
void rig_assert_body_has(const struct rig_client *client, const char *text);

#endif
