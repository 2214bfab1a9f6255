// A finished variant in RAM, with its header fields written out once so that a hit costs two copies.
#ifndef POP_VARIANT_H
#define POP_VARIANT_H

#include <stdatomic.h>

#include "http/message.h"
#include "original.h"
#include "recipe/order.h"

// How a request wants a variant to be answered and cached.
struct pop_terms {
  bool is_pinned;              // what the URL gives can never change
  bool is_pending;             // something better is being made
  bool is_private;             // no shared cache may keep it
  bool is_escaped;             // there is a plainer URL: this one is for no cache
  bool takes_hints;            // the tenant does: say so
  bool is_iiif;                // say which profile
  bool is_unnamed;             // no Content-Location: the policy would refuse that URL
  uint8_t open;                // bits of enum pop_open, for Vary
  uint32_t content_dpr_milli;  // 0: no hint made the size
  int64_t expires_s;           // of the URL; 0: never
};

struct pop_variant_field {
  const char *name;
  uint32_t offset, bytes;  // in `text`
};

enum { POP_VARIANT_COMMON_FIELDS = 12 };

// Ref-counted and immutable, but for its readers and its place among those that are held.
struct pop_variant {
  atomic_uint refs;
  atomic_uint readers;  // replies that are being sent; see sending.h
  struct pop_original *original;
  struct base_blob *blob;
  char media_type[STORE_MAX_MEDIA_TYPE + 1];
  struct integrity_digest digest;
  uint32_t width, height;
  struct pop_variant *next_held;  // see held.h
  struct base_buffer text;        // values of all fields below
  size_t common_count;
  struct pop_variant_field common[POP_VARIANT_COMMON_FIELDS];  // of a 200 from RAM
  struct pop_variant_field pinned_life, open_life, location;
};

// Takes references of its own. NULL when memory is short.
struct pop_variant *pop_variant_create(struct pop_original *original, const struct recipe *pinned,
                                       const struct recipe_product *product);
struct pop_variant *pop_variant_ref(struct pop_variant *variant);
void pop_variant_unref(struct pop_variant **variant);
// What it costs in RAM.
uint64_t pop_variant_bytes(const struct pop_variant *variant);

// The reply to `request`: any status that conditions and ranges may ask for. `cache_status` is the field's whole
// value; `server_timing` may be empty.
void pop_variant_reply(const struct pop_variant *variant, const struct http_request *request, struct pop_terms terms,
                       const char *cache_status, const char *server_timing, int64_t now_s, struct http_reply *reply);
// False when a reply has much to hash (the Content-Digest of a range) and so must not be made on an event loop.
bool pop_variant_is_quick(const struct pop_variant *variant, const struct http_request *request);
// The same for a hit in RAM, at little cost when the request is a plain GET.
void pop_variant_reply_from_ram(const struct pop_variant *variant, const struct http_request *request,
                                struct pop_terms terms, int64_t now_s, struct http_reply *reply);

#endif
