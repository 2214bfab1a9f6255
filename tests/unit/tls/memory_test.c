// What happens to keys when memory is short, and what of them stays in it.
#include "base/file.h"
#include "certificate_rig.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void *__real_realloc(void *block, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);
void __real_free(void *block);
void __wrap_free(void *block);

// Allocations that still succeed; then one fails or, when `is_lasting`, all do. SIZE_MAX: none does.
static size_t left = SIZE_MAX;
static bool is_lasting, has_failed, has_leaked;

static bool fails(void) {
  if (left == SIZE_MAX) return false;
  if (left > 0) {
    left--;
    return false;
  }
  if (!is_lasting) left = SIZE_MAX;
  has_failed = true;
  return true;
}

// mbedTLS's, which takes all its memory by it.
void *calloc(size_t count, size_t bytes) {
  static void *(*volatile take)(size_t) = malloc;  // volatile: not to be made a calloc again
  if (fails()) return NULL;
  void *block = take(count * bytes);
  if (block) memset(block, 0, count * bytes);
  return block;
}

static void look_for_a_key(void *block) {
  static const char mark[] = "PRIVATE KEY-----";
  if (block && memmem(block, malloc_usable_size(block), mark, sizeof mark - 1)) has_leaked = true;
}

void *__wrap_realloc(void *block, size_t bytes) {
  if (fails()) return NULL;
  look_for_a_key(block);  // which may move
  return __real_realloc(block, bytes);
}

void __wrap_free(void *block) {
  look_for_a_key(block);
  __real_free(block);
}

static int make_identities(void **state) {
  (void)state;
  rig_make_folder();
  rig_run(
      "root root; ec inter; ask inter /CN=inter; sign inter root \"$ca\"; leaf ec \"$san\"\n"
      "openssl genrsa -out rsa.key 2048; leaf rsa \"$san\"\n"
      "for one in ec rsa; do cat $one.key $one.pem inter.pem root.pem >$one; done\n"
      "cat ec >long; seq 8000 | sed 's/^/# /' | head -c 60000 >>long; seq 20000 | cat ec - >over");
  return 0;
}

static enum base_result describe_when(size_t allocations, bool lasts, const char *path) {
  static struct tls_about about;
  is_lasting = lasts;
  has_failed = false;
  left = allocations;
  const enum base_result result = tls_identity_describe(path, &about, NULL);
  left = SIZE_MAX;
  return result;
}

static void lack_of_memory_is_never_taken_for_damage(void **state) {
  (void)state;
  static const char *const names[] = {"ec", "rsa"};
  for (size_t i = 0; i < 4; i++) {
    const bool lasts = i >= 2;
    size_t refused = 0;
    char path[256];
    rig_path(names[i % 2], path, sizeof path);
    has_failed = true;
    for (size_t at = 0; has_failed; at += 1 + at / 64) {
      const enum base_result result = describe_when(at, lasts, path);
      if (result == BASE_OK) continue;
      if (result != BASE_NO_MEMORY) fail_msg("%s without allocation %zu: %d", names[i % 2], at, result);
      refused++;
    }
    assert_true(refused > 0);
  }
}

static void damage_is_damage_all_the_same(void **state) {
  (void)state;
  char path[256];
  rig_run("sed '3s/./!/' ec >damaged; cat rsa.key ec.pem >mixed");
  rig_path("damaged", path, sizeof path);
  assert_int_equal(describe_when(SIZE_MAX, false, path), BASE_CORRUPT);
  rig_path("mixed", path, sizeof path);
  assert_int_equal(describe_when(SIZE_MAX, false, path), BASE_CORRUPT);
}

static void no_copy_of_a_key_stays_behind(void **state) {
  (void)state;
  static struct tls_about about;
  struct base_buffer pem, out;
  char path[256];
  // A control, without which the rest says nothing.
  has_leaked = false;
  rig_path("ec", path, sizeof path);
  assert_int_equal(base_file_read(path, 65536, &pem, NULL), BASE_OK);
  base_buffer_finish(&pem);
  assert_true(has_leaked);

  rig_join("long", &out);
  has_leaked = false;
  rig_path("long", path, sizeof path);
  assert_int_equal(tls_identity_read(path, &pem, NULL), BASE_OK);
  tls_identity_forget(&pem);
  assert_int_equal(tls_identity_describe(path, &about, NULL), BASE_OK);
  rig_path("over", path, sizeof path);
  assert_int_equal(tls_identity_read(path, &pem, NULL), BASE_TOO_LARGE);
  tls_identity_forget(&pem);
  rig_path("made", path, sizeof path);
  assert_int_equal(tls_identity_renew(path, NULL, 0, NULL), BASE_OK);
  assert_false(has_leaked);
  pem = out;
  assert_int_equal(tls_identity_check(base_buffer_span(&pem), about.not_before_s + 1, &out, &about, NULL), BASE_OK);
  tls_identity_forget(&out);
  tls_identity_forget(&pem);
  assert_false(has_leaked);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lack_of_memory_is_never_taken_for_damage),
      cmocka_unit_test(damage_is_damage_all_the_same),
      cmocka_unit_test(no_copy_of_a_key_stays_behind),
  };
  return cmocka_run_group_tests(tests, make_identities, rig_remove_folder);
}
