#include "policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http/query.h"
#include "pop/imgproxy.h"
#include "recipe/signature.h"
#include "syntax.h"
#include "tenant.h"

enum { MILLI = 1000, MAX_MESSAGE_BYTES = 8192, MAX_LADDER_TEXT = 100, MAX_WIDTH_TEXT = 12 };

// How each grammar is signed and what of it goes without: for those who are refused.
static const struct grammar_terms {
  const char *signing, *unsigned_widths;
} terms[] = {
    [POP_NATIVE] = {"sig = base64url(HMAC-SHA256(key, salt + path + '?' + the other options, sorted)), as 'pixpop url "
                    "--sign' makes it",
                    "w (with dpr 1, 1.5, 2 or 3, and any fm)"},
    [POP_IIIF] = {"the identifier {id}.{exp}.{sig}, as 'pixpop url --sign --iiif' makes it",
                  "full/max and full/w,/0/default, w"},
    [POP_IMGPROXY] = {"base64url(HMAC-SHA256(key, salt + the rest of the path)) in front of it, as 'pixpop url --sign "
                      "--imgproxy' makes it",
                      "width (with dpr 1, 1.5, 2 or 3, and any format)"},
};

// --- what goes unsigned ---

static bool is_on_ladder(const struct pop_tenant *tenant, uint64_t width) {
  size_t count;
  const uint32_t *ladder = pop_tenant_ladder(tenant, &count);
  for (size_t i = 0; i < count; i++) {
    if (ladder[i] == width) return true;
  }
  return false;
}

static bool is_usual_dpr(uint32_t milli) {
  return milli == 0 || milli == MILLI || milli == MILLI * 3 / 2 || milli == MILLI * 2 || milli == MILLI * 3;
}

// The width, or what it comes to in pixels, so that a URL and the pinned one it stands for are treated alike.
static bool is_width_open(const struct pop_tenant *tenant, uint32_t width, uint32_t dpr_milli) {
  if (width == 0 || is_on_ladder(tenant, width)) return true;
  const uint64_t milli_pixels = (uint64_t)width * dpr_milli;
  return milli_pixels % MILLI == 0 && is_on_ladder(tenant, milli_pixels / MILLI);
}

static bool is_recipe_on_ladder(const struct pop_tenant *tenant, const struct recipe *recipe) {
  char text[RECIPE_TEXT_BYTES];
  struct recipe rest = *recipe;
  if (!is_usual_dpr(recipe->dpr_milli) || !is_width_open(tenant, recipe->width, recipe->dpr_milli)) return false;
  rest.width = rest.dpr_milli = 0;
  rest.format = RECIPE_FORMAT_AUTO;
  if (rest.quality == RECIPE_DEFAULT_QUALITY) rest.quality = 0;
  recipe_text(&rest, text);  // leaves out what has its default
  return text[0] == '\0';
}

static bool is_iiif_on_ladder(const struct pop_tenant *tenant, const struct pop_iiif *wish) {
  if (wish->kind != POP_IIIF_IMAGE) return true;
  return wish->region == POP_IIIF_FULL && !wish->may_enlarge && !wish->is_mirrored && wish->turn == IMAGE_UPRIGHT &&
         !wish->is_grey &&
         (wish->size == POP_IIIF_MAX || (wish->size == POP_IIIF_WIDTH && is_on_ladder(tenant, wish->width)));
}

static bool is_address_on_ladder(const struct pop_tenant *tenant, const struct pop_address *address) {
  if (address->expires_s != 0) return false;  // only who signs says for how long
  switch (address->grammar) {
    case POP_NATIVE:
      return is_recipe_on_ladder(tenant, &address->recipe);
    case POP_IIIF:
      return is_iiif_on_ladder(tenant, &address->wish.iiif);
    case POP_IMGPROXY:
      return pop_imgproxy_is_plain(&address->wish.imgproxy) && is_usual_dpr(address->wish.imgproxy.dpr_milli) &&
             is_width_open(tenant, address->wish.imgproxy.width, address->wish.imgproxy.dpr_milli);
  }
  return false;
}

bool pop_policy_lets(const struct pop_tenant *tenant, const struct recipe *recipe) {
  if (tenant->unsigned_policy == POP_UNSIGNED_LADDER) return is_recipe_on_ladder(tenant, recipe);
  return tenant->unsigned_policy == POP_UNSIGNED_OPEN;
}

// "160,320,...": as many widths as fit.
static void write_ladder(const struct pop_tenant *tenant, char out[MAX_LADDER_TEXT + MAX_WIDTH_TEXT]) {
  size_t count, used = 0;
  const uint32_t *ladder = pop_tenant_ladder(tenant, &count);
  out[0] = '\0';
  for (size_t i = 0; i < count; i++) {
    if (used + MAX_WIDTH_TEXT > MAX_LADDER_TEXT) {
      (void)snprintf(out + used, MAX_WIDTH_TEXT, ", ...");
      return;
    }
    used += (size_t)snprintf(out + used, MAX_WIDTH_TEXT, "%s%" PRIu32, i == 0 ? "" : ",", ladder[i]);
  }
}

static enum base_result refuse_unsigned(const struct pop_tenant *tenant, enum pop_grammar grammar,
                                        struct base_fault *fault) {
  char ladder[MAX_LADDER_TEXT + MAX_WIDTH_TEXT];
  if (tenant->unsigned_policy == POP_UNSIGNED_NONE) {
    return BASE_FAIL(fault, BASE_FORBIDDEN, "signature", "this URL must be signed: %s. Nothing goes unsigned here",
                     terms[grammar].signing);
  }
  write_ladder(tenant, ladder);
  return BASE_FAIL(fault, BASE_FORBIDDEN, "signature", "this URL must be signed: %s. Unsigned go %s of %s",
                   terms[grammar].signing, terms[grammar].unsigned_widths, ladder);
}

// --- signatures ---

// One text for every way in which a signature can be wrong.
static enum base_result refuse_signature(enum pop_grammar grammar, struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_FORBIDDEN, "signature", "the signature is not one of this URL: %s",
                   terms[grammar].signing);
}

static enum base_result check_native(const struct pop_tenant *tenant, const struct http_request *request,
                                     bool *is_signed, struct base_fault *fault) {
  struct http_query query;
  struct recipe_signed_pair pairs[HTTP_MAX_QUERY_PAIRS];
  struct base_span signature = {NULL, 0};
  enum base_result result = http_query_parse(request->query, &query, fault);
  if (result != BASE_OK) return result;
  for (size_t i = 0; i < query.count; i++) {
    pairs[i] = (struct recipe_signed_pair){query.pairs[i].name, query.pairs[i].value};
    if (!base_span_is(pairs[i].name, "sig")) continue;
    *is_signed = true;
    signature = pairs[i].value;  // a second one is refused with every other option that comes twice
  }
  if (!*is_signed) return BASE_OK;
  struct base_buffer message;
  base_buffer_init(&message, MAX_MESSAGE_BYTES);
  result = recipe_sign_message(request->path, pairs, query.count, &message, fault);
  if (result == BASE_OK && !recipe_sign_check(tenant->keys, tenant->key_count, base_buffer_span(&message), signature)) {
    result = refuse_signature(POP_NATIVE, fault);
  }
  base_buffer_finish(&message);
  return result;
}

static enum base_result check_iiif(const struct pop_tenant *tenant, const struct pop_address *address, bool *is_signed,
                                   struct base_fault *fault) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1], message[128];
  *is_signed = address->wish.iiif.is_signed;
  if (!*is_signed) return BASE_OK;
  integrity_digest_text(&address->original, id);
  int length = snprintf(message, sizeof message, "/iiif/3/%s", id);
  if (address->expires_s != 0) {
    length += snprintf(message + length, sizeof message - (size_t)length, "?exp=%" PRId64, address->expires_s);
  }
  const bool fits = recipe_sign_check(tenant->keys, tenant->key_count, base_span_of(message, (size_t)length),
                                      base_span_text(address->wish.iiif.signature));
  return fits ? BASE_OK : refuse_signature(POP_IIIF, fault);
}

static enum base_result check_imgproxy(const struct pop_tenant *tenant, const struct http_request *request,
                                       bool *is_signed, struct base_fault *fault) {
  struct base_span signature, signed_part;
  struct pop_imgproxy_repair repair;
  const enum base_result result = pop_imgproxy_split(request->path, &repair, &signature, &signed_part, fault);
  if (result != BASE_OK) return result;
  *is_signed = !pop_imgproxy_is_unsigned(signature);
  if (!*is_signed) return BASE_OK;
  const bool fits = recipe_sign_check(tenant->imgproxy_keys, tenant->imgproxy_key_count, signed_part, signature);
  return fits ? BASE_OK : refuse_signature(POP_IMGPROXY, fault);
}

// --- expiry ---

static enum base_result check_expiry(int64_t expires_s, int64_t now_s, bool is_clock_trusted,
                                     struct base_fault *fault) {
  if (expires_s == 0) return BASE_OK;
  if (!is_clock_trusted) {
    return BASE_FAIL(fault, BASE_BUSY, "exp", "this URL expires, and the server does not know the time yet");
  }
  return expires_s > now_s ? BASE_OK : BASE_FAIL(fault, BASE_GONE, "exp", "this URL has expired");
}

enum base_result pop_policy_check(const struct pop_tenant *tenant, const struct http_request *request,
                                  const struct pop_address *address, int64_t now_s, bool is_clock_trusted,
                                  struct base_fault *fault) {
  bool is_signed = false;
  enum base_result result = BASE_OK;
  switch (address->grammar) {
    case POP_NATIVE:
      result = check_native(tenant, request, &is_signed, fault);
      break;
    case POP_IIIF:
      result = check_iiif(tenant, address, &is_signed, fault);
      break;
    case POP_IMGPROXY:
      result = check_imgproxy(tenant, request, &is_signed, fault);
      break;
  }
  if (result != BASE_OK) return result;
  const bool goes_unsigned = tenant->unsigned_policy == POP_UNSIGNED_OPEN ||
                             (tenant->unsigned_policy == POP_UNSIGNED_LADDER && is_address_on_ladder(tenant, address));
  if (!is_signed && !goes_unsigned) return refuse_unsigned(tenant, address->grammar, fault);
  return check_expiry(address->expires_s, now_s, is_clock_trusted, fault);
}

static enum base_result read_expiry(const struct http_request *request, bool takes_more, int64_t *expires_s,
                                    struct base_fault *fault) {
  struct http_query query;
  const enum base_result result = http_query_parse(request->query, &query, fault);
  bool has_signature = false;
  *expires_s = 0;
  for (size_t i = 0; i < query.count && result == BASE_OK; i++) {
    if (base_span_is(query.pairs[i].name, "sig") && !has_signature) {
      has_signature = true;
    } else if (takes_more && !base_span_is(query.pairs[i].name, "exp") && !base_span_is(query.pairs[i].name, "sig")) {
      continue;
    } else if (!base_span_is(query.pairs[i].name, "exp") || *expires_s != 0 ||
               !pop_syntax_expiry(query.pairs[i].value, expires_s)) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "query", "this URL takes the options exp (Unix seconds) and sig only");
    }
  }
  if (result == BASE_OK && *expires_s != 0 && !has_signature) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "exp", "only a signed URL can expire");
  }
  return result;
}

enum base_result pop_policy_read_pass(const struct pop_tenant *tenant, const struct http_request *request,
                                      bool takes_more, int64_t now_s, bool is_clock_trusted, struct pop_pass *out,
                                      struct base_fault *fault) {
  *out = (struct pop_pass){0};
  enum base_result result = read_expiry(request, takes_more, &out->expires_s, fault);
  if (result == BASE_OK) result = check_native(tenant, request, &out->is_signed, fault);
  if (result == BASE_OK) result = check_expiry(out->expires_s, now_s, is_clock_trusted, fault);
  return result;
}
