// What surrounds the parser: the reference text, files, overrides, listen addresses and what a reload can change.
#include "settings_text.h"

#include "base/file.h"
#include "temp_folder.h"

enum { REFERENCE_LIMIT = 1 << 16 };

static struct settings settings, defaults;

static void reference_text_gives_the_defaults_when_parsed(void **state) {
  (void)state;
  struct base_buffer text;
  base_buffer_init(&text, REFERENCE_LIMIT);
  assert_int_equal(settings_print_reference(&text), BASE_OK);
  memset(&settings, 0xff, sizeof(settings));
  struct base_fault fault = {0};
  const enum base_result result = settings_parse(base_buffer_span(&text), "reference", &settings, &fault);
  if (result != BASE_OK) fail_msg("%s: %s", fault.subject, fault.text);
  settings_defaults(&defaults);
  assert_memory_equal(&settings, &defaults, sizeof(settings));
  assert_non_null(memmem(text.data, text.bytes, "\nlisten = 127.0.0.1:8443\n", 25));
  base_buffer_finish(&text);
}

static void reference_text_fails_when_the_buffer_is_too_small(void **state) {
  (void)state;
  struct base_buffer text;
  base_buffer_init(&text, 500);
  assert_int_equal(settings_print_reference(&text), BASE_TOO_LARGE);
  base_buffer_finish(&text);
}

static void file_is_loaded_and_a_missing_or_huge_one_refused(void **state) {
  (void)state;
  struct temp_folder folder;
  char path[128];
  temp_folder_make(&folder);
  temp_folder_path(&folder, "box.ini", path, sizeof(path));
  struct base_fault fault = {0};
  assert_int_equal(settings_load(path, &settings, &fault), BASE_NOT_FOUND);

  assert_int_equal(base_file_replace_durably(path, base_span_text("[log]\nlevel = debug\n"), 0600, NULL), BASE_OK);
  assert_int_equal(settings_load(path, &settings, NULL), BASE_OK);
  assert_string_equal(settings.log_level, "debug");

  assert_int_equal(base_file_replace_durably(path, base_span_text("[log]\nlevel = loud\n"), 0600, NULL), BASE_OK);
  base_fault_clear(&fault);
  assert_int_equal(settings_load(path, &settings, &fault), BASE_BAD_INPUT);
  assert_non_null(strstr(fault.subject, "/box.ini:2"));

  static char huge[SETTINGS_MAX_FILE_BYTES + 1];
  memset(huge, '\n', sizeof(huge));
  assert_int_equal(base_file_replace_durably(path, base_span_of(huge, sizeof(huge)), 0600, NULL), BASE_OK);
  assert_int_equal(settings_load(path, &settings, NULL), BASE_TOO_LARGE);
  assert_int_equal(base_file_replace_durably(path, base_span_of(huge, sizeof(huge) - 1), 0600, NULL), BASE_OK);
  assert_int_equal(settings_load(path, &settings, NULL), BASE_OK);
  temp_folder_remove(&folder);
}

static void override_sets_one_value(void **state) {
  (void)state;
  settings_defaults(&settings);
  assert_int_equal(settings_override(&settings, "cache.ram=1G", NULL), BASE_OK);
  assert_int_equal(settings.cache_ram_bytes, 1 << 30);
  assert_int_equal(settings_override(&settings, "cache.ram=2G", NULL), BASE_OK);  // the last one counts
  assert_int_equal(settings.cache_ram_bytes, 2ull << 30);
  assert_int_equal(settings_override(&settings, "render.device=a=b.c", NULL), BASE_OK);
  assert_string_equal(settings.render_device, "a=b.c");
  settings_defaults(&defaults);
  assert_int_equal(settings_override(&defaults, "cache.ram=2G", NULL), BASE_OK);
  assert_int_equal(settings_override(&defaults, "render.device=a=b.c", NULL), BASE_OK);
  assert_memory_equal(&settings, &defaults, sizeof(settings));  // nothing else moved
}

static void override_is_refused_when_malformed_or_unknown(void **state) {
  (void)state;
  static const char *const bad[] = {"",    "cache.ram",      "cache=1G", "ram=1G",           "cache.ram=lots", "=1G",
                                    ".=1", "cache.colour=1", "a.b=c.d",  "tenant a.hosts=x", "cache.ram =1G"};
  settings_defaults(&defaults);
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    settings_defaults(&settings);
    struct base_fault fault = {0};
    assert_int_equal(settings_override(&settings, bad[i], &fault), BASE_BAD_INPUT);
    assert_true(fault.text[0] != '\0');
    assert_memory_equal(&settings, &defaults, sizeof(settings));
  }
}

static void override_is_refused_without_its_value(void **state) {
  (void)state;
  struct base_fault fault = {0};
  settings_defaults(&settings);
  assert_int_equal(settings_override(&settings, "tenant default.sign_keys=hunter2:salt", &fault), BASE_BAD_INPUT);
  assert_null(strstr(fault.text, "hunter2"));
}

static void policy_of_delivery_is_ladder_unless_set(void **state) {
  (void)state;
  settings_defaults(&settings);
  assert_string_equal(settings.delivery_unsigned, "ladder");
  assert_true(settings.delivery_avif);
  assert_string_equal(settings.cache_policy, "lru");
  assert_int_equal(settings.render_per_client, 32);
  assert_int_equal(settings_override(&settings, "delivery.unsigned=open", NULL), BASE_OK);
  assert_string_equal(settings.delivery_unsigned, "open");
  assert_int_equal(settings_override(&settings, "delivery.ladder=100,200", NULL), BASE_OK);
  assert_int_equal(settings_override(&settings, "delivery.ladder=200,100", NULL), BASE_BAD_INPUT);
  assert_string_equal(settings.delivery_ladder, "100,200");
  assert_int_equal(settings_override(&settings, "delivery.unsigned=sometimes", NULL), BASE_BAD_INPUT);
}

static void listen_address_is_split(void **state) {
  (void)state;
  static const struct {
    const char *listen, *address;
    uint16_t port;
  } good[] = {{"127.0.0.1:8080", "127.0.0.1", 8080},
              {"0.0.0.0:0", "0.0.0.0", 0},
              {"[::1]:65535", "::1", 65535},
              {"[::]:1", "::", 1}};
  for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
    char address[64];
    uint16_t port = 7;
    assert_int_equal(settings_split_listen(good[i].listen, address, sizeof(address), &port, NULL), BASE_OK);
    assert_string_equal(address, good[i].address);
    assert_int_equal(port, good[i].port);
  }
}

static void listen_address_is_refused_when_malformed(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",       ":80",       "127.0.0.1",    "127.0.0.1:",     "127.0.0.1:65536", "localhost:80",
      "::1:80", "[::1]",     "[::1:80",      "[127.0.0.1]:80", "127.0.0.1:-1",    "1.2.3:80",
      "[]:80",  "[::1]x:80", " 127.0.0.1:80"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    char address[64];
    uint16_t port;
    struct base_fault fault = {0};
    assert_int_equal(settings_split_listen(bad[i], address, sizeof(address), &port, &fault), BASE_BAD_INPUT);
    if (bad[i][0] == '\0' || bad[i][0] == ' ') continue;
    char text[64];
    snprintf(text, sizeof(text), "[delivery]\nlisten = %s\n", bad[i]);
    must_refuse(text, "box.ini:2", bad[i]);  // and already when the file is read
  }
  char small[4];
  uint16_t port;
  assert_int_equal(settings_split_listen("127.0.0.1:80", small, sizeof(small), &port, NULL), BASE_BAD_INPUT);
}

static const char *restart_for(const char *assignment) {
  settings_defaults(&defaults);
  settings_defaults(&settings);
  assert_int_equal(settings_override(&settings, assignment, NULL), BASE_OK);
  return settings_needs_restart(&defaults, &settings);
}

static void restart_is_needed_for_what_can_not_be_reloaded(void **state) {
  (void)state;
  assert_string_equal(restart_for("pixpop.data=/tmp/x"), "pixpop.data");
  assert_string_equal(restart_for("delivery.listen=127.0.0.1:81"), "delivery.listen");
  assert_string_equal(restart_for("console.tls=off"), "console.tls");
  assert_string_equal(restart_for("cache.policy=sieve"), "cache.policy");
  assert_string_equal(restart_for("decoder.workers=3"), "decoder.workers");
}

static void restart_is_not_needed_for_equal_or_reloadable_values(void **state) {
  (void)state;
  assert_null(restart_for("log.level=debug"));
  assert_null(restart_for("delivery.unsigned=none"));
  assert_null(restart_for("delivery.ladder=100"));
  assert_null(restart_for("log.format=json"));
  assert_null(restart_for("cache.ram=1G"));
  assert_null(restart_for("console.tls=on"));
  // Bytes behind a text's end do not make it another one.
  settings_defaults(&defaults);
  settings_defaults(&settings);
  assert_int_equal(settings_override(&settings, "pixpop.data=/a/much/longer/folder/than/before", NULL), BASE_OK);
  assert_int_equal(settings_override(&settings, "pixpop.data=/var/lib/pixpop", NULL), BASE_OK);
  assert_null(settings_needs_restart(&defaults, &settings));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reference_text_gives_the_defaults_when_parsed),
      cmocka_unit_test(reference_text_fails_when_the_buffer_is_too_small),
      cmocka_unit_test(file_is_loaded_and_a_missing_or_huge_one_refused),
      cmocka_unit_test(override_sets_one_value),
      cmocka_unit_test(override_is_refused_when_malformed_or_unknown),
      cmocka_unit_test(override_is_refused_without_its_value),
      cmocka_unit_test(policy_of_delivery_is_ladder_unless_set),
      cmocka_unit_test(listen_address_is_split),
      cmocka_unit_test(listen_address_is_refused_when_malformed),
      cmocka_unit_test(restart_is_needed_for_what_can_not_be_reloaded),
      cmocka_unit_test(restart_is_not_needed_for_equal_or_reloadable_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
