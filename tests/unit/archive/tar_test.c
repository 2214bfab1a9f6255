#include "archive/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LIMIT = 1 << 20 };

static struct base_buffer archive, seen;

static enum base_result keep(void *self, struct base_span bytes, struct base_fault *fault) {
  (void)fault;
  return base_buffer_append(self, bytes.data, bytes.bytes);
}

static enum base_result on_begin(void *self, const struct archive_entry *entry, struct base_fault *fault) {
  (void)fault;
  return base_buffer_printf(self, "[%s %llu %lld]", entry->name, (unsigned long long)entry->bytes,
                            (long long)entry->modified_s);
}

static enum base_result on_end(void *self, struct base_fault *fault) {
  (void)fault;
  return base_buffer_append_text(self, "|");
}

static int set_up(void **state) {
  (void)state;
  base_buffer_init(&archive, LIMIT);
  base_buffer_init(&seen, LIMIT);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  base_buffer_finish(&archive);
  base_buffer_finish(&seen);
  return 0;
}

static void write_two(void) {
  const struct archive_sink sink = {keep, &archive};
  struct archive_writer writer;
  archive_writer_init(&writer, &sink);
  assert_int_equal(archive_writer_file(&writer, "a/first.txt", 1700000000, base_span_text("hello"), NULL), BASE_OK);
  assert_int_equal(archive_writer_file(&writer, "empty", 0, base_span_text(""), NULL), BASE_OK);
  struct archive_entry entry = {.name = "b-2.bin", .bytes = ARCHIVE_BLOCK_BYTES, .modified_s = 1};
  uint8_t block[ARCHIVE_BLOCK_BYTES];
  memset(block, 'x', sizeof block);
  assert_int_equal(archive_writer_begin(&writer, &entry, NULL), BASE_OK);
  assert_int_equal(archive_writer_write(&writer, base_span_of(block, 500), NULL), BASE_OK);
  assert_int_equal(archive_writer_write(&writer, base_span_of(block, 12), NULL), BASE_OK);
  assert_int_equal(archive_writer_end(&writer, NULL), BASE_OK);
  assert_int_equal(archive.bytes % ARCHIVE_BLOCK_BYTES, 0);
}

// Reads in pieces of `step`.
static enum base_result read_all(struct base_span bytes, size_t step, struct base_fault *fault) {
  const struct archive_events events = {on_begin, keep, on_end, &seen};
  struct archive_reader reader;
  seen.bytes = 0;
  archive_reader_init(&reader, &events);
  enum base_result result = BASE_OK;
  for (size_t at = 0; at < bytes.bytes && result == BASE_OK; at += step) {
    result = archive_reader_push(&reader, base_span_slice(bytes, at, step), fault);
  }
  return result == BASE_OK ? archive_reader_end(&reader, fault) : result;
}

static void reads_what_it_wrote_in_pieces_of_any_size(void **state) {
  (void)state;
  write_two();
  static const size_t steps[] = {1, 3, 511, 512, 513, 4096, LIMIT};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    assert_int_equal(read_all(base_buffer_span(&archive), steps[i], NULL), BASE_OK);
    const char start[] = "[a/first.txt 5 1700000000]hello|[empty 0 0]|[b-2.bin 512 1]xxx";
    assert_memory_equal(seen.data, start, sizeof start - 1);
    assert_int_equal(seen.bytes, sizeof start - 1 + 509 + 1);
  }
}

// A file that tar itself wrote: its checksum and fields must be where POSIX wants them.
static void is_read_by_tar(void **state) {
  (void)state;
  write_two();
  FILE *pipe = popen("tar -tvf - >/dev/null 2>&1 && exit 0; exit 1", "w");
  assert_non_null(pipe);
  assert_int_equal(fwrite(archive.data, 1, archive.bytes, pipe), archive.bytes);
  assert_int_equal(pclose(pipe), 0);
}

static void reads_what_tar_writes(void **state) {
  (void)state;
  FILE *pipe =
      popen("d=$(mktemp -d) && mkdir $d/sub && printf 'by tar' >$d/sub/file && tar -C $d -cf - . && rm -r $d", "r");
  assert_non_null(pipe);
  char chunk[4096];
  size_t got;
  while ((got = fread(chunk, 1, sizeof chunk, pipe)) > 0) {
    assert_int_equal(base_buffer_append(&archive, chunk, got), BASE_OK);
  }
  assert_int_equal(pclose(pipe), 0);
  assert_int_equal(read_all(base_buffer_span(&archive), 1000, NULL), BASE_OK);
  assert_int_equal(base_buffer_append(&seen, "", 1), BASE_OK);
  assert_non_null(strstr((char *)seen.data, "[sub/file 6 "));
  assert_non_null(strstr((char *)seen.data, "]by tar|"));
}

static void tells_of_a_cut_wherever_it_is(void **state) {
  (void)state;
  write_two();
  for (size_t bytes = 0; bytes + 1 < archive.bytes; bytes += 37) {
    assert_int_equal(read_all(base_span_of(archive.data, bytes), 100, NULL), BASE_BAD_INPUT);
  }
}

static void refuses_a_flipped_bit_in_a_header(void **state) {
  (void)state;
  write_two();
  for (size_t at = 0; at < 345; at += 7) {
    archive.data[at] ^= 4;
    const enum base_result result = read_all(base_buffer_span(&archive), LIMIT, NULL);
    assert_true(result == BASE_BAD_INPUT || result == BASE_UNSUPPORTED);
    archive.data[at] ^= 4;
  }
}

static void refuses_bytes_behind_the_end(void **state) {
  (void)state;
  write_two();
  uint8_t block[ARCHIVE_BLOCK_BYTES] = {1};
  assert_int_equal(base_buffer_append(&archive, block, sizeof block), BASE_OK);
  assert_int_equal(read_all(base_buffer_span(&archive), 512, NULL), BASE_BAD_INPUT);
}

static void refuses_links_and_what_is_no_archive(void **state) {
  (void)state;
  FILE *pipe = popen("d=$(mktemp -d) && ln -s /etc/passwd $d/link && tar -C $d -cf - link && rm -r $d", "r");
  assert_non_null(pipe);
  char chunk[16384];
  const size_t got = fread(chunk, 1, sizeof chunk, pipe);
  assert_int_equal(pclose(pipe), 0);
  assert_int_equal(read_all(base_span_of(chunk, got), 512, NULL), BASE_UNSUPPORTED);
  memset(chunk, 'P', sizeof chunk);
  assert_int_equal(read_all(base_span_of(chunk, sizeof chunk), 512, NULL), BASE_BAD_INPUT);
}

// Writes octal digits into a field of the first header and makes its checksum right again.
static void set_field(size_t at, size_t bytes, const char *text) {
  memset(archive.data + at, 0, bytes);
  memcpy(archive.data + at, text, strlen(text));
  unsigned sum = 0;
  for (int i = 0; i < ARCHIVE_BLOCK_BYTES; i++) sum += i >= 148 && i < 156 ? ' ' : archive.data[i];
  char checksum[16];
  snprintf(checksum, sizeof checksum, "%06o", sum);
  memcpy(archive.data + 148, checksum, 7);
  archive.data[155] = ' ';
}

static void refuses_headers_that_make_no_sense(void **state) {
  (void)state;
  enum { SIZE_AT = 124, TIME_AT = 136, TYPE_AT = 156, LINK_AT = 157, PREFIX_AT = 345 };
  static const struct {
    size_t at, bytes;
    const char *text;
    enum base_result result;
  } cases[] = {
      {SIZE_AT, 12, "99999999999", BASE_BAD_INPUT},   // no octal digits
      {SIZE_AT, 12, "777777777777", BASE_BAD_INPUT},  // twelve of them: over what a writer can say
      {SIZE_AT, 12, "", BASE_BAD_INPUT},
      {SIZE_AT, 12, "\x80", BASE_BAD_INPUT},  // binary, as GNU tar writes what is larger
      {SIZE_AT, 12, "1 1", BASE_BAD_INPUT},
      {TIME_AT, 12, "-1", BASE_BAD_INPUT},
      {TYPE_AT, 1, "5", BASE_BAD_INPUT},  // a folder with bytes
      {TYPE_AT, 1, "1", BASE_UNSUPPORTED},
      {TYPE_AT, 1, "3", BASE_UNSUPPORTED},
      {TYPE_AT, 1, "L", BASE_UNSUPPORTED},
      {TYPE_AT, 1, "x", BASE_UNSUPPORTED},
      {PREFIX_AT, 155, "etc", BASE_UNSUPPORTED},
      {0, 100, "", BASE_UNSUPPORTED},
      {0, 100, "../x", BASE_UNSUPPORTED},
      {0, 100, "/x", BASE_UNSUPPORTED},
      {0, 100, "a/", BASE_UNSUPPORTED},
      {0, 100, "././x", BASE_UNSUPPORTED},
      {257, 8, "ustal", BASE_BAD_INPUT},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    archive.bytes = 0;
    write_two();
    set_field(cases[i].at, cases[i].bytes, cases[i].text);
    assert_int_equal(read_all(base_buffer_span(&archive), LIMIT, NULL), cases[i].result);
    assert_int_equal(seen.bytes, 0);
  }
}

static void takes_the_longest_name_and_folders(void **state) {
  (void)state;
  char name[ARCHIVE_MAX_NAME + 1], wanted[ARCHIVE_MAX_NAME + 16];
  write_two();
  memset(name, 'n', ARCHIVE_MAX_NAME);
  name[ARCHIVE_MAX_NAME] = '\0';
  set_field(0, 100, name);
  assert_int_equal(read_all(base_buffer_span(&archive), LIMIT, NULL), BASE_OK);
  snprintf(wanted, sizeof wanted, "[%s 5 ", name);
  assert_memory_equal(seen.data, wanted, strlen(wanted));
  archive.bytes = 0;
  const struct archive_sink sink = {keep, &archive};
  struct archive_writer writer;
  archive_writer_init(&writer, &sink);
  assert_int_equal(archive_writer_file(&writer, "folder", 0, base_span_text(""), NULL), BASE_OK);
  assert_int_equal(archive_writer_end(&writer, NULL), BASE_OK);
  set_field(156, 1, "5");
  assert_int_equal(read_all(base_buffer_span(&archive), LIMIT, NULL), BASE_OK);
  assert_int_equal(seen.bytes, 0);
}

static enum base_result refuse_data(void *self, struct base_span bytes, struct base_fault *fault) {
  (void)self, (void)bytes;
  return BASE_FAIL(fault, BASE_NO_SPACE, "", "full");
}

static void ends_with_what_an_event_or_the_sink_says(void **state) {
  (void)state;
  write_two();
  const struct archive_events events = {on_begin, refuse_data, on_end, &seen};
  struct archive_reader reader;
  archive_reader_init(&reader, &events);
  assert_int_equal(archive_reader_push(&reader, base_buffer_span(&archive), NULL), BASE_NO_SPACE);
  const char start[] = "[a/first.txt 5 1700000000]";
  assert_int_equal(seen.bytes, sizeof start - 1);
  const struct archive_sink full = {refuse_data, NULL};
  struct archive_writer writer;
  archive_writer_init(&writer, &full);
  assert_int_equal(archive_writer_file(&writer, "a", 0, base_span_text("x"), NULL), BASE_NO_SPACE);
}

static void writes_no_name_time_or_size_that_has_no_place(void **state) {
  (void)state;
  const struct archive_sink sink = {keep, &archive};
  struct archive_writer writer;
  char name[ARCHIVE_MAX_NAME + 2];
  archive_writer_init(&writer, &sink);
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  assert_int_equal(archive_writer_file(&writer, name, 0, base_span_text("x"), NULL), BASE_BAD_INPUT);
  assert_int_equal(archive_writer_file(&writer, "../x", 0, base_span_text("x"), NULL), BASE_BAD_INPUT);
  assert_int_equal(archive_writer_file(&writer, "x", -1, base_span_text("x"), NULL), BASE_BAD_INPUT);
  const struct archive_entry large = {.name = "x", .bytes = ARCHIVE_MAX_FILE_BYTES + 1};
  assert_int_equal(archive_writer_begin(&writer, &large, NULL), BASE_TOO_LARGE);
  assert_int_equal(archive.bytes, 0);
}

static void knows_names_that_are_safe(void **state) {
  (void)state;
  assert_true(archive_name_is_valid("originals/default/abc_-.json"));
  static const char *const bad[] = {"",      "/etc/passwd", "a//b", "../a", "a/..",
                                    "a/./b", "a b",         "a\nb", "a/",   "\xc3\xa4"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(archive_name_is_valid(bad[i]));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(reads_what_it_wrote_in_pieces_of_any_size, set_up, tear_down),
      cmocka_unit_test_setup_teardown(is_read_by_tar, set_up, tear_down),
      cmocka_unit_test_setup_teardown(reads_what_tar_writes, set_up, tear_down),
      cmocka_unit_test_setup_teardown(tells_of_a_cut_wherever_it_is, set_up, tear_down),
      cmocka_unit_test_setup_teardown(refuses_a_flipped_bit_in_a_header, set_up, tear_down),
      cmocka_unit_test_setup_teardown(refuses_bytes_behind_the_end, set_up, tear_down),
      cmocka_unit_test_setup_teardown(refuses_links_and_what_is_no_archive, set_up, tear_down),
      cmocka_unit_test_setup_teardown(refuses_headers_that_make_no_sense, set_up, tear_down),
      cmocka_unit_test_setup_teardown(takes_the_longest_name_and_folders, set_up, tear_down),
      cmocka_unit_test_setup_teardown(ends_with_what_an_event_or_the_sink_says, set_up, tear_down),
      cmocka_unit_test_setup_teardown(writes_no_name_time_or_size_that_has_no_place, set_up, tear_down),
      cmocka_unit_test(knows_names_that_are_safe),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
