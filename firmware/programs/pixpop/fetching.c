#include "fetching.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "delta/patch.h"
#include "delta/rolling.h"

enum {
  MIN_BYTES = 16 * 1024,  // smaller ones come whole: asking for a way costs as much
  REQUEST_BYTES = 1000,   // about what one more request costs both ways
  COPY_BYTES = 64 * 1024,
  PATCH_TRIES = 4,
  DICTIONARY_CHARS = BASE_DIGEST_BASE64_CHARS + 2,
};

void fetching_path(const struct fetching *fetching, const char *leaf, char out[SYNC_PATH_BYTES]) {
  snprintf(out, SYNC_PATH_BYTES, "/api/v1/originals/%s/%s", fetching->id, leaf);
}

static enum base_result read_base(void *self, uint64_t offset, uint8_t *out, size_t bytes, struct base_fault *fault) {
  const struct fetching *fetching = self;
  return base_fd_pread_all(fetching->base_fd, out, bytes, (off_t)offset, fault);
}

static struct delta_source base_source(struct fetching *fetching) {
  return (struct delta_source){.bytes = fetching->base_bytes, .read = read_base, .self = fetching};
}

// --- patch ---

// The fields that offer the old file as a dictionary; `text` holds the second's value.
static void offer_dictionary(const struct fetching *fetching, char text[DICTIONARY_CHARS + 1],
                             struct client_field fields[2]) {
  const struct base_span digest = base_span_of(fetching->base_digest.bytes, sizeof(fetching->base_digest.bytes));
  text[0] = ':';
  base_base64_encode(digest, text + 1, BASE_DIGEST_BASE64_CHARS + 1);
  text[DICTIONARY_CHARS - 1] = ':';
  text[DICTIONARY_CHARS] = '\0';
  fields[0] = (struct client_field){"Accept-Encoding", "dcz"};
  fields[1] = (struct client_field){"Available-Dictionary", text};
}

static bool is_dcz(const struct client_response *response) {
  return base_span_is_nocase(client_response_header(response, "Content-Encoding"), "dcz");
}

// The box makes it only when it has the old one too.
static enum base_result cost_patch(struct fetching *fetching, struct base_fault *fault) {
  const struct mirror_item *item = mirror_find(&fetching->sync->mirror, &fetching->base_digest);
  char path[SYNC_PATH_BYTES], dictionary[DICTIONARY_CHARS + 1];
  struct client_field fields[2];
  struct client_response response = {0};
  uint64_t bytes;
  if (item == NULL || item->is_gone || !delta_patch_is_possible(fetching->base_bytes, fetching->original->bytes))
    return BASE_OK;
  fetching_path(fetching, "content", path);
  offer_dictionary(fetching, dictionary, fields);
  struct client_request request = {.method = "HEAD", .path = path, .fields = fields, .field_count = 2};
  const enum base_result result = sync_ask(fetching->sync, &request, &response, fault);
  if (result == BASE_OK && is_dcz(&response) &&
      base_span_to_u64(client_response_header(&response, "Content-Length"), &bytes))
    fetching->costs[DELTA_PATCH] = bytes + REQUEST_BYTES;
  client_response_finish(&response);
  return result;
}

static enum base_result collect(void *self, struct base_span bytes, struct base_fault *fault) {
  struct fetching *fetching = self;
  if (!is_dcz(fetching->response)) return BASE_FAIL(fault, BASE_UNPROCESSABLE, "", "the box has no patch any more");
  const enum base_result result = base_buffer_append(&fetching->delta, bytes.data, bytes.bytes);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "the patch is larger than was said");
}

static enum base_result fetch_patch(struct fetching *fetching, struct base_fault *fault) {
  char path[SYNC_PATH_BYTES], dictionary[DICTIONARY_CHARS + 1];
  struct client_field fields[2];
  struct client_response response = {0};
  fetching_path(fetching, "content", path);
  offer_dictionary(fetching, dictionary, fields);
  fetching->response = &response;
  base_buffer_init(&fetching->delta, (size_t)fetching->costs[DELTA_PATCH]);
  struct client_request request = {
      .method = "GET", .path = path, .fields = fields, .field_count = 2, .receive = collect, .self = fetching};
  // Small, so it is begun anew when the connection breaks in it.
  for (int i = 1;; i++) {
    struct base_fault found = {0};
    fetching->delta.bytes = 0;
    const enum base_result result = sync_ask(fetching->sync, &request, &response, &found);
    client_response_finish(&response);
    if (result == BASE_OK) return BASE_OK;
    if (!sync_is_passing(result) || fetching->delta.bytes == 0 || i == PATCH_TRIES)
      return BASE_FAIL(fault, result, found.subject, "%s", found.text);
    remote_pause_before(0);
  }
}

static enum base_result apply_patch(struct fetching *fetching, struct base_fault *fault) {
  const struct delta_sink sink = {.write = fetching_write, .self = fetching};
  struct base_blob *old = base_blob_create((size_t)fetching->base_bytes);
  if (old == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a patch");
  enum base_result result = read_base(fetching, 0, old->data, old->bytes, fault);
  if (result == BASE_OK) result = fetch_patch(fetching, fault);
  if (result == BASE_OK)
    result = delta_patch_apply(base_blob_span(old), &fetching->base_digest, base_buffer_span(&fetching->delta),
                               fetching->original->bytes, &sink, fault);
  base_blob_unref(&old);
  return result;
}

// --- diff ---

static bool is_tree(const struct fetching *fetching, const struct integrity_digest *leaves, uint64_t count) {
  struct integrity_merkle tree;
  struct integrity_digest root;
  integrity_merkle_init(&tree);
  for (uint64_t i = 0; i < count; i++) integrity_merkle_add(&tree, &leaves[i]);
  integrity_merkle_root(&tree, &root);
  return integrity_digest_equal(&root, fetching->root);
}

static enum base_result cost_diff(struct fetching *fetching, struct base_fault *fault) {
  char path[SYNC_PATH_BYTES];
  struct client_response response = {0};
  const uint64_t count = integrity_block_count(fetching->original->bytes);
  const uint64_t leaf_bytes = count * sizeof(struct integrity_digest);
  // Not even one block would be cheaper.
  if (count < 2 || leaf_bytes + 2 * REQUEST_BYTES >= fetching->costs[DELTA_PATCH]) return BASE_OK;
  fetching_path(fetching, "leaves", path);
  enum base_result result = sync_get(fetching->sync, path, &response, fault);
  const struct integrity_digest *leaves = (const struct integrity_digest *)response.body.data;
  // Leaves that are not those of the ledger's root are not gone by; the bytes will show what is wrong.
  if (result == BASE_OK && response.body.bytes == leaf_bytes &&
      (fetching->root == NULL || is_tree(fetching, leaves, count))) {
    const struct delta_leaves old = {(const struct integrity_digest *)fetching->base_leaves.data, fetching->base_bytes};
    const struct delta_leaves new = {leaves, fetching->original->bytes};
    result = delta_diff_plan(&old, &new, &fetching->plan, fault);
    if (result == BASE_OK)
      fetching->costs[DELTA_DIFF] =
          leaf_bytes + fetching->plan.missing_bytes + (fetching->plan.missing_runs + 1) * REQUEST_BYTES;
  }
  client_response_finish(&response);
  return result;
}

static enum base_result fetch_run(struct fetching *fetching, const struct delta_run *run, struct base_fault *fault) {
  char path[SYNC_PATH_BYTES], range[80];
  const struct client_field fields[] = {{"Range", range}};
  const uint64_t end = run->new_offset + run->bytes;
  fetching_path(fetching, "content", path);
  for (;;) {
    struct client_response response = {0};
    struct base_fault found = {0};
    const uint64_t from = fetching->hash->bytes;
    snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)from, (unsigned long long)end - 1);
    struct client_request request = {
        .method = "GET", .path = path, .fields = fields, .field_count = 1, .receive = fetching_write, .self = fetching};
    const enum base_result result = sync_ask(fetching->sync, &request, &response, &found);
    client_response_finish(&response);
    if (fetching->hash->bytes == end) return BASE_OK;
    if (fetching->hash->bytes > end || result == BASE_OK)
      return BASE_FAIL(fault, BASE_CORRUPT, "", "the box sends other bytes than were asked for");
    if (!sync_is_passing(result) || fetching->hash->bytes == from)
      return BASE_FAIL(fault, result, found.subject, "%s", found.text);
    remote_pause_before(0);
  }
}

static enum base_result copy_run(struct fetching *fetching, const struct delta_run *run, struct base_fault *fault) {
  uint8_t *bytes = malloc(COPY_BYTES);
  enum base_result result = bytes != NULL ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to copy blocks");
  for (uint64_t done = 0; done < run->bytes && result == BASE_OK;) {
    const size_t step = (size_t)base_min_u64(run->bytes - done, COPY_BYTES);
    result = read_base(fetching, run->old_offset + done, bytes, step, fault);
    if (result == BASE_OK) result = fetching_write(fetching, base_span_of(bytes, step), fault);
    done += step;
  }
  free(bytes);
  return result;
}

static enum base_result apply_diff(struct fetching *fetching, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < fetching->plan.count && result == BASE_OK; i++) {
    const struct delta_run *run = &fetching->plan.runs[i];
    result = run->is_old ? copy_run(fetching, run, fault) : fetch_run(fetching, run, fault);
  }
  return result;
}

// --- rolling ---

// This way shows its cost only by being gone: it is tried when blocks do not do and the box lacks the old one.
static bool may_roll(const struct fetching *fetching) {
  const uint64_t full = fetching->costs[DELTA_FULL];
  const uint64_t signature = delta_signature_bytes(fetching->base_bytes) + REQUEST_BYTES;
  return fetching->costs[DELTA_PATCH] == DELTA_UNKNOWN && fetching->base_bytes > 0 && signature < full / 4 &&
         signature < base_min_u64(fetching->costs[DELTA_DIFF], full) / 2;
}

static enum base_result take_delta(struct fetching *fetching, struct client_response *response,
                                   struct base_fault *fault) {
  if (base_span_is_nocase(client_response_header(response, "Content-Encoding"), "zstd")) {
    // As large as the box makes them, whatever it says the original has.
    const uint64_t worth = delta_worth_bytes(fetching->original->bytes);
    base_buffer_init(&fetching->delta, (size_t)base_min_u64(worth, DELTA_ROLLING_MAX_BYTES));
    return delta_unpack(base_buffer_span(&response->body), &fetching->delta, fault);
  }
  fetching->delta = response->body;
  base_buffer_init(&response->body, 0);
  return BASE_OK;
}

static enum base_result cost_rolling(struct fetching *fetching, struct base_fault *fault) {
  char path[SYNC_PATH_BYTES];
  struct base_buffer signature;
  struct client_response response = {0};
  const struct delta_source base = base_source(fetching);
  const struct client_field packed = {"Accept-Encoding", "zstd"};
  if (!may_roll(fetching)) return BASE_OK;
  fetching_path(fetching, "delta", path);
  base_buffer_init(&signature, DELTA_SIGNATURE_MAX_BYTES);
  enum base_result result = delta_signature_make(&base, &signature, fault);
  if (result == BASE_OK) {
    struct client_request request = {.method = "POST",
                                     .path = path,
                                     .fields = &packed,
                                     .field_count = 1,
                                     .content_type = "application/octet-stream",
                                     .body = base_buffer_span(&signature)};
    result = sync_ask(fetching->sync, &request, &response, fault);
  }
  if (result == BASE_OK && response.status == 200) {
    result = take_delta(fetching, &response, fault);
    if (result == BASE_OK) fetching->costs[DELTA_ROLLING] = 0;  // more does not come
  }
  base_buffer_finish(&signature);
  client_response_finish(&response);
  return result;
}

static enum base_result apply_rolling(struct fetching *fetching, struct base_fault *fault) {
  const struct delta_source base = base_source(fetching);
  const struct delta_sink sink = {.write = fetching_write, .self = fetching};
  return delta_rolling_apply(&base, base_buffer_span(&fetching->delta), fetching->original->bytes, &sink, fault);
}

// --- choosing ---

static enum base_result open_base(struct fetching *fetching, const char *base, struct base_fault *fault) {
  char path[PATH_MAX];
  enum base_result result = sync_path(fetching->sync, false, base, path, fault);
  if (result != BASE_OK) return result;
  base_buffer_init(&fetching->base_leaves, SIZE_MAX / 2);
  result = sync_hash_file(fetching->sync, base, &fetching->base_digest, &fetching->base_leaves, &fetching->base_bytes,
                          fault);
  if (result != BASE_OK) return result;
  fetching->base_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  return fetching->base_fd >= 0 ? BASE_OK : BASE_FAIL_ERRNO(fault, "file", "cannot open an older copy");
}

// Only what stops everything else too is a failure: an older box knows none of these ways.
static enum base_result bear(enum base_result result, const struct base_fault *found, struct base_fault *fault) {
  const bool is_bearable = result == BASE_OK || result == BASE_NOT_FOUND || result == BASE_BAD_INPUT ||
                           result == BASE_UNPROCESSABLE || result == BASE_CONFLICT || result == BASE_TOO_LARGE ||
                           result == BASE_CORRUPT;
  return is_bearable ? BASE_OK : BASE_FAIL(fault, result, found->subject, "%s", found->text);
}

enum base_result fetching_choose(struct fetching *fetching, const char *base, struct base_fault *fault) {
  static enum base_result (*const ways[])(struct fetching * fetching, struct base_fault * fault) = {
      cost_patch, cost_diff, cost_rolling};
  const uint64_t left = fetching->original->bytes - fetching->hash->bytes;
  if (left < MIN_BYTES || open_base(fetching, base, NULL) != BASE_OK || fetching->base_bytes == 0) return BASE_OK;
  for (int way = DELTA_FULL; way < DELTA_WAYS; way++) fetching->costs[way] = DELTA_UNKNOWN;
  fetching->costs[DELTA_FULL] = left;
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < sizeof(ways) / sizeof(*ways) && result == BASE_OK; i++) {
    struct base_fault found = {0};
    result = ways[i](fetching, &found);
    result = bear(result, &found, fault);
  }
  fetching->way = delta_choose(fetching->costs);
  return result;
}

enum base_result fetching_apply(struct fetching *fetching, struct base_fault *fault) {
  if (fetching->way == DELTA_PATCH) return apply_patch(fetching, fault);
  if (fetching->way == DELTA_DIFF) return apply_diff(fetching, fault);
  return apply_rolling(fetching, fault);
}

void fetching_finish(struct fetching *fetching) {
  base_fd_close(&fetching->base_fd);
  delta_plan_finish(&fetching->plan);
  base_buffer_finish(&fetching->base_leaves);
  base_buffer_finish(&fetching->delta);
}
