// GET /api/v1/originals/{id}/url?{options}[&expires_in=s][&form=iiif]: the public URL of a variant, signed with the
// tenant's first key where it has one. The box never shows the key itself.
//
// The reply: {"url": what to publish: plain where it goes unsigned, else signed, "signed_url": null without a key,
// "needs_signature": whether the policy asks for one, "expires_s": Unix seconds or null}.
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "http/query.h"
#include "pop/sign.h"

enum {
  ORIGINALS_PATH_BYTES = sizeof("/api/v1/originals/") - 1,
  MAX_URL_BYTES = 8192,
  MAX_JSON_BYTES = 64 * 1024,
  MAX_EXPIRES_IN_S = 10 * 366 * 24 * 3600,
};

struct asked {
  struct integrity_digest id;
  enum pop_grammar form;
  int64_t expires_s;           // 0: never
  struct base_buffer options;  // without those of this resource
};

static enum base_result read_id(const struct http_request *request, struct integrity_digest *out,
                                struct base_fault *fault) {
  struct base_span rest = base_span_slice(request->path, ORIGINALS_PATH_BYTES, request->path.bytes);
  if (integrity_digest_parse(base_span_cut(&rest, '/'), out)) return BASE_OK;
  return BASE_FAIL(fault, BASE_NOT_FOUND, "id", "there is no original of that id");
}

static enum base_result read_expiry(const struct base_clock *clock, struct base_span value, struct asked *out,
                                    struct base_fault *fault) {
  uint64_t seconds;
  if (out->expires_s != 0 || !base_span_to_u64(value, &seconds) || seconds < 1 || seconds > MAX_EXPIRES_IN_S) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "expires_in", "expires_in is 1..%d seconds, once", MAX_EXPIRES_IN_S);
  }
  if (!base_clock_is_trusted(clock)) {
    return BASE_FAIL(fault, BASE_BUSY, "expires_in", "the box does not know the time yet");
  }
  out->expires_s = base_clock_wall_s(clock) + (int64_t)seconds;
  return BASE_OK;
}

static enum base_result read_form(struct base_span value, struct asked *out, struct base_fault *fault) {
  if (base_span_is(value, "iiif") || base_span_is(value, "native")) {
    out->form = base_span_is(value, "iiif") ? POP_IIIF : POP_NATIVE;
    return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, "form", "form is native or iiif");
}

static enum base_result add_option(struct base_span name, struct base_span value, struct base_buffer *out,
                                   struct base_fault *fault) {
  const enum base_result result = base_buffer_printf(out, "%s%.*s=%.*s", out->bytes > 0 ? "&" : "", (int)name.bytes,
                                                     name.data, (int)value.bytes, value.data);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "query", "no room for the options");
}

static enum base_result read_asked(const struct console_exchange *exchange, struct asked *out,
                                   struct base_fault *fault) {
  struct http_query query;
  enum base_result result = read_id(&exchange->request, &out->id, fault);
  if (result == BASE_OK) result = http_query_parse(exchange->request.query, &query, fault);
  for (size_t i = 0; result == BASE_OK && i < query.count; i++) {
    const struct base_span name = query.pairs[i].name, value = query.pairs[i].value;
    if (base_span_is(name, "expires_in")) {
      result = read_expiry(exchange->console->config.clock, value, out, fault);
    } else if (base_span_is(name, "form")) {
      result = read_form(value, out, fault);
    } else {
      result = add_option(name, value, &out->options, fault);
    }
  }
  return result;
}

// Everything before the signature and the expiry: what an unsigned URL is.
static enum base_result write_plain(const struct asked *asked, struct base_buffer *out) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&asked->id, id);
  if (asked->form == POP_IIIF) return base_buffer_printf(out, "/iiif/3/%s", id);
  return base_buffer_printf(out, "/i/%s%s%.*s", id, asked->options.bytes > 0 ? "?" : "", (int)asked->options.bytes,
                            asked->options.bytes > 0 ? (const char *)asked->options.data : "");
}

static enum base_result write_json(const struct asked *asked, const struct pop_signing *signing,
                                   struct base_span best_url, struct base_span plain_url, struct base_buffer *out) {
  const bool goes_plain = asked->expires_s == 0 && !signing->needs_signature;
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  base_json_text(&json, "url", goes_plain ? plain_url : best_url);
  if (signing->has_key) base_json_text(&json, "signed_url", best_url);
  if (!signing->has_key) base_json_string(&json, "signed_url", NULL);
  base_json_bool(&json, "needs_signature", signing->needs_signature);
  if (asked->expires_s != 0) base_json_integer(&json, "expires_s", asked->expires_s);
  if (asked->expires_s == 0) base_json_string(&json, "expires_s", NULL);
  base_json_object_end(&json);
  return json.result;
}

enum base_result console_url_show(struct console_exchange *exchange, struct http_reply *reply,
                                  struct base_fault *fault) {
  const struct console_config *config = &exchange->console->config;
  const char *base_url = atomic_load(&exchange->console->delivery_url);
  struct asked asked = {.form = POP_NATIVE};
  struct pop_signing signing;
  struct store_original original;
  struct base_buffer url, plain_url, text;
  base_buffer_init(&asked.options, HTTP_MAX_QUERY_BYTES);
  base_buffer_init(&url, MAX_URL_BYTES);
  base_buffer_init(&plain_url, MAX_URL_BYTES);
  base_buffer_init(&text, MAX_JSON_BYTES);
  enum base_result result = read_asked(exchange, &asked, fault);
  if (result == BASE_OK) result = store_original_find(config->store, exchange->tenant, &asked.id, &original, fault);
  if (result == BASE_OK) result = base_buffer_append_text(&url, base_url);
  if (result == BASE_OK) {
    result = pop_sign_url(config->pop, exchange->tenant, asked.form, &asked.id, base_buffer_span(&asked.options),
                          asked.expires_s, &signing, &url, fault);
  }
  if (result == BASE_OK) result = base_buffer_append_text(&plain_url, base_url);
  if (result == BASE_OK) result = write_plain(&asked, &plain_url);
  if (result == BASE_OK) {
    const enum base_result written =
        write_json(&asked, &signing, base_buffer_span(&url), base_buffer_span(&plain_url), &text);
    result = console_reply_json(reply, 200, &text, written, fault);
  }
  base_buffer_finish(&text);
  base_buffer_finish(&plain_url);
  base_buffer_finish(&url);
  base_buffer_finish(&asked.options);
  return result;
}
