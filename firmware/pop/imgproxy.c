// The shape of imgproxy's URLs: signature, options one after the other, source. What an option says is read in
// imgproxy_options.c.
#include "pop/imgproxy.h"

#include <string.h>

#include "base/text.h"
#include "imgproxy_options.h"
#include "pop/address.h"
#include "syntax.h"

static const char prefix[] = "/imgproxy/";
static const char local_scheme[] = "local:///";

enum { MAX_SOURCE_BYTES = 64 };  // local:/// and an id

// "plain/local:/{id}" becomes "plain/local:///{id}"; everything else stays. No longer than POP_IMGPROXY_MAX_PATH.
static struct base_span restore_slashes(struct base_span rest, struct pop_imgproxy_repair *repair) {
  static const char merged[] = "/plain/local:/";
  const uint8_t *found = memmem(rest.data, rest.bytes, merged, sizeof merged - 1);
  if (!found) return rest;
  const size_t before = (size_t)(found - rest.data) + sizeof merged - 1;
  if (before < rest.bytes && rest.data[before] == '/') return rest;
  memcpy(repair->bytes, rest.data, before);
  memcpy(repair->bytes + before, "//", 2);
  memcpy(repair->bytes + before + 2, rest.data + before, rest.bytes - before);
  return base_span_of(repair->bytes, rest.bytes + 2);
}

enum base_result pop_imgproxy_split(struct base_span path, struct pop_imgproxy_repair *repair,
                                    struct base_span *signature, struct base_span *signed_part,
                                    struct base_fault *fault) {
  BASE_ASSERT(base_span_starts_with(path, prefix));
  struct base_span rest = base_span_slice(path, sizeof prefix - 1, path.bytes);
  *signature = base_span_cut(&rest, '/');
  if (path.bytes > POP_IMGPROXY_MAX_PATH) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "path", "the path is longer than %d bytes", POP_IMGPROXY_MAX_PATH);
  }
  if (!rest.data || signature->bytes == 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "path",
                     "expected /imgproxy/{signature}/{options}/plain/local:///{id}; unsafe stands for no signature");
  }
  // With the '/' that was cut.
  *signed_part = restore_slashes(base_span_of(rest.data - 1, rest.bytes + 1), repair);
  return BASE_OK;
}

bool pop_imgproxy_is_unsigned(struct base_span signature) {
  return base_span_is(signature, "unsafe") || base_span_is(signature, "insecure") || base_span_is(signature, "_");
}

// --- source ---

static enum base_result read_local(struct base_span source, struct pop_address *out, struct base_fault *fault) {
  if (base_span_starts_with(source, local_scheme) &&
      integrity_digest_parse(base_span_slice(source, sizeof local_scheme - 1, source.bytes), &out->original)) {
    return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_NOT_FOUND, "source",
                   "the source must be local:///{id} with an original's id of %d characters",
                   BASE_DIGEST_BASE64URL_CHARS);
}

static enum base_result read_extension(struct base_span extension, struct pop_address *out, struct base_fault *fault) {
  if (!extension.data) return BASE_OK;                                                         // there is no separator
  if (out->wish.imgproxy.format != RECIPE_FORMAT_AUTO) out->wish.imgproxy.has_plainer = true;  // an option said it
  return pop_imgproxy_read_format(extension, &out->wish.imgproxy.format, "extension", fault);
}

// Percent-decoded once. An '@' of the source itself would be encoded.
static enum base_result read_plain(struct base_span encoded, struct pop_address *out, struct base_fault *fault) {
  uint8_t source[MAX_SOURCE_BYTES];
  size_t used = 0, length;
  struct pop_syntax_spelling spelling = {0};
  struct base_span extension = encoded;
  encoded = base_span_cut(&extension, '@');
  for (; encoded.bytes > 0 && used < sizeof source; encoded = base_span_slice(encoded, length, encoded.bytes)) {
    if (!pop_syntax_decode(encoded, &spelling, &source[used++], &length)) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "source", "the source has a bad escape");
    }
  }
  if (pop_syntax_has_plainer(&spelling)) out->wish.imgproxy.has_plainer = true;
  const enum base_result result = read_local(base_span_of(source, used), out, fault);
  return result == BASE_OK ? read_extension(extension, out, fault) : result;
}

// Base64url, which may be cut into pieces by '/', padded or not.
static enum base_result read_encoded(struct base_span encoded, struct pop_address *out, struct base_fault *fault) {
  uint8_t text[MAX_SOURCE_BYTES * 2], source[MAX_SOURCE_BYTES];
  size_t used = 0;
  struct base_span extension = encoded;
  encoded = base_span_cut(&extension, '.');
  for (size_t i = 0; i < encoded.bytes && used < sizeof text; i++) {
    if (encoded.data[i] != '/') text[used++] = encoded.data[i];
  }
  for (int i = 0; i < 2 && used > 0 && text[used - 1] == '='; i++) used--;
  if (used != encoded.bytes) out->wish.imgproxy.has_plainer = true;  // what is over is refused below
  const size_t bytes = used / 4 * 3 + (used % 4 * 3) / 4;
  if (bytes > sizeof source || !base_base64url_decode(base_span_of(text, used), source, bytes)) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "source", "the source is not base64url of local:///{id}");
  }
  const enum base_result result = read_local(base_span_of(source, bytes), out, fault);
  return result == BASE_OK ? read_extension(extension, out, fault) : result;
}

static enum base_result read_source(struct base_span source, struct pop_address *out, struct base_fault *fault) {
  static const char plain[] = "plain/";
  if (base_span_starts_with(source, plain)) {
    return read_plain(base_span_slice(source, sizeof plain - 1, source.bytes), out, fault);
  }
  if (base_span_starts_with(source, "enc/")) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "source", "encrypted sources are not available");
  }
  return read_encoded(source, out, fault);
}

enum base_result pop_imgproxy_parse(struct base_span path, struct pop_address *out, struct base_fault *fault) {
  struct base_span signature, rest;
  struct pop_imgproxy_repair repair;
  struct pop_address address = {.grammar = POP_IMGPROXY, .recipe = RECIPE_DEFAULT};
  address.wish.imgproxy.turn = IMAGE_UPRIGHT;
  enum base_result result = pop_imgproxy_split(path, &repair, &signature, &rest, fault);
  if (result != BASE_OK) return result;
  rest = base_span_slice(rest, 1, rest.bytes);
  uint32_t given = 0;
  // Options have a ':'; the first part without one begins the source.
  for (;;) {
    struct base_span after = rest;
    const struct base_span part = base_span_cut(&after, '/');
    if (!memchr(part.data, ':', part.bytes)) break;
    result = pop_imgproxy_read_option(part, &given, &address, fault);
    if (result != BASE_OK) return result;
    if (!after.data) return BASE_FAIL(fault, BASE_BAD_INPUT, "source", "there is no source behind the options");
    rest = after;
  }
  result = read_source(rest, &address, fault);
  if (!pop_imgproxy_is_unsigned(signature)) address.wish.imgproxy.has_plainer = false;  // who signed it chose it
  if (result == BASE_OK) *out = address;
  return result;
}
