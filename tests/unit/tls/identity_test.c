#include "temp_folder.h"
#include "tls/tls.h"

#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct temp_folder folder;
static char path[128];

static int make_folder(void **state) {
  (void)state;
  temp_folder_make(&folder);
  temp_folder_path(&folder, "identity.pem", path, sizeof path);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  temp_folder_remove(&folder);
  return 0;
}

static bool ensure(const char *const *names, size_t count) {
  bool is_new = false;
  struct base_fault fault = {0};
  enum base_result result = tls_identity_ensure(path, names, count, &is_new, &fault);
  if (result != BASE_OK) fail_msg("%s", fault.text);
  return is_new;
}

// What `openssl x509` prints for the file with these arguments.
static void openssl_says(const char *arguments, char *out, size_t capacity) {
  char command[1024];
  snprintf(command, sizeof command, "openssl x509 -in %s -noout %s", path, arguments);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  size_t got = fread(out, 1, capacity - 1, pipe);
  out[got] = '\0';
  assert_int_equal(pclose(pipe), 0);
}

static void makes_a_private_file_when_there_is_none(void **state) {
  (void)state;
  assert_true(ensure(NULL, 0));
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0600);
}

static void keeps_the_identity_when_asked_again(void **state) {
  (void)state;
  char first[TLS_FINGERPRINT_CHARS + 1], second[TLS_FINGERPRINT_CHARS + 1];
  assert_true(ensure(NULL, 0));
  assert_int_equal(tls_identity_fingerprint(path, first, NULL), BASE_OK);
  assert_false(ensure(NULL, 0));
  assert_int_equal(tls_identity_fingerprint(path, second, NULL), BASE_OK);
  assert_string_equal(first, second);
}

static void makes_different_keys_for_different_boxes(void **state) {
  (void)state;
  char first[TLS_FINGERPRINT_CHARS + 1], second[TLS_FINGERPRINT_CHARS + 1];
  ensure(NULL, 0);
  assert_int_equal(tls_identity_fingerprint(path, first, NULL), BASE_OK);
  assert_int_equal(unlink(path), 0);
  assert_true(ensure(NULL, 0));
  assert_int_equal(tls_identity_fingerprint(path, second, NULL), BASE_OK);
  assert_string_not_equal(first, second);
}

static void fingerprint_is_what_openssl_says(void **state) {
  (void)state;
  ensure(NULL, 0);
  char ours[TLS_FINGERPRINT_CHARS + 1], theirs[256];
  assert_int_equal(tls_identity_fingerprint(path, ours, NULL), BASE_OK);
  assert_int_equal(strlen(ours), TLS_FINGERPRINT_CHARS);
  openssl_says("-fingerprint -sha256", theirs, sizeof theirs);
  assert_non_null(strstr(theirs, ours));
}

static void certificate_names_what_was_asked_for(void **state) {
  (void)state;
  const char *names[] = {"box.example", "192.0.2.7", "2001:db8::7", "127.0.0.1"};
  ensure(names, 4);
  char text[1024];
  openssl_says("-ext subjectAltName", text, sizeof text);
  const char *wanted[] = {"DNS:box.example", "IP Address:192.0.2.7", "IP Address:2001:DB8:0:0:0:0:0:7",
                          "DNS:localhost",   "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1"};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    const char *found = strstr(text, wanted[i]);
    if (!found) fail_msg("no %s in %s", wanted[i], text);
    if (found && strstr(found + 1, wanted[i])) fail_msg("%s twice in %s", wanted[i], text);
  }
}

static void certificate_is_p256_and_signed_by_itself(void **state) {
  (void)state;
  ensure(NULL, 0);
  char text[8192];
  openssl_says("-text", text, sizeof text);
  assert_non_null(strstr(text, "prime256v1"));
  assert_non_null(strstr(text, "ecdsa-with-SHA256"));
  char command[1024];
  snprintf(command, sizeof command, "openssl verify -CAfile %s %s >/dev/null 2>&1", path, path);
  assert_int_equal(system(command), 0);
}

static void certificate_is_valid_whatever_the_clock_says(void **state) {
  (void)state;
  static const long long moments_s[] = {1577836800, 1900000000, 4102444800, 32503680000};  // 2020, 2030, 2100, 3000
  char text[128];
  ensure(NULL, 0);
  for (size_t i = 0; i < sizeof moments_s / sizeof *moments_s; i++) {
    char command[1024];
    snprintf(command, sizeof command, "openssl verify -attime %lld -CAfile %s %s >/dev/null 2>&1", moments_s[i], path,
             path);
    assert_int_equal(system(command), 0);
  }
  openssl_says("-startdate", text, sizeof text);
  assert_string_equal(text, "notBefore=Jan  1 00:00:00 2019 GMT\n");
}

static void refuses_a_file_that_is_no_identity(void **state) {
  (void)state;
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs("-----BEGIN CERTIFICATE-----\nnonsense\n", file);
  assert_int_equal(fclose(file), 0);
  bool is_new = true;
  struct base_fault fault = {0};
  assert_int_equal(tls_identity_ensure(path, NULL, 0, &is_new, &fault), BASE_CORRUPT);
  assert_false(is_new);
  assert_true(fault.text[0] != '\0');
}

static void refuses_a_key_that_is_not_the_certificates(void **state) {
  (void)state;
  ensure(NULL, 0);
  char command[1024];
  snprintf(
      command, sizeof command,
      "openssl x509 -in %s -out %s.crt && openssl ecparam -name prime256v1 -genkey -noout -out %s && cat %s.crt >>%s",
      path, path, path, path, path);
  assert_int_equal(system(command), 0);
  bool is_new = true;
  assert_int_equal(tls_identity_ensure(path, NULL, 0, &is_new, NULL), BASE_CORRUPT);
}

static void refuses_names_that_are_too_long(void **state) {
  (void)state;
  char name[300];
  memset(name, 'a', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  const char *names[] = {name};
  bool is_new;
  assert_int_equal(tls_identity_ensure(path, names, 1, &is_new, NULL), BASE_BAD_INPUT);
  assert_int_not_equal(access(path, F_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(makes_a_private_file_when_there_is_none),      TEST(keeps_the_identity_when_asked_again),
      TEST(makes_different_keys_for_different_boxes),     TEST(fingerprint_is_what_openssl_says),
      TEST(certificate_names_what_was_asked_for),         TEST(certificate_is_p256_and_signed_by_itself),
      TEST(certificate_is_valid_whatever_the_clock_says), TEST(refuses_a_file_that_is_no_identity),
      TEST(refuses_a_key_that_is_not_the_certificates),   TEST(refuses_names_that_are_too_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
