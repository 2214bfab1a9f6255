// POST /api/v1/originals/{id}/variants: makes many variants of one original in one go.
//
// The body is JSON: {"recipes": ["w=400", "w=800&fm=webp&q=70"]}, each the options of a variant's URL, or
// {"widths": [320, 640], "recipe": "fm=webp"} for the same recipe at several widths. Without fm, or with fm=auto, the
// format is WebP (or the original's own, where its own file is smaller). Nothing is made when one of them is wrong.
//
// The reply is a stream of JSON lines (application/x-ndjson), one a variant as soon as it is there, and a last one with
// the counts; or one JSON object at the end for who accepts that only. It begins with the first variant that is there:
// when there is none and all failed for one reason, the reply is that problem instead.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"
#include "body.h"
#include "http/negotiate.h"
#include "http/problem.h"
#include "http/query.h"
#include "pop/batch.h"
#include "pop/sign.h"
#include "stream.h"

enum {
  ORIGINALS_PATH_BYTES = sizeof("/api/v1/originals/") - 1,
  MAX_BODY_BYTES = 64 * 1024,
  MAX_RESULT_BYTES = 1024 * 1024,  // POP_MAX_BATCH lines with the longest recipes and faults
  MAX_SUMMARY_BYTES = 256,
  MAX_URL_BYTES = 1024 + RECIPE_TEXT_BYTES,
  MAX_ACCEPT_BYTES = 1024,
  LOOK_AT_CLIENT_MS = 200,
};

struct wishes {
  size_t count;
  struct recipe recipes[POP_MAX_BATCH];
};

// A batch on its way: its results come from any thread and leave by the server's.
struct making {
  struct console_exchange *exchange;
  struct wishes wishes;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  bool is_lines;  // else one object at the end
  uint64_t begin_us;
  atomic_bool is_gone;
  pthread_mutex_t lock;  // of all below
  pthread_cond_t changed;
  struct base_buffer text;  // results not sent yet, each with a newline or comma behind it
  enum base_result text_result;
  size_t made, failed;
  bool is_one_reason;  // all failures have the same result, that of `reason`
  struct base_fault reason;
  bool is_done;
};

// --- what is wanted ---

static enum base_result read_id(const struct http_request *request, struct integrity_digest *out,
                                struct base_fault *fault) {
  struct base_span rest = base_span_slice(request->path, ORIGINALS_PATH_BYTES, request->path.bytes);
  if (integrity_digest_parse(base_span_cut(&rest, '/'), out)) return BASE_OK;
  return BASE_FAIL(fault, BASE_NOT_FOUND, "id", "there is no original of that id");
}

static enum base_result check_count(size_t count, const char *name, struct base_fault *fault) {
  if (count > 0 && count <= POP_MAX_BATCH) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, name, "%s has 1..%d elements", name, POP_MAX_BATCH);
}

static enum base_result read_recipes(const struct base_json_value *list, struct wishes *out, struct base_fault *fault) {
  out->count = base_json_length(list);
  enum base_result result = check_count(out->count, "recipes", fault);
  for (size_t i = 0; i < out->count && result == BASE_OK; i++) {
    const char *text = base_json_as_string(base_json_at(list, i));
    if (!text) return BASE_FAIL(fault, BASE_BAD_INPUT, "recipes", "recipe %zu is not a string", i);
    result = pop_batch_parse(i, base_span_text(text), &out->recipes[i], fault);
  }
  return result;
}

// Each width becomes one more option of the recipe, so that the grammar judges both.
static enum base_result read_widths(const struct base_json_value *list, const struct base_json_value *recipe,
                                    struct wishes *out, struct base_fault *fault) {
  const char *common = recipe ? base_json_as_string(recipe) : "";
  if (!common) return BASE_FAIL(fault, BASE_BAD_INPUT, "recipe", "recipe is a string, such as \"fm=webp\"");
  out->count = base_json_length(list);
  enum base_result result = check_count(out->count, "widths", fault);
  for (size_t i = 0; i < out->count && result == BASE_OK; i++) {
    int64_t width;
    char text[HTTP_MAX_QUERY_BYTES];
    if (!base_json_as_integer(base_json_at(list, i), &width)) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "widths", "width %zu is not a whole number", i);
    }
    const int length = snprintf(text, sizeof text, "%s%sw=%lld", common, common[0] ? "&" : "", (long long)width);
    if ((size_t)length >= sizeof text) return BASE_FAIL(fault, BASE_BAD_INPUT, "recipe", "the recipe is too long");
    result = pop_batch_parse(i, base_span_text(text), &out->recipes[i], fault);
  }
  return result;
}

static enum base_result read_tree(const struct base_json_value *root, struct wishes *out, struct base_fault *fault) {
  const struct base_json_value *recipes = base_json_get(root, "recipes"), *widths = base_json_get(root, "widths");
  const struct base_json_value *recipe = base_json_get(root, "recipe");
  if (base_json_is_array(recipes) && !widths && !recipe) return read_recipes(recipes, out, fault);
  if (base_json_is_array(widths) && !recipes) return read_widths(widths, recipe, out, fault);
  return BASE_FAIL(fault, BASE_BAD_INPUT, "recipes",
                   "the body is an object with the list recipes, or with the list widths and perhaps recipe");
}

static enum base_result read_wishes(struct console_exchange *exchange, struct wishes *out, struct base_fault *fault) {
  const struct http_header *type = http_request_header(&exchange->request, "Content-Type");
  struct base_span media_type = type ? type->value : (struct base_span){0};
  if (!base_span_is_nocase(base_span_trim(base_span_cut(&media_type, ';')), "application/json")) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "Content-Type", "recipes are sent as application/json");
  }
  struct base_buffer body;
  struct base_json *tree = NULL;
  enum base_result result = console_body_read_all(exchange, MAX_BODY_BYTES, &body, fault);
  if (result == BASE_OK) result = base_json_parse(base_buffer_span(&body), &tree, fault);
  if (result == BASE_OK) result = read_tree(base_json_root(tree), out, fault);
  base_json_destroy(&tree);
  base_buffer_finish(&body);
  return result;
}

// Lines, unless plain JSON is named and liked better.
static bool wants_lines(const struct http_request *request) {
  char joined[MAX_ACCEPT_BYTES];
  bool is_json_named, is_lines_named;
  if (http_request_joined(request, "Accept", joined, sizeof joined) != BASE_OK) return true;
  const int json = http_accept_quality(base_span_text(joined), "application/json", &is_json_named);
  const int lines = http_accept_quality(base_span_text(joined), "application/x-ndjson", &is_lines_named);
  return !is_json_named || json == 0 || (is_lines_named && lines >= json);
}

// --- results ---

static int64_t ms_since_begin(const struct making *making) {
  return (int64_t)((base_clock_us(making->exchange->console->config.clock) - making->begin_us) / 1000);
}

// As it is to be published: signed where the tenant's policy asks for it, and a key is there.
static void write_url(struct base_json_writer *json, const struct making *making, const char *recipe) {
  const struct console *console = making->exchange->console;
  const char *base_url = atomic_load(&console->delivery_url);
  struct integrity_digest id;
  struct pop_signing signing;
  struct base_fault ignored = {0};
  struct base_buffer path;
  char url[MAX_URL_BYTES];
  base_buffer_init(&path, MAX_URL_BYTES);
  const bool goes_signed = integrity_digest_parse(base_span_text(making->id), &id) &&
                           pop_sign_url(console->config.pop, making->exchange->tenant, POP_NATIVE, &id,
                                        base_span_text(recipe), 0, &signing, &path, &ignored) == BASE_OK &&
                           signing.needs_signature && signing.has_key;
  if (goes_signed) {
    (void)snprintf(url, sizeof url, "%s%.*s", base_url, (int)path.bytes, (const char *)path.data);
  } else {
    (void)snprintf(url, sizeof url, "%s/i/%s?%s", base_url, making->id, recipe);
  }
  base_json_string(json, "url", url);
  base_buffer_finish(&path);
}

static void write_variant(struct base_json_writer *json, const struct making *making, const struct pop_batch_item *item,
                          const char *recipe) {
  char digest[BASE_DIGEST_BASE64_CHARS + 1], field[sizeof "sha-256=::" + sizeof digest];
  base_base64_encode(base_span_of(item->digest.bytes, sizeof item->digest.bytes), digest, sizeof digest);
  (void)snprintf(field, sizeof field, "sha-256=:%s:", digest);
  write_url(json, making, recipe);
  base_json_integer(json, "bytes", (int64_t)item->bytes);
  base_json_integer(json, "width", item->width);
  base_json_integer(json, "height", item->height);
  base_json_string(json, "media_type", item->media_type);
  base_json_string(json, "digest", field);
  base_json_string(json, "source", pop_source_name(item->source));
}

// Puts the problem that a request for it alone would get behind the last member of an object.
static enum base_result append_problem(struct base_buffer *text, const struct base_fault *fault) {
  struct http_reply problem;
  http_problem_reply(&problem, fault, NULL);
  struct base_span body = base_span_text("null");
  if (problem.part_count == 1 && problem.parts[0].blob) body = base_blob_span(problem.parts[0].blob);
  text->bytes--;  // the closing brace
  const enum base_result result =
      base_buffer_printf(text, ",\"error\":%.*s}", (int)body.bytes, (const char *)body.data);
  http_reply_finish(&problem);
  return result;
}

// Called with the lock.
static enum base_result append_result(struct making *making, const struct pop_batch_item *item) {
  char recipe[RECIPE_TEXT_BYTES];
  struct base_json_writer json;
  recipe_text(&item->recipe, recipe);
  base_json_begin(&json, &making->text);
  base_json_object(&json, NULL);
  base_json_integer(&json, "index", (int64_t)item->index);
  base_json_string(&json, "recipe", recipe);
  if (item->fault.result == BASE_OK) write_variant(&json, making, item, recipe);
  base_json_integer(&json, "ms", ms_since_begin(making));
  base_json_object_end(&json);
  enum base_result result = json.result;
  if (result == BASE_OK && item->fault.result != BASE_OK) result = append_problem(&making->text, &item->fault);
  if (result == BASE_OK) result = base_buffer_append_text(&making->text, making->is_lines ? "\n" : ",");
  return result;
}

static void count(struct making *making, const struct base_fault *fault) {
  if (fault->result == BASE_OK) {
    making->made++;
    return;
  }
  if (making->failed++ == 0) {
    making->reason = *fault;
    making->is_one_reason = true;
  }
  if (fault->result != making->reason.result) making->is_one_reason = false;
}

static void take_result(void *self, const struct pop_batch_item *item) {
  struct making *making = self;
  pthread_mutex_lock(&making->lock);
  count(making, &item->fault);
  if (making->text_result == BASE_OK) making->text_result = append_result(making, item);
  pthread_cond_signal(&making->changed);
  pthread_mutex_unlock(&making->lock);
}

static void take_end(void *self) {
  struct making *making = self;
  pthread_mutex_lock(&making->lock);
  making->is_done = true;
  // Under the lock: the waiter can not take `making` down before this thread has let go of it.
  pthread_cond_signal(&making->changed);
  pthread_mutex_unlock(&making->lock);
}

static bool is_gone(void *self) { return atomic_load(&((struct making *)self)->is_gone); }

// --- the reply ---

// Called with the lock. In between it looks whether the client is still there.
static void wait_a_moment(struct making *making) {
  const struct console_wire *wire = &making->exchange->wire;
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += LOOK_AT_CLIENT_MS * 1000000L;
  if (until.tv_nsec >= 1000000000) {
    until.tv_nsec -= 1000000000;
    until.tv_sec++;
  }
  (void)pthread_cond_timedwait(&making->changed, &making->lock, &until);
  if (wire->is_gone && wire->is_gone(wire->self)) atomic_store(&making->is_gone, true);
}

// Waits for lines that can go out, or for the end. True at the end; then nothing changes any more.
static bool take_news(struct making *making, struct base_buffer *text) {
  pthread_mutex_lock(&making->lock);
  while (!making->is_done && !(making->is_lines && making->made > 0 && making->text.bytes > 0)) wait_a_moment(making);
  *text = making->text;
  base_buffer_init(&making->text, MAX_RESULT_BYTES);
  const bool is_done = making->is_done;
  pthread_mutex_unlock(&making->lock);
  return is_done;
}

static void send_lines(struct making *making, const struct base_buffer *text, struct http_reply *reply) {
  struct console_exchange *exchange = making->exchange;
  bool is_fine = true;
  if (exchange->stream == CONSOLE_STREAM_NONE) {
    http_reply_init(reply, 200);
    http_reply_header(reply, "Content-Type", "application/x-ndjson");
    http_reply_header(reply, "Cache-Control", "no-store");
    is_fine = console_stream_begin(exchange, reply);
  }
  if (!is_fine || !console_stream_write(exchange, base_buffer_span(text))) atomic_store(&making->is_gone, true);
}

static enum base_result append_summary(const struct making *making, struct base_buffer *text) {
  struct base_json_writer json;
  base_json_begin(&json, text);
  base_json_object(&json, NULL);
  base_json_integer(&json, "done", (int64_t)making->made);
  base_json_integer(&json, "failed", (int64_t)making->failed);
  base_json_integer(&json, "ms", ms_since_begin(making));
  base_json_object_end(&json);
  return json.result;
}

// A stream that lacks its end says that something is missing.
static void end_lines(struct making *making, struct base_buffer *text, struct http_reply *reply) {
  enum base_result result = making->text_result;
  if (result == BASE_OK) result = append_summary(making, text);
  if (result == BASE_OK) result = base_buffer_append_text(text, "\n");
  send_lines(making, text, reply);
  if (result == BASE_OK && !console_stream_end(making->exchange)) atomic_store(&making->is_gone, true);
}

static enum base_result reply_object(struct making *making, const struct base_buffer *text, struct http_reply *reply,
                                     struct base_fault *fault) {
  struct base_buffer json, summary;
  base_buffer_init(&json, MAX_RESULT_BYTES + MAX_SUMMARY_BYTES);
  base_buffer_init(&summary, MAX_SUMMARY_BYTES);
  enum base_result result = making->text_result;
  if (result == BASE_OK) result = append_summary(making, &summary);
  if (result == BASE_OK) {
    // Without the list's last comma and the summary's brace.
    result = base_buffer_printf(&json, "{\"variants\":[%.*s],%.*s", (int)text->bytes - 1, (const char *)text->data,
                                (int)summary.bytes - 1, (const char *)summary.data + 1);
  }
  result = console_reply_json(reply, 200, &json, result, fault);
  base_buffer_finish(&json);
  base_buffer_finish(&summary);
  return result;
}

static enum base_result answer(struct making *making, struct http_reply *reply, struct base_fault *fault) {
  struct base_buffer text;
  enum base_result result = BASE_OK;
  while (!take_news(making, &text)) {
    send_lines(making, &text, reply);
    base_buffer_finish(&text);
  }
  if (making->made == 0 && making->is_one_reason) {
    *fault = making->reason;
    result = fault->result;
  } else if (making->is_lines) {
    end_lines(making, &text, reply);
  } else {
    result = reply_object(making, &text, reply, fault);
  }
  base_buffer_finish(&text);
  return result;
}

// --- the request ---

static void making_init(struct making *making, struct console_exchange *exchange) {
  pthread_condattr_t monotonic;
  memset(making, 0, sizeof *making);
  making->exchange = exchange;
  making->is_lines = wants_lines(&exchange->request);
  making->begin_us = base_clock_us(exchange->console->config.clock);
  atomic_init(&making->is_gone, false);
  pthread_mutex_init(&making->lock, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&making->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  base_buffer_init(&making->text, MAX_RESULT_BYTES);
}

static void making_finish(struct making *making) {
  base_buffer_finish(&making->text);
  pthread_cond_destroy(&making->changed);
  pthread_mutex_destroy(&making->lock);
}

static void log_end(const struct making *making) {
  const struct console_exchange *exchange = making->exchange;
  base_log_write(exchange->console->config.log, BASE_LOG_INFO, "console", exchange->request.id,
                 "original %s: %zu variants are there, %zu failed, %lld ms%s", making->id, making->made, making->failed,
                 (long long)ms_since_begin(making), atomic_load(&making->is_gone) ? ", the client has gone" : "");
}

enum base_result console_variants_make(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) {
  struct making *making = malloc(sizeof *making);
  if (!making) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a batch");
  making_init(making, exchange);
  struct pop_batch batch = {.tenant = exchange->tenant,
                            .recipes = making->wishes.recipes,
                            .request_id = exchange->request.id,
                            .is_cancelled = is_gone,
                            .ready = take_result,
                            .done = take_end,
                            .self = making};
  enum base_result result = read_id(&exchange->request, &batch.original, fault);
  if (result == BASE_OK) result = read_wishes(exchange, &making->wishes, fault);
  if (result == BASE_OK) {
    batch.count = making->wishes.count;
    integrity_digest_text(&batch.original, making->id);
    result = pop_batch_run(exchange->console->config.pop, &batch, fault);
  }
  if (result == BASE_OK) {
    result = answer(making, reply, fault);
    log_end(making);
  }
  making_finish(making);
  free(making);
  return result;
}
