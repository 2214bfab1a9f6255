#include "store/ledger_file.h"

#include <string.h>

enum { ENTRY_AT = 2, SALT_AT = ENTRY_AT + INTEGRITY_ENTRY_BYTES, SUBJECT_AT = SALT_AT + INTEGRITY_SALT_BYTES };
_Static_assert((int)SUBJECT_AT == (int)STORE_LEDGER_RECORD_HEAD_BYTES, "the head is all before the subject");

static void check_of(struct base_span bytes, uint8_t out[STORE_LEDGER_CHECK_BYTES]) {
  struct integrity_digest digest;
  integrity_digest_of(bytes, &digest);
  memcpy(out, digest.bytes, STORE_LEDGER_CHECK_BYTES);
}

enum base_result store_ledger_record_write(const struct store_ledger_record *record, struct base_buffer *out,
                                           struct base_fault *fault) {
  const size_t subject_bytes = record->subject.bytes;
  if (subject_bytes > INTEGRITY_SUBJECT_MAX_BYTES) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "subject", "a subject is over %d bytes", INTEGRITY_SUBJECT_MAX_BYTES);
  }
  const size_t bytes = SUBJECT_AT + subject_bytes;
  const enum base_result result = base_buffer_reserve(out, bytes + STORE_LEDGER_CHECK_BYTES);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "", "no memory for a ledger entry");
  uint8_t *at = out->data + out->bytes;
  at[0] = (uint8_t)(subject_bytes >> 8);
  at[1] = (uint8_t)subject_bytes;
  memcpy(at + ENTRY_AT, record->entry, INTEGRITY_ENTRY_BYTES);
  memcpy(at + SALT_AT, record->salt, INTEGRITY_SALT_BYTES);
  if (subject_bytes > 0) memcpy(at + SUBJECT_AT, record->subject.data, subject_bytes);
  check_of(base_span_of(at, bytes), at + bytes);
  out->bytes += bytes + STORE_LEDGER_CHECK_BYTES;
  return BASE_OK;
}

enum base_result store_ledger_record_next(struct base_span *rest, struct store_ledger_record *out,
                                          struct base_fault *fault) {
  const struct base_span all = *rest;
  if (all.bytes == 0) return BASE_NOT_FOUND;
  if (all.bytes < SUBJECT_AT + STORE_LEDGER_CHECK_BYTES) {
    return BASE_FAIL(fault, BASE_CORRUPT, "ledger", "a record of the ledger is cut off");
  }
  const size_t subject_bytes = (size_t)all.data[0] << 8 | all.data[1];
  const size_t bytes = SUBJECT_AT + subject_bytes;
  if (subject_bytes > INTEGRITY_SUBJECT_MAX_BYTES || all.bytes < bytes + STORE_LEDGER_CHECK_BYTES) {
    return BASE_FAIL(fault, BASE_CORRUPT, "ledger", "a record of the ledger is cut off");
  }
  uint8_t check[STORE_LEDGER_CHECK_BYTES];
  check_of(base_span_of(all.data, bytes), check);
  if (memcmp(check, all.data + bytes, sizeof check) != 0) {
    return BASE_FAIL(fault, BASE_CORRUPT, "ledger", "a record of the ledger fails its check");
  }
  memcpy(out->entry, all.data + ENTRY_AT, sizeof out->entry);
  memcpy(out->salt, all.data + SALT_AT, sizeof out->salt);
  out->subject = base_span_of(all.data + SUBJECT_AT, subject_bytes);
  *rest = base_span_slice(all, bytes + STORE_LEDGER_CHECK_BYTES, SIZE_MAX);
  return BASE_OK;
}

enum base_result store_ledger_record_check(const struct store_ledger_record *record, struct integrity_entry *entry,
                                           struct integrity_subject *subject, struct base_fault *fault) {
  enum base_result result = integrity_entry_parse(base_span_of(record->entry, sizeof record->entry), entry, fault);
  if (result == BASE_OK) result = integrity_subject_parse(record->subject, subject, fault);
  if (result != BASE_OK) return result;
  struct integrity_digest commitment;
  integrity_commit(record->salt, record->subject, &commitment);
  if (entry->kind == subject->kind && integrity_digest_equal(&commitment, &entry->commitment)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, "ledger", "an entry is about something else than its subject");
}
