// The head of an update bundle from anybody, cut into pieces: the first byte says how long they are.
//
// However it is cut, the outcome is the same, no more is taken than the head has, and nothing is whole that the one
// trusted key did not sign. Its private half signed the seeds and is gone.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "update/bundle.h"

static const char pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEyCYUghqBdz/9iK5IUj1EN51bpczj\n"
    "lof5szGa/v8RBn8YAdRT8CJ0iQrT81JKDmPMUWtIyg8gK6oalEPOTr7EzQ==\n"
    "-----END PUBLIC KEY-----\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct update_keys *load_key(void) {
  char folder[] = "/tmp/pixpop-fuzz-XXXXXX", path[64];
  struct update_keys *keys = NULL;
  BASE_ASSERT(mkdtemp(folder) != NULL);
  snprintf(path, sizeof(path), "%s/key.pem", folder);
  BASE_ASSERT(base_file_replace_durably(path, base_span_text(pem), 0600, NULL) == BASE_OK);
  BASE_ASSERT(update_keys_load(folder, &keys, NULL) == BASE_OK);
  unlink(path);
  rmdir(folder);
  return keys;
}

struct outcome {
  enum base_result result;
  bool is_whole;
  size_t taken;
  struct update_manifest manifest;
};

// Without keys: not a look at the signatures.
static void take(struct base_span input, size_t step, const struct update_keys *keys, struct outcome *out) {
  struct update_head head;
  struct base_fault fault = {0};
  memset(out, 0, sizeof(*out));
  update_head_init(&head);
  for (size_t at = 0; at < input.bytes && out->result == BASE_OK && !out->is_whole; at += step) {
    const struct base_span piece = base_span_slice(input, at, step);
    struct base_span rest = piece;
    out->result = keys != NULL ? update_head_take(&head, keys, &rest, &out->manifest, &out->is_whole, &fault)
                               : update_head_look(&head, &rest, &out->manifest, &out->is_whole, &fault);
    BASE_ASSERT(rest.bytes <= piece.bytes && (rest.bytes == 0 || out->is_whole || out->result != BASE_OK));
    out->taken += piece.bytes - rest.bytes;
  }
  BASE_ASSERT(fault.result == out->result && (out->result == BASE_OK || !out->is_whole));
  if (out->is_whole) {
    struct update_signature signatures[UPDATE_MAX_SIGNATURES];
    const size_t count = update_head_signatures(&head, keys, signatures);
    bool is_signed = keys == NULL;
    BASE_ASSERT(count >= 1 && count <= UPDATE_MAX_SIGNATURES && head.bytes.bytes == out->taken);
    for (size_t i = 0; i < count; i++) is_signed |= signatures[i].worth == UPDATE_SIGNATURE_RIGHT;
    BASE_ASSERT(is_signed);
  }
  update_head_finish(&head);
}

static void compare(struct base_span input, size_t step, const struct update_keys *keys, struct outcome *whole) {
  struct outcome pieces;
  take(input, SIZE_MAX / 2, keys, whole);
  take(input, step, keys, &pieces);
  BASE_ASSERT(whole->result == pieces.result && whole->is_whole == pieces.is_whole);
  if (!whole->is_whole) return;
  BASE_ASSERT(whole->taken == pieces.taken);
  BASE_ASSERT(memcmp(&whole->manifest, &pieces.manifest, sizeof(pieces.manifest)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static struct update_keys *keys;
  struct outcome looked, taken;
  if (keys == NULL) keys = load_key();
  if (bytes == 0) return 0;
  const struct base_span input = base_span_of(data + 1, bytes - 1);
  const size_t step = (size_t)data[0] + 1;
  compare(input, step, NULL, &looked);
  compare(input, step, keys, &taken);
  BASE_ASSERT(!taken.is_whole || looked.is_whole);
  return 0;
}
