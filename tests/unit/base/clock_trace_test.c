#include "base/clock.h"

#include "base/trace.h"
#include "fake_clock.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void system_clock_never_goes_back(void **state) {
  (void)state;
  const struct base_clock *clock = base_clock_system();
  uint64_t before = base_clock_us(clock);
  for (int i = 0; i < 1000; i++) {
    const uint64_t now = base_clock_us(clock);
    assert_true(now >= before);
    before = now;
  }
  assert_true(base_clock_wall_s(clock) > 1700000000);
}

static void random_bytes_fill_the_whole_range(void **state) {
  (void)state;
  // 64 draws leave a byte at 0 every time with probability 2^-512.
  uint8_t seen[600] = {0}, drawn[600];
  for (int i = 0; i < 64; i++) {
    base_random_bytes(drawn, sizeof drawn);
    for (size_t j = 0; j < sizeof drawn; j++) seen[j] |= drawn[j];
  }
  for (size_t j = 0; j < sizeof seen; j++) assert_int_not_equal(seen[j], 0);
  base_random_bytes(NULL, 0);
}

static void trace_formats_the_closed_spans(void **state) {
  (void)state;
  struct fake_clock fake;
  fake_clock_init(&fake, 0);
  struct base_trace trace = {.clock = &fake.clock};
  const size_t decode = base_trace_begin(&trace, "decode");
  fake_clock_advance_us(&fake, 12340);
  base_trace_end(&trace, decode);
  const size_t resample = base_trace_begin(&trace, "resample");
  (void)base_trace_begin(&trace, "open");
  fake_clock_advance_us(&fake, 4550);
  base_trace_end(&trace, resample);
  char out[64];
  base_trace_format(&trace, out, sizeof out);
  assert_string_equal(out, "decode;dur=12.3, resample;dur=4.6");
  base_trace_format(&trace, out, strlen("decode;dur=12.3, resample;dur=4.6"));
  assert_string_equal(out, "decode;dur=12.3");
  base_trace_format(&trace, out, 4);
  assert_string_equal(out, "");
}

static void spans_are_dropped_when_there_are_too_many(void **state) {
  (void)state;
  struct fake_clock fake;
  fake_clock_init(&fake, 0);
  struct base_trace trace = {.clock = &fake.clock};
  for (int i = 0; i < BASE_TRACE_MAX_SPANS + 3; i++) base_trace_end(&trace, base_trace_begin(&trace, "s"));
  assert_int_equal(trace.count, BASE_TRACE_MAX_SPANS);
  base_trace_end(NULL, base_trace_begin(NULL, "s"));
  char out[8] = "x";
  base_trace_format(NULL, out, sizeof out);
  assert_string_equal(out, "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(system_clock_never_goes_back),
      cmocka_unit_test(random_bytes_fill_the_whole_range),
      cmocka_unit_test(trace_formats_the_closed_spans),
      cmocka_unit_test(spans_are_dropped_when_there_are_too_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
