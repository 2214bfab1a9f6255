#include "arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_WORDS = 16 };

// Words behind the program's name; NULL ends them.
static enum base_result parse(const char *const *words, struct arguments *out, struct base_fault *fault) {
  static char copies[MAX_WORDS][64];
  char *argv[MAX_WORDS] = {copies[0]};
  int argc = 1;
  strcpy(copies[0], "pixpop-system");
  for (; *words != NULL; words++, argc++) {
    snprintf(copies[argc], sizeof(copies[argc]), "%s", *words);
    argv[argc] = copies[argc];
  }
  return arguments_parse(argc, argv, out, fault);
}

static void without_words_the_appliance_is_meant(void **state) {
  (void)state;
  struct arguments arguments;
  const char *const words[] = {NULL};
  assert_int_equal(parse(words, &arguments, NULL), BASE_OK);
  assert_string_equal(arguments.socket, "/run/pixpop/system.sock");
  assert_string_equal(arguments.user, "pixpop");
  assert_string_equal(arguments.root_b, "/dev/disk/by-partlabel/rootB");
  assert_null(arguments.slot);
  assert_null(arguments.probe);
  assert_int_equal(arguments.health_count, 1);
  assert_string_equal(arguments.health[0], "https://127.0.0.1:8443/healthz");
  assert_int_equal(arguments.every_ms, 5000);
  assert_int_equal(arguments.gate_ms, 300000);
  assert_int_equal(arguments.patience_ms, 60000);
  assert_int_equal(arguments.grace_ms, 180000);
  assert_false(arguments.wants_help || arguments.wants_version);
}

static void words_are_taken_in_both_forms(void **state) {
  (void)state;
  struct arguments arguments;
  const char *const words[] = {"--slot",   "B",         "--gate=1500ms",          "--every",     "2s",
                               "--health", "http://a/", "--health=http://b/?c=d", "--watchdog=", "-V",
                               NULL};
  assert_int_equal(parse(words, &arguments, NULL), BASE_OK);
  assert_string_equal(arguments.slot, "B");
  assert_string_equal(arguments.health[0], "http://a/");
  assert_string_equal(arguments.health[1], "http://b/?c=d");
  assert_string_equal(arguments.watchdog, "");
  assert_int_equal(arguments.gate_ms, 1500);
  assert_int_equal(arguments.every_ms, 2000);
  assert_int_equal(arguments.health_count, 2);
  assert_true(arguments.wants_version);
}

static void what_is_not_understood_is_named(void **state) {
  (void)state;
  static const struct {
    const char *words[3];
    const char *named;
  } cases[] = {
      {{"--bogus"}, "--bogus"},       {{"word"}, "word"},        {{"--slot"}, "--slot"},
      {{"--every", "5"}, "--every"},  {{"--every", "0s"}, "0s"}, {{"--every", "s"}, "--every"},
      {{"--every=5m"}, "5m"},         {{"--every=-5s"}, "-5s"},  {{"--every=86401s"}, "86401s"},
      {{"--help=yes"}, "--help"},     {{"--slo", "A"}, "--slo"}, {{"--every=18446744073709551616s"}, "--every"},
      {{"--every", "ms"}, "--every"}, {{"-h=1"}, "-h=1"},        {{""}, "''"}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct arguments arguments;
    struct base_fault fault = {0};
    assert_int_equal(parse(cases[i].words, &arguments, &fault), BASE_BAD_INPUT);
    assert_non_null(strstr(fault.text, cases[i].named));
  }
}

static void more_urls_than_there_is_room_for_are_refused(void **state) {
  (void)state;
  struct arguments arguments;
  const char *const words[] = {"--health=1", "--health=2", "--health=3", "--health=4", "--health=5", NULL};
  assert_int_equal(parse(words, &arguments, NULL), BASE_BAD_INPUT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_words_the_appliance_is_meant),
      cmocka_unit_test(words_are_taken_in_both_forms),
      cmocka_unit_test(what_is_not_understood_is_named),
      cmocka_unit_test(more_urls_than_there_is_room_for_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
