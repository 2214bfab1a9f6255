// Small files whose parts refer to each other over and over: what they may cost is bounded, and it is said.
#include "scan_rig.h"

#include "inspect/inspect.h"

enum { CAPACITY = 16 << 20 };

static uint8_t *data;
static size_t used;

static void put_le(uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; i++) data[used++] = (uint8_t)(value >> 8 * i);
}
static void put_be(uint64_t value, unsigned bytes) {
  for (unsigned i = bytes; i-- > 0;) data[used++] = (uint8_t)(value >> 8 * i);
}
static void put(const void *bytes, size_t count) {
  memcpy(data + used, bytes, count);
  used += count;
}
static void fill(uint8_t byte, size_t count) {
  memset(data + used, byte, count);
  used += count;
}

// Findings of this rule whose text has `text` in it.
static struct image_report expect(enum image_rule rule, const char *text) {
  const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  struct image_report report;
  unsigned found = 0;
  assert_true(used <= CAPACITY);
  assert_int_equal(inspect_file(base_span_of(data, used), &limits, &report, NULL), BASE_OK);
  for (uint32_t i = 0; i < report.finding_count; i++) {
    print_message("%s: %s\n", report.findings[i].place, report.findings[i].text);
    found += report.findings[i].rule == rule && strstr(report.findings[i].text, text) != NULL;
  }
  assert_int_equal(found, 1);
  return report;
}

// --- the budget itself ---

static void steps_are_counted_and_their_end_is_said_once(void **state) {
  struct scan_rig rig;
  const uint64_t most = INSPECT_FREE_STEPS + 2 * 1000;
  (void)state;
  scan_rig_init(&rig, data, 1000);
  assert_true(inspect_spend(&rig.walk, most - 1));
  assert_true(inspect_spend(&rig.walk, 1));
  assert_true(inspect_spend(&rig.walk, 0));
  assert_int_equal(scan_rig_findings(&rig), 0);
  assert_false(inspect_spend(&rig.walk, UINT64_MAX));
  assert_false(inspect_spend(&rig.walk, 1));
  assert_false(inspect_spend(&rig.walk, 0));
  assert_int_equal(scan_rig_findings(&rig), 1);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_NESTING], 1);
  // Texts ask for it.
  scan_rig_init(&rig, data, 1000);
  for (uint64_t i = 0; i <= most / 1000 + 1; i++) inspect_text(&rig.walk, base_span_of(data, 1000), "text");
  assert_true(rig.walk.is_spent && rig.report.text_bytes <= most);
}

// --- TIFF: BigTIFF has directories of as many entries as one likes ---

static void begin_big_tiff(uint64_t entries) {
  used = 0;
  put("II+\0\10\0\0\0", 8);
  put_le(16, 8);
  put_le(entries, 8);
}
static void put_entry(unsigned tag, unsigned type, uint64_t count, uint64_t value) {
  put_le(tag, 2);
  put_le(type, 2);
  put_le(count, 8);
  put_le(value, 8);
}

static void entries_of_one_tag_are_read_once(void **state) {
  enum { ENTRIES = 100000, VALUE_BYTES = 4 << 20 };
  static const struct { unsigned tag, type; } cases[] = {{34377, 1}, {330, 18}, {271, 2}, {700, 1}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const uint64_t value = 16 + 8 + (uint64_t)ENTRIES * 20 + 8;
    begin_big_tiff(ENTRIES);
    for (int k = 0; k < ENTRIES; k++)
      put_entry(cases[i].tag, cases[i].type, cases[i].type == 18 ? 4096 : VALUE_BYTES, value);
    put_le(0, 8);
    fill(' ', VALUE_BYTES);
    const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    struct image_report report;
    assert_int_equal(inspect_file(base_span_of(data, used), &limits, &report, NULL), BASE_OK);
    assert_true(report.rule_counts[IMAGE_RULE_STRUCTURE] >= ENTRIES - 1);
    assert_true(report.text_bytes <= 2 * used);
  }
}

// 40,000 tags with the same 4 MiB of text.
static void values_that_are_shared_are_not_read_without_end(void **state) {
  enum { ENTRIES = 40000, VALUE_BYTES = 4 << 20 };
  (void)state;
  const uint64_t value = 16 + 8 + (uint64_t)ENTRIES * 20 + 8;
  begin_big_tiff(ENTRIES);
  for (unsigned k = 0; k < ENTRIES; k++) put_entry(1000 + k, 2, VALUE_BYTES, value);
  put_le(0, 8);
  fill(' ', VALUE_BYTES);
  struct image_report report = expect(IMAGE_RULE_NESTING, "over and over");
  assert_true(report.text_bytes <= INSPECT_FREE_STEPS + 2 * used);
}

// 4,096 directories, each with the same list of all of them.
static void directories_that_name_each_other_are_not_followed_without_end(void **state) {
  enum { DIRECTORIES = 4096, DIRECTORY_BYTES = 8 + 20 + 8 };
  (void)state;
  const uint64_t first = 16, list = first + (uint64_t)DIRECTORIES * DIRECTORY_BYTES;
  used = 0;
  put("II+\0\10\0\0\0", 8);
  put_le(first, 8);
  for (int i = 0; i < DIRECTORIES; i++) {
    put_le(1, 8);
    put_entry(330, 16, DIRECTORIES, list);
    put_le(0, 8);
  }
  for (uint64_t i = 0; i < DIRECTORIES; i++) put_le(first + i * DIRECTORY_BYTES, 8);
  // Each pair would be one finding; those that stand in the report are of the first.
  const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  struct image_report report;
  assert_int_equal(inspect_file(base_span_of(data, used), &limits, &report, NULL), BASE_OK);
  assert_in_range(report.rule_counts[IMAGE_RULE_NESTING], 1, INSPECT_FREE_STEPS / 1000);
}

// --- HEIF ---

static size_t open_box(const char *type, int version) {
  const size_t at = used;
  put_be(0, 4);
  put(type, 4);
  if (version >= 0) put_be((uint64_t)version << 24, 4);
  return at;
}
static void close_box(size_t at) {
  const size_t end = used;
  used = at;
  put_be(end - at, 4);
  used = end;
}

static void put_item(unsigned id, const char *type) {
  const size_t at = open_box("infe", 2);
  put_be(id, 2);
  put_be(0, 2);
  put(type, 4);
  put_be(0, 1);
  close_box(at);
}

static void pictures_of_the_same_pictures_are_not_followed_without_end(void **state) {
  enum { REFERENCES = 8192, ITEMS = 2048, TOP = ITEMS - 1, MIDDLE, LEAF = 1 };
  (void)state;
  used = 0;
  size_t at = open_box("ftyp", -1);
  put("heic\0\0\0\0mif1heic", 16);
  close_box(at);
  const size_t meta = open_box("meta", 0);
  at = open_box("pitm", 0);
  put_be(LEAF, 2);
  close_box(at);
  at = open_box("iinf", 0);
  put_be(ITEMS, 2);
  for (unsigned id = 1; id <= ITEMS; id++) put_item(id, id >= TOP ? "iden" : "hvc1");
  close_box(at);
  const size_t iref = open_box("iref", 0);
  for (unsigned from = TOP; from <= MIDDLE; from++) {
    at = open_box("dimg", -1);
    put_be(from, 2);
    put_be(REFERENCES, 2);
    for (int i = 0; i < REFERENCES; i++) put_be(from == TOP ? (unsigned)MIDDLE : (unsigned)TOP - 1, 2);
    close_box(at);
  }
  close_box(iref);
  close_box(meta);
  expect(IMAGE_RULE_NESTING, "over and over");
}

// --- EXIF ---

static void texts_of_an_oversized_block_are_not_read_without_end(void **state) {
  enum { ENTRIES = 4095, VALUE_BYTES = 8 << 20 };
  struct scan_rig rig;
  (void)state;
  used = 0;
  put("II*\0\10\0\0\0", 8);
  put_le(ENTRIES, 2);
  for (unsigned i = 0; i < ENTRIES; i++) {
    put_le(0x9000 + i, 2);
    put_le(2, 2);
    put_le(VALUE_BYTES, 4);
    put_le(8 + 2 + ENTRIES * 12 + 4, 4);
  }
  put_le(0, 4);
  fill('a', VALUE_BYTES);
  scan_rig_init(&rig, data, used);
  inspect_exif(&rig.walk, rig.walk.file, "eXIf");
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_CHUNK_SIZE] >= 1, true);
  assert_in_range(rig.report.text_bytes, 1, 4 << 20);
}

// --- GIF ---

static void comment_of_tiny_blocks_is_read_as_one(void **state) {
  enum { BLOCKS = 2 << 20 };
  (void)state;
  used = 0;
  put("GIF89a\x08\0\x04\0\x80\0\0\0\0\0\xFF\xFF\xFF\x21\xFE", 21);
  for (int i = 0; i < BLOCKS; i++) put("\1a", 2);
  for (const char *at = "<script>"; *at; at++) {
    put("\1", 1);
    put(at, 1);
  }
  put("\0\x2C\0\0\0\0\x08\0\x04\0\0\2\2\x44\1\0\x3B", 17);
  struct image_report report = expect(IMAGE_RULE_TEXT, "<script");
  assert_int_equal(report.text_bytes, BLOCKS + 8);
}

static int make_room(void **state) {
  (void)state;
  data = malloc(CAPACITY);
  return data ? 0 : -1;
}
static int free_room(void **state) {
  (void)state;
  free(data);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(steps_are_counted_and_their_end_is_said_once),
      cmocka_unit_test(entries_of_one_tag_are_read_once),
      cmocka_unit_test(values_that_are_shared_are_not_read_without_end),
      cmocka_unit_test(directories_that_name_each_other_are_not_followed_without_end),
      cmocka_unit_test(pictures_of_the_same_pictures_are_not_followed_without_end),
      cmocka_unit_test(texts_of_an_oversized_block_are_not_read_without_end),
      cmocka_unit_test(comment_of_tiny_blocks_is_read_as_one),
  };
  return cmocka_run_group_tests(tests, make_room, free_room);
}
