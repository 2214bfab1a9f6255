#include "document.h"

#include "http/representation.h"
#include "reply.h"
#include "tenant.h"

// https://iiif.io/api/image/3.0/#51-image-information-request
#define INFO_TYPE "application/ld+json;profile=\"http://iiif.io/api/image/3/context.json\""
#define PREFIX "/iiif/3/"

enum { INFO_LIFE_S = 3600, MAX_URL_BYTES = 1024, MAX_INFO_BYTES = 16 * 1024 };

bool pop_document_is(const struct pop_address *address) {
  return address->grammar == POP_IIIF && address->wish.iiif.kind != POP_IIIF_IMAGE;
}

bool pop_document_is_redirect(const struct pop_address *address) {
  return pop_document_is(address) && address->wish.iiif.kind == POP_IIIF_BASE;
}

// "https://host/iiif/3/{identifier}"
static enum base_result write_base_url(const struct http_request *request, const struct pop_address *address,
                                       const char *public_url, struct base_buffer *out, struct base_fault *fault) {
  char identifier[POP_IIIF_IDENTIFIER_CHARS + 1];
  enum base_result result;
  pop_iiif_identifier(address, identifier);
  if (public_url) {
    result = base_buffer_append_text(out, public_url);
  } else if (request->authority.bytes) {
    result = base_buffer_append_text(out, request->is_secure ? "https://" : "http://");
    if (result == BASE_OK) result = base_buffer_append(out, request->authority.data, request->authority.bytes);
  } else {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "host", "without a Host the document can not give its address");
  }
  if (result == BASE_OK) result = base_buffer_append_text(out, PREFIX);
  if (result == BASE_OK) result = base_buffer_append_text(out, identifier);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "host", "the document's address is too long");
}

enum base_result pop_document_redirect(const struct http_request *request, const struct pop_address *address,
                                       const char *public_url, struct http_reply *reply, struct base_fault *fault) {
  struct base_buffer url;
  base_buffer_init(&url, MAX_URL_BYTES);
  enum base_result result = write_base_url(request, address, public_url, &url, fault);
  if (result == BASE_OK && base_buffer_append_text(&url, "/info.json") != BASE_OK) {
    result = BASE_FAIL(fault, BASE_TOO_LARGE, "host", "the document's address is too long");
  }
  if (result == BASE_OK) {
    http_reply_init(reply, 303);
    http_reply_header_span(reply, "Location", base_buffer_span(&url));
    http_reply_header(reply, "Cache-Control", "no-cache");
    pop_reply_add_open_fields(reply);
  }
  base_buffer_finish(&url);
  return result;
}

// Without Last-Modified: another version of this program may say more of the same original.
static void reply_with(const struct http_request *request, const struct pop_ask *ask, struct base_blob *blob,
                       int64_t now_s, struct http_reply *reply) {
  struct integrity_digest digest;
  integrity_digest_of(base_blob_span(blob), &digest);
  const struct http_representation representation = {
      .blob = blob,
      .media_type = INFO_TYPE,
      .digest = digest.bytes,
      .last_modified_s = -1,
      .sha256 = integrity_digest_pieces,
  };
  http_representation_reply(request, &representation, now_s, reply);
  if (reply->status >= 400) {  // a problem, which is not cached
    pop_reply_add_error_fields(reply);
    return;
  }
  const int64_t expires_s = ask->address.expires_s;
  const int64_t left_s = expires_s ? expires_s - now_s : INFO_LIFE_S;
  pop_reply_add_open_fields(reply);
  http_reply_header_span(reply, "Link", base_span_text(POP_IIIF_PROFILE_LINK));
  if (ask->address.wish.iiif.has_plainer) {
    http_reply_header(reply, "Cache-Control", "no-store");
    return;
  }
  http_reply_header(reply, "Cache-Control", "%smax-age=%d", ask->is_trusted ? "private, " : "",
                    left_s < INFO_LIFE_S ? (int)left_s : INFO_LIFE_S);
}

enum base_result pop_document_info(const struct http_request *request, const struct pop_ask *ask,
                                   const char *public_url, const struct pop_original *original, int64_t now_s,
                                   struct http_reply *reply, struct base_fault *fault) {
  size_t count;
  const uint32_t *ladder = pop_tenant_ladder(ask->tenant, &count);
  struct base_buffer url, json;
  struct base_blob *blob = NULL;
  base_buffer_init(&url, MAX_URL_BYTES);
  base_buffer_init(&json, MAX_INFO_BYTES);
  enum base_result result = write_base_url(request, &ask->address, public_url, &url, fault);
  if (result == BASE_OK) {
    result = pop_iiif_info(base_buffer_span(&url), &original->header, ladder, count, &json);
    if (result == BASE_OK) blob = base_blob_copy(base_buffer_span(&json));
    if (!blob) result = BASE_FAIL(fault, result == BASE_OK ? BASE_NO_MEMORY : result, "", "info.json was not made");
  }
  if (blob) reply_with(request, ask, blob, now_s, reply);
  base_blob_unref(&blob);
  base_buffer_finish(&json);
  base_buffer_finish(&url);
  return result;
}
