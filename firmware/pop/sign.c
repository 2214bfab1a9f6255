#include "pop/sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http/query.h"
#include "policy.h"
#include "pop/native.h"
#include "recipe/signature.h"
#include "state.h"

enum { MAX_URL_BYTES = 4096 };

// A URL that is being signed.
struct signee {
  const struct pop_tenant *tenant;
  const struct integrity_digest *original;
  struct base_span options;
  int64_t expires_s;
  char path[16 + BASE_DIGEST_BASE64URL_CHARS + 1];
  struct base_buffer message;  // what is signed: the path and the sorted options
};

static void write_path(struct signee *signee, const char *prefix) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(signee->original, id);
  (void)snprintf(signee->path, sizeof signee->path, "%s%s", prefix, id);
}

static enum base_result write_message(struct signee *signee, struct base_fault *fault) {
  char expiry[24];
  struct http_query query;
  struct recipe_signed_pair pairs[HTTP_MAX_QUERY_PAIRS + 1];
  const enum base_result result = http_query_parse(signee->options, &query, fault);
  if (result != BASE_OK) return result;
  size_t count = 0;
  for (; count < query.count; count++) {
    pairs[count] = (struct recipe_signed_pair){query.pairs[count].name, query.pairs[count].value};
  }
  if (signee->expires_s != 0) {
    const int length = snprintf(expiry, sizeof expiry, "%" PRId64, signee->expires_s);
    pairs[count++] = (struct recipe_signed_pair){base_span_text("exp"), base_span_of(expiry, (size_t)length)};
  }
  return recipe_sign_message(base_span_text(signee->path), pairs, count, &signee->message, fault);
}

static enum base_result sign_native(struct signee *signee, struct pop_signing *signing, struct base_buffer *out,
                                    struct base_fault *fault) {
  struct recipe recipe;
  write_path(signee, "/i/");
  enum base_result result = pop_native_parse_options(signee->options, &recipe, fault);  // which refuses exp and sig
  if (result == BASE_OK) result = write_message(signee, fault);
  if (result != BASE_OK) return result;
  signing->needs_signature = !pop_policy_lets(signee->tenant, &recipe);
  result = base_buffer_append(out, signee->message.data, signee->message.bytes);
  if (result != BASE_OK || !signing->has_key) return result;
  char signature[RECIPE_SIGNATURE_CHARS + 1];
  recipe_sign(&signee->tenant->keys[0], base_buffer_span(&signee->message), signature);
  const bool has_options = memchr(signee->message.data, '?', signee->message.bytes) != NULL;
  return base_buffer_printf(out, "%csig=%s", has_options ? '&' : '?', signature);
}

static enum base_result sign_iiif(struct signee *signee, struct pop_signing *signing, struct base_buffer *out,
                                  struct base_fault *fault) {
  write_path(signee, "/iiif/3/");
  if (signee->options.bytes > 0) return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "an IIIF identifier has no options");
  enum base_result result = write_message(signee, fault);
  if (result != BASE_OK) return result;
  signing->needs_signature = signee->tenant->unsigned_policy != POP_UNSIGNED_OPEN;
  result = base_buffer_append_text(out, signee->path);
  if (result != BASE_OK || !signing->has_key) return result;
  char signature[RECIPE_SIGNATURE_CHARS + 1];
  recipe_sign(&signee->tenant->keys[0], base_buffer_span(&signee->message), signature);
  return base_buffer_printf(out, ".%" PRId64 ".%s", signee->expires_s, signature);
}

// While keys are held.
static enum base_result sign_url(struct pop *pop, const char *tenant, enum pop_grammar grammar,
                                 const struct integrity_digest *original, struct base_span options, int64_t expires_s,
                                 struct pop_signing *signing, struct base_buffer *out, struct base_fault *fault) {
  struct signee signee = {.tenant = pop_tenants_find_name(&pop->tenants, tenant),
                          .original = original,
                          .options = options,
                          .expires_s = expires_s};
  if (!signee.tenant) return BASE_FAIL(fault, BASE_NOT_FOUND, "tenant", "there is no tenant %s", tenant);
  if (grammar == POP_IMGPROXY) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "grammar", "URLs of imgproxy are signed by who has its keys");
  }
  *signing = (struct pop_signing){.has_key = signee.tenant->key_count > 0};
  if (expires_s != 0 && !signing->has_key) {
    return BASE_FAIL(fault, BASE_CONFLICT, "sign_keys", "the tenant %s has no sign_keys, so its URLs can not expire",
                     tenant);
  }
  base_buffer_init(&signee.message, MAX_URL_BYTES);
  const enum base_result result =
      grammar == POP_IIIF ? sign_iiif(&signee, signing, out, fault) : sign_native(&signee, signing, out, fault);
  base_buffer_finish(&signee.message);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no room for the URL");
}

enum base_result pop_sign_url(struct pop *pop, const char *tenant, enum pop_grammar grammar,
                              const struct integrity_digest *original, struct base_span options, int64_t expires_s,
                              struct pop_signing *signing, struct base_buffer *out, struct base_fault *fault) {
  pop_tenants_hold_keys(&pop->tenants);
  const enum base_result result = sign_url(pop, tenant, grammar, original, options, expires_s, signing, out, fault);
  pop_tenants_release_keys(&pop->tenants);
  return result;
}
