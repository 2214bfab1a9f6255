// A disk that refuses, is full, takes less than it was given, or is interrupted, at each of an install's calls.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>

#define ROOT_BYTES ((1 << 20) + 4567)
#include "bundles.h"
#include "wish.h"

#include "box.h"

enum { NEVER = 1 << 30 };

static struct bundles bundles;
static struct box box;

enum kind { FAILS, IS_SHORT, IS_INTERRUPTED };

static struct {
  bool is_on;
  enum kind kind;
  int error;
  int calls, fails_at;
} trouble;

ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t __real_pread(int fd, void *data, size_t bytes, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t bytes, off_t offset);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

static bool strikes(void) { return trouble.is_on && trouble.calls++ == trouble.fails_at; }

static size_t shorter(size_t bytes) { return bytes > 4096 ? 4096 : bytes; }

ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset) {
  if (!strikes()) return __real_pwrite(fd, data, bytes, offset);
  if (trouble.kind == IS_SHORT) return __real_pwrite(fd, data, shorter(bytes), offset);
  return errno = trouble.kind == FAILS ? trouble.error : EINTR, -1;
}

ssize_t __wrap_pread(int fd, void *data, size_t bytes, off_t offset) {
  if (!strikes()) return __real_pread(fd, data, bytes, offset);
  if (trouble.kind == IS_SHORT) return __real_pread(fd, data, shorter(bytes), offset);
  return errno = trouble.kind == FAILS ? trouble.error : EINTR, -1;
}

int __wrap_fsync(int fd) {
  (void)fd;
  if (!trouble.is_on || trouble.kind != FAILS || !strikes()) return 0;
  return errno = trouble.error, -1;
}

static enum base_result install(const struct base_buffer *bundle, enum kind kind, int error, int at,
                                struct base_fault *fault) {
  const struct update_config config = box_config(&box);
  trouble.kind = kind;
  trouble.error = error;
  trouble.calls = 0;
  trouble.fails_at = at;
  trouble.is_on = true;
  const enum base_result result = install_pieces(&config, base_buffer_span(bundle), 50000, fault);
  trouble.is_on = false;
  return result;
}

static void expect_running_slot_whole(const struct integrity_digest *a) {
  const struct integrity_digest now = box_digest(&box, SLOTS_A);
  const struct slots_state state = box_state(&box);
  enum slots_id next;
  assert_true(integrity_digest_equal(a, &now));
  assert_true(slots_is_bootable(&state, SLOTS_A));
  assert_true(slots_next(&state, &next));
  if (next == SLOTS_B)
    assert_true(box_holds(&box, SLOTS_B, UPDATE_BOOT, bundles.boot) &&
                box_holds(&box, SLOTS_B, UPDATE_ROOT, bundles.root));
}

static void fail_everywhere(int error, enum base_result wanted) {
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  box_begin(&box, &bundles);
  const struct integrity_digest a = box_digest(&box, SLOTS_A);
  assert_int_equal(install(&bundle, FAILS, error, NEVER, NULL), BASE_OK);
  const int count = trouble.calls;
  assert_true(count > 30);
  box_close(&box);
  for (int at = 0; at < count; at++) {
    struct base_fault fault = {0};
    box_begin(&box, &bundles);
    const enum base_result result = install(&bundle, FAILS, error, at, &fault);
    if (result != wanted) fail_msg("call %d of %d: %s (%s)", at, count, base_result_name(result), fault.text);
    assert_non_null(strstr(fault.text, strerror(error)));
    expect_running_slot_whole(&a);
    assert_int_equal(install(&bundle, FAILS, error, NEVER, NULL), BASE_OK);
    assert_int_equal(box_state(&box).first, SLOTS_B);
    box_close(&box);
  }
  base_buffer_finish(&bundle);
}

static void is_said_when_the_disk_fails(void **state) {
  (void)state;
  fail_everywhere(EIO, BASE_IO);
}

static void is_said_when_the_disk_is_full(void **state) {
  (void)state;
  fail_everywhere(ENOSPC, BASE_NO_SPACE);
}

static void get_over(enum kind kind) {
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  int count = 1;
  for (int at = 0; at < count; at++) {
    struct base_fault fault = {0};
    box_begin(&box, &bundles);
    if (install(&bundle, kind, 0, at, &fault) != BASE_OK) fail_msg("call %d: %s", at, fault.text);
    count = trouble.calls;
    assert_true(box_holds(&box, SLOTS_B, UPDATE_BOOT, bundles.boot) &&
                box_holds(&box, SLOTS_B, UPDATE_ROOT, bundles.root));
    box_close(&box);
  }
  assert_true(count > 20);
  base_buffer_finish(&bundle);
}

static void goes_on_when_the_disk_takes_or_gives_less(void **state) {
  (void)state;
  get_over(IS_SHORT);
}

static void goes_on_when_it_is_interrupted(void **state) {
  (void)state;
  get_over(IS_INTERRUPTED);
}

static int set_up(void **state) {
  *state = &bundles;
  bundles_begin(&bundles);
  bundles.keys = trust(&bundles, "old");
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_said_when_the_disk_fails),
      cmocka_unit_test(is_said_when_the_disk_is_full),
      cmocka_unit_test(goes_on_when_the_disk_takes_or_gives_less),
      cmocka_unit_test(goes_on_when_it_is_interrupted),
  };
  return cmocka_run_group_tests(tests, set_up, bundles_end);
}
