#include "auth.h"

#include "fake_clock.h"
#include "temp_folder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct temp_folder folder;
static struct fake_clock fake;
static char path[128];
static struct console_auth *auth;
static char *token;

static int open_auth(void **state) {
  (void)state;
  temp_folder_make(&folder);
  temp_folder_path(&folder, "token", path, sizeof path);
  fake_clock_init(&fake, 1764000000);
  return console_auth_open(path, &fake.clock, &auth, &token, NULL) == BASE_OK ? 0 : -1;
}

static int close_auth(void **state) {
  (void)state;
  console_auth_close(&auth);
  free(token);
  temp_folder_remove(&folder);
  return 0;
}

static enum base_result check(const char *client, const char *text) {
  return console_auth_check(auth, client, base_span_text(text), NULL);
}

static void makes_a_token_when_there_is_no_file(void **state) {
  (void)state;
  assert_non_null(token);
  assert_int_equal(strlen(token), CONSOLE_TOKEN_CHARS);
  assert_int_equal(check("a", token), BASE_OK);
}

static void keeps_only_a_private_hash(void **state) {
  (void)state;
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0600);
  char text[512] = {0};
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  assert_true(fread(text, 1, sizeof text - 1, file) > 0);
  fclose(file);
  assert_null(strstr(text, token));
}

static void accepts_the_token_after_a_restart(void **state) {
  (void)state;
  struct console_auth *again;
  char *none;
  assert_int_equal(console_auth_open(path, &fake.clock, &again, &none, NULL), BASE_OK);
  assert_null(none);
  assert_int_equal(console_auth_check(again, "a", base_span_text(token), NULL), BASE_OK);
  console_auth_close(&again);
}

static void refuses_wrong_tokens(void **state) {
  (void)state;
  char near[CONSOLE_TOKEN_CHARS + 2];
  strcpy(near, token);
  near[0] = near[0] == 'A' ? 'B' : 'A';
  assert_int_equal(check("a", near), BASE_UNAUTHORIZED);
  assert_int_equal(check("a", ""), BASE_UNAUTHORIZED);
  strcpy(near, token);
  strcat(near, "A");
  assert_int_equal(check("a", near), BASE_UNAUTHORIZED);
}

static void throttles_the_client_that_guesses_and_no_other(void **state) {
  (void)state;
  for (int i = 0; i < CONSOLE_AUTH_MAX_FAILURES; i++) assert_int_equal(check("guesser", "wrong"), BASE_UNAUTHORIZED);
  assert_int_equal(check("guesser", "wrong"), BASE_RATE);
  assert_int_equal(check("guesser", token), BASE_RATE);
  assert_int_equal(check("other", token), BASE_OK);
  fake_clock_advance_s(&fake, CONSOLE_AUTH_WINDOW_S + 1);
  assert_int_equal(check("guesser", token), BASE_OK);
}

static void does_not_count_right_tokens(void **state) {
  (void)state;
  for (int i = 0; i < 3 * CONSOLE_AUTH_MAX_FAILURES; i++) assert_int_equal(check("a", token), BASE_OK);
}

static void survives_more_guessers_than_it_remembers(void **state) {
  (void)state;
  for (int i = 0; i < 2000; i++) {
    char client[32];
    snprintf(client, sizeof client, "10.0.%d.%d", i / 250, i % 250);
    assert_int_equal(check(client, "wrong"), BASE_UNAUTHORIZED);
  }
  assert_int_equal(check("10.0.0.0", token), BASE_OK);
}

static void refuses_a_damaged_file(void **state) {
  (void)state;
  static const char *const texts[] = {"", "x", "pixpop-token-sha256 12\n", "pixpop-token-sha256 "};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(texts[i], file);
    fclose(file);
    struct console_auth *again;
    char *none;
    struct base_fault fault = {0};
    assert_int_equal(console_auth_open(path, &fake.clock, &again, &none, &fault), BASE_CORRUPT);
    assert_null(again);
    assert_null(none);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_auth, close_auth)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(makes_a_token_when_there_is_no_file),
      TEST(keeps_only_a_private_hash),
      TEST(accepts_the_token_after_a_restart),
      TEST(refuses_wrong_tokens),
      TEST(throttles_the_client_that_guesses_and_no_other),
      TEST(does_not_count_right_tokens),
      TEST(survives_more_guessers_than_it_remembers),
      TEST(refuses_a_damaged_file),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
