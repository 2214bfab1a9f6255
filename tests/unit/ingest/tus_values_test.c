#include "tus_values.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define A_PART "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define B_PART "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA"

// Base64 by coreutils.
static void reads_metadata(void **state) {
  (void)state;
  static const struct {
    const char *value, *name, *tags;
  } table[] = {
      {"", "", ""},
      {"filename ZHVzay5qcGc=", "dusk.jpg", ""},
      {"filename ZHVzay5qcGc=,name RHVzaw==", "Dusk", ""},
      {"name RHVzaw==, filename ZHVzay5qcGc=", "Dusk", ""},
      {"filename L3RtcC9kdXNrLmpwZw==", "dusk.jpg", ""},      // "/tmp/dusk.jpg"
      {"filename QzpcdGVtcFxkdXNrLmpwZw==", "dusk.jpg", ""},  // "C:\temp\dusk.jpg"
      {"is_confidential,filetype aW1hZ2UvanBlZw==", "", ""},
      {"is_confidential ,filename", "", ""},
      {"tags c2VhLCBzdW4=", "", "sea\nsun"},                 // "sea, sun"
      {"tags WyJzZWEsIHN1biIsInIiXQ==", "", "sea, sun\nr"},  // ["sea, sun","r"]
      {"tags", "", ""},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    struct ingest_metadata metadata;
    struct base_fault fault = {0};
    enum base_result result = ingest_tus_metadata_parse(base_span_text(table[i].value), &metadata, &fault);
    if (result != BASE_OK) fail_msg("%s: %s", table[i].value, fault.text);
    assert_string_equal(metadata.name, table[i].name);
    assert_string_equal(metadata.tags, table[i].tags);
  }
}

static void refuses_metadata_that_breaks_the_rules(void **state) {
  (void)state;
  static const struct {
    const char *value, *subject;
  } table[] = {
      {"filename ZHVzay5qcGc=,filename ZHVzay5qcGc=", "Upload-Metadata"},
      {"filename ZHVzay5qcGc", "Upload-Metadata"},
      {"filename ZHVzay5qcGd=", "Upload-Metadata"},  // bits after the end
      {"filename ZHVz ay5qcGc=", "Upload-Metadata"},
      {"filename ZHVzay5qcGc=,", "Upload-Metadata"},
      {",filename ZHVzay5qcGc=", "Upload-Metadata"},
      {"filename -_==", "Upload-Metadata"},
      {"a\"b ZHVz", "Upload-Metadata"},
      {" ", "Upload-Metadata"},
      {"filename Cg==", "name"},                      // a line's end
      {"filename /w==", "name"},                      // not UTF-8
      {"tags W10uLg==", "metadata"},                  // "[].."
      {"tags WyJhIl0sIm5hbWUiOiJ4Ig==", "metadata"},  // ["a"],"name":"x"
      {"tags WzFd", "tags"},                          // [1]
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    struct ingest_metadata metadata;
    struct base_fault fault = {0};
    enum base_result result = ingest_tus_metadata_parse(base_span_text(table[i].value), &metadata, &fault);
    if (result != BASE_BAD_INPUT) fail_msg("%s gave %s", table[i].value, base_result_name(result));
    if (strcmp(table[i].subject, "metadata") != 0) assert_string_equal(fault.subject, table[i].subject);
  }
  static char longer[INGEST_TUS_MAX_METADATA + 2];
  memset(longer, 'A', sizeof longer - 1);
  longer[0] = 'k', longer[1] = ' ';
  struct ingest_metadata metadata;
  assert_int_equal(ingest_tus_metadata_parse(base_span_text(longer), &metadata, NULL), BASE_BAD_INPUT);
}

static struct ingest_tus_concat concat;

static void reads_concatenations(void **state) {
  (void)state;
  assert_int_equal(ingest_tus_concat_parse((struct base_span){0}, &concat, NULL), BASE_OK);
  assert_int_equal(concat.kind, INGEST_TUS_WHOLE);
  assert_int_equal(ingest_tus_concat_parse(base_span_text("partial"), &concat, NULL), BASE_OK);
  assert_int_equal(concat.kind, INGEST_TUS_PARTIAL);
  const char *final = "final;https://box.example:8443/api/v1/uploads/" A_PART "  /api/v1/uploads/" B_PART " " A_PART;
  assert_int_equal(ingest_tus_concat_parse(base_span_text(final), &concat, NULL), BASE_OK);
  assert_int_equal(concat.kind, INGEST_TUS_FINAL);
  assert_int_equal(concat.count, 3);
  assert_string_equal(concat.parts[0], A_PART);
  assert_string_equal(concat.parts[1], B_PART);
  assert_string_equal(concat.parts[2], A_PART);
}

static void refuses_other_concatenations(void **state) {
  (void)state;
  static const char *const table[] = {"",
                                      "whole",
                                      "Partial",
                                      "final",
                                      "final;",
                                      "final; ",
                                      "final;/a/b",
                                      "final;/a/" A_PART "/",
                                      "finally;" A_PART,
                                      "final;" A_PART "," B_PART,
                                      "final;\"/" A_PART};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    struct base_fault fault = {0};
    enum base_result result = ingest_tus_concat_parse(base_span_of(table[i], strlen(table[i])), &concat, &fault);
    if (result != BASE_BAD_INPUT) fail_msg("%s gave %s", table[i], base_result_name(result));
    assert_string_equal(fault.subject, "Upload-Concat");
  }
  char many[8 + (INGEST_TUS_MAX_PARTS + 1) * (INGEST_TUS_ID_CHARS + 1)] = "final;";
  for (int i = 0; i < INGEST_TUS_MAX_PARTS; i++) strcat(many, A_PART " ");
  assert_int_equal(ingest_tus_concat_parse(base_span_text(many), &concat, NULL), BASE_OK);
  strcat(many, A_PART);
  assert_int_equal(ingest_tus_concat_parse(base_span_text(many), &concat, NULL), BASE_BAD_INPUT);
}

// Of "hello world": sha1 from the protocol's own example, sha256 by openssl.
static void meets_checksums(void **state) {
  (void)state;
  static const struct {
    const char *value;
    bool is_met;
  } table[] = {
      {"sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", true},
      {"sha256 uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=", true},
      {"sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=", false},
      {"sha256 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", false},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    struct ingest_tus_checksum checksum;
    assert_int_equal(ingest_tus_checksum_begin(base_span_text(table[i].value), &checksum, NULL), BASE_OK);
    ingest_tus_checksum_update(&checksum, base_span_text("hello "));
    ingest_tus_checksum_update(&checksum, base_span_text("world"));
    assert_int_equal(ingest_tus_checksum_is_met(&checksum), table[i].is_met);
  }
  struct ingest_tus_checksum none;
  assert_int_equal(ingest_tus_checksum_begin((struct base_span){0}, &none, NULL), BASE_OK);
  ingest_tus_checksum_update(&none, base_span_text("hello"));
  assert_true(ingest_tus_checksum_is_met(&none));
}

static void refuses_checksums_it_can_not_verify(void **state) {
  (void)state;
  static const char *const table[] = {"",
                                      "md5 XrY7u+Ae7tCTyyK7j1rNww==",
                                      "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
                                      "sha1",
                                      "sha1 ",
                                      "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0",
                                      "sha1 uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=",
                                      "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
                                      "sha256:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    struct ingest_tus_checksum checksum;
    struct base_fault fault = {0};
    enum base_result result = ingest_tus_checksum_begin(base_span_of(table[i], strlen(table[i])), &checksum, &fault);
    if (result != BASE_BAD_INPUT) fail_msg("%s gave %s", table[i], base_result_name(result));
    assert_string_equal(fault.subject, "Upload-Checksum");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_metadata),       cmocka_unit_test(refuses_metadata_that_breaks_the_rules),
      cmocka_unit_test(reads_concatenations), cmocka_unit_test(refuses_other_concatenations),
      cmocka_unit_test(meets_checksums),      cmocka_unit_test(refuses_checksums_it_can_not_verify),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
