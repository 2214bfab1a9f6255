// The folder of public keys that a box trusts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bundles.h"

static struct bundles bundles;

static enum base_result load(const char *folder, struct base_fault *fault) {
  struct update_keys *keys = NULL;
  const enum base_result result = update_keys_load(folder, &keys, fault);
  if (result == BASE_OK) assert_true(update_keys_count(keys) > 0);
  if (result != BASE_OK) assert_null(keys);
  update_keys_destroy(&keys);
  return result;
}

static char *make_folder(const char *name, char out[PATH_CHARS]) {
  assert_int_equal(mkdir(path_in(&bundles, name, out), 0700), 0);
  return out;
}

static void put_key(const char *folder, const char *name, const char *from) {
  char path[PATH_CHARS], to[2 * PATH_CHARS];
  struct base_buffer pem = read_file(path_in(&bundles, from, path));
  snprintf(to, sizeof(to), "%s/%s", folder, name);
  write_file(to, pem.data, pem.bytes);
  base_buffer_finish(&pem);
}

static void come_in_the_order_of_their_names(void **state) {
  (void)state;
  struct update_keys *keys = trust(&bundles, "old new");
  assert_int_equal(update_keys_count(keys), 2);
  assert_string_equal(update_keys_name(keys, 0), "new.pem");
  assert_string_equal(update_keys_name(keys, 1), "old.pem");
  assert_memory_not_equal(update_keys_id(keys, 0), update_keys_id(keys, 1), UPDATE_KEY_ID_BYTES);
  update_keys_destroy(&keys);
}

static void have_the_first_bytes_of_the_public_keys_digest_as_id(void **state) {
  (void)state;
  unsigned char der[512];
  struct integrity_digest digest;
  mbedtls_pk_context key;
  char path[PATH_CHARS];
  struct update_keys *keys = trust(&bundles, "old");
  mbedtls_pk_init(&key);
  assert_int_equal(mbedtls_pk_parse_public_keyfile(&key, path_in(&bundles, "old.pem", path)), 0);
  const int bytes = mbedtls_pk_write_pubkey_der(&key, der, sizeof(der));
  assert_true(bytes > 0);
  integrity_digest_of(base_span_of(der + sizeof(der) - bytes, (size_t)bytes), &digest);
  assert_memory_equal(update_keys_id(keys, 0), digest.bytes, UPDATE_KEY_ID_BYTES);
  mbedtls_pk_free(&key);
  update_keys_destroy(&keys);
}

static void are_missing_when_the_folder_is_empty_or_none(void **state) {
  (void)state;
  char folder[PATH_CHARS];
  struct base_fault fault = {0};
  make_folder("empty", folder);
  put_key(folder, "readme.txt", "old.pem");
  assert_int_equal(load(folder, &fault), BASE_NOT_FOUND);
  assert_non_null(strstr(fault.text, folder));
  base_fault_clear(&fault);
  assert_int_equal(load("/nowhere/at/all", &fault), BASE_NOT_FOUND);
}

static void are_refused_when_one_is_no_public_p256_key(void **state) {
  (void)state;
  char folder[PATH_CHARS];
  struct base_fault fault = {0};
  make_key(&bundles, "curve384", 5, MBEDTLS_ECP_DP_SECP384R1);
  make_folder("wrong-curve", folder);
  put_key(folder, "a.pem", "old.pem");
  put_key(folder, "b.pem", "curve384.pem");
  assert_int_equal(load(folder, &fault), BASE_BAD_INPUT);
  assert_non_null(strstr(fault.text, "b.pem"));
  base_fault_clear(&fault);
  make_folder("private", folder);
  put_key(folder, "a.pem", "old.key");
  assert_int_equal(load(folder, &fault), BASE_BAD_INPUT);
  base_fault_clear(&fault);
  make_folder("nonsense", folder);
  put_key(folder, "a.pem", "boot.img");
  assert_int_equal(load(folder, &fault), BASE_TOO_LARGE);
}

static void are_refused_when_there_are_too_many(void **state) {
  (void)state;
  char folder[PATH_CHARS], name[16];
  make_folder("many", folder);
  for (int i = 0; i <= UPDATE_MAX_KEYS; i++) {
    if (i == UPDATE_MAX_KEYS) assert_int_equal(load(folder, NULL), BASE_OK);
    snprintf(name, sizeof(name), "%d.pem", i);
    put_key(folder, name, "old.pem");
  }
  assert_int_equal(load(folder, NULL), BASE_TOO_LARGE);
}

static enum base_result sign_with(const char *key, struct base_fault *fault) {
  char path[PATH_CHARS];
  const char *const keys[] = {path_in(&bundles, key, path)};
  const struct update_recipe recipe = {
      .board = "b", .version = "1", .images = {bundles.boot, bundles.root}, .key_paths = keys, .key_count = 1};
  const int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const enum base_result result = update_bundle_write(&recipe, fd, fault);
  close(fd);
  return result;
}

static void sign_only_when_they_are_private_p256_keys(void **state) {
  (void)state;
  struct base_fault fault = {0};
  assert_int_equal(sign_with("old.key", &fault), BASE_OK);
  assert_int_equal(sign_with("old.pem", &fault), BASE_BAD_INPUT);
  base_fault_clear(&fault);
  make_key(&bundles, "other384", 6, MBEDTLS_ECP_DP_SECP384R1);
  assert_int_equal(sign_with("other384.key", &fault), BASE_BAD_INPUT);
  base_fault_clear(&fault);
  assert_int_equal(sign_with("none.key", &fault), BASE_NOT_FOUND);
}

static int set_up(void **state) {
  *state = &bundles;
  bundles_begin(&bundles);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(come_in_the_order_of_their_names),
      cmocka_unit_test(have_the_first_bytes_of_the_public_keys_digest_as_id),
      cmocka_unit_test(are_missing_when_the_folder_is_empty_or_none),
      cmocka_unit_test(are_refused_when_one_is_no_public_p256_key),
      cmocka_unit_test(are_refused_when_there_are_too_many),
      cmocka_unit_test(sign_only_when_they_are_private_p256_keys),
  };
  return cmocka_run_group_tests(tests, set_up, bundles_end);
}
