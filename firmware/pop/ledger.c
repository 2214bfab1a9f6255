#include "pop/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/problem.h"
#include "http/query.h"
#include "http/representation.h"
#include "integrity/tiles.h"
#include "policy.h"
#include "reply.h"
#include "request.h"
#include "state.h"
#include "store/ledger.h"

#define PREFIX "/ledger/"
#define METHODS "GET, HEAD, OPTIONS"

enum {
  MUTABLE_LIFE_S = 2,  // checkpoints and proofs: tlog-tiles wants a few seconds at most
  TILE_LIFE_S = 31536000,
  MAX_ANSWER_BYTES = 64 * 1024,
};

enum piece { PIECE_CHECKPOINT, PIECE_TILE, PIECE_ENTRIES, PIECE_PROOF, PIECE_COUNT };

// What is asked for.
struct wish {
  enum piece piece;
  struct integrity_tile tile;
  struct integrity_digest object;
  bool has_original;                              // what the object's entry has to be about
  struct integrity_digest original;               //
  char recipe[INTEGRITY_SUBJECT_MAX_RECIPE + 1];  // "": any
  bool is_private;                                // goes to who has a token
  int64_t expires_s;                              // of the URL; 0: never
};

// A request while it waits for the disk.
struct asking {
  struct pop *pop;
  struct http_sink *sink;
  struct pop_guest *guest;
  struct wish wish;
  char tenant[STORE_MAX_TENANT + 1];
  struct http_request request;
  uint8_t storage[];
};

static bool cut_prefix(struct base_span *path, const char *prefix) {
  if (!base_span_starts_with(*path, prefix)) return false;
  *path = base_span_slice(*path, strlen(prefix), path->bytes);
  return true;
}

static enum base_result read_original(struct base_span value, struct wish *out, struct base_fault *fault) {
  if (out->has_original) return BASE_FAIL(fault, BASE_BAD_INPUT, "original", "the option original comes twice");
  out->has_original = integrity_digest_parse(value, &out->original);
  if (out->has_original) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "original", "original is the id of one, 43 characters");
}

// "original=ID" and, behind it, the options of a canonical recipe; exp and sig are no part of it.
static enum base_result read_subject(struct base_span text, struct wish *out, struct base_fault *fault) {
  struct http_query query;
  size_t chars = 0;
  enum base_result result = http_query_parse(text, &query, fault);
  for (size_t i = 0; i < query.count && result == BASE_OK; i++) {
    const struct base_span name = query.pairs[i].name, value = query.pairs[i].value;
    if (base_span_is(name, "exp") || base_span_is(name, "sig")) continue;
    if (base_span_is(name, "original")) {
      result = read_original(value, out, fault);
      continue;
    }
    const size_t room = sizeof out->recipe - chars, wanted = name.bytes + value.bytes + 2;
    if (room < wanted) return BASE_FAIL(fault, BASE_BAD_INPUT, "recipe", "no recipe is that long");
    chars += (size_t)snprintf(out->recipe + chars, room, "%s%.*s=%.*s", chars > 0 ? "&" : "", (int)name.bytes,
                              (const char *)name.data, (int)value.bytes, (const char *)value.data);
  }
  if (result == BASE_OK && chars > 0 && !out->has_original) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "query",
                     "a proof takes the options original (an id), with it those of a recipe, and exp and sig");
  }
  return result;
}

static enum base_result read_wish(struct base_span path, struct base_span query, struct wish *out,
                                  struct base_fault *fault) {
  *out = (struct wish){0};
  if (!cut_prefix(&path, PREFIX)) return BASE_FAIL(fault, BASE_NOT_FOUND, "", "there is nothing at this path");
  if (base_span_is(path, "checkpoint")) {
    out->piece = PIECE_CHECKPOINT;
    return BASE_OK;
  }
  if (cut_prefix(&path, "tile/")) {
    if (!integrity_tile_parse(path, &out->tile)) {
      return BASE_FAIL(fault, BASE_NOT_FOUND, "tile",
                       "no tile has this name: 0/x001/x234/067, 1/000.p/12 and entries/000 are some");
    }
    out->piece = out->tile.level == INTEGRITY_TILE_ENTRIES ? PIECE_ENTRIES : PIECE_TILE;
    return BASE_OK;
  }
  if (cut_prefix(&path, "proof/")) {
    out->piece = PIECE_PROOF;
    if (integrity_digest_parse(path, &out->object)) return read_subject(query, out, fault);
    return BASE_FAIL(fault, BASE_NOT_FOUND, "digest",
                     "no object has this digest: it is the SHA-256 of its bytes in base64url, 43 characters");
  }
  return BASE_FAIL(fault, BASE_NOT_FOUND, "", "the ledger has checkpoint, tile/ and proof/, and nothing at this path");
}

// --- who may ---

static bool is_secret(const struct pop *pop, enum piece piece) {
  return (piece == PIECE_ENTRIES || piece == PIECE_PROOF) && !atomic_load(&pop->is_ledger_public);
}

// A client of this machine, or one behind TLS: whoever listens in between would have the token.
static bool is_overheard(const struct http_request *request) {
  static const uint8_t ipv6[HTTP_CLIENT_BYTES] = {[HTTP_CLIENT_BYTES - 1] = 1};
  static const uint8_t ipv4[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};
  return !request->is_secure && memcmp(request->client, ipv6, sizeof ipv6) != 0 &&
         memcmp(request->client, ipv4, sizeof ipv4) != 0;
}

static enum base_result check_token(struct pop *pop, const struct http_request *request, struct base_fault *fault) {
  const struct pop_ledger_guard *guard = atomic_load(&pop->ledger_guard);
  if (is_overheard(request)) {
    return BASE_FAIL(
        fault, BASE_FORBIDDEN, "token",
        "a token is not taken over plain HTTP from another machine: it could be overheard. Ask over HTTPS, or "
        "the console; a token that was sent should be replaced");
  }
  if (!guard) return BASE_FAIL(fault, BASE_BUSY, "token", "tokens are not known yet; try again in a moment");
  return guard->check(guard->self, request, fault);
}

static enum base_result admit(struct pop *pop, const struct http_request *request, struct wish *wish,
                              struct base_fault *fault) {
  const struct pop_tenant *tenant = pop_tenants_find(&pop->tenants, request->host);
  const bool has_token = http_request_header(request, "Authorization") != NULL;
  struct pop_pass pass;
  const enum base_result result =
      pop_policy_read_pass(tenant, request, wish->piece == PIECE_PROOF, base_clock_wall_s(pop->clock),
                           base_clock_is_trusted(pop->clock), &pass, fault);
  if (result != BASE_OK) return result;
  wish->expires_s = pass.expires_s;
  const bool wants_token = is_secret(pop, wish->piece);
  if (!wants_token && (pass.is_signed || tenant->unsigned_policy != POP_UNSIGNED_NONE)) return BASE_OK;
  wish->is_private = true;
  if (has_token) return check_token(pop, request, fault);
  if (wants_token) {
    return BASE_FAIL(fault, BASE_UNAUTHORIZED, "token",
                     "entries and proofs of the ledger need the token (Authorization: Bearer ...), unless the box has "
                     "ledger.public = on");
  }
  return BASE_FAIL(
      fault, BASE_FORBIDDEN, "signature",
      "this URL must be signed: sig = base64url(HMAC-SHA256(key, salt + path)), or the token sent with it");
}

// --- answers ---

static enum base_result fetch(const struct asking *asking, struct base_buffer *out, struct base_fault *fault) {
  struct store *store = asking->pop->store;
  const char *recipe = asking->wish.recipe;
  const struct store_ledger_wish meant = {asking->wish.original, recipe[0] ? recipe : NULL};
  switch (asking->wish.piece) {
    case PIECE_CHECKPOINT:
      return store_ledger_checkpoint(store, out, fault);
    case PIECE_PROOF:
      return store_ledger_prove(store, asking->tenant, &asking->wish.object, asking->wish.has_original ? &meant : NULL,
                                out, fault);
    default:
      return store_ledger_tile(store, &asking->wish.tile, out, fault);
  }
}

static void add_cache_control(const struct wish *wish, int64_t now_s, struct http_reply *reply) {
  if (wish->is_private) {
    http_reply_header(reply, "Vary", "Authorization");
    http_reply_header(reply, "Cache-Control", "private, no-store");
    return;
  }
  const bool is_tile = wish->piece == PIECE_TILE || wish->piece == PIECE_ENTRIES;
  const int life_s = is_tile ? TILE_LIFE_S : MUTABLE_LIFE_S;
  const int64_t left_s = wish->expires_s ? wish->expires_s - now_s : life_s;
  const int max_age_s = left_s < 0 ? 0 : left_s < life_s ? (int)left_s : life_s;
  if (!is_tile) {
    http_reply_header(reply, "Cache-Control", "public, max-age=%d, must-revalidate", max_age_s);
  } else {
    http_reply_header(reply, "Cache-Control", "public, %smax-age=%d", wish->expires_s ? "" : "immutable, ", max_age_s);
  }
}

static void refuse(struct pop *pop, struct http_sink *sink, const struct wish *wish, const struct base_fault *fault,
                   const char *request_id) {
  struct http_reply reply;
  base_metric_add(pop->ledger_refusals, 1);
  http_problem_reply(&reply, fault, request_id);
  pop_reply_add_error_fields(&reply);
  if (wish->is_private) http_reply_header(&reply, "Vary", "Authorization");
  if (fault->result == BASE_METHOD) http_reply_header(&reply, "Allow", METHODS);
  http_sink_complete(sink, &reply);
}

static void write_reply(const struct asking *asking, struct base_blob *blob, struct http_reply *out) {
  const int64_t now_s = base_clock_wall_s(asking->pop->clock);
  const bool is_text = asking->wish.piece == PIECE_CHECKPOINT || asking->wish.piece == PIECE_PROOF;
  struct integrity_digest digest;
  integrity_digest_of(base_blob_span(blob), &digest);
  const struct http_representation representation = {
      .blob = blob,
      .media_type = is_text ? "text/plain; charset=utf-8" : "application/octet-stream",
      .digest = digest.bytes,
      .last_modified_s = -1,
      .sha256 = integrity_digest_pieces,
  };
  http_representation_reply(&asking->request, &representation, now_s, out);
  if (out->status >= 400) {  // a problem, which is not cached
    pop_reply_add_error_fields(out);
    return;
  }
  pop_reply_add_open_fields(out);
  add_cache_control(&asking->wish, now_s, out);
}

// Runs on the I/O pool.
static void answer(void *argument) {
  struct asking *asking = argument;
  struct pop *pop = asking->pop;
  struct base_fault fault = {0};
  struct base_buffer bytes;
  struct base_blob *blob = NULL;
  base_buffer_init(&bytes, MAX_ANSWER_BYTES);
  enum base_result result = BASE_OK;
  if (http_sink_is_cancelled(asking->sink)) result = BASE_FAIL(&fault, BASE_CANCELLED, "", "the client went away");
  if (result == BASE_OK) result = fetch(asking, &bytes, &fault);
  if (result == BASE_OK) {
    blob = base_blob_from_buffer(&bytes);
    if (!blob) result = BASE_FAIL(&fault, BASE_NO_MEMORY, "ledger", "no memory for the answer");
  }
  pop_crowd_leave(&pop->crowd, &asking->guest);  // before the reply: the client may ask for the next at once
  if (blob) {
    struct http_reply reply;
    write_reply(asking, blob, &reply);
    base_metric_add(pop->ledger_answers[asking->wish.piece], 1);
    http_sink_complete(asking->sink, &reply);
  } else {
    (void)BASE_FAIL(&fault, result, "ledger", "the ledger could not be read");
    refuse(pop, asking->sink, &asking->wish, &fault, asking->request.id);
  }
  base_blob_unref(&blob);
  base_buffer_finish(&bytes);
  free(asking);
}

static enum base_result begin(struct pop *pop, const struct http_request *request, struct http_sink *sink,
                              const struct wish *wish, bool is_trusted, struct base_fault *fault) {
  struct asking *asking = malloc(sizeof *asking + pop_request_bytes(request));
  if (!asking) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a request");
  *asking = (struct asking){.pop = pop, .sink = sink, .wish = *wish};
  const char *tenant = pop_tenants_find(&pop->tenants, request->host)->name;
  memcpy(asking->tenant, tenant, strlen(tenant) + 1);
  pop_request_copy(request, &asking->request, asking->storage);
  enum base_result result = BASE_OK;
  if (!is_trusted) result = pop_crowd_enter(&pop->crowd, request->client, &asking->guest, fault);
  if (result == BASE_OK && base_pool_submit(pop->io, answer, asking) != BASE_OK) {
    result = BASE_FAIL(fault, BASE_BUSY, "", "too many requests are waiting; try again in a moment");
    pop_crowd_leave(&pop->crowd, &asking->guest);
  }
  if (result != BASE_OK) free(asking);
  return result;
}

// What a page of another site asks before it sends the token along.
static void answer_options(struct http_sink *sink) {
  struct http_reply reply;
  http_reply_init(&reply, 204);
  http_reply_header(&reply, "Allow", METHODS);
  http_reply_header(&reply, "Access-Control-Allow-Origin", "*");
  http_reply_header(&reply, "Access-Control-Allow-Methods", METHODS);
  http_reply_header(&reply, "Access-Control-Allow-Headers",
                    "Authorization, Range, If-Match, If-Modified-Since, If-None-Match, If-Range, "
                    "If-Unmodified-Since, Want-Content-Digest, Want-Repr-Digest");
  http_reply_header(&reply, "Access-Control-Max-Age", "86400");
  http_sink_complete(sink, &reply);
}

static void handle_for(struct pop *pop, const struct http_request *request, struct http_sink *sink, bool is_trusted) {
  struct base_fault fault = {0};
  struct wish wish = {0};
  if (request->method == HTTP_OPTIONS) {
    answer_options(sink);
    return;
  }
  enum base_result result = BASE_OK;
  if (request->method != HTTP_GET && request->method != HTTP_HEAD) {
    result = BASE_FAIL(&fault, BASE_METHOD, "", "the ledger is read with GET, HEAD and OPTIONS only");
  }
  if (result == BASE_OK) result = read_wish(request->path, request->query, &wish, &fault);
  if (result == BASE_OK && is_trusted) {
    wish.is_private = true;
  } else if (result == BASE_OK) {
    result = admit(pop, request, &wish, &fault);
  }
  if (result == BASE_OK) result = begin(pop, request, sink, &wish, is_trusted, &fault);
  if (result != BASE_OK) refuse(pop, sink, &wish, &fault, request->id);
}

static void handle(void *self, const struct http_request *request, struct http_sink *sink) {
  handle_for(self, request, sink, false);
}

static void handle_trusted(void *self, const struct http_request *request, struct http_sink *sink) {
  handle_for(self, request, sink, true);
}

struct http_handler pop_ledger_handler(struct pop *pop) {
  return (struct http_handler){.handle = handle, .self = pop};
}

struct http_handler pop_ledger_trusted_handler(struct pop *pop) {
  return (struct http_handler){.handle = handle_trusted, .self = pop};
}

void pop_ledger_set_public(struct pop *pop, bool is_public) { atomic_store(&pop->is_ledger_public, is_public); }

void pop_ledger_set_guard(struct pop *pop, const struct pop_ledger_guard *guard) {
  atomic_store(&pop->ledger_guard, guard);
}

// --- what is no longer proven ---

static bool is_off_disk(void *argument, const struct cache_key *key, const void *value) {
  (void)value;
  return !store_variant_exists(argument, key);
}

// What is served has a proof: a variant whose entry goes from the ledger goes from RAM, and is made again when wanted.
static void drop_unproven(void *self) {
  struct pop *pop = self;
  (void)cache_lru_remove_if(pop->variants, is_off_disk, pop->store);
}

void pop_ledger_follow(struct pop *pop) { store_ledger_before_pruning(pop->store, drop_unproven, pop); }

void pop_ledger_unfollow(struct pop *pop) { store_ledger_before_pruning(pop->store, NULL, NULL); }

void pop_ledger_register(struct pop *pop, struct base_metrics *metrics) {
  static const char *const labels[PIECE_COUNT] = {
      [PIECE_CHECKPOINT] = "what=\"checkpoint\"",
      [PIECE_TILE] = "what=\"tile\"",
      [PIECE_ENTRIES] = "what=\"entries\"",
      [PIECE_PROOF] = "what=\"proof\"",
  };
  _Static_assert((int)PIECE_COUNT == (int)POP_LEDGER_PIECES, "one counter a kind of piece");
  for (int i = 0; i < PIECE_COUNT; i++) {
    pop->ledger_answers[i] = base_metrics_counter(metrics, "pixpop_pop_ledger_requests_total", labels[i],
                                                  "Requests to the ledger by what was served");
  }
  pop->ledger_refusals = base_metrics_counter(metrics, "pixpop_pop_ledger_requests_total", "what=\"error\"",
                                              "Requests to the ledger by what was served");
}
