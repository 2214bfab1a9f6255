// Proofs: made from a small log, read back, checked, and spoilt in every bit and by every honest-looking swap.
#include "integrity/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ENTRIES = 11, PROVEN = 6 };

static const char name[] = "box.example/ledger";
static const char subject_text[] =
    "pixpop put\ntenant default\noriginal ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0\nbytes 3\n"
    "root 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\n";

struct log {
  struct integrity_signer signer;
  struct integrity_note_key key;
  uint8_t entries[ENTRIES][INTEGRITY_ENTRY_BYTES];
  struct base_buffer checkpoint;
  struct integrity_proof proof;
  struct base_buffer text;
};

static void make_entry(struct log *log, size_t index, enum integrity_entry_kind kind) {
  struct integrity_entry entry = {
      .kind = kind, .time_s = 1700000000 + index, .refers = INTEGRITY_ENTRY_NONE, .renews = INTEGRITY_ENTRY_NONE};
  memset(log->proof.salt, (int)index, sizeof log->proof.salt);
  integrity_commit(log->proof.salt, base_span_text(subject_text), &entry.commitment);
  integrity_entry_write(&entry, log->entries[index]);
}

static void prove(struct log *log, uint64_t index) {
  struct integrity_digest leaves[ENTRIES];
  for (size_t i = 0; i < ENTRIES; i++) integrity_entry_leaf(log->entries[i], &leaves[i]);
  log->proof.index = index;
  log->proof.nodes = integrity_merkle_path(leaves, ENTRIES, index, log->proof.path);
  memcpy(log->proof.entry, log->entries[index], INTEGRITY_ENTRY_BYTES);
  memset(log->proof.salt, (int)index, sizeof log->proof.salt);
  log->proof.subject = base_span_text(subject_text);
  struct integrity_checkpoint checkpoint = {.size = ENTRIES};
  snprintf(checkpoint.origin, sizeof checkpoint.origin, "%s", name);
  struct integrity_merkle tree;
  integrity_merkle_init(&tree);
  for (size_t i = 0; i < ENTRIES; i++) integrity_merkle_add(&tree, &leaves[i]);
  integrity_merkle_root(&tree, &checkpoint.root);
  base_buffer_consume(&log->checkpoint, log->checkpoint.bytes);
  assert_int_equal(integrity_checkpoint_sign(&checkpoint, &log->key, &log->signer, &log->checkpoint, NULL), BASE_OK);
  log->proof.checkpoint = base_buffer_span(&log->checkpoint);
  base_buffer_consume(&log->text, log->text.bytes);
  assert_int_equal(integrity_proof_write(&log->proof, &log->text, NULL), BASE_OK);
}

static int make_log(void **state) {
  static struct log log;
  const uint8_t seed[INTEGRITY_SEED_BYTES] = {5};
  integrity_signer_init(&log.signer, seed);
  assert_int_equal(integrity_note_key_init(base_span_text(name), log.signer.public_key, &log.key, NULL), BASE_OK);
  base_buffer_init(&log.checkpoint, INTEGRITY_NOTE_MAX_BYTES);
  base_buffer_init(&log.text, INTEGRITY_PROOF_MAX_BYTES);
  for (size_t i = 0; i < ENTRIES; i++) make_entry(&log, i, INTEGRITY_ENTRY_PUT);
  prove(&log, PROVEN);
  *state = &log;
  return 0;
}

static int free_log(void **state) {
  struct log *log = *state;
  base_buffer_finish(&log->checkpoint);
  base_buffer_finish(&log->text);
  return 0;
}

static enum base_result check(struct base_span text, const struct integrity_note_key *key,
                              struct integrity_proven *proven, struct base_fault *fault) {
  struct base_buffer storage;
  struct integrity_proof proof;
  base_buffer_init(&storage, INTEGRITY_PROOF_MAX_BYTES);
  enum base_result result = integrity_proof_parse(text, &storage, &proof, fault);
  if (result == BASE_OK) result = integrity_proof_check(&proof, key, proven, fault);
  base_buffer_finish(&storage);
  return result;
}

static void every_entry_of_a_log_is_proven(void **state) {
  struct log *log = *state;
  for (uint64_t index = 0; index < ENTRIES; index++) {
    struct integrity_proven proven;
    prove(log, index);
    assert_int_equal(check(base_buffer_span(&log->text), &log->key, &proven, NULL), BASE_OK);
    assert_int_equal(proven.entry.time_s, 1700000000 + index);
    assert_int_equal(proven.subject.kind, INTEGRITY_ENTRY_PUT);
    assert_int_equal(proven.subject.bytes, 3);
    assert_int_equal(proven.checkpoint.size, ENTRIES);
    assert_string_equal(proven.checkpoint.origin, name);
  }
}

static void the_text_is_a_tlog_proof(void **state) {
  struct log *log = *state;
  const struct base_span text = base_buffer_span(&log->text);
  assert_true(base_span_starts_with(text, "c2sp.org/tlog-proof@v1\nextra AQEAAAAAZVPxB"));
  struct base_span rest = text;
  base_span_cut(&rest, '\n');
  base_span_cut(&rest, '\n');
  assert_true(base_span_is(base_span_cut(&rest, '\n'), "index 6"));
  for (size_t i = 0; i < log->proof.nodes; i++) assert_int_equal(base_span_cut(&rest, '\n').bytes, 44);
  assert_int_equal(base_span_cut(&rest, '\n').bytes, 0);
  assert_true(base_span_equal(rest, base_buffer_span(&log->checkpoint)));
}

static void no_flipped_bit_is_proven(void **state) {
  struct log *log = *state;
  struct integrity_proven proven;
  for (size_t bit = 0; bit < 8 * log->text.bytes; bit++) {
    struct base_fault fault = {0};
    log->text.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_int_not_equal(check(base_buffer_span(&log->text), &log->key, &proven, &fault), BASE_OK);
    assert_true(fault.text[0] != '\0');
    log->text.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  for (size_t bytes = 0; bytes < log->text.bytes; bytes++) {
    assert_int_not_equal(check(base_span_of(log->text.data, bytes), &log->key, &proven, NULL), BASE_OK);
  }
  assert_int_equal(check(base_buffer_span(&log->text), &log->key, &proven, NULL), BASE_OK);
}

static void another_key_proves_nothing(void **state) {
  struct log *log = *state;
  const uint8_t seed[INTEGRITY_SEED_BYTES] = {6};
  struct integrity_signer signer;
  struct integrity_note_key key;
  struct integrity_proven proven;
  integrity_signer_init(&signer, seed);
  assert_int_equal(integrity_note_key_init(base_span_text(name), signer.public_key, &key, NULL), BASE_OK);
  assert_int_equal(check(base_buffer_span(&log->text), &key, &proven, NULL), BASE_CORRUPT);
}

// What a server could put together from true parts.
static void true_parts_that_do_not_belong_together_prove_nothing(void **state) {
  struct log *log = *state;
  struct integrity_proven proven;
  struct integrity_proof proof = log->proof;
  assert_int_equal(integrity_proof_check(&proof, &log->key, &proven, NULL), BASE_OK);
  proof.salt[0]++;
  assert_int_equal(integrity_proof_check(&proof, &log->key, &proven, NULL), BASE_CORRUPT);
  proof = log->proof;
  proof.subject = base_span_text("pixpop purge\ntenant default\nobject ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0\n");
  assert_int_equal(integrity_proof_check(&proof, &log->key, &proven, NULL), BASE_CORRUPT);
  proof = log->proof;
  proof.index++;
  assert_int_equal(integrity_proof_check(&proof, &log->key, &proven, NULL), BASE_CORRUPT);
  proof = log->proof;
  memcpy(proof.entry, log->entries[PROVEN + 1], sizeof proof.entry);
  assert_int_equal(integrity_proof_check(&proof, &log->key, &proven, NULL), BASE_CORRUPT);
  // An entry in the log whose subject is of another kind than it says.
  make_entry(log, 2, INTEGRITY_ENTRY_PURGE);
  prove(log, 2);
  assert_int_equal(integrity_proof_check(&log->proof, &log->key, &proven, NULL), BASE_CORRUPT);
}

static void other_texts_are_no_proofs(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "c2sp.org/tlog-proof@v2\n",
      "c2sp.org/tlog-proof@v1\n",
      "c2sp.org/tlog-proof@v1\nindex 1\n\nbox\n",
      "c2sp.org/tlog-proof@v1\nextra \nindex 1\n\nbox\n",
      "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 1\n\nbox\n",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct base_buffer storage;
    struct integrity_proof proof;
    base_buffer_init(&storage, INTEGRITY_PROOF_MAX_BYTES);
    assert_int_equal(integrity_proof_parse(base_span_text(bad[i]), &storage, &proof, NULL), BASE_CORRUPT);
    base_buffer_finish(&storage);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_entry_of_a_log_is_proven, make_log, free_log),
      cmocka_unit_test_setup_teardown(the_text_is_a_tlog_proof, make_log, free_log),
      cmocka_unit_test_setup_teardown(no_flipped_bit_is_proven, make_log, free_log),
      cmocka_unit_test_setup_teardown(another_key_proves_nothing, make_log, free_log),
      cmocka_unit_test_setup_teardown(true_parts_that_do_not_belong_together_prove_nothing, make_log, free_log),
      cmocka_unit_test(other_texts_are_no_proofs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
