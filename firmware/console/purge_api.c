// POST /api/v1/purge: drops variants from RAM and disk, so that the next request makes them anew. Originals stay, and
// so does what browsers and caches beyond the box hold.
//
// The body is {"id": "..."}, all variants of an original; {"id": "...", "recipe": "w=400&fm=webp"}, those that a URL
// with these options can come to: what they leave open it has in every format (fm), and with every DPR and quality that
// client hints bring (dpr 1, 1.5, 2 and 3; q 80, 70 and 55), without w and h also in every width of the ladder; or
// {"tag": "..."}, all variants of the originals that carry the tag. The reply says how many were dropped: {"dropped":
// n, "originals": n}.

#include "api.h"
#include "json_body.h"
#include "pop/native.h"

enum { MAX_BODY_BYTES = 4096, MAX_REPLY_JSON = 128 };

struct purge {
  struct console_exchange *exchange;
  uint64_t dropped, originals;
  enum base_result result;
  struct base_fault *fault;
};

static enum base_result purge_original(struct purge *purge, const struct integrity_digest *id,
                                       const struct recipe *recipe) {
  uint64_t dropped = 0;
  const struct console_exchange *exchange = purge->exchange;
  const enum base_result result =
      pop_purge(exchange->console->config.pop, exchange->tenant, id, recipe, &dropped, purge->fault);
  purge->dropped += dropped;
  if (result == BASE_OK) purge->originals++;
  return result;
}

static enum base_result purge_by_id(struct purge *purge, const char *text, const char *options) {
  struct integrity_digest id;
  struct recipe recipe;
  if (!integrity_digest_parse(base_span_text(text), &id)) {
    return BASE_FAIL(purge->fault, BASE_BAD_INPUT, "id", "id is an original's: %d characters of base64url",
                     BASE_DIGEST_BASE64URL_CHARS);
  }
  if (!options) return purge_original(purge, &id, NULL);
  const enum base_result result = pop_native_parse_options(base_span_text(options), &recipe, purge->fault);
  return result == BASE_OK ? purge_original(purge, &id, &recipe) : result;
}

static bool purge_tagged(void *argument, const struct store_original *original) {
  struct purge *purge = argument;
  purge->result = purge_original(purge, &original->id, NULL);
  if (purge->result != BASE_NOT_FOUND) return purge->result == BASE_OK;
  purge->result = BASE_OK;  // deleted meanwhile
  base_fault_clear(purge->fault);
  return true;
}

static enum base_result purge_by_tag(struct purge *purge, const char *tag) {
  const struct console_exchange *exchange = purge->exchange;
  const enum base_result result = store_original_list_tagged(exchange->console->config.store, exchange->tenant,
                                                             base_span_text(tag), purge_tagged, purge, purge->fault);
  return result == BASE_OK ? purge->result : result;
}

static enum base_result reply_counts(const struct purge *purge, struct http_reply *reply) {
  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, MAX_REPLY_JSON);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  base_json_integer(&json, "dropped", (int64_t)purge->dropped);
  base_json_integer(&json, "originals", (int64_t)purge->originals);
  base_json_object_end(&json);
  const enum base_result result = console_reply_json(reply, 200, &text, json.result, purge->fault);
  base_buffer_finish(&text);
  return result;
}

static enum base_result purge_as_told(struct purge *purge, const struct base_json *body) {
  const char *id, *recipe, *tag;
  enum base_result result = console_json_body_text(body, "id", &id, purge->fault);
  if (result == BASE_OK) result = console_json_body_text(body, "recipe", &recipe, purge->fault);
  if (result == BASE_OK) result = console_json_body_text(body, "tag", &tag, purge->fault);
  if (result != BASE_OK) return result;
  if (id && !tag) return purge_by_id(purge, id, recipe);
  if (tag && !id && !recipe) return purge_by_tag(purge, tag);
  return BASE_FAIL(purge->fault, BASE_BAD_INPUT, "body", "the body has id, or id and recipe, or tag");
}

enum base_result console_purge(struct console_exchange *exchange, struct http_reply *reply, struct base_fault *fault) {
  static const char *const members[] = {"id", "recipe", "tag"};
  struct purge purge = {.exchange = exchange, .fault = fault};
  struct base_json *body;
  enum base_result result = console_json_body_read(exchange, MAX_BODY_BYTES, members, 3, &body, fault);
  if (result != BASE_OK) return result;
  result = purge_as_told(&purge, body);
  base_json_destroy(&body);
  if (purge.dropped > 0) {
    base_log_write(exchange->console->config.log, BASE_LOG_INFO, "console", exchange->request.id,
                   "%llu variants of %llu originals purged", (unsigned long long)purge.dropped,
                   (unsigned long long)purge.originals);
  }
  // One wait for all of them, and for those before one that failed too.
  struct base_fault unsettled = {0};
  const enum base_result settled = store_variants_settle(exchange->console->config.store, &unsettled);
  if (result != BASE_OK) return result;
  if (settled != BASE_OK) return BASE_FAIL(fault, settled, unsettled.subject, "%s", unsettled.text);
  return reply_counts(&purge, reply);
}
