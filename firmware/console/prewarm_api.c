// /api/v1/prewarm: the recipes that are made for every new original.
//
// GET shows the list, how many new originals wait, and the latest run over all of them. PUT {"recipes": [...]} replaces
// the list. POST /api/v1/prewarm/run {"tag": "..."} makes the list's variants for all originals, or those that carry
// the tag; it answers at once, and GET shows how far it is. All three answer with the same document.

#include "api.h"
#include "json_body.h"
#include "pop/prewarm.h"

enum { MAX_BODY_BYTES = 64 * 1024, MAX_REPLY_JSON = 128 * 1024 };

static enum base_result get_prewarm(const struct console_exchange *exchange, struct pop_prewarm **out,
                                    struct base_fault *fault) {
  *out = exchange->console->config.prewarm;
  return *out ? BASE_OK : BASE_FAIL(fault, BASE_NOT_FOUND, "", "this box prewarms nothing");
}

static void write_run(struct base_json_writer *json, const struct pop_prewarm_state *state) {
  base_json_object(json, "run");
  base_json_bool(json, "is_running", state->is_running);
  base_json_string(json, "tag", state->tag[0] ? state->tag : NULL);
  base_json_integer(json, "originals", (int64_t)state->originals);
  base_json_integer(json, "done", (int64_t)state->done);
  base_json_integer(json, "made", (int64_t)state->made);
  base_json_integer(json, "present", (int64_t)state->present);
  base_json_integer(json, "failed", (int64_t)state->failed);
  base_json_integer(json, "started_s", state->started_s);
  if (!state->is_running) base_json_integer(json, "ended_s", state->ended_s);
  base_json_object_end(json);
}

static enum base_result reply_state(const struct console_exchange *exchange, struct pop_prewarm *prewarm, int status,
                                    struct http_reply *reply, struct base_fault *fault) {
  char recipes[POP_MAX_PREWARM][POP_PREWARM_RECIPE_BYTES];
  struct pop_prewarm_state state;
  struct base_buffer text;
  struct base_json_writer json;
  const size_t count = pop_prewarm_get(prewarm, exchange->tenant, recipes);
  pop_prewarm_get_state(prewarm, exchange->tenant, &state);
  base_buffer_init(&text, MAX_REPLY_JSON);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  base_json_array(&json, "recipes");
  for (size_t i = 0; i < count; i++) base_json_string(&json, NULL, recipes[i]);
  base_json_array_end(&json);
  base_json_integer(&json, "max_recipes", POP_MAX_PREWARM);
  base_json_integer(&json, "queued", (int64_t)state.queued);
  if (state.has_run) {
    write_run(&json, &state);
  } else {
    base_json_string(&json, "run", NULL);
  }
  base_json_object_end(&json);
  const enum base_result result = console_reply_json(reply, status, &text, json.result, fault);
  base_buffer_finish(&text);
  return result;
}

enum base_result console_prewarm_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) {
  struct pop_prewarm *prewarm;
  const enum base_result result = get_prewarm(exchange, &prewarm, fault);
  return result == BASE_OK ? reply_state(exchange, prewarm, 200, reply, fault) : result;
}

static enum base_result set_list(const struct console_exchange *exchange, struct pop_prewarm *prewarm,
                                 const struct base_json *body, struct base_fault *fault) {
  struct base_span recipes[POP_MAX_PREWARM];
  const struct base_json_value *list = base_json_get(base_json_root(body), "recipes");
  const size_t count = base_json_length(list);
  if (!base_json_is_array(list)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "recipes", "recipes is a list of strings such as \"w=320&fm=webp\"");
  }
  if (count > POP_MAX_PREWARM) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "recipes", "recipes has at most %d elements", POP_MAX_PREWARM);
  }
  for (size_t i = 0; i < count; i++) {
    const char *text = base_json_as_string(base_json_at(list, i));
    if (!text) return BASE_FAIL(fault, BASE_BAD_INPUT, "recipes", "recipe %zu is not a string", i);
    recipes[i] = base_span_text(text);
  }
  return pop_prewarm_set(prewarm, exchange->tenant, recipes, count, fault);
}

enum base_result console_prewarm_set(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  static const char *const members[] = {"recipes"};
  struct pop_prewarm *prewarm;
  struct base_json *body;
  enum base_result result = get_prewarm(exchange, &prewarm, fault);
  if (result == BASE_OK) result = console_json_body_read(exchange, MAX_BODY_BYTES, members, 1, &body, fault);
  if (result != BASE_OK) return result;
  result = set_list(exchange, prewarm, body, fault);
  base_json_destroy(&body);
  if (result != BASE_OK) return result;
  base_log_write(exchange->console->config.log, BASE_LOG_INFO, "console", exchange->request.id,
                 "the prewarm list of %s was replaced", exchange->tenant);
  return reply_state(exchange, prewarm, 200, reply, fault);
}

enum base_result console_prewarm_run(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  static const char *const members[] = {"tag"};
  struct pop_prewarm *prewarm;
  struct base_json *body;
  const char *tag;
  enum base_result result = get_prewarm(exchange, &prewarm, fault);
  if (result == BASE_OK) result = console_json_body_read(exchange, MAX_BODY_BYTES, members, 1, &body, fault);
  if (result != BASE_OK) return result;
  result = console_json_body_text(body, "tag", &tag, fault);
  if (result == BASE_OK && tag && !tag[0]) {
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "tag", "the tag is empty; without one, all originals are gone through");
  }
  if (result == BASE_OK) result = pop_prewarm_run(prewarm, exchange->tenant, base_span_text(tag), fault);
  base_json_destroy(&body);
  return result == BASE_OK ? reply_state(exchange, prewarm, 202, reply, fault) : result;
}
