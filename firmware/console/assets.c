#include "assets.h"

#include <stdlib.h>
#include <string.h>

#include "http/representation.h"
#include "integrity/digest.h"

struct asset {
  const struct console_asset *file;
  struct base_blob *blob;
  struct integrity_digest digest;
};

struct console_assets {
  int64_t modified_s;
  size_t count;
  struct asset assets[];
};

// The bytes are part of the program.
static void release_nothing(void *data, size_t bytes) { (void)data, (void)bytes; }

struct console_assets *console_assets_create(const struct console_asset *files, size_t count, int64_t modified_s) {
  struct console_assets *assets = calloc(1, sizeof *assets + count * sizeof assets->assets[0]);
  if (!assets) return NULL;
  assets->modified_s = modified_s;
  for (size_t i = 0; i < count; i++) {
    struct asset *asset = &assets->assets[assets->count];
    asset->file = &files[i];
    // A blob's pointer is not const because its first owner may write; nobody does here.
    asset->blob = base_blob_adopt((void *)(uintptr_t)files[i].data, files[i].bytes, release_nothing);
    if (!asset->blob) {
      console_assets_destroy(&assets);
      return NULL;
    }
    integrity_digest_of(base_blob_span(asset->blob), &asset->digest);
    assets->count++;
  }
  return assets;
}

void console_assets_destroy(struct console_assets **assets) {
  if (!*assets) return;
  for (size_t i = 0; i < (*assets)->count; i++) base_blob_unref(&(*assets)->assets[i].blob);
  free(*assets);
  *assets = NULL;
}

enum base_result console_assets_serve(const struct console_assets *assets, const struct http_request *request,
                                      int64_t now_s, struct http_reply *reply, struct base_fault *fault) {
  struct base_span path = base_span_is(request->path, "/") ? base_span_text("/index.html") : request->path;
  const struct asset *found = NULL;
  for (size_t i = 0; i < assets->count && !found; i++) {
    if (base_span_is(path, assets->assets[i].file->path)) found = &assets->assets[i];
  }
  if (!found) return BASE_FAIL(fault, BASE_NOT_FOUND, "", "there is nothing at this path");
  const struct http_representation representation = {
      .blob = found->blob,
      .media_type = found->file->media_type,
      .digest = found->digest.bytes,
      .last_modified_s = assets->modified_s,
      .sha256 = integrity_digest_pieces,
  };
  http_representation_reply(request, &representation, now_s, reply);
  if (reply->status >= 400) return BASE_OK;  // a problem, which has its own Cache-Control
  // The build puts a hash into every name under /assets/.
  bool is_hashed = base_span_starts_with(path, "/assets/");
  http_reply_header(reply, "Cache-Control", "%s", is_hashed ? "public, max-age=31536000, immutable" : "no-cache");
  return BASE_OK;
}
