// Signed URLs: what is signed, and the signature itself. Shared by `pop`, which checks them, and by whoever makes them.
//
//   sig = base64url-nopad(HMAC-SHA256(key, salt || path || "?" || the other options, decoded, sorted by name, joined as
//   "name=value&..."))
//
// Without options the path alone is signed. A salt contains no '/', so that no salt and path read as another pair's.
#ifndef RECIPE_SIGNATURE_H
#define RECIPE_SIGNATURE_H

#include "base/span.h"
#include "base/text.h"
#include "integrity/digest.h"

enum {
  RECIPE_SIGNATURE_CHARS = BASE_DIGEST_BASE64URL_CHARS,
  RECIPE_MAX_SIGN_KEY = 128,  // bytes
  RECIPE_MAX_SIGN_SALT = 64,
};

// One pair of a tenant. Several may be valid at a time (rotation); the first is the one that new URLs are signed with.
struct recipe_sign_key {
  uint8_t key[RECIPE_MAX_SIGN_KEY];
  uint16_t key_bytes;
  uint8_t salt[RECIPE_MAX_SIGN_SALT];
  uint16_t salt_bytes;
};

// Reads "KEY:SALT"; each half is text, or hexadecimal after "hex:" ("hex:00ff..:hex:.."). BASE_BAD_INPUT for an empty
// key, a salt with '/', or one over the limits. The fault never quotes the key.
enum base_result recipe_sign_key_parse(struct base_span text, struct recipe_sign_key *out,
                                       struct base_fault *fault) BASE_CHECKED;

// The same of "KEY:SALT" in hexadecimal, as imgproxy has them; its salts may hold any byte.
enum base_result recipe_sign_key_parse_hex(struct base_span text, struct recipe_sign_key *out,
                                           struct base_fault *fault) BASE_CHECKED;

// What is signed, without the salt: the path as it stands and the query's options, decoded and sorted, without "sig".
// Appends to `out`. Faults are those of http_query_parse's grammar; a repeated name is BASE_BAD_INPUT.
// (The query is given as name/value pairs, since this room knows no HTTP.)
struct recipe_signed_pair {
  struct base_span name, value;
};
enum base_result recipe_sign_message(struct base_span path, const struct recipe_signed_pair *pairs, size_t count,
                                     struct base_buffer *out, struct base_fault *fault) BASE_CHECKED;
// The signature of a message.
void recipe_sign(const struct recipe_sign_key *key, struct base_span message, char out[RECIPE_SIGNATURE_CHARS + 1]);
// True when `signature` was made with one of the keys. Tries all of them, in time that does not depend on which fits.
bool recipe_sign_check(const struct recipe_sign_key *keys, size_t count, struct base_span message,
                       struct base_span signature) BASE_CHECKED;

#endif
