#include <stdio.h>
#include <string.h>

#include "api.h"
#include "base/checked.h"
#include "http/query.h"
#include "image/geometry.h"

enum {
  DEFAULT_PAGE = 100,
  MAX_PAGE = 1000,
  MAX_LIST_JSON = 16 * 1024 * 1024,  // MAX_PAGE originals with the longest names and tags, escaped
};

enum { ORIGINALS_PATH_BYTES = sizeof("/api/v1/originals/") - 1 };

static void write_tags(struct base_json_writer *json, const char *tags) {
  base_json_array(json, "tags");
  struct base_span rest = base_span_text(tags);
  while (rest.bytes > 0) base_json_text(json, NULL, base_span_cut(&rest, '\n'));
  base_json_array_end(json);
}

void console_original_write(struct base_json_writer *json, const struct console_exchange *exchange,
                            const struct store_original *original, bool end) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1], url[1024];
  integrity_digest_text(&original->id, id);
  snprintf(url, sizeof url, "%s/i/%s", atomic_load(&exchange->console->delivery_url), id);
  base_json_object(json, NULL);
  base_json_string(json, "id", id);
  base_json_integer(json, "bytes", (int64_t)original->bytes);
  base_json_integer(json, "width", original->width);
  base_json_integer(json, "height", original->height);
  base_json_string(json, "format", original->format);
  base_json_integer(json, "orientation", original->orientation);
  base_json_object(json, "metadata");
  base_json_string(json, "name", original->name);
  write_tags(json, original->tags);
  base_json_object_end(json);
  base_json_string(json, "colour", original->colour);
  base_json_integer(json, "bits", original->bits);
  base_json_bool(json, "has_alpha", original->has_alpha);
  base_json_bool(json, "has_icc", original->has_icc);
  base_json_integer(json, "created_s", original->created_s);
  base_json_string(json, "url", url);
  base_json_integer(json, "alerts", original->alerts);
  if (end) base_json_object_end(json);
}

struct page {
  size_t limit;
  bool has_after;
  struct store_original after;  // only what orders the list: created_s and id
};

// The place in the list behind an original, as "<created_s>.<id>"; good even when that original has been deleted since.
static void format_cursor(const struct store_original *original, char *out, size_t capacity) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&original->id, id);
  snprintf(out, capacity, "%lld.%s", (long long)original->created_s, id);
}

static bool parse_cursor(struct base_span text, struct store_original *out) {
  uint64_t created_s;
  struct base_span number = base_span_cut(&text, '.');
  if (!base_span_to_u64(number, &created_s) || created_s > INT64_MAX) return false;
  out->created_s = (int64_t)created_s;
  return integrity_digest_parse(text, &out->id);
}

static enum base_result read_option(struct base_span name, struct base_span value, struct page *out,
                                    struct base_fault *fault) {
  if (base_span_is(name, "limit")) {
    uint64_t limit;
    if (!base_span_to_u64(value, &limit) || limit < 1 || limit > MAX_PAGE) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "limit", "limit is 1..%d", MAX_PAGE);
    }
    out->limit = (size_t)limit;
    return BASE_OK;
  }
  if (base_span_is(name, "after")) {
    out->has_after = parse_cursor(value, &out->after);
    if (!out->has_after) return BASE_FAIL(fault, BASE_BAD_INPUT, "after", "after is what an earlier page said is next");
    return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "the options of this list are limit and after");
}

static enum base_result read_page(const struct http_request *request, const char *tenant, struct page *out,
                                  struct base_fault *fault) {
  *out = (struct page){.limit = DEFAULT_PAGE};
  struct http_query query;
  enum base_result result = http_query_parse(request->query, &query, fault);
  for (size_t i = 0; result == BASE_OK && i < query.count; i++) {
    for (size_t j = 0; j < i; j++) {
      if (base_span_equal(query.pairs[i].name, query.pairs[j].name)) {
        return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "an option is repeated");
      }
    }
    result = read_option(query.pairs[i].name, query.pairs[i].value, out, fault);
  }
  if (result == BASE_OK && !base_span_copy(base_span_text(tenant), out->after.tenant, sizeof out->after.tenant)) {
    result = BASE_FAIL(fault, BASE_INTERNAL, "tenant", "a tenant's name is too long");
  }
  return result;
}

struct listing {
  struct base_json_writer *json;
  const struct console_exchange *exchange;
  size_t limit, count;
  bool has_more;
  struct store_original last;
};

static bool list_original(void *argument, const struct store_original *original) {
  struct listing *listing = argument;
  listing->has_more = listing->count == listing->limit;
  if (listing->has_more) return false;
  console_original_write(listing->json, listing->exchange, original, true);
  listing->last = *original;
  listing->count++;
  return true;
}

enum base_result console_originals_list(struct console_exchange *exchange, struct http_reply *reply,
                                        struct base_fault *fault) {
  struct page page;
  enum base_result result = read_page(&exchange->request, exchange->tenant, &page, fault);
  if (result != BASE_OK) return result;

  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, MAX_LIST_JSON);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  base_json_array(&json, "items");
  struct listing listing = {.json = &json, .exchange = exchange, .limit = page.limit};
  // One more than is shown tells whether there is a next page.
  result = store_original_list(exchange->console->config.store, exchange->tenant, page.has_after ? &page.after : NULL,
                               page.limit + 1, list_original, &listing, fault);
  base_json_array_end(&json);
  char cursor[64 + BASE_DIGEST_BASE64URL_CHARS];
  if (listing.has_more) format_cursor(&listing.last, cursor, sizeof cursor);
  base_json_string(&json, "next", listing.has_more ? cursor : NULL);
  base_json_object_end(&json);
  if (result == BASE_OK) result = console_reply_json(reply, 200, &text, json.result, fault);
  base_buffer_finish(&text);
  return result;
}

static enum base_result read_id(const struct console_exchange *exchange, struct integrity_digest *out,
                                struct base_fault *fault) {
  struct base_span path = exchange->request.path;
  struct base_span id = base_span_slice(path, ORIGINALS_PATH_BYTES, path.bytes);
  if (integrity_digest_parse(id, out)) return BASE_OK;
  return BASE_FAIL(fault, BASE_NOT_FOUND, "id", "there is no original of that id");
}

static bool list_variant(void *argument, const struct store_variant *variant) {
  struct base_json_writer *json = argument;
  char digest[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&variant->digest, digest);
  base_json_object(json, NULL);
  base_json_string(json, "recipe", variant->recipe);
  base_json_string(json, "media_type", variant->media_type);
  base_json_integer(json, "width", variant->width);
  base_json_integer(json, "height", variant->height);
  base_json_integer(json, "bytes", (int64_t)variant->bytes);
  base_json_integer(json, "created_s", variant->created_s);
  base_json_string(json, "sha256", digest);
  base_json_object_end(json);
  return json->result == BASE_OK;
}

// What its inspection found, as it was stored; null for an original from before there were inspections. A report that
// has become unreadable does not keep the original from being shown.
static enum base_result write_report(struct base_json_writer *json, const struct console_exchange *exchange,
                                     const struct integrity_digest *id, struct base_fault *fault) {
  struct base_blob *report = NULL;
  struct base_json *parsed = NULL;
  struct base_fault missing = {0};
  enum base_result result =
      store_original_report(exchange->console->config.store, exchange->tenant, id, &report, &missing);
  if (result == BASE_OK) result = base_json_parse(base_blob_span(report), &parsed, &missing);
  if (result == BASE_OK && base_json_is_object(base_json_root(parsed))) {
    base_json_raw(json, "report", base_blob_span(report));
  } else {
    base_json_string(json, "report", NULL);
  }
  base_json_destroy(&parsed);
  base_blob_unref(&report);
  const bool is_bearable = result == BASE_OK || result == BASE_NOT_FOUND || result == BASE_BAD_INPUT ||
                           result == BASE_CORRUPT || result == BASE_TOO_LARGE;
  return is_bearable ? BASE_OK : BASE_FAIL(fault, missing.result, missing.subject, "%s", missing.text);
}

enum base_result console_original_show(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) {
  struct store *store = exchange->console->config.store;
  struct integrity_digest id;
  struct store_original original;
  enum base_result result = read_id(exchange, &id, fault);
  if (result == BASE_OK) result = store_original_find(store, exchange->tenant, &id, &original, fault);
  if (result != BASE_OK) return result;

  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, MAX_LIST_JSON);
  base_json_begin(&json, &text);
  console_original_write(&json, exchange, &original, false);
  result = write_report(&json, exchange, &id, fault);
  base_json_array(&json, "variants");
  if (result == BASE_OK) result = store_variant_list(store, exchange->tenant, &id, list_variant, &json, fault);
  base_json_array_end(&json);
  base_json_object_end(&json);
  if (result == BASE_OK) result = console_reply_json(reply, 200, &text, json.result, fault);
  base_buffer_finish(&text);
  return result;
}

enum base_result console_original_delete(struct console_exchange *exchange, struct http_reply *reply,
                                         struct base_fault *fault) {
  struct console *console = exchange->console;
  struct integrity_digest id;
  enum base_result result = read_id(exchange, &id, fault);
  if (result == BASE_OK) result = store_original_delete(console->config.store, exchange->tenant, &id, fault);
  if (result != BASE_OK) return result;
  pop_forget(console->config.pop, exchange->tenant, &id);
  char text[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&id, text);
  base_log_write(console->config.log, BASE_LOG_INFO, "console", exchange->request.id, "original %s deleted", text);
  http_reply_init(reply, 204);
  http_reply_header(reply, "Cache-Control", "no-store");
  return BASE_OK;
}
