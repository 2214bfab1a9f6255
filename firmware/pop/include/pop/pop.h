// The journey of a GET: URL -> recipe -> key -> RAM, disk or render -> reply.
//
// `delivery` and `console` call its handler. A RAM hit is answered inside handle(), except for ranges of large
// variants, which take long to hash; everything else moves to the room's I/O pool and is answered from there. Identical
// requests in flight are rendered once.
#ifndef POP_POP_H
#define POP_POP_H

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "cache/lru.h"
#include "http/message.h"
#include "recipe/order.h"
#include "recipe/signature.h"
#include "store/store.h"

enum { POP_MAX_TENANTS = 64, POP_MAX_HOSTS = 8, POP_MAX_SIGN_KEYS = 4, POP_MAX_LADDER = 32 };

// What goes without a signature: everything; only widths of the ladder with nothing else that makes many variants;
// nothing.
enum pop_unsigned { POP_UNSIGNED_LADDER, POP_UNSIGNED_OPEN, POP_UNSIGNED_NONE };

// A tenant is found by the request's Host (case-insensitive, without port and a last dot; IPv6 by the address, with
// brackets or without among `hosts`), else it is "default".
struct pop_tenant {
  char name[STORE_MAX_TENANT + 1];
  size_t host_count;
  char hosts[POP_MAX_HOSTS][256];
  bool hints_off;  // every URL counts as pinned
  enum pop_unsigned unsigned_policy;
  size_t key_count;
  struct recipe_sign_key keys[POP_MAX_SIGN_KEYS];  // of native and IIIF URLs
  size_t imgproxy_key_count;
  struct recipe_sign_key imgproxy_keys[POP_MAX_SIGN_KEYS];  // key and salt as imgproxy has them
  char salt[STORE_MAX_TENANT + 1];                          // goes into every cache key; empty: the name alone does
  size_t ladder_count;                                      // 0: the default ladder
  uint32_t ladder[POP_MAX_LADDER];                          // widths in ascending order
};

struct pop_config {
  const struct pop_tenant *tenants;  // copied; "default" is added when missing
  size_t tenant_count;
  uint64_t ram_budget_bytes;  // variants in RAM; default 256 MiB
  enum cache_policy ram_policy;
  // Variants that are being sent to slow readers may take as much RAM as ram_budget_bytes, but at least this; default
  // 32 MiB. One client (as below) has what is left of it as its share: past that it gets 503 and the others do not.
  uint64_t sending_least_bytes;
  // Renders that one client (by address, IPv6 by /64) may have with the renderer; default 32. More of its requests wait
  // for their turn, up to four times as many and 1,024 of all clients; past that they get 503.
  unsigned renders_per_client;
  bool makes_avif;        // fm=auto answers WebP first and makes an AVIF in the background where the client takes it
  unsigned io_threads;    // disk reads; default 4
  size_t io_queue_limit;  // default 1024; past it 503
  // How the world reaches the delivery side ("https://images.example", no '/' at its end), for documents that have to
  // give their own address. Borrowed; NULL: scheme and Host of the request.
  const char *public_url;
  struct store *store;
  struct recipe_renderer renderer;
  const struct base_clock *clock;
  struct base_log *log;
  struct base_metrics *metrics;
};

struct pop;

enum base_result pop_create(const struct pop_config *config, struct pop **out, struct base_fault *fault) BASE_CHECKED;
// For the end: waits until what is queued for the disk has been answered or ordered from the renderer, and answers 503
// to those who wait for their turn there. The handler is not called any more. Destroying the renderer after this
// completes every request.
void pop_drain(struct pop *pop);
// Every request must have been completed, every reply finished and the renderer destroyed or idle.
void pop_destroy(struct pop **pop);
// For the routes "/i/", "/iiif/" and "/imgproxy/". GET, HEAD and OPTIONS; others 405.
struct http_handler pop_handler(struct pop *pop);
// The same for those who have proven who they are (the console's own page): no signature is asked for, and
// what they get is for no shared cache (Cache-Control: private).
struct http_handler pop_trusted_handler(struct pop *pop);
// Name of the tenant for a Host. Never NULL; lives as long as the pop.
const char *pop_tenant_name(struct pop *pop, struct base_span host);
// Forgets an original and its variants in RAM (after it was deleted from the store, or came new). When it returns no
// request finds them any more, and renders that are under way will not be kept.
void pop_forget(struct pop *pop, const char *tenant, const struct integrity_digest *original);
// Drops variants from RAM and disk, so that they are made anew when they are asked for again: all of an original, or
// with `recipe` (pinned or not) all that a URL with these options can come to: what it leaves open it has in every
// format, with every DPR and quality that hints bring, and without a size also in every width of the ladder. *dropped
// counts them. BASE_NOT_FOUND: no such original. Whoever answers that it is done settles the drops before
// (store_variants_settle).
enum base_result pop_purge(struct pop *pop, const char *tenant, const struct integrity_digest *original,
                           const struct recipe *recipe, uint64_t *dropped, struct base_fault *fault) BASE_CHECKED;
// Brings up to date what is not counted while requests are answered: to be called before metrics are rendered. Lets go
// of variants that have left the cache and have been read.
void pop_measure(struct pop *pop);
void pop_get_ram_stats(struct pop *pop, struct cache_stats *out);
// New tenants and RAM budget (SIGHUP). BASE_BAD_INPUT for too many tenants, a bad or repeated name or a host that two
// tenants claim; then nothing changes.
enum base_result pop_reconfigure(struct pop *pop, const struct pop_tenant *tenants, size_t tenant_count,
                                 uint64_t ram_budget_bytes, struct base_fault *fault) BASE_CHECKED;
// Takes the place of the configuration's public_url (SIGHUP); both are borrowed until pop_destroy.
void pop_set_public_url(struct pop *pop, const char *url);

#endif
