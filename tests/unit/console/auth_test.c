#include "auth.h"

#include "base/code.h"
#include "fake_clock.h"
#include "temp_folder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
  return console_auth_open(path, NULL, &fake.clock, &auth, &token, NULL) == BASE_OK ? 0 : -1;
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
  assert_int_equal(strlen(token), BASE_TOKEN_CHARS);
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
  assert_int_equal(console_auth_open(path, NULL, &fake.clock, &again, &none, NULL), BASE_OK);
  assert_null(none);
  assert_int_equal(console_auth_check(again, "a", base_span_text(token), NULL), BASE_OK);
  console_auth_close(&again);
}

static void refuses_wrong_tokens(void **state) {
  (void)state;
  char near[BASE_TOKEN_CHARS + 2];
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
    assert_int_equal(console_auth_open(path, NULL, &fake.clock, &again, &none, &fault), BASE_CORRUPT);
    assert_null(again);
    assert_null(none);
  }
}

// --- claims ---

static char claim_path[128];

static void write_claim(const char *text) {
  FILE *file = fopen(claim_path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

// SHA-256 of "K7QX2M9P4TRW".
#define CODE_HASH "582b601c1d8dcfe0970e57a29a62145c7aa71c601d5949e1f39bd2439542204c"

static int open_unclaimed(void **state) {
  (void)state;
  temp_folder_make(&folder);
  temp_folder_path(&folder, "token", path, sizeof path);
  temp_folder_path(&folder, "claim", claim_path, sizeof claim_path);
  fake_clock_init(&fake, 1764000000);
  write_claim(CODE_HASH "\n");
  return console_auth_open(path, claim_path, &fake.clock, &auth, &token, NULL) == BASE_OK ? 0 : -1;
}

static enum base_result claim(const char *client, const char *code, char **out) {
  return console_auth_claim(auth, client, base_span_text(code), out, NULL);
}

static void issues_the_first_token_once_for_the_code(void **state) {
  (void)state;
  char *first, *second;
  assert_null(token);
  assert_false(console_auth_is_claimed(auth));
  assert_int_equal(access(path, F_OK), -1);
  assert_int_equal(check("a", ""), BASE_UNAUTHORIZED);
  assert_int_equal(claim("a", "k7qx-2m9p 4trw", &first), BASE_OK);
  assert_true(console_auth_is_claimed(auth));
  assert_int_equal(access(claim_path, F_OK), -1);
  assert_int_equal(check("a", first), BASE_OK);
  assert_int_equal(claim("a", "K7QX-2M9P-4TRW", &second), BASE_CONFLICT);
  assert_null(second);
  free(first);
}

static void reads_letters_that_look_like_digits(void **state) {
  (void)state;
  char *first;
  write_claim("752e798d010fbdcecb5d0e49090eea4c223dcdedda89181b11ad611cc7523a6f\n");  // of A0B1-C1D0-EFGH
  assert_int_equal(claim("a", "aobi-clDO-efgh", &first), BASE_OK);
  free(first);
}

static void keeps_the_claimed_token_over_a_restart_and_ignores_a_claim_file(void **state) {
  (void)state;
  char *first, *none;
  assert_int_equal(claim("a", "K7QX2M9P4TRW", &first), BASE_OK);
  write_claim(CODE_HASH "\n");  // as if the power had failed before it was removed
  console_auth_close(&auth);
  assert_int_equal(console_auth_open(path, claim_path, &fake.clock, &auth, &none, NULL), BASE_OK);
  assert_null(none);
  assert_int_equal(check("a", first), BASE_OK);
  assert_int_equal(access(claim_path, F_OK), -1);
  free(first);
}

static void throttles_wrong_codes_without_locking_others_out(void **state) {
  (void)state;
  char *none;
  for (int i = 0; i < CONSOLE_AUTH_MAX_FAILURES; i++) {
    assert_int_equal(claim("guesser", "K7QX2M9P4TRX", &none), BASE_FORBIDDEN);
  }
  assert_int_equal(claim("guesser", "K7QX2M9P4TRW", &none), BASE_RATE);
  assert_false(console_auth_is_claimed(auth));
  assert_int_equal(claim("owner", "K7QX2M9P4TRW", &none), BASE_OK);
  free(none);
}

static void takes_no_code_that_is_none_and_no_damaged_file(void **state) {
  (void)state;
  char *none;
  static const char *const codes[] = {"", "- -", "K7QX_2M9P", "\xc3\x84",
                                      "ABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDE"};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    assert_int_equal(claim("a", codes[i], &none), BASE_BAD_INPUT);
  }
  write_claim("x");
  assert_int_equal(claim("a", "K7QX2M9P4TRW", &none), BASE_CORRUPT);
  write_claim(CODE_HASH "\n");
  assert_int_equal(claim("a", "K7QX2M9P4TRW", &none), BASE_OK);
  free(none);
}

static void keeps_the_code_when_the_token_can_not_be_written(void **state) {
  (void)state;
  char *none, temporary[160];
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  assert_int_equal(mkdir(temporary, 0700), 0);  // in the way of the file that is written first
  assert_int_not_equal(claim("a", "K7QX2M9P4TRW", &none), BASE_OK);
  assert_false(console_auth_is_claimed(auth));
  assert_int_equal(rmdir(temporary), 0);
  assert_int_equal(claim("a", "K7QX2M9P4TRW", &none), BASE_OK);
  free(none);
}

#define CLAIM_TEST(name) cmocka_unit_test_setup_teardown(name, open_unclaimed, close_auth)
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
      CLAIM_TEST(issues_the_first_token_once_for_the_code),
      CLAIM_TEST(reads_letters_that_look_like_digits),
      CLAIM_TEST(keeps_the_claimed_token_over_a_restart_and_ignores_a_claim_file),
      CLAIM_TEST(throttles_wrong_codes_without_locking_others_out),
      CLAIM_TEST(takes_no_code_that_is_none_and_no_damaged_file),
      CLAIM_TEST(keeps_the_code_when_the_token_can_not_be_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
