#include "ingest/multipart.h"

#include "form_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TYPE "multipart/form-data; boundary=XX"
#define IMAGE "Content-Disposition: form-data; name=\"image\"; filename=\"a.jpg\"\r\n"

struct good {
  const char *body;
  const char *events;
};

// Every body is pushed whole and in all piece sizes up to 40 bytes: the events must be the same.
static void expect_events(const char *body, const char *events) {
  for (size_t piece = 0; piece <= 40; piece++) {
    struct form_record record;
    form_record_parse(&record, TYPE, base_span_text(body), piece);
    if (record.result != BASE_OK) fail_msg("pieces of %zu of %s: %s", piece, body, record.fault.text);
    if (!base_span_is(base_buffer_span(&record.text), events)) {
      fail_msg("pieces of %zu of %s gave %.*s", piece, body, (int)record.text.bytes, (const char *)record.text.data);
    }
    form_record_finish(&record);
  }
}

static void expect_failure(const char *type, const char *body, enum base_result result, const char *subject) {
  for (size_t piece = 0; piece <= 40; piece++) {
    struct form_record record;
    form_record_parse(&record, type, base_span_text(body), piece);
    if (record.result != result || strcmp(record.fault.subject, subject) != 0) {
      fail_msg("pieces of %zu of <%s>: %s, subject '%s', %s", piece, body, base_result_name(record.result),
               record.fault.subject, record.fault.text);
    }
    form_record_finish(&record);
  }
}

static void tells_parts_and_their_data(void **state) {
  (void)state;
  static const struct good table[] = {
      {"--XX\r\n" IMAGE "\r\nhello\r\n--XX--\r\n", "[image|a.jpg|]hello;"},
      {"--XX\r\n" IMAGE "\r\n\r\n--XX--", "[image|a.jpg|];"},
      {"--XX\r\n" IMAGE "Content-Type: image/jpeg\r\n\r\nA\r\n--XX\r\n" IMAGE "\r\nB\r\n--XX--\r\n",
       "[image|a.jpg|image/jpeg]A;[image|a.jpg|]B;"},
      {"--XX--\r\n", ""},
      {"a preamble\r\n--XX \t\r\n" IMAGE "\r\nhello\r\n--XX--\r\nan epilogue", "[image|a.jpg|]hello;"},
      {"--XX\r\ncontent-disposition:FORM-DATA;name=metadata\r\nX-Other: 1\r\n\r\n{}\r\n--XX--", "[metadata||]{};"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) expect_events(table[i].body, table[i].events);
}

static void keeps_data_that_looks_like_a_boundary(void **state) {
  (void)state;
  static const char *const bodies[] = {
      "\r",          "\r\n",           "\r\n--X",        "\r\n--XY",       "--XX",         "\r\r\n-XX",
      "\r\n\r\n--X", "\r\n-\r\n--X\r", "\r\n--\r\n--",   "\n--XX--",       "\r--XX--\r\n", "\r\n--\r\n--X\r\n-",
      "-\r\n--\rXX", "\r\n--x\r\n--X", "\r\n\r\n\r\n\r", "a\r\n--Xb\r\nc",
  };
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    char body[256], events[256];
    snprintf(body, sizeof body, "--XX\r\n" IMAGE "\r\n%s\r\n--XX--\r\n", bodies[i]);
    snprintf(events, sizeof events, "[image|a.jpg|]%s;", bodies[i]);
    expect_events(body, events);
  }
}

static enum base_result begin_nothing(void *self, const struct ingest_part *part, struct base_fault *fault) {
  (void)self, (void)part, (void)fault;
  return BASE_OK;
}

static enum base_result count_piece(void *self, struct base_span bytes, struct base_fault *fault) {
  (void)bytes, (void)fault;
  ++*(unsigned *)self;
  return BASE_OK;
}

static enum base_result end_nothing(void *self, struct base_fault *fault) {
  (void)self, (void)fault;
  return BASE_OK;
}

// Every piece becomes a write, and one byte in 256 of a photograph is a CR.
static void passes_data_on_in_one_piece_when_it_is_full_of_line_ends(void **state) {
  (void)state;
  static const char body[] = "--XX\r\n" IMAGE "\r\na\rb\r\nc\r\n-d\r\n--Xe\r\r\r\n\r\nf\r\n--XX--";
  unsigned pieces = 0;
  const struct ingest_multipart_events events = {begin_nothing, count_piece, end_nothing, &pieces};
  struct ingest_multipart *form;
  assert_int_equal(ingest_multipart_create(base_span_text(TYPE), &events, &form, NULL), BASE_OK);
  assert_int_equal(ingest_multipart_push(form, base_span_text(body), NULL), BASE_OK);
  assert_int_equal(ingest_multipart_end(form, NULL), BASE_OK);
  ingest_multipart_destroy(&form);
  assert_int_equal(pieces, 1);
}

static void reads_names_as_browsers_send_them(void **state) {
  (void)state;
  static const struct {
    const char *disposition, *name;
  } table[] = {
      {"filename=\"C:\\Users\\me\\a b.jpg\"", "a b.jpg"},
      {"filename=\"../../etc/passwd\"", "passwd"},
      {"filename=\"say \\\"hi\\\".png\"", "say \"hi\".png"},
      {"filename=\"\"", ""},
      {"filename=plain.webp;", "plain.webp"},
      {"filename=\"\xc3\xa9t\xc3\xa9.jpg\"", "\xc3\xa9t\xc3\xa9.jpg"},
      {"filename=\"dir/\"", ""},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    char body[512], events[512];
    snprintf(body, sizeof body, "--XX\r\nContent-Disposition: form-data; name=\"image\"; %s\r\n\r\nZ\r\n--XX--",
             table[i].disposition);
    snprintf(events, sizeof events, "[image|%s|]Z;", table[i].name);
    expect_events(body, events);
  }
}

static void accepts_boundaries_as_clients_send_them(void **state) {
  (void)state;
  static const struct {
    const char *type, *boundary;
  } table[] = {
      {"multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", "----WebKitFormBoundary7MA4YWxkTrZu0gW"},
      {"Multipart/Form-Data;charset=utf-8;BOUNDARY=\"gc0pJq0M:08jU534c0p\"", "gc0pJq0M:08jU534c0p"},
      {"multipart/form-data ; boundary=\"with space inside\"", "with space inside"},
      {"multipart/form-data; boundary=a", "a"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    char body[512];
    snprintf(body, sizeof body, "--%s\r\n" IMAGE "\r\nZ\r\n--%s--", table[i].boundary, table[i].boundary);
    struct form_record record;
    form_record_parse(&record, table[i].type, base_span_text(body), 1);
    if (record.result != BASE_OK) fail_msg("%s: %s", table[i].type, record.fault.text);
    assert_true(base_span_is(base_buffer_span(&record.text), "[image|a.jpg|]Z;"));
    form_record_finish(&record);
  }
}

static void refuses_a_content_type_without_a_usable_boundary(void **state) {
  (void)state;
  static const char *const types[] = {
      "multipart/form-data",
      "multipart/form-data; boundary=",
      "multipart/form-data; boundary=\"\"",
      "multipart/form-data; boundary=\"ends with space \"",
      "multipart/form-data; boundary=a; boundary=b",
      "multipart/form-data; boundary=a b",
      "multipart/form-data; boundary=\"open",
      "multipart/form-data; boundary=[brackets]",
      "multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789x",
  };
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) expect_failure(types[i], "", BASE_BAD_INPUT, "boundary");
}

static void refuses_other_content_types(void **state) {
  (void)state;
  expect_failure("multipart/mixed; boundary=a", "", BASE_UNSUPPORTED, "Content-Type");
  expect_failure("image/jpeg", "", BASE_UNSUPPORTED, "Content-Type");
  expect_failure("", "", BASE_UNSUPPORTED, "Content-Type");
}

static void refuses_a_body_that_ends_early(void **state) {
  (void)state;
  static const char whole[] = "--XX\r\n" IMAGE "\r\nhello\r\n--XX--";
  for (size_t bytes = 0; bytes < sizeof whole - 1; bytes++) {
    struct form_record record;
    form_record_parse(&record, TYPE, base_span_of(whole, bytes), 3);
    assert_int_equal(record.result, BASE_BAD_INPUT);
    assert_string_equal(record.fault.subject, "boundary");
    form_record_finish(&record);
  }
}

static void refuses_broken_heads(void **state) {
  (void)state;
  static const struct {
    const char *head, *subject;
    enum base_result result;
  } table[] = {
      {"", "Content-Disposition", BASE_BAD_INPUT},
      {"Content-Type: image/png\r\n", "Content-Disposition", BASE_BAD_INPUT},
      {"Content-Disposition: attachment; name=\"a\"\r\n", "Content-Disposition", BASE_BAD_INPUT},
      {"Content-Disposition: form-data\r\n", "Content-Disposition", BASE_BAD_INPUT},
      {"Content-Disposition: form-data; name=\"\"\r\n", "name", BASE_BAD_INPUT},
      {"Content-Disposition: form-data; name=\"a\"; name=\"b\"\r\n", "name", BASE_BAD_INPUT},
      {"Content-Disposition: form-data; name=\"a\r\n", "Content-Disposition", BASE_BAD_INPUT},
      {"Content-Disposition: form-data; name=\"a\tb\"\r\n", "Content-Disposition", BASE_BAD_INPUT},
      {"Content-Disposition: form-data; name=a; filename=b; filename=c\r\n", "filename", BASE_BAD_INPUT},
      {IMAGE IMAGE, "", BASE_BAD_INPUT},
      {IMAGE " folded\r\n", "", BASE_BAD_INPUT},
      {"Content-Disposition : form-data; name=\"a\"\r\n", "", BASE_BAD_INPUT},
      {": form-data\r\n", "", BASE_BAD_INPUT},
      {"no colon\r\n", "", BASE_BAD_INPUT},
      {"X: a\nb\r\n", "", BASE_BAD_INPUT},
      {"X: a\rb\r\n", "", BASE_BAD_INPUT},
      {IMAGE "Content-Transfer-Encoding: base64\r\n", "Content-Transfer-Encoding", BASE_UNSUPPORTED},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    char body[512];
    snprintf(body, sizeof body, "--XX\r\n%s\r\nZ\r\n--XX--", table[i].head);
    expect_failure(TYPE, body, table[i].result, table[i].subject);
  }
}

static void refuses_something_behind_a_boundary(void **state) {
  (void)state;
  expect_failure(TYPE, "--XXY\r\n" IMAGE "\r\nZ\r\n--XX--", BASE_BAD_INPUT, "boundary");
  expect_failure(TYPE, "--XX\r" IMAGE "\r\nZ\r\n--XX--", BASE_BAD_INPUT, "boundary");
  expect_failure(TYPE, "--XX\n" IMAGE "\r\nZ\r\n--XX--", BASE_BAD_INPUT, "boundary");
  expect_failure(TYPE, "--XX-\r\n" IMAGE "\r\nZ\r\n--XX--", BASE_BAD_INPUT, "boundary");
}

// A body of `count` times `piece` between `before` and `after`.
static struct base_buffer repeated(const char *before, const char *piece, size_t count, const char *after) {
  struct base_buffer body;
  base_buffer_init(&body, 64 << 20);
  assert_int_equal(base_buffer_append_text(&body, before), BASE_OK);
  for (size_t i = 0; i < count; i++) assert_int_equal(base_buffer_append_text(&body, piece), BASE_OK);
  assert_int_equal(base_buffer_append_text(&body, after), BASE_OK);
  return body;
}

static void expect_limit(struct base_buffer body, enum base_result result, const char *subject) {
  struct form_record record;
  form_record_parse(&record, TYPE, base_buffer_span(&body), 1000);
  assert_int_equal(record.result, result);
  assert_string_equal(record.fault.subject, subject);
  form_record_finish(&record);
  base_buffer_finish(&body);
}

static void bounds_head_parts_and_surroundings(void **state) {
  (void)state;
  expect_limit(repeated("--XX\r\n" IMAGE "X: ", "0123456789", 500, "\r\n\r\n"), BASE_BAD_INPUT, "max_part_head");
  expect_limit(repeated("", "--XX\r\n" IMAGE "\r\n\r\n", INGEST_MAX_PARTS + 1, "--XX--"), BASE_TOO_LARGE, "max_parts");
  expect_limit(repeated("", "preamble", 1000, "\r\n--XX--"), BASE_BAD_INPUT, "boundary");
  expect_limit(repeated("--XX--\r\n", "epilogue", 1000, ""), BASE_BAD_INPUT, "boundary");
  expect_limit(repeated("--XX", " ", 1000, "\r\n"), BASE_BAD_INPUT, "boundary");
  expect_limit(repeated("", "--XX\r\n" IMAGE "\r\n\r\n", INGEST_MAX_PARTS, "--XX--"), BASE_OK, "");
}

static enum base_result refuse_part(void *self, const struct ingest_part *part, struct base_fault *fault) {
  (void)part;
  ++*(int *)self;
  return BASE_FAIL(fault, BASE_NO_SPACE, "", "no");
}
static enum base_result no_data(void *self, struct base_span bytes, struct base_fault *fault) {
  (void)self, (void)bytes, (void)fault;
  abort();
}
static enum base_result no_end(void *self, struct base_fault *fault) {
  (void)self, (void)fault;
  abort();
}

static void stops_for_good_when_a_callback_fails(void **state) {
  (void)state;
  int calls = 0;
  const struct ingest_multipart_events events = {refuse_part, no_data, no_end, &calls};
  struct ingest_multipart *multipart;
  assert_int_equal(ingest_multipart_create(base_span_text(TYPE), &events, &multipart, NULL), BASE_OK);
  struct base_span body = base_span_text("--XX\r\n" IMAGE "\r\nZ\r\n--XX--");
  assert_int_equal(ingest_multipart_push(multipart, body, NULL), BASE_NO_SPACE);
  assert_int_equal(ingest_multipart_push(multipart, body, NULL), BASE_NO_SPACE);
  assert_int_equal(ingest_multipart_end(multipart, NULL), BASE_NO_SPACE);
  assert_int_equal(calls, 1);
  ingest_multipart_destroy(&multipart);
  assert_null(multipart);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tells_parts_and_their_data),
      cmocka_unit_test(keeps_data_that_looks_like_a_boundary),
      cmocka_unit_test(passes_data_on_in_one_piece_when_it_is_full_of_line_ends),
      cmocka_unit_test(reads_names_as_browsers_send_them),
      cmocka_unit_test(accepts_boundaries_as_clients_send_them),
      cmocka_unit_test(refuses_a_content_type_without_a_usable_boundary),
      cmocka_unit_test(refuses_other_content_types),
      cmocka_unit_test(refuses_a_body_that_ends_early),
      cmocka_unit_test(refuses_broken_heads),
      cmocka_unit_test(refuses_something_behind_a_boundary),
      cmocka_unit_test(bounds_head_parts_and_surroundings),
      cmocka_unit_test(stops_for_good_when_a_callback_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
