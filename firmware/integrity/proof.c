#include "integrity/proof.h"

#include <inttypes.h>
#include <string.h>

enum {
  SUBJECT_AT = INTEGRITY_ENTRY_BYTES + INTEGRITY_SALT_BYTES,
  MAX_EXTRA_BYTES = SUBJECT_AT + INTEGRITY_SUBJECT_MAX_BYTES,
  MAX_EXTRA_CHARS = (MAX_EXTRA_BYTES + 2) / 3 * 4,
};

static const char first_line[] = "c2sp.org/tlog-proof@v1\n";

static enum base_result write_lines(const struct integrity_proof *proof, struct base_buffer *out) {
  uint8_t extra[MAX_EXTRA_BYTES];
  char base64[MAX_EXTRA_CHARS + 1];
  memcpy(extra, proof->entry, sizeof proof->entry);
  memcpy(extra + INTEGRITY_ENTRY_BYTES, proof->salt, sizeof proof->salt);
  memcpy(extra + SUBJECT_AT, proof->subject.data, proof->subject.bytes);
  base_base64_encode(base_span_of(extra, SUBJECT_AT + proof->subject.bytes), base64, sizeof base64);
  enum base_result result =
      base_buffer_printf(out, "%sextra %s\nindex %" PRIu64 "\n", first_line, base64, proof->index);
  for (size_t i = 0; i < proof->nodes && result == BASE_OK; i++) {
    base_base64_encode(base_span_of(proof->path[i].bytes, BASE_DIGEST_BYTES), base64, sizeof base64);
    result = base_buffer_printf(out, "%s\n", base64);
  }
  if (result == BASE_OK) result = base_buffer_append_text(out, "\n");
  if (result == BASE_OK) result = base_buffer_append(out, proof->checkpoint.data, proof->checkpoint.bytes);
  return result;
}

enum base_result integrity_proof_write(const struct integrity_proof *proof, struct base_buffer *out,
                                       struct base_fault *fault) {
  BASE_ASSERT(proof->nodes <= INTEGRITY_MERKLE_LEVELS);
  if (proof->subject.bytes == 0 || proof->subject.bytes > INTEGRITY_SUBJECT_MAX_BYTES) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "subject", "a subject has 1 to %d bytes", INTEGRITY_SUBJECT_MAX_BYTES);
  }
  const enum base_result result = write_lines(proof, out);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "proof", "no room for the proof");
}

// The value of a line "name value"; a span without data when it is another line.
static struct base_span cut_value(struct base_span *rest, const char *name) {
  struct base_span line = base_span_cut(rest, '\n');
  return base_span_is(base_span_cut(&line, ' '), name) ? line : (struct base_span){0};
}

static enum base_result malformed(struct base_fault *fault, const char *what) {
  return BASE_FAIL(fault, BASE_CORRUPT, "proof", "%s", what);
}

static enum base_result read_extra(struct base_span base64, struct base_buffer *storage, struct integrity_proof *out,
                                   struct base_fault *fault) {
  if (base64.bytes > MAX_EXTRA_CHARS) return malformed(fault, "the proof's extra data are too long");
  if (base_buffer_reserve(storage, MAX_EXTRA_BYTES) != BASE_OK) {
    return BASE_FAIL(fault, BASE_NO_MEMORY, "proof", "no memory for the proof");
  }
  uint8_t *extra = storage->data + storage->bytes;
  size_t bytes;
  if (!base_base64_decode(base64, extra, MAX_EXTRA_BYTES, &bytes) || bytes <= SUBJECT_AT) {
    return malformed(fault, "the proof's extra data are not an entry, its salt and its subject");
  }
  storage->bytes += bytes;
  memcpy(out->entry, extra, sizeof out->entry);
  memcpy(out->salt, extra + INTEGRITY_ENTRY_BYTES, sizeof out->salt);
  out->subject = base_span_of(extra + SUBJECT_AT, bytes - SUBJECT_AT);
  return BASE_OK;
}

enum base_result integrity_proof_parse(struct base_span text, struct base_buffer *storage, struct integrity_proof *out,
                                       struct base_fault *fault) {
  if (text.bytes > INTEGRITY_PROOF_MAX_BYTES) return malformed(fault, "the proof is too long");
  if (!base_span_starts_with(text, first_line)) return malformed(fault, "this is no tlog-proof@v1");
  struct base_span rest = base_span_slice(text, sizeof first_line - 1, text.bytes);
  const struct base_span extra = cut_value(&rest, "extra"), index = cut_value(&rest, "index");
  const enum base_result result = read_extra(extra, storage, out, fault);
  if (result != BASE_OK) return result;
  if (!base_span_to_u64(index, &out->index) || (index.bytes > 1 && index.data[0] == '0')) {
    return malformed(fault, "the proof's index is malformed");
  }
  for (out->nodes = 0;; out->nodes++) {
    const struct base_span line = base_span_cut(&rest, '\n');
    if (line.bytes == 0) break;
    size_t bytes;
    if (out->nodes == INTEGRITY_MERKLE_LEVELS || line.bytes != BASE_DIGEST_BASE64_CHARS ||
        !base_base64_decode(line, out->path[out->nodes].bytes, BASE_DIGEST_BYTES, &bytes) ||
        bytes != BASE_DIGEST_BYTES) {
      return malformed(fault, "the proof's path is malformed");
    }
  }
  if (rest.bytes == 0) return malformed(fault, "the proof has no checkpoint");
  out->checkpoint = rest;
  return BASE_OK;
}

enum base_result integrity_proof_check(const struct integrity_proof *proof, const struct integrity_note_key *key,
                                       struct integrity_proven *out, struct base_fault *fault) {
  enum base_result result = integrity_checkpoint_open(proof->checkpoint, key, &out->checkpoint, fault);
  if (result != BASE_OK) return result;
  struct integrity_digest digest;
  integrity_entry_leaf(proof->entry, &digest);
  if (!integrity_merkle_is_in(&digest, proof->index, out->checkpoint.size, proof->path, proof->nodes,
                              &out->checkpoint.root)) {
    return malformed(fault, "the entry is not in the tree that the checkpoint signs");
  }
  result = integrity_entry_parse(base_span_of(proof->entry, sizeof proof->entry), &out->entry, fault);
  if (result != BASE_OK) return result;
  integrity_commit(proof->salt, proof->subject, &digest);
  if (!integrity_digest_equal(&digest, &out->entry.commitment)) {
    return malformed(fault, "the subject is not the one that the entry commits to");
  }
  result = integrity_subject_parse(proof->subject, &out->subject, fault);
  if (result != BASE_OK) return result;
  if (out->subject.kind != out->entry.kind) return malformed(fault, "the subject is of another kind than its entry");
  return BASE_OK;
}
