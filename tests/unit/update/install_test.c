// Installing a bundle into files in place of partitions: what is taken, what is refused and when, and what is touched.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bundles.h"
#include "wish.h"

#include "box.h"

static struct bundles bundles;
static struct box box;

static uint32_t be32_at(const struct base_buffer *bundle, size_t at) {
  const uint8_t *bytes = bundle->data + at;
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static size_t asked_bytes;
static bool counts;

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

void *__wrap_malloc(size_t bytes) {
  if (counts) asked_bytes += bytes;
  return __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes) {
  if (counts) asked_bytes += count * bytes;
  return __real_calloc(count, bytes);
}

void *__wrap_realloc(void *old, size_t bytes) {
  if (counts) asked_bytes += bytes;
  return __real_realloc(old, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
  if (counts) asked_bytes += bytes;
  return __real_aligned_alloc(alignment, bytes);
}

static void writes_both_images_and_switches_over(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  const struct integrity_digest before = box_digest(&box, SLOTS_A);
  const size_t steps[] = {1000, 65536, 1 << 20, 8 << 20};
  for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
    struct base_fault fault = {0};
    const struct update_config config = box_config(&box);
    if (install_pieces(&config, base_buffer_span(&bundle), steps[i], &fault) != BASE_OK) fail_msg("%s", fault.text);
    const struct slots_state now = box_state(&box);
    assert_int_equal(now.first, SLOTS_B);
    assert_int_equal(now.slots[SLOTS_B].mark, SLOTS_UNTRIED);
    assert_int_equal(now.slots[SLOTS_B].tries, SLOTS_TRIES);
    assert_string_equal(now.slots[SLOTS_B].version, "1.2.0");
    assert_int_equal(now.slots[SLOTS_A].mark, SLOTS_GOOD);
    assert_string_equal(now.slots[SLOTS_A].version, "1.1.0");
    assert_true(box_holds(&box, SLOTS_B, UPDATE_BOOT, bundles.boot));
    assert_true(box_holds(&box, SLOTS_B, UPDATE_ROOT, bundles.root));
    const struct integrity_digest after = box_digest(&box, SLOTS_A);
    assert_true(integrity_digest_equal(&before, &after));
  }
  base_buffer_finish(&bundle);
}

static void leaves_what_is_behind_the_image_alone(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  struct base_buffer before = read_file(box.partitions[SLOTS_B][UPDATE_ROOT]);
  const struct update_config config = box_config(&box);
  assert_int_equal(install_pieces(&config, base_buffer_span(&bundle), 65536, NULL), BASE_OK);
  struct base_buffer after = read_file(box.partitions[SLOTS_B][UPDATE_ROOT]);
  assert_int_equal(after.bytes, ROOT_PARTITION_BYTES);
  assert_memory_equal(before.data + ROOT_BYTES, after.data + ROOT_BYTES, ROOT_PARTITION_BYTES - ROOT_BYTES);
  base_buffer_finish(&before);
  base_buffer_finish(&after);
  base_buffer_finish(&bundle);
}

struct seen {
  int phases[UPDATE_FAILED + 1];
  uint64_t last_done;
  bool is_monotonic;
};

static void see(void *self, const struct update_progress *progress) {
  struct seen *seen = self;
  if (seen->phases[progress->phase]++ == 0) seen->last_done = 0;
  if (progress->done < seen->last_done || progress->done > progress->total) seen->is_monotonic = false;
  seen->last_done = progress->done;
  if (progress->phase == UPDATE_WRITING) assert_string_equal(progress->manifest.version, "1.2.0");
}

static void tells_how_far_it_is(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  struct update_config config = box_config(&box);
  struct seen seen = {.is_monotonic = true};
  config.note = see;
  config.self = &seen;
  assert_int_equal(install_pieces(&config, base_buffer_span(&bundle), 5000, NULL), BASE_OK);
  assert_true(seen.is_monotonic);
  assert_int_equal(seen.last_done, BOOT_BYTES + ROOT_BYTES);
  assert_true(seen.phases[UPDATE_WRITING] >= 4 && seen.phases[UPDATE_CHECKING] >= 4);
  assert_int_equal(seen.phases[UPDATE_DONE], 1);
  assert_int_equal(seen.phases[UPDATE_FAILED], 0);
  base_buffer_finish(&bundle);
}

// --- refused before anything is touched ---

static void refuse(struct wish wish, struct update_config config, enum base_result wanted, const char *text) {
  struct base_buffer bundle = make_bundle(&bundles, wish);
  const struct integrity_digest a = box_digest(&box, SLOTS_A), b = box_digest(&box, SLOTS_B);
  const struct slots_state before = box_state(&box);
  struct base_fault fault = {0};
  const enum base_result result = install_pieces(&config, base_buffer_span(&bundle), 4096, &fault);
  if (result != wanted || strstr(fault.text, text) == NULL)
    fail_msg("%s: %s, not %s: %s", base_result_name(result), fault.text, base_result_name(wanted), text);
  const struct integrity_digest a_now = box_digest(&box, SLOTS_A), b_now = box_digest(&box, SLOTS_B);
  const struct slots_state after = box_state(&box);
  assert_true(integrity_digest_equal(&a, &a_now) && integrity_digest_equal(&b, &b_now));
  assert_int_equal(before.sequence, after.sequence);
  base_buffer_finish(&bundle);
}

static void refuses_a_wrong_key_before_anything_is_touched(void **state) {
  (void)state;
  refuse((struct wish){.signers = "foreign"}, box_config(&box), BASE_FORBIDDEN, "key that this box trusts");
}

static void refuses_another_board(void **state) {
  (void)state;
  refuse((struct wish){.board = "other-board"}, box_config(&box), BASE_CONFLICT,
         "for the board other-board; this is test-board");
}

static void refuses_an_older_version_unless_it_is_asked_for(void **state) {
  (void)state;
  struct update_config config = box_config(&box);
  refuse((struct wish){.version = "1.0.9"}, config, BASE_CONFLICT, "older than 1.1.0");
  refuse((struct wish){.version = "1.1.0-rc1"}, config, BASE_CONFLICT, "older than 1.1.0");
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){.version = "1.0.9"});
  config.allows_older = true;
  assert_int_equal(install_pieces(&config, base_buffer_span(&bundle), 65536, NULL), BASE_OK);
  assert_string_equal(box_state(&box).slots[SLOTS_B].version, "1.0.9");
  base_buffer_finish(&bundle);
}

static void takes_the_same_version_again(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){.version = "1.1.0"});
  const struct update_config config = box_config(&box);
  assert_int_equal(install_pieces(&config, base_buffer_span(&bundle), 65536, NULL), BASE_OK);
  base_buffer_finish(&bundle);
}

static void refuses_what_is_below_the_floor_even_when_older_ones_are_asked_for(void **state) {
  (void)state;
  struct update_config config = box_config(&box);
  assert_int_equal(slots_mark_good(&box.loader, SLOTS_A, "1.0.5", NULL), BASE_OK);
  config.allows_older = true;
  refuse((struct wish){.version = "1.0.4"}, config, BASE_CONFLICT, "below 1.0.5");
  config.running_version = NULL;
  config.is_forced = true;
  refuse((struct wish){.version = "1.0.4"}, config, BASE_CONFLICT, "below 1.0.5");
}

static void refuses_an_image_that_is_larger_than_its_partition(void **state) {
  (void)state;
  assert_int_equal(truncate(box.partitions[SLOTS_B][UPDATE_ROOT], ROOT_BYTES - 1), 0);
  refuse((struct wish){0}, box_config(&box), BASE_TOO_LARGE, "the root image has");
  assert_int_equal(truncate(box.partitions[SLOTS_B][UPDATE_ROOT], ROOT_BYTES), 0);
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  const struct update_config config = box_config(&box);
  assert_int_equal(install_pieces(&config, base_buffer_span(&bundle), 65536, NULL), BASE_OK);
  base_buffer_finish(&bundle);
}

static void refuses_to_overwrite_the_other_slot_when_this_one_cannot_boot(void **state) {
  (void)state;
  assert_int_equal(slots_mark_bad(&box.loader, SLOTS_A, false, NULL), BASE_OK);
  struct update_config config = box_config(&box);
  refuse((struct wish){0}, config, BASE_CONFLICT, "only one that can boot");
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  config.is_forced = true;
  assert_int_equal(install_pieces(&config, base_buffer_span(&bundle), 65536, NULL), BASE_OK);
  base_buffer_finish(&bundle);
}

static void refuses_a_partition_that_is_none(void **state) {
  (void)state;
  struct update_config config = box_config(&box);
  config.devices[UPDATE_ROOT] = "/dev/null";
  refuse((struct wish){0}, config, BASE_UNSUPPORTED, "not a partition");
  config.devices[UPDATE_ROOT] = "/nowhere/rootB";
  refuse((struct wish){0}, config, BASE_NOT_FOUND, "/nowhere/rootB");
}

// --- damaged on the way: the target is lost, and nothing else ---

static void expect_only_target_lost(const struct integrity_digest *running) {
  const struct integrity_digest now = box_digest(&box, SLOTS_A);
  const struct slots_state state = box_state(&box);
  enum slots_id next;
  assert_true(integrity_digest_equal(running, &now));
  assert_true(slots_next(&state, &next));
  assert_int_equal(next, SLOTS_A);
  assert_true(state.slots[SLOTS_B].mark == SLOTS_BAD || strcmp(state.slots[SLOTS_B].version, "1.0.0") == 0);
}

static void refuses_a_flipped_bit_in_every_region(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  const struct integrity_digest running = box_digest(&box, SLOTS_A);
  const struct update_config config = box_config(&box);
  const size_t images = head_bytes_of(&bundle), manifest = UPDATE_HEAD_BYTES;
  const size_t places[] = {0,
                           9,
                           15,
                           19,
                           manifest + 8,
                           manifest + be32_at(&bundle, 12) - 2,
                           manifest + be32_at(&bundle, 12),
                           manifest + be32_at(&bundle, 12) + 9,
                           images - 1,
                           images,
                           images + BOOT_BYTES - 1,
                           images + BOOT_BYTES,
                           images + BOOT_BYTES + (1 << 20),
                           bundle.bytes - 1};
  for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
    struct base_fault fault = {0};
    bundle.data[places[i]] ^= 4;
    const enum base_result result = install_pieces(&config, base_buffer_span(&bundle), 65536, &fault);
    if (result == BASE_OK) fail_msg("byte %zu", places[i]);
    if (places[i] >= images) {
      assert_int_equal(result, BASE_CHECKSUM);
      assert_int_equal(box_state(&box).slots[SLOTS_B].mark, SLOTS_BAD);
    }
    bundle.data[places[i]] ^= 4;
    expect_only_target_lost(&running);
  }
  base_buffer_finish(&bundle);
}

static void refuses_a_bundle_that_is_cut_off_anywhere(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  const struct integrity_digest running = box_digest(&box, SLOTS_A);
  const struct update_config config = box_config(&box);
  const size_t images = head_bytes_of(&bundle);
  const size_t places[] = {0,
                           1,
                           19,
                           20,
                           100,
                           images - 1,
                           images,
                           images + 1,
                           images + BOOT_BYTES - 1,
                           images + BOOT_BYTES,
                           images + BOOT_BYTES + 1,
                           images + BOOT_BYTES + (1 << 20),
                           bundle.bytes - 1};
  for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
    struct base_fault fault = {0};
    assert_int_equal(install_pieces(&config, base_span_of(bundle.data, places[i]), 65536, &fault), BASE_BAD_INPUT);
    assert_non_null(strstr(fault.text, "cut off"));
    expect_only_target_lost(&running);
  }
  base_buffer_finish(&bundle);
}

static void refuses_bytes_behind_the_end(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  const struct integrity_digest running = box_digest(&box, SLOTS_A);
  const struct update_config config = box_config(&box);
  const size_t steps[] = {1 << 20, 8 << 20};
  assert_int_equal(base_buffer_append(&bundle, "", 1), BASE_OK);
  for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
    struct base_fault fault = {0};
    assert_int_equal(install_pieces(&config, base_buffer_span(&bundle), steps[i], &fault), BASE_BAD_INPUT);
    assert_non_null(strstr(fault.text, "behind the end"));
    expect_only_target_lost(&running);
  }
  base_buffer_finish(&bundle);
}

static void finds_a_byte_that_the_disk_does_not_give_back(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  const struct integrity_digest running = box_digest(&box, SLOTS_A);
  const struct update_config config = box_config(&box);
  static const struct {
    enum update_part part;
    off_t offset;
  } places[] = {{UPDATE_BOOT, 0}, {UPDATE_BOOT, BOOT_BYTES - 1}, {UPDATE_ROOT, 1 << 20}, {UPDATE_ROOT, ROOT_BYTES - 1}};
  for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
    struct update_install *install = NULL;
    struct base_fault fault = {0};
    uint8_t byte;
    assert_int_equal(update_install_begin(&config, &install, &fault), BASE_OK);
    assert_int_equal(update_install_write(install, base_buffer_span(&bundle), &fault), BASE_OK);
    const int fd = open(box.partitions[SLOTS_B][places[i].part], O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, places[i].offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, places[i].offset), 1);
    assert_int_equal(fsync(fd), 0);
    close(fd);
    assert_int_equal(update_install_finish(install, &fault), BASE_CORRUPT);
    assert_non_null(strstr(fault.text, places[i].part == UPDATE_BOOT ? "(boot)" : "(root)"));
    update_install_destroy(&install);
    assert_int_equal(box_state(&box).slots[SLOTS_B].mark, SLOTS_BAD);
    expect_only_target_lost(&running);
  }
  base_buffer_finish(&bundle);
}

static void ends_in_pieces_for_a_program_with_one_thread(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  const struct update_config config = box_config(&box);
  struct update_install *install = NULL;
  struct update_progress progress;
  bool is_done = false;
  int pieces = 0;
  assert_int_equal(update_install_begin(&config, &install, NULL), BASE_OK);
  assert_int_equal(update_install_write(install, base_buffer_span(&bundle), NULL), BASE_OK);
  assert_int_equal(update_install_end(install, NULL), BASE_OK);
  for (; !is_done; pieces++) {
    assert_int_not_equal(box_state(&box).slots[SLOTS_B].mark, SLOTS_UNTRIED);
    assert_int_equal(update_install_check(install, &is_done, NULL), BASE_OK);
  }
  assert_int_equal(pieces, 4);
  update_install_get_progress(install, &progress);
  assert_int_equal(progress.phase, UPDATE_DONE);
  update_install_destroy(&install);
  assert_int_equal(box_state(&box).slots[SLOTS_B].mark, SLOTS_UNTRIED);
  base_buffer_finish(&bundle);
}

static size_t memory_of(size_t root_bytes) {
  make_noise(bundles.root, root_bytes, 12);
  assert_int_equal(truncate(box.partitions[SLOTS_B][UPDATE_ROOT], (off_t)root_bytes), 0);
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  const struct update_config config = box_config(&box);
  asked_bytes = 0;
  counts = true;
  const enum base_result result = install_pieces(&config, base_buffer_span(&bundle), 65536, NULL);
  counts = false;
  assert_int_equal(result, BASE_OK);
  base_buffer_finish(&bundle);
  make_noise(bundles.root, ROOT_BYTES, 12);
  return asked_bytes;
}

// Counted is every byte that is asked for, given back or not.
static void takes_the_same_memory_whatever_the_size(void **state) {
  (void)state;
  const size_t small = memory_of(2 << 20), large = memory_of(24 << 20);
  assert_true(small > 1 << 20);
  assert_true(small < (1 << 20) + (128 << 10));
  assert_in_range(large, small - 64, small + 64);  // one more digit in the manifest
}

static int set_up(void **state) {
  *state = &bundles;
  bundles_begin(&bundles);
  bundles.keys = trust(&bundles, "old new");
  return 0;
}

static int set_up_box(void **state) {
  (void)state;
  box_begin(&box, &bundles);
  return 0;
}

static int tear_down_box(void **state) {
  (void)state;
  box_close(&box);
  return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_box, tear_down_box)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(writes_both_images_and_switches_over),
      TEST(leaves_what_is_behind_the_image_alone),
      TEST(tells_how_far_it_is),
      TEST(refuses_a_wrong_key_before_anything_is_touched),
      TEST(refuses_another_board),
      TEST(refuses_an_older_version_unless_it_is_asked_for),
      TEST(takes_the_same_version_again),
      TEST(refuses_what_is_below_the_floor_even_when_older_ones_are_asked_for),
      TEST(refuses_an_image_that_is_larger_than_its_partition),
      TEST(refuses_to_overwrite_the_other_slot_when_this_one_cannot_boot),
      TEST(refuses_a_partition_that_is_none),
      TEST(refuses_a_flipped_bit_in_every_region),
      TEST(refuses_a_bundle_that_is_cut_off_anywhere),
      TEST(refuses_bytes_behind_the_end),
      TEST(finds_a_byte_that_the_disk_does_not_give_back),
      TEST(ends_in_pieces_for_a_program_with_one_thread),
      TEST(takes_the_same_memory_whatever_the_size),
  };
  return cmocka_run_group_tests(tests, set_up, bundles_end);
}
