#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "kept_fixture.h"

void kept_name(unsigned number, char out[KEPT_NAME]) {
  struct integrity_digest digest;
  integrity_digest_of(base_span_of(&number, sizeof number), &digest);
  integrity_digest_text(&digest, out);
}

void kept_path(const struct fixture *fixture, unsigned number, const char *suffix, char out[PATH_MAX]) {
  char name[KEPT_NAME];
  kept_name(number, name);
  snprintf(out, PATH_MAX, "%s/partial/%s%s", fixture->root, name, suffix);
}

void kept_write(struct store_upload *upload, unsigned seed, size_t from, size_t to) {
  uint8_t *data = malloc(to + 1);
  assert_non_null(data);
  fixture_bytes(seed, to, data);
  assert_int_equal(store_upload_bytes(upload), from);
  struct base_fault fault = {0};
  if (store_upload_write(upload, base_span_of(data + from, to - from), &fault) != BASE_OK) fail_msg("%s", fault.text);
  assert_int_equal(store_upload_bytes(upload), to);
  free(data);
}

bool kept_matches(const struct store_upload *upload, unsigned seed) {
  const size_t bytes = (size_t)store_upload_bytes(upload);
  uint8_t *expected = malloc(bytes + 1), *found = malloc(bytes + 1);
  assert_non_null(expected);
  assert_non_null(found);
  fixture_bytes(seed, bytes, expected);
  int fd;
  assert_int_equal(store_upload_open_bytes(upload, &fd, NULL), BASE_OK);
  const ssize_t got = pread(fd, found, bytes + 1, 0);
  close(fd);
  const bool is_match = got == (ssize_t)bytes && memcmp(expected, found, bytes) == 0;
  free(expected);
  free(found);
  return is_match;
}

void kept_commit(struct store *store, struct store_upload *upload, unsigned seed, size_t bytes, bool is_expected_new) {
  struct store_original original = {.tenant = "default", .format = "jpeg"};
  struct base_fault fault = {0};
  bool is_new;
  if (store_upload_commit(&upload, &original, base_span_text("{}"), &is_new, &fault) != BASE_OK) {
    fail_msg("cannot commit: %s (%s)", fault.text, fault.subject);
  }
  assert_null(upload);
  assert_int_equal(is_new, is_expected_new);
  const struct integrity_digest id = fixture_id(seed, bytes);
  assert_true(integrity_digest_equal(&original.id, &id));
  assert_true(fixture_bytes_match(store, seed, bytes));
}

enum base_result kept_peek(struct store *store, unsigned number, char *note, uint64_t *bytes) {
  char name[KEPT_NAME];
  uint64_t found_bytes;
  struct base_buffer found;
  kept_name(number, name);
  base_buffer_init(&found, STORE_MAX_NOTE);
  const enum base_result result = store_upload_peek(store, name, &found, &found_bytes, NULL);
  if (result == BASE_OK && note) {
    memcpy(note, found.data ? found.data : (const uint8_t *)"", found.bytes);
    note[found.bytes] = '\0';
  }
  if (result == BASE_OK && bytes) *bytes = found_bytes;
  base_buffer_finish(&found);
  return result;
}

void kept_expect(struct store *store, unsigned number, const char *note, uint64_t bytes) {
  static char found[STORE_MAX_NOTE + 1];
  uint64_t found_bytes;
  assert_int_equal(kept_peek(store, number, found, &found_bytes), BASE_OK);
  assert_string_equal(found, note);
  assert_int_equal(found_bytes, bytes);
}
