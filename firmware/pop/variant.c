#include "variant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hints.h"
#include "base/arena.h"
#include "http/representation.h"
#include "reply.h"

enum {
  MAX_FIELDS_BYTES = 4096,
  PINNED_LIFE_S = 31536000,
  OPEN_LIFE_S = 3600,
  PENDING_LIFE_S = 60,
  MAX_LIFE_BYTES = 48,
  MAX_TERMS_BYTES = 640,             // of all fields that the terms add; more only costs time
  MAX_QUICK_HASH_BYTES = 64 * 1024,  // a fraction of a millisecond of SHA-256
};

#define PINNED_LIFE "public, immutable, max-age=31536000"
#define OPEN_LIFE "max-age=3600"
#define RAM_HIT "pixpop; hit"

struct pop_variant *pop_variant_ref(struct pop_variant *variant) {
  atomic_fetch_add_explicit(&variant->refs, 1, memory_order_relaxed);
  return variant;
}

void pop_variant_unref(struct pop_variant **pointer) {
  struct pop_variant *variant = *pointer;
  *pointer = NULL;
  if (!variant || atomic_fetch_sub_explicit(&variant->refs, 1, memory_order_acq_rel) != 1) return;
  base_buffer_finish(&variant->text);
  base_blob_unref(&variant->blob);
  pop_original_unref(&variant->original);
  free(variant);
}

uint64_t pop_variant_bytes(const struct pop_variant *variant) {
  return sizeof *variant + variant->text.capacity + base_arena_cost(variant->blob);
}

static struct http_representation representation_of(const struct pop_variant *variant) {
  return (struct http_representation){
      .blob = variant->blob,
      .media_type = variant->media_type,
      .digest = variant->digest.bytes,
      .last_modified_s = variant->original->created_s,
      .sha256 = integrity_digest_pieces,
  };
}

// Writes out one field; what does not fit is left as an empty field, which create notices.
static struct pop_variant_field write_field(struct pop_variant *variant, const char *name, struct base_span value) {
  struct pop_variant_field field = {.offset = (uint32_t)variant->text.bytes, .bytes = (uint32_t)value.bytes};
  if (base_buffer_append(&variant->text, value.data, value.bytes) == BASE_OK) field.name = name;
  return field;
}

// Takes over the fields of a plain 200, so that there is one place that knows them.
static bool write_common_fields(struct pop_variant *variant) {
  const struct http_request plain = {.method = HTTP_GET};
  const struct http_representation representation = representation_of(variant);
  struct http_reply reply;
  http_representation_reply(&plain, &representation, 0, &reply);
  pop_reply_add_open_fields(&reply);
  http_reply_header_span(&reply, "Cache-Status", base_span_text(RAM_HIT));

  bool is_whole = reply.status == 200 && reply.header_count <= POP_VARIANT_COMMON_FIELDS;
  for (size_t i = 0; is_whole && i < reply.header_count; i++) {
    const struct base_span value = base_span_of(reply.text.data + reply.headers[i].offset, reply.headers[i].bytes);
    variant->common[i] = write_field(variant, reply.headers[i].name, value);
    is_whole = variant->common[i].name != NULL;
  }
  variant->common_count = reply.header_count;
  http_reply_finish(&reply);
  return is_whole;
}

static bool write_terms(struct pop_variant *variant, const struct recipe *pinned) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  char recipe[RECIPE_TEXT_BYTES];
  char location[sizeof "/i/?" + sizeof id + sizeof recipe];
  integrity_digest_text(&variant->original->id, id);
  recipe_text(pinned, recipe);
  (void)snprintf(location, sizeof location, "/i/%s?%s", id, recipe);
  variant->pinned_life = write_field(variant, "Cache-Control", base_span_text(PINNED_LIFE));
  variant->open_life = write_field(variant, "Cache-Control", base_span_text(OPEN_LIFE));
  variant->location = write_field(variant, "Content-Location", base_span_text(location));
  return variant->pinned_life.name && variant->open_life.name && variant->location.name;
}

struct pop_variant *pop_variant_create(struct pop_original *original, const struct recipe *pinned,
                                       const struct recipe_product *product) {
  struct pop_variant *variant = calloc(1, sizeof *variant);
  if (!variant) return NULL;
  atomic_init(&variant->refs, 1);
  atomic_init(&variant->readers, 0);
  variant->original = pop_original_ref(original);
  variant->blob = base_blob_ref(product->blob);
  variant->digest = product->digest;
  variant->width = product->width;
  variant->height = product->height;
  base_buffer_init(&variant->text, MAX_FIELDS_BYTES);
  const bool is_whole =
      base_span_copy(base_span_text(product->media_type), variant->media_type, sizeof variant->media_type) &&
      write_common_fields(variant) && write_terms(variant, pinned);
  if (!is_whole) pop_variant_unref(&variant);
  return variant;
}

static struct base_span field_value(const struct pop_variant *variant, struct pop_variant_field field) {
  return base_span_of(variant->text.data + field.offset, field.bytes);
}

// --- terms ---

// A field of our own making, without the checks that values from elsewhere need.
static void add_bytes(struct http_reply *reply, const char *name, const char *value, size_t bytes) {
  const size_t offset = reply->text.bytes;
  if (bytes == 0) return;
  if (reply->header_count == HTTP_MAX_REPLY_HEADERS || base_buffer_append(&reply->text, value, bytes) != BASE_OK) {
    reply->status = 500;
    return;
  }
  reply->headers[reply->header_count].name = name;
  reply->headers[reply->header_count].offset = (uint32_t)offset;
  reply->headers[reply->header_count].bytes = (uint32_t)bytes;
  reply->header_count++;
}

static void add(struct http_reply *reply, const char *name, const char *value) {
  add_bytes(reply, name, value, strlen(value));
}

// True when the life is one of the two that are written out already.
static bool has_usual_life(struct pop_terms terms) {
  return !terms.expires_s && !terms.is_pending && !terms.is_private && !terms.is_escaped;
}

static const char *sharing_of(struct pop_terms terms) {
  const bool is_lasting = terms.is_pinned && !terms.is_pending;
  if (!terms.is_private) return is_lasting ? "public, " : "";
  return is_lasting && !terms.expires_s ? "private, immutable, " : "private, ";
}

// A life of its own: one that ends with the URL's, or when something better may be there, or that is for one reader, or
// none.
static void add_special_life(struct http_reply *reply, struct pop_terms terms, int64_t now_s) {
  if (terms.is_escaped) {
    add(reply, "Cache-Control", "no-store");
    return;
  }
  int64_t life_s = terms.is_pending ? PENDING_LIFE_S : terms.is_pinned ? PINNED_LIFE_S : OPEN_LIFE_S;
  if (terms.expires_s && terms.expires_s - now_s < life_s) life_s = terms.expires_s - now_s;
  if (life_s < 0) life_s = 0;
  http_reply_header(reply, "Cache-Control", "%smax-age=%lld", sharing_of(terms), (long long)life_s);
}

static void add_content_dpr(struct http_reply *reply, uint32_t milli) {
  enum { UNIT = 1000 };
  if (!milli) return;
  char text[MAX_LIFE_BYTES];
  size_t length = 0;
  const uint32_t whole = milli / UNIT;
  if (whole >= 10) text[length++] = (char)('0' + whole / 10 % 10);
  text[length++] = (char)('0' + whole % 10);
  uint32_t rest = milli % UNIT;
  if (rest) text[length++] = '.';
  for (uint32_t unit = UNIT / 10; rest; rest %= unit, unit /= 10) text[length++] = (char)('0' + rest / unit);
  add_bytes(reply, "Content-DPR", text, length);
}

// What hints, Accept and the grammar have to do with it.
static void add_negotiation(struct http_reply *reply, struct pop_terms terms) {
  if (terms.takes_hints) {
    add(reply, "Accept-CH", pop_hints_accepted());
    add(reply, "Critical-CH", pop_hints_critical(terms.open));
  }
  if (terms.is_iiif) add(reply, "Link", POP_IIIF_PROFILE_LINK);
  add(reply, "Vary", pop_hints_vary(terms.open));
  add_content_dpr(reply, terms.content_dpr_milli);
}

void pop_variant_reply(const struct pop_variant *variant, const struct http_request *request, struct pop_terms terms,
                       const char *cache_status, const char *server_timing, int64_t now_s, struct http_reply *reply) {
  const struct http_representation representation = representation_of(variant);
  http_representation_reply(request, &representation, now_s, reply);
  if (reply->status >= 400) {  // a problem, which is not cached
    pop_reply_add_error_fields(reply);
    return;
  }
  pop_reply_add_open_fields(reply);
  if (has_usual_life(terms)) {
    const struct pop_variant_field life = terms.is_pinned ? variant->pinned_life : variant->open_life;
    http_reply_header_span(reply, life.name, field_value(variant, life));
  } else {
    add_special_life(reply, terms, now_s);
  }
  if (!terms.is_pinned && !terms.is_unnamed) {
    http_reply_header_span(reply, variant->location.name, field_value(variant, variant->location));
  }
  add_negotiation(reply, terms);
  http_reply_header_span(reply, "Cache-Status", base_span_text(cache_status));
  if (server_timing[0]) http_reply_header_span(reply, "Server-Timing", base_span_text(server_timing));
}

bool pop_variant_is_quick(const struct pop_variant *variant, const struct http_request *request) {
  if (variant->blob->bytes <= MAX_QUICK_HASH_BYTES || request->method != HTTP_GET) return true;
  return http_request_header(request, "Range") == NULL;
}

// A GET without conditions, ranges and wishes for digests. Every field that matters begins with "If-" or "Want-", or is
// Range.
static bool is_plain_get(const struct http_request *request) {
  if (request->method != HTTP_GET) return false;
  for (size_t i = 0; i < request->header_count; i++) {
    const struct base_span name = request->headers[i].name;
    if (name.bytes > 3 && (name.data[0] | 0x20) == 'i' && (name.data[1] | 0x20) == 'f' && name.data[2] == '-') {
      return false;
    }
    if (name.bytes == 5 && base_span_is_nocase(name, "range")) return false;
    if (name.bytes > 5 && (name.data[0] | 0x20) == 'w' && name.data[4] == '-') return false;
  }
  return true;
}

static void copy_field(struct http_reply *reply, const struct pop_variant_field *field) {
  reply->headers[reply->header_count].name = field->name;
  reply->headers[reply->header_count].offset = field->offset;
  reply->headers[reply->header_count].bytes = field->bytes;
  reply->header_count++;
}

void pop_variant_reply_from_ram(const struct pop_variant *variant, const struct http_request *request,
                                struct pop_terms terms, int64_t now_s, struct http_reply *reply) {
  if (is_plain_get(request)) {
    http_reply_init(reply, 200);
    // Room for everything at once.
    if (base_buffer_reserve(&reply->text, variant->text.bytes + MAX_TERMS_BYTES) == BASE_OK &&
        base_buffer_append(&reply->text, variant->text.data, variant->text.bytes) == BASE_OK) {
      for (size_t i = 0; i < variant->common_count; i++) copy_field(reply, &variant->common[i]);
      if (has_usual_life(terms)) {
        copy_field(reply, terms.is_pinned ? &variant->pinned_life : &variant->open_life);
      } else {
        add_special_life(reply, terms, now_s);
      }
      if (!terms.is_pinned && !terms.is_unnamed) copy_field(reply, &variant->location);
      add_negotiation(reply, terms);
      http_reply_add_blob(reply, base_blob_ref(variant->blob), 0, variant->blob->bytes);
      return;
    }
    http_reply_finish(reply);
  }
  pop_variant_reply(variant, request, terms, RAM_HIT, "", now_s, reply);
}
