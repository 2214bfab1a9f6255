#include <stdio.h>

#include "settings_text.h"

static struct settings settings;

static void defaults_hold_when_the_file_is_empty(void **state) {
  (void)state;
  struct settings defaults;
  settings_defaults(&defaults);
  must_parse("", &settings);
  assert_memory_equal(&settings, &defaults, sizeof(settings));
  assert_string_equal(settings.console_listen, "127.0.0.1:8443");
  assert_int_equal(settings.cache_ram_bytes, 256 << 20);
  assert_true(settings.console_tls);
  assert_int_equal(settings.tenant_count, 0);
}

static void values_are_taken_when_spelled_in_any_layout(void **state) {
  (void)state;
  must_parse(
      "# a comment\r\n"
      "; another\n"
      "\n"
      "  [ delivery ]\t\n"
      "listen=0.0.0.0:80\r\n"
      "\tidle_timeout_ms =  10\n"
      "[console]\n"
      "tls = off\n"
      "[log]\nformat = json\n"
      "[delivery]\n"  // a section may come back
      "loops = 256",  // no newline at the end
      &settings);
  assert_string_equal(settings.delivery_listen, "0.0.0.0:80");
  assert_int_equal(settings.delivery_idle_timeout_ms, 10);
  assert_false(settings.console_tls);
  assert_string_equal(settings.log_format, "json");
  assert_int_equal(settings.delivery_loops, 256);
}

static void text_is_kept_when_it_has_equals_signs_and_spaces(void **state) {
  (void)state;
  must_parse("[render]\ndevice = llvmpipe (LLVM 15 = x) # kept\n", &settings);
  assert_string_equal(settings.render_device, "llvmpipe (LLVM 15 = x) # kept");
}

static void a_text_is_none_when_that_has_a_meaning(void **state) {
  (void)state;
  must_parse("[system]\nsocket =\n", &settings);
  assert_string_equal(settings.system_socket, "");
  assert_string_equal(settings.system_settings_file, "");
  must_parse("", &settings);
  assert_string_equal(settings.system_socket, "/run/pixpop/system.sock");
}

static void sizes_take_units_of_1024(void **state) {
  (void)state;
  must_parse("[cache]\nram = 1048576\ndisk = 3G\nmin_free = 0\n[limits]\nfile_bytes = 1K\n", &settings);
  assert_int_equal(settings.cache_ram_bytes, 1048576);
  assert_int_equal(settings.cache_disk_bytes, 3ull << 30);
  assert_int_equal(settings.cache_min_free_bytes, 0);
  assert_int_equal(settings.limits_file_bytes, 1024);
}

static void sizes_are_refused_when_malformed_or_out_of_range(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "M",
                                    "1m",
                                    "1 M",
                                    "1.5M",
                                    "-1M",
                                    "0x100000",
                                    "1T",
                                    "1MM",
                                    "+1M",
                                    "1K",
                                    "1025G",
                                    "18446744073709551616",
                                    "18014398509481984G"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    char text[64];
    snprintf(text, sizeof(text), "[cache]\nram = %s\n", bad[i]);
    must_refuse(text, "box.ini:2", "cache.ram must be a size");
  }
}

static void numbers_are_refused_when_outside_their_range(void **state) {
  (void)state;
  must_parse("[console]\nthreads = 4\n[render]\nwebp_effort = 6\n", &settings);
  assert_int_equal(settings.console_threads, 4);
  must_refuse("[console]\nthreads = 3\n", "box.ini:2", "from 4 to 512, not '3'");
  must_refuse("[console]\nthreads = 513\n", "box.ini:2", "from 4 to 512, not '513'");
  must_refuse("[render]\nwebp_effort = 1K\n", "box.ini:2", "must be a number");  // K is for sizes
  must_refuse("[render]\nwebp_effort =\n", "box.ini:2", "must be a number");
}

static void switches_and_choices_are_refused_when_unknown(void **state) {
  (void)state;
  must_refuse("[console]\ntls = yes\n", "box.ini:2", "console.tls must be on or off");
  must_refuse("[log]\n\nlevel = loud\n", "box.ini:3", "one of: error warn info debug");
  must_refuse("[log]\nlevel = error warn\n", "box.ini:2", "one of:");
  must_refuse("[log]\nlevel =\n", "box.ini:2", "one of:");
}

static void resampler_is_one_of_three_and_residents_may_be_off(void **state) {
  (void)state;
  settings_defaults(&settings);
  assert_string_equal(settings.render_resampler, "auto");
  assert_int_equal(settings.render_resident_bytes, 256 << 20);
  assert_false(settings.render_linear_light);
  assert_int_equal(settings.render_lose_device_after, 0);
  must_parse("[render]\nresampler = cpu\nresident = 0\nlinear_light = on\nlose_device_after = 3\n", &settings);
  assert_string_equal(settings.render_resampler, "cpu");
  assert_int_equal(settings.render_resident_bytes, 0);
  assert_true(settings.render_linear_light);
  assert_int_equal(settings.render_lose_device_after, 3);
  must_parse("[render]\nresampler = vulkan\n", &settings);
  assert_string_equal(settings.render_resampler, "vulkan");
  must_refuse("[render]\nresampler = gpu\n", "box.ini:2", "render.resampler must be one of: auto vulkan cpu");
}

static void texts_are_refused_when_too_long_or_empty(void **state) {
  (void)state;
  char text[SETTINGS_MAX_TEXT + 32] = "[pixpop]\ndata = ";
  const size_t start = strlen(text);
  memset(text + start, 'd', SETTINGS_MAX_TEXT - 1);
  must_parse(text, &settings);
  assert_int_equal(strlen(settings.data_folder), SETTINGS_MAX_TEXT - 1);
  memset(text + start, 'd', SETTINGS_MAX_TEXT);
  must_refuse(text, "box.ini:2", "longer than 255 bytes");
  must_refuse("[pixpop]\ndata =\n", "box.ini:2", "pixpop.data must not be empty");
  must_parse("[render]\ndevice =\n", &settings);  // whose default is empty
}

static void a_url_names_the_machine_a_few_times_and_in_one_way(void **state) {
  (void)state;
  char text[SETTINGS_MAX_TEXT] = "[delivery]\npublic_url = http://a.example/";
  for (int i = 0; i <= SETTINGS_MAX_HOST_NAMES; i++) {
    must_parse(text, &settings);
    assert_string_equal(settings.delivery_public_url, strstr(text, "http"));
    strcat(text, SETTINGS_HOST_NAME);
  }
  must_refuse(text, "box.ini:2", "delivery.public_url may hold {host_name} at most 4 times");
  static const char *const wrong[] = {"{hostname}", "{host_name", "host_name}", "{{host_name}}", "{}", "{host_name}}"};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    snprintf(text, sizeof(text), "[delivery]\npublic_url = http://%s.local\n", wrong[i]);
    must_refuse(text, "box.ini:2", "delivery.public_url may hold braces only in {host_name}");
  }
}

static void unknown_names_are_refused_with_their_place(void **state) {
  (void)state;
  must_refuse("[colour]\n", "box.ini:1", "no section [colour]");
  must_refuse("[log]\nlevel = info\ncolour = red\n", "box.ini:3", "no key 'colour' in [log]");
  must_refuse("[log]\nlisten = 127.0.0.1:80\n", "box.ini:2", "no key 'listen'");  // of another section
  must_refuse("[Log]\n", "box.ini:1", "no section");
  must_refuse("level = info\n", "box.ini:1", "before the first [section]");
}

static void keys_are_refused_when_repeated(void **state) {
  (void)state;
  must_refuse("[log]\nlevel = info\nlevel = info\n", "box.ini:3", "log.level is there twice");
  must_refuse("[log]\nlevel = info\n[cache]\n[log]\nlevel = warn\n", "box.ini:5", "log.level is there twice");
}

static void lines_are_refused_when_they_are_none_of_the_kinds(void **state) {
  (void)state;
  must_refuse("[log]\nlevel\n", "box.ini:2", "expected 'key = value'");
  must_refuse("[log]\n= info\n", "box.ini:2", "expected 'key = value'");
  must_refuse("\n\n[log\n", "box.ini:3", "must end in ']'");
  must_refuse("[\n", "box.ini:1", "must end in ']'");
  must_refuse("[]\n", "box.ini:1", "no section []");
  must_refuse(
      "[log]\nlevel = in\x01"
      "fo\n",
      "box.ini:2", "control character");
  must_refuse("[log]\rlevel = info\n", "box.ini:1", "control character");
}

static void line_is_refused_when_it_has_a_nul(void **state) {
  (void)state;
  static const char text[] = "[log]\nlevel = info\0\n";
  struct base_fault fault = {0};
  assert_int_equal(settings_parse(base_span_of(text, sizeof(text) - 1), "box.ini", &settings, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, "box.ini:2");
}

static void place_is_whole_when_the_path_is_long(void **state) {
  (void)state;
  char path[300];
  memset(path, 'p', sizeof(path));
  strcpy(path + sizeof(path) - 9, "/end.ini");
  struct base_fault fault = {0};
  assert_int_equal(settings_parse(base_span_text("\n\nx\n"), path, &settings, &fault), BASE_BAD_INPUT);
  const char *place = strstr(fault.subject, "/end.ini:3");
  assert_non_null(place);
  assert_string_equal(place, "/end.ini:3");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_hold_when_the_file_is_empty),
      cmocka_unit_test(values_are_taken_when_spelled_in_any_layout),
      cmocka_unit_test(text_is_kept_when_it_has_equals_signs_and_spaces),
      cmocka_unit_test(a_text_is_none_when_that_has_a_meaning),
      cmocka_unit_test(sizes_take_units_of_1024),
      cmocka_unit_test(sizes_are_refused_when_malformed_or_out_of_range),
      cmocka_unit_test(numbers_are_refused_when_outside_their_range),
      cmocka_unit_test(switches_and_choices_are_refused_when_unknown),
      cmocka_unit_test(resampler_is_one_of_three_and_residents_may_be_off),
      cmocka_unit_test(texts_are_refused_when_too_long_or_empty),
      cmocka_unit_test(a_url_names_the_machine_a_few_times_and_in_one_way),
      cmocka_unit_test(unknown_names_are_refused_with_their_place),
      cmocka_unit_test(keys_are_refused_when_repeated),
      cmocka_unit_test(lines_are_refused_when_they_are_none_of_the_kinds),
      cmocka_unit_test(line_is_refused_when_it_has_a_nul),
      cmocka_unit_test(place_is_whole_when_the_path_is_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
