// The published vectors, how keys are written, what is signed, and that nothing next to a signature is taken for it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "recipe/signature.h"

#define PATH "/i/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"

enum { MAX_MESSAGE = 1024, MAX_WORDS = 40 };

static struct recipe_sign_key key_of(const char *text) {
  struct recipe_sign_key key;
  struct base_fault fault = {0};
  if (recipe_sign_key_parse(base_span_text(text), &key, &fault) != BASE_OK) fail_msg("%s: %s", text, fault.text);
  return key;
}

// The message of "name=value" words up to a NULL.
static enum base_result message_of(const char *path, const char *const words[], struct base_buffer *out) {
  struct recipe_signed_pair pairs[MAX_WORDS];
  size_t count = 0;
  for (; words[count]; count++) {
    struct base_span value = base_span_text(words[count]);
    pairs[count].name = base_span_cut(&value, '=');
    pairs[count].value = value;
  }
  base_buffer_init(out, MAX_MESSAGE);
  return recipe_sign_message(base_span_text(path), pairs, count, out, NULL);
}

static void assert_message(const char *path, const char *const words[], const char *wanted) {
  struct base_buffer message;
  assert_int_equal(message_of(path, words, &message), BASE_OK);
  assert_true(base_span_is(base_buffer_span(&message), wanted));
  base_buffer_finish(&message);
}

static void signatures_are_the_published_ones(void **state) {
  (void)state;
  static const struct {
    const char *words[8], *signature;
  } vectors[] = {
      {{NULL}, "gUbPlnEeiQV4NjHDkqoNAHWD64GgkfFhA-HhcDy2-1A"},
      {{"w=800", NULL}, "qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E"},
      {{"sig=ignored", NULL}, "gUbPlnEeiQV4NjHDkqoNAHWD64GgkfFhA-HhcDy2-1A"},
      {{"w=800", "sig=ignored", NULL}, "qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E"},
  };
  const struct recipe_sign_key key = key_of("secret-key:tenant-a");
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    char signature[RECIPE_SIGNATURE_CHARS + 1];
    struct base_buffer message;
    assert_int_equal(message_of(PATH, vectors[i].words, &message), BASE_OK);
    recipe_sign(&key, base_buffer_span(&message), signature);
    assert_string_equal(signature, vectors[i].signature);
    assert_true(recipe_sign_check(&key, 1, base_buffer_span(&message), base_span_text(signature)));
    base_buffer_finish(&message);
  }
}

static void signature_does_not_depend_on_the_order_of_options(void **state) {
  (void)state;
  const char *words[] = {
      "q=80", "w=800", "h=600", "fm=webp", "fit=cover", "exp=1893456000", "dpr=2", "crop=10,20,300,400", NULL};
  const struct recipe_sign_key key = key_of("hex:7365637265742d6b6579:hex:74656e616e742d61");
  for (size_t turn = 0; turn < 8; turn++) {
    char signature[RECIPE_SIGNATURE_CHARS + 1];
    struct base_buffer message;
    assert_int_equal(message_of(PATH, words, &message), BASE_OK);
    recipe_sign(&key, base_buffer_span(&message), signature);
    assert_string_equal(signature, "SO0KRvWv2u70ZiQ-otp8GsbCbP39STSc2LJH3ucU71k");
    base_buffer_finish(&message);
    const char *first = words[0];
    memmove(&words[0], &words[1], 7 * sizeof words[0]);
    words[7] = first;
  }
}

static void imgproxy_signatures_are_the_published_ones(void **state) {
  (void)state;
  static const struct {
    const char *key, *path, *signature;
  } vectors[] = {
      // imgproxy's manual, "Signing a URL".
      {"736563726574:68656C6C6F", "/rs:fill:300:400:0/g:sm/aHR0cDovL2V4YW1w/bGUuY29tL2ltYWdl/cy9jdXJpb3NpdHku/anBn.png",
       "oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8"},
      // imgproxy's examples of signing.
      {"943b421c9eb07c830af81030552c86009268de4e532ba2ee2eab8247c6da0881:"
       "520f986b998545b4785e0defbc4f3c1203f22de2374a3d53cb7a7fe9fea309c5",
       "/rs:fit:300:300/plain/http://img.example.com/pretty/image.jpg", "m3k5QADfcKPDj-SDI2AIogZbC3FlAXszuwhtWXYqavc"},
  };
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    struct recipe_sign_key key;
    char signature[RECIPE_SIGNATURE_CHARS + 1];
    assert_int_equal(recipe_sign_key_parse_hex(base_span_text(vectors[i].key), &key, NULL), BASE_OK);
    recipe_sign(&key, base_span_text(vectors[i].path), signature);
    assert_string_equal(signature, vectors[i].signature);
  }
}

static void message_sorts_by_name_and_leaves_the_signature_out(void **state) {
  (void)state;
  assert_message("/i/x", (const char *const[]){"w=1", "bg=ffffff", "wa=2", "w-a=3", "sig=s", NULL},
                 "/i/x?bg=ffffff&w=1&w-a=3&wa=2");
  assert_message("/i/x", (const char *const[]){"w=", NULL}, "/i/x?w=");
  assert_message("/i/x", (const char *const[]){NULL}, "/i/x");
  assert_message("/i/x", (const char *const[]){"sig=", NULL}, "/i/x");
}

static void message_is_refused_when_it_could_be_read_in_two_ways(void **state) {
  (void)state;
  static const struct {
    const char *path, *words[4];
  } bad[] = {
      {"/i/x", {"w=1", "w=1"}},
      {"/i/x", {"w=1", "h=2", "w=2"}},
      {"/i/x", {"sig=a", "sig=a"}},
      {"/i/x", {"w=1&h=2"}},
      {"/i/x", {"w=1=2"}},
      {"/i/x", {"w=a/b"}},
      {"/i/x", {"w=%31"}},
      {"/i/x", {"w=1 "}},
      {"/i/x", {"W=1"}},
      {"/i/x", {"=1"}},
      {"/i/%78", {"w=1"}},
      {"/i/x?w=1", {NULL}},
      {"/i/x&w=1", {NULL}},
      {"i/x", {NULL}},
      {"", {NULL}},
      {"/i/x\x80", {NULL}},
      {"/i/x;w=1", {NULL}},
      {"/i/x+", {NULL}},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct base_buffer message;
    if (message_of(bad[i].path, bad[i].words, &message) != BASE_BAD_INPUT) fail_msg("case %zu is taken", i);
    base_buffer_finish(&message);
  }
}

static void message_is_refused_when_there_are_too_many_options(void **state) {
  (void)state;
  char names[33][8];
  const char *words[34];
  struct base_buffer message;
  for (int i = 0; i < 33; i++) {
    names[i][0] = 'a';
    names[i][1] = (char)('0' + i / 10);
    names[i][2] = (char)('0' + i % 10);
    memcpy(names[i] + 3, "=1", 3);
    words[i] = names[i];
  }
  words[33] = NULL;
  assert_int_equal(message_of("/i/x", words, &message), BASE_BAD_INPUT);
  base_buffer_finish(&message);
  words[32] = NULL;
  assert_int_equal(message_of("/i/x", words, &message), BASE_OK);
  base_buffer_finish(&message);
}

static void message_is_refused_when_it_does_not_fit(void **state) {
  (void)state;
  struct base_buffer message;
  base_buffer_init(&message, 10);
  const struct recipe_signed_pair pair = {base_span_text("w"), base_span_text("1000000")};
  assert_int_equal(recipe_sign_message(base_span_text("/i/x"), &pair, 1, &message, NULL), BASE_TOO_LARGE);
  base_buffer_finish(&message);
}

static void check_takes_any_of_the_keys_and_nothing_else(void **state) {
  (void)state;
  const struct recipe_sign_key keys[] = {key_of("new:s1"), key_of("older:s2"), key_of("oldest:")};
  const struct recipe_sign_key stranger = key_of("new:s2");
  const struct base_span message = base_span_text("/i/x?w=1");
  char signature[RECIPE_SIGNATURE_CHARS + 1];
  for (size_t i = 0; i < 3; i++) {
    recipe_sign(&keys[i], message, signature);
    assert_true(recipe_sign_check(keys, 3, message, base_span_text(signature)));
    assert_int_equal(recipe_sign_check(keys, 2, message, base_span_text(signature)), i < 2);
    assert_false(recipe_sign_check(keys, 3, base_span_text("/i/x?w=2"), base_span_text(signature)));
  }
  recipe_sign(&stranger, message, signature);
  assert_false(recipe_sign_check(keys, 3, message, base_span_text(signature)));
  assert_false(recipe_sign_check(keys, 0, message, base_span_text(signature)));
}

// Base64 of 32 bytes has two bits that mean nothing: another spelling of the same bytes is another signature.
static void check_refuses_every_change_of_a_signature(void **state) {
  (void)state;
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const struct recipe_sign_key key = key_of("secret-key:tenant-a");
  const struct base_span message = base_span_text(PATH);
  char right[RECIPE_SIGNATURE_CHARS + 1], wrong[RECIPE_SIGNATURE_CHARS + 2];
  recipe_sign(&key, message, right);
  for (size_t i = 0; i < RECIPE_SIGNATURE_CHARS; i++) {
    for (const char *c = alphabet; *c; c++) {
      memcpy(wrong, right, sizeof right);
      wrong[i] = *c;
      assert_int_equal(recipe_sign_check(&key, 1, message, base_span_text(wrong)), *c == right[i]);
    }
  }
  memcpy(wrong, right, sizeof right);
  wrong[RECIPE_SIGNATURE_CHARS] = '=';
  for (size_t length = 0; length <= RECIPE_SIGNATURE_CHARS + 1; length++) {
    assert_int_equal(recipe_sign_check(&key, 1, message, base_span_of(wrong, length)),
                     length == RECIPE_SIGNATURE_CHARS);
  }
}

static void keys_are_text_or_hexadecimal(void **state) {
  (void)state;
  struct recipe_sign_key key = key_of("a:b");
  assert_int_equal(key.key_bytes, 1);
  assert_int_equal(key.salt_bytes, 1);
  assert_int_equal(key.key[0], 'a');
  key = key_of("hex:00fF:");
  assert_int_equal(key.key_bytes, 2);
  assert_int_equal(key.key[1], 0xff);
  assert_int_equal(key.salt_bytes, 0);
  key = key_of("text:hex:0a");
  assert_int_equal(key.key_bytes, 4);
  assert_int_equal(key.salt_bytes, 1);
  assert_int_equal(key.salt[0], 10);
  key = key_of("text:salt:with:colons");
  assert_int_equal(key.salt_bytes, strlen("salt:with:colons"));
}

static void keys_are_refused_without_quoting_them(void **state) {
  (void)state;
  static const char *const bad[] = {"",          "zqx",          ":zqx",      "hex::zqx",     "hex:0:zqx", "hex:zz:zqx",
                                    "zqx:a/b",   "zqx:hex:2f",   "zqx:hex:0", "zqx:hex:0g",   "zqx:a b",   "z qx:a",
                                    "zqx\x7f:a", "zqx:\xc3\xa4", "hex:zqx",   "zqx:hex:00:11"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct recipe_sign_key key;
    struct base_fault fault = {0};
    if (recipe_sign_key_parse(base_span_text(bad[i]), &key, &fault) != BASE_BAD_INPUT) fail_msg("%s is taken", bad[i]);
    assert_null(strstr(fault.text, "zqx"));
    assert_int_equal(key.key_bytes, 0);
  }
}

static void keys_are_refused_when_over_their_limits(void **state) {
  (void)state;
  char text[2 * RECIPE_MAX_SIGN_KEY + 16];
  struct recipe_sign_key key;
  memset(text, 'k', sizeof text);
  memcpy(text + RECIPE_MAX_SIGN_KEY, ":s", 3);
  assert_int_equal(recipe_sign_key_parse(base_span_text(text), &key, NULL), BASE_OK);
  memcpy(text + RECIPE_MAX_SIGN_KEY, "k:s", 4);
  assert_int_equal(recipe_sign_key_parse(base_span_text(text), &key, NULL), BASE_BAD_INPUT);
  memcpy(text, "k:", 2);
  text[2 + RECIPE_MAX_SIGN_SALT] = '\0';
  assert_int_equal(recipe_sign_key_parse(base_span_text(text), &key, NULL), BASE_OK);
  memcpy(text + 2 + RECIPE_MAX_SIGN_SALT, "k", 2);
  assert_int_equal(recipe_sign_key_parse(base_span_text(text), &key, NULL), BASE_BAD_INPUT);
}

static void imgproxy_keys_are_hexadecimal_with_any_salt(void **state) {
  (void)state;
  struct recipe_sign_key key;
  assert_int_equal(recipe_sign_key_parse_hex(base_span_text("00:2f"), &key, NULL), BASE_OK);
  assert_int_equal(key.salt[0], '/');
  assert_int_equal(recipe_sign_key_parse_hex(base_span_text("00:"), &key, NULL), BASE_OK);
  static const char *const bad[] = {"", "00", ":00", "0:00", "00:0", "zz:00", "hex:00:00", "00:00:00", "00 :00"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(recipe_sign_key_parse_hex(base_span_text(bad[i]), &key, NULL), BASE_BAD_INPUT);
    assert_int_equal(key.key_bytes, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(signatures_are_the_published_ones),
      cmocka_unit_test(signature_does_not_depend_on_the_order_of_options),
      cmocka_unit_test(imgproxy_signatures_are_the_published_ones),
      cmocka_unit_test(message_sorts_by_name_and_leaves_the_signature_out),
      cmocka_unit_test(message_is_refused_when_it_could_be_read_in_two_ways),
      cmocka_unit_test(message_is_refused_when_there_are_too_many_options),
      cmocka_unit_test(message_is_refused_when_it_does_not_fit),
      cmocka_unit_test(check_takes_any_of_the_keys_and_nothing_else),
      cmocka_unit_test(check_refuses_every_change_of_a_signature),
      cmocka_unit_test(keys_are_text_or_hexadecimal),
      cmocka_unit_test(keys_are_refused_without_quoting_them),
      cmocka_unit_test(keys_are_refused_when_over_their_limits),
      cmocka_unit_test(imgproxy_keys_are_hexadecimal_with_any_salt),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
