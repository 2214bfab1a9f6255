// The policy: whatever URL comes, without the key it does not get past `none`, what goes on the ladder goes where all
// is open, and the same URL signed goes everywhere.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "http/query.h"
#include "policy.h"
#include "pop/address.h"

enum { NOW_S = 1800000000, MAX_MESSAGE = 8192 };

// Known to nobody who writes a corpus: a signature that fits is a way around.
static struct pop_tenant tenant_of(enum pop_unsigned policy) {
  struct pop_tenant tenant = {.name = "default", .unsigned_policy = policy, .key_count = 1, .imgproxy_key_count = 1};
  base_random_bytes(tenant.keys[0].key, RECIPE_MAX_SIGN_KEY);
  base_random_bytes(tenant.imgproxy_keys[0].key, RECIPE_MAX_SIGN_KEY);
  tenant.keys[0].key_bytes = tenant.imgproxy_keys[0].key_bytes = RECIPE_MAX_SIGN_KEY;
  return tenant;
}

static enum base_result check(const struct pop_tenant *tenant, struct base_span path, struct base_span query,
                              const struct pop_address *address) {
  const struct http_request request = {.method = HTTP_GET, .path = path, .query = query};
  return pop_policy_check(tenant, &request, address, NOW_S, true, NULL);
}

// Signs a native URL and asks again.
static void check_signed(struct base_span path, struct base_span query) {
  const struct pop_tenant tenant = tenant_of(POP_UNSIGNED_NONE);
  struct http_query parsed;
  struct recipe_signed_pair pairs[HTTP_MAX_QUERY_PAIRS];
  struct base_buffer message;
  struct pop_address address;
  char signature[RECIPE_SIGNATURE_CHARS + 1];
  BASE_ASSERT(http_query_parse(query, &parsed, NULL) == BASE_OK);
  for (size_t i = 0; i < parsed.count; i++) {
    pairs[i] = (struct recipe_signed_pair){parsed.pairs[i].name, parsed.pairs[i].value};
  }
  base_buffer_init(&message, MAX_MESSAGE);
  BASE_ASSERT(recipe_sign_message(path, pairs, parsed.count, &message, NULL) == BASE_OK);
  recipe_sign(&tenant.keys[0], base_buffer_span(&message), signature);
  const char *before = memchr(message.data, '?', message.bytes) ? "&sig=" : "?sig=";
  BASE_ASSERT(base_buffer_printf(&message, "%s%s", before, signature) == BASE_OK);
  struct base_span signed_query = base_buffer_span(&message);
  const struct base_span signed_path = base_span_cut(&signed_query, '?');
  if (signed_query.bytes <= HTTP_MAX_QUERY_BYTES) {
    BASE_ASSERT(pop_address_read(signed_path, signed_query, &address, NULL) == BASE_OK);
    const enum base_result result = check(&tenant, signed_path, signed_query, &address);
    BASE_ASSERT(result == BASE_OK || (result == BASE_GONE && address.expires_s <= NOW_S));
  }
  base_buffer_finish(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static const enum pop_unsigned policies[] = {POP_UNSIGNED_NONE, POP_UNSIGNED_LADDER, POP_UNSIGNED_OPEN};
  enum base_result results[3];
  struct base_span query = base_span_of(data, bytes);
  const struct base_span path = base_span_cut(&query, '?');
  struct pop_address address;
  if (pop_address_read(path, query, &address, NULL) != BASE_OK) return 0;
  for (int i = 0; i < 3; i++) {
    const struct pop_tenant tenant = tenant_of(policies[i]);
    results[i] = check(&tenant, path, query, &address);
  }
  BASE_ASSERT(results[0] == BASE_FORBIDDEN);
  if (results[1] != BASE_FORBIDDEN) BASE_ASSERT(results[1] == results[2]);
  if (address.grammar == POP_NATIVE) check_signed(path, query);
  return 0;
}
