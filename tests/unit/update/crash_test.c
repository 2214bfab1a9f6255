// The power goes at every single write and sync of an install: whatever of the unsynced sectors reached the disk, the
// running slot is as it was, the state can be read, what boots next is whole, and the update can be done again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>

#define ROOT_BYTES ((1 << 20) + 4567)
#include "bundles.h"
#include "wish.h"

#include "box.h"

enum { SECTOR_BYTES = 512, MAX_UNSYNCED = 64, SEEDS = 4, NEVER = 1 << 30 };

static struct bundles bundles;
static struct box box;

// --- a disk that loses what was not synced ---

static struct write {
  dev_t device;
  ino_t inode;
  off_t offset;
  size_t bytes;
  uint8_t *old;
} unsynced[MAX_UNSYNCED];
static size_t unsynced_count;
static bool is_watching;
static int steps, power_goes_at;

ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

static bool has_power(void) { return !is_watching || steps++ < power_goes_at; }

ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset) {
  struct stat info;
  if (!has_power()) return errno = EIO, -1;
  if (is_watching) {
    assert_true(unsynced_count < MAX_UNSYNCED);
    assert_int_equal(fstat(fd, &info), 0);
    struct write *write = &unsynced[unsynced_count++];
    *write = (struct write){info.st_dev, info.st_ino, offset, bytes, calloc(1, bytes)};
    assert_non_null(write->old);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);  // `fd` may be for writing only
    const int in = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(in >= 0 && pread(in, write->old, bytes, offset) >= 0);
    close(in);
  }
  return __real_pwrite(fd, data, bytes, offset);
}

int __wrap_fsync(int fd) {
  struct stat info;
  if (!has_power()) return errno = EIO, -1;
  if (!is_watching) return 0;  // nobody pulls the test's own plug
  assert_int_equal(fstat(fd, &info), 0);
  size_t kept = 0;
  for (size_t i = 0; i < unsynced_count; i++) {
    if (unsynced[i].inode == info.st_ino && unsynced[i].device == info.st_dev)
      free(unsynced[i].old);
    else
      unsynced[kept++] = unsynced[i];
  }
  unsynced_count = kept;
  return 0;
}

static const char *path_of(const struct write *write) {
  const char *paths[] = {box.bootenv, box.partitions[0][0], box.partitions[0][1], box.partitions[1][0],
                         box.partitions[1][1]};
  for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
    struct stat info;
    if (stat(paths[i], &info) == 0 && info.st_ino == write->inode && info.st_dev == write->device) return paths[i];
  }
  fail_msg("something else was written");
  return NULL;
}

// Of every sector that was not synced either the old or the new bytes are there.
static void lose_power(uint32_t seed) {
  while (unsynced_count > 0) {
    struct write *write = &unsynced[--unsynced_count];
    const int fd = open(path_of(write), O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t at = 0; at < write->bytes; at += SECTOR_BYTES) {
      const size_t bytes = write->bytes - at < SECTOR_BYTES ? write->bytes - at : SECTOR_BYTES;
      if (next_random(&seed) % 2 == 0) continue;
      assert_int_equal(__real_pwrite(fd, write->old + at, bytes, write->offset + (off_t)at), (ssize_t)bytes);
    }
    close(fd);
    free(write->old);
  }
}

// --- what has to be so afterwards ---

static void expect_bootable(const struct integrity_digest *a, const struct integrity_digest *b, int step) {
  const struct integrity_digest a_now = box_digest(&box, SLOTS_A), b_now = box_digest(&box, SLOTS_B);
  const struct slots_state state = box_state(&box);
  enum slots_id next;
  assert_true(integrity_digest_equal(a, &a_now));
  assert_true(slots_is_bootable(&state, SLOTS_A));
  assert_string_equal(state.slots[SLOTS_A].version, "1.1.0");
  if (!slots_next(&state, &next)) fail_msg("step %d: nothing boots", step);
  if (!slots_is_bootable(&state, SLOTS_B)) {
    assert_int_equal(next, SLOTS_A);
  } else if (strcmp(state.slots[SLOTS_B].version, "1.0.0") == 0) {
    if (!integrity_digest_equal(b, &b_now)) fail_msg("step %d: slot B is touched and may boot", step);
  } else {
    assert_string_equal(state.slots[SLOTS_B].version, "1.2.0");
    assert_int_equal(next, SLOTS_B);
    if (!box_holds(&box, SLOTS_B, UPDATE_BOOT, bundles.boot) || !box_holds(&box, SLOTS_B, UPDATE_ROOT, bundles.root))
      fail_msg("step %d: slot B is not whole and boots", step);
  }
}

static enum base_result install(const struct base_buffer *bundle, int last_step) {
  const struct update_config config = box_config(&box);
  steps = 0;
  power_goes_at = last_step;
  is_watching = true;
  const enum base_result result = install_pieces(&config, base_buffer_span(bundle), 50000, NULL);
  is_watching = false;
  return result;
}

static void survives_a_power_cut_at_every_step(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  int refused = 0, count = 1;
  for (int step = 0; step <= count; step++) {
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
      box_begin(&box, &bundles);
      const struct integrity_digest a = box_digest(&box, SLOTS_A), b = box_digest(&box, SLOTS_B);
      if (step == 0 && seed == 1) {
        assert_int_equal(install(&bundle, NEVER), BASE_OK);  // how many steps there are
        count = steps;
        lose_power(seed);
        expect_bootable(&a, &b, NEVER);
        assert_int_equal(box_state(&box).first, SLOTS_B);
      } else {
        refused += install(&bundle, step) != BASE_OK;
        box_close(&box);
        lose_power((uint32_t)step * 7919 + seed);
        box_open(&box);
        expect_bootable(&a, &b, step);
        assert_int_equal(install(&bundle, NEVER), BASE_OK);
        lose_power(seed);
        expect_bootable(&a, &b, step);
        assert_string_equal(box_state(&box).slots[SLOTS_B].version, "1.2.0");
      }
      box_close(&box);
    }
  }
  print_message("%d writes and syncs, %d installs cut off\n", count, refused);
  assert_true(count >= 20);
  assert_int_equal(refused, count * SEEDS - 1);
  base_buffer_finish(&bundle);
}

static int set_up(void **state) {
  *state = &bundles;
  bundles_begin(&bundles);
  bundles.keys = trust(&bundles, "old");
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(survives_a_power_cut_at_every_step)};
  return cmocka_run_group_tests(tests, set_up, bundles_end);
}
