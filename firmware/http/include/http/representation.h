// From one complete representation in memory to the right reply: 200, 206 (single, multipart), 304, 412, 416, HEAD.
//
// Used by `pop` for variants and by `console` for its files, so that both obey the same rules.
#ifndef HTTP_REPRESENTATION_H
#define HTTP_REPRESENTATION_H

#include "base/text.h"
#include "http/conditional.h"

struct http_representation {
  struct base_blob *blob;  // borrowed; the reply takes its own references
  const char *media_type;
  const uint8_t *digest;    // BASE_DIGEST_BYTES: SHA-256 of the blob; gives ETag, Repr-Digest, Content-Digest
  int64_t last_modified_s;  // Unix seconds; negative when unknown
  // For the Content-Digest of 206 replies, since this room knows no cryptography: SHA-256 of the pieces as if they were
  // one. NULL leaves the field out.
  void (*sha256)(const struct base_span *pieces, size_t count, uint8_t out[BASE_DIGEST_BYTES]);
};

// Initialises `reply` and sets status, validators, digests (RFC 9530), Accept-Ranges, Content-Range, Content-Type and
// the body.
// - Digests: 200 has Content-Digest and Repr-Digest; HEAD and 304 Repr-Digest only; 206 Content-Digest of the bytes
//   sent (multipart framing included) and Repr-Digest of the whole. SHA-256 only: "sha-256=0" in Want-Content-Digest or
//   Want-Repr-Digest leaves that field out, every other preference is ignored, as RFC 9530 section 4 allows.
// - Several ranges become one multipart body, whose boundary is the blob's digest. Its parts borrow the blob's bytes.
// - 412 and 416 become problem+json (416 with Content-Range: bytes */total), which has Cache-Control: no-store already.
// The caller refuses the methods that the resource does not allow before, and adds Cache-Control, Vary, Cache-Status
// and the like after, when status < 400.
void http_representation_reply(const struct http_request *request, const struct http_representation *representation,
                               int64_t now_s, struct http_reply *reply);

#endif
